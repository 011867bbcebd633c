"""Parts of the stall screen without a browser: PINs, attempts, sessions, keypad, open values, limits, static pages."""

from itertools import pairwise

import pytest
from typer.testing import CliRunner

from hostagent.public.limits import Limit
from hostagent.screen.entries import Keypad
from hostagent.screen.facts import bare
from hostagent.screen.pin import check_pin, hash_pin
from hostagent.screen.sessions import (
    FORGOTTEN_S,
    LASTS_S,
    LONGEST_S,
    MOST,
    MOST_COUNTED,
    TRIES,
    Attempts,
    Sessions,
)
from hostagent.screen.values import Row
from tests.host.hostkit import host_folder
from tests.world import World


class Clock:
    """Seconds by hand."""

    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


def test_a_pin_is_known_by_its_hash_alone_and_a_broken_hash_is_nobodys():
    stored = hash_pin("246810")
    assert "246810" not in stored and hash_pin("246810") != stored
    assert check_pin("246810", stored) and not check_pin("246811", stored)
    for broken in ("", "scrypt$1$1$1", stored[:-9], stored.replace("16384", "99999999999"), "scrypt$2$8$1$$"):
        assert not check_pin("246810", broken)
    with pytest.raises(ValueError, match="6 to 32"):
        hash_pin("12345")


def test_after_five_wrong_pins_a_name_waits_from_everywhere_twice_as_long_each_time():
    now = Clock()
    attempts = Attempts(now)
    for _ in range(TRIES):
        assert attempts.wait_s("Ana", "10.0.0.1") == 0
        attempts.wrong("Ana", "10.0.0.1")
    assert attempts.wait_s("Ana", "10.0.0.2") > 0 and attempts.wait_s("Cem", "10.0.0.1") > 0
    assert attempts.wait_s("Cem", "10.0.0.2") == 0
    waits = []
    for _ in range(12):
        waits.append(attempts.wait_s("Ana", "10.0.0.2"))
        now.s += waits[-1]
        assert attempts.wait_s("Ana", "10.0.0.2") == 0
        attempts.wrong("Ana", "10.0.0.2")
    assert all(later >= min(2 * sooner - 2, LONGEST_S) for sooner, later in pairwise(waits))
    now.s += FORGOTTEN_S + 1
    assert attempts.wait_s("Ana", "10.0.0.1") == 0


def test_two_days_of_trying_find_no_pin_of_six_digits():
    now = Clock()
    attempts = Attempts(now)
    end, tries = now.s + 2 * 24 * 3600, 0
    while now.s < end:
        attempts.wrong("Ana", f"10.0.0.{tries}")
        tries += 1
        now.s += attempts.wait_s("Ana", f"10.0.0.{tries}")
    assert tries < 40


def test_strangers_lock_no_known_browser_and_the_right_pin_clears_no_strangers_count():
    now = Clock()
    attempts = Attempts(now)
    known = attempts.right("Ana")
    for tries in range(40):
        attempts.wrong("Ana", f"10.0.0.{tries % 3}", "made up")
    assert attempts.wait_s("Ana", "10.0.0.1", known) == 0
    before = attempts.wait_s("Ana", "10.0.0.9")
    assert before > 0 and attempts.wait_s("Ana", "10.0.0.9", "made up") > 0
    assert attempts.wait_s("Cem", "10.0.0.9", known) > 0, "known as Ana alone"
    assert attempts.right("Ana", known) == known
    assert attempts.wait_s("Ana", "10.0.0.9") == before
    for _ in range(TRIES):
        attempts.wrong("Ana", "10.0.0.1", known)
    assert attempts.wait_s("Ana", "10.0.0.1", known) > 0, "a stolen one waits, too"


def test_many_made_up_names_make_no_count_of_a_name_go_away():
    now = Clock()
    attempts = Attempts(now)
    for _ in range(TRIES + 3):
        attempts.wrong("Ana", "10.0.0.1")
    for number in range(3000):
        attempts.wrong(f"nobody {number}", f"10.1.{number // 250}.{number % 250}")
    assert attempts.wait_s("Ana", "10.0.0.9") > 0 and len(attempts._wrong) <= 2 * MOST_COUNTED


def test_a_session_ends_with_its_time_with_sign_out_and_when_there_are_too_many():
    now = Clock()
    sessions = Sessions(now)
    first = sessions.begin("Ana", True)
    assert sessions.find(first.token) is first and sessions.find("no such") is None
    now.s += LASTS_S + 1
    assert sessions.find(first.token) is None and not sessions.good(first)
    many = [sessions.begin("Ana", True) for _ in range(MOST + 1)]
    assert sessions.find(many[0].token) is None and sessions.good(many[-1])
    sessions.end(many[-1].token)
    assert not sessions.good(many[-1])


def test_the_keypad_pushes_digits_to_the_left_and_stops_at_seven():
    pad = Keypad()
    for key in ("1", "6", "00", "5", "⌫"):
        pad.press(key)
    assert pad.minor == 1600
    for _ in range(9):
        pad.press("9")
    assert pad.minor == 1600999


@pytest.mark.parametrize(
    ("unit", "typed", "value", "shown"),
    [
        ("percent", "12,5", 1250, "12.5 %"),
        ("percent", "10 %", 1000, "10 %"),
        ("money", "4.50", 450, "4.5 EUR"),
        ("pieces", "20", 20, "20"),
        ("time", "90", 5_400_000, "90 min"),
    ],
)
def test_open_values_are_typed_in_the_units_of_people(unit, typed, value, shown):
    row = Row(0, "it", unit, 0, 10**9, value, "EUR", None, None)
    assert row.parse(typed) == value and row.text(value) == shown
    for wrong in ("", "many", "1e999", "NaN", "0.00001"):
        with pytest.raises(ValueError, match="number"):
            row.parse(wrong)


def test_a_phone_may_ask_so_often_and_all_phones_together_so_often():
    now = Clock()
    limit = Limit(3, 5, 60, now)
    assert [limit.take("a") for _ in range(4)] == [True, True, True, False]
    assert [limit.take("b") for _ in range(3)] == [True, True, False]
    now.s += 60
    assert limit.take("a") and limit.take("c")


def test_the_outcome_is_not_said_twice():
    assert bare("Granted: a sample.") == "A sample."
    assert bare("Training: Nothing this time: not yet.") == "Training: Not yet."
    assert bare("The day was closed.") == "The day was closed."


def test_the_pages_as_files_hold_terms_and_lead_to_the_public_address(tmp_path):
    from cli.main import app

    path = host_folder(World(883), tmp_path / "host")
    found = CliRunner().invoke(app, ["host", "pages", "--config", str(path), str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    poster = (tmp_path / "out" / "poster.html").read_text()
    assert "http://stall.test/q/stall" in poster and 'href="assets/style.css"' in poster
    assert 'lang="de"' in (tmp_path / "out" / "de" / "terms.html").read_text()
    assert (tmp_path / "out" / "assets" / "style.css").exists()
