"""The desk on tags that are its own already: counters that must not go back, tags of an earlier event; readers pulled out."""

import json
import random
from typing import Any

import pytest
from brick.counters import Counters
from brick.tags import Tags
from stallmark.numbers import TRUST_LIVE
from test_desk_reader import UID, Bench
from test_desk_reader import bench as bench  # noqa: PLC0414 - the fixture
from virtualkit import tags
from virtualkit.ntag424 import Ntag424
from workbench import desk, deskcli, tag424, tagmaster

ADDRESS = "https://stall.example/t"
KEYS = tagmaster.event_keys(bytes(range(32)), b"event-01")


def made(readings: int = 0) -> Ntag424:
    """A tag of the event that was read so often."""
    card = Ntag424(UID, random.Random(1))
    tag424.personalise(card.apdu, UID, KEYS, ADDRESS)
    for _ in range(readings):
        tag424._read_once(card.apdu)
    return card


def brick_that_knows(counter: int) -> Tags:
    class Identity:
        tag_keys = None

    brick = Tags(Identity(), None, Counters())
    assert brick.fresh(TRUST_LIVE, b"subject8", counter)
    return brick


@pytest.mark.parametrize("address", [ADDRESS, "https://other.example/t"])
def test_a_tag_that_is_written_again_is_no_copy_of_itself(address: str) -> None:
    card = made(50)
    known = card.counter
    assert known == 51
    again = tag424.personalise(card.apdu, UID, KEYS, address, again=True)
    assert again.link.startswith(address) and not again.restarted
    assert brick_that_knows(known).fresh(TRUST_LIVE, b"subject8", again.counter)


def test_a_counter_too_high_to_be_brought_back_is_left_alone_and_an_unknown_one_is_said() -> None:
    card = made()
    card.counter = 50_000
    with pytest.raises(tag424.TagError, match="another one, and it was read 5000"):
        tag424.personalise(card.apdu, UID, KEYS, "https://other.example/t", again=True)
    assert card.counter > 50_000 and tag424.check(card.apdu, UID, KEYS).uid == UID
    card.files[2].sdm = False  # torn away while it was written anew
    assert tag424.personalise(card.apdu, UID, KEYS, ADDRESS, again=True).restarted


def next_event(bench: Bench, former: list[str]) -> None:
    held = json.loads(bench.keys.read_text()) | {
        "event": b"event-02".hex(),
        "event_key": bytes(32).hex(),
        "former": former,
    }
    bench.keys.write_text(json.dumps(held))
    bench.held = desk.load_keys(bench.keys)


def test_tags_of_an_earlier_event_are_taken_over(bench: Bench) -> None:
    secure, plain = Ntag424(UID, random.Random(1)), tags.ntag215(UID)
    for card in (secure, plain):
        assert bench.do("write-tag", card)[0] == 0
    next_event(bench, [])
    for card in (secure, plain):
        code, said = bench.do("write-tag", card)
        assert code == 1 and "former" in said["error"], "what to do"
    next_event(bench, [b"event-00".hex(), b"event-01".hex()])
    code, said = bench.do("write-tag", secure)
    assert code == 0 and said["trust"] == 6, said
    assert secure.keys == list(tagmaster.tag_keys(bench.held.tags, UID))
    code, said = bench.do("write-tag", plain)
    assert code == 0 and said["trust"] == 3, said


def test_a_tag_torn_away_between_two_events_is_taken_up_again() -> None:
    for torn in range(8, 22):
        card = made()
        apdu, left = card.apdu, torn

        def leaving(command: bytes, apdu: tag424.Exchange = apdu) -> bytes:
            nonlocal left
            left -= 1
            return b"\x6f\x00" if left <= 0 else apdu(command)

        new = tagmaster.event_keys(bytes(range(32)), b"event-02")
        with pytest.raises(tag424.TagError):
            tag424.personalise(leaving, UID, new, ADDRESS, former=[KEYS])
        card.power_off()
        done = tag424.personalise(apdu, UID, new, ADDRESS, again=True, former=[KEYS])
        assert done.uid == UID and card.keys == list(tagmaster.tag_keys(new, UID)), torn


@pytest.mark.parametrize("address", ["http://stall.example/t", 7, None])
def test_an_address_that_is_none_is_said_before_a_tag_is_touched(bench: Bench, address: Any) -> None:
    held = json.loads(bench.keys.read_text()) | {"address": address}
    bench.keys.write_text(json.dumps(held))
    code, said = bench.do("write-tag", None)
    assert code == 1 and "is not a desk's key file" in said["error"] and "address" in said["error"]


def test_a_reader_pulled_out_is_said_whatever_it_was_doing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    selected, calls = tag424._selected, 0

    def pulled(exchange: tag424.Exchange) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            bench.thread.call(bench.port.close)
        selected(exchange)

    monkeypatch.setattr(tag424, "_selected", pulled)
    code, said = bench.do("write-tag", Ntag424(UID, random.Random(1)))
    assert code == 1 and "plug it in again" in said["error"]


def test_a_reader_pulled_out_while_a_tag_is_to_be_taken_away_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = desk.wait_until_gone

    def pulled(frontend: Any) -> None:
        bench.thread.call(bench.port.close)
        gone(frontend)

    monkeypatch.setattr(desk, "wait_until_gone", pulled)
    code, said = bench.do("write-tag", tags.ntag215(UID), "--count", "2")
    assert code == 1 and "plug it in again" in said["error"]


def test_a_batch_asks_again_for_its_next_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(deskcli, "ASK_AGAIN", 3)

    def none(_frontend: Any, wait: float) -> Any:
        waits.append(wait)
        if len(waits) == 3:
            return "a tag"
        raise desk.NoTag("no tag")

    class Status:
        def update(self, _text: str) -> None: ...

    monkeypatch.setattr(desk, "wait_for_tag", none)
    with pytest.raises(desk.NoTag):
        deskcli._next(None, 30.0, 1, Status())
    assert deskcli._next(None, 30.0, 2, Status()) == "a tag" and waits == [30.0] * 3


def test_keys_that_others_can_read_are_not_used(tmp_path):
    path = tmp_path / "tags.json"
    path.write_text("{}")
    path.chmod(0o640)
    with pytest.raises(desk.DeskError, match="chmod 600"):
        desk.load_keys(path)
