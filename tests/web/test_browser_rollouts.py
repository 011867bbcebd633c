"""A rollout in the browser: waves of dots that change by themselves, the reason of a kit on click, a halt from the page."""

from pathlib import Path

import pytest

from fleet.rollouts import book, engine, facts, lease
from fleet.rollouts.leading import Leading
from fleet.rollouts.picture import picture
from tests.fleet.peopleworld import WORDS, office
from tests.fleet.rolling import NEW, OLD, kit_name, plan

pytestmark = pytest.mark.browser
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
WAVES = [{"size": "2", "soak_s": 0}, {"size": "8", "soak_s": 60}, {"size": "100%"}]
LIMITS = {"in_flight": 4, "failure_percent": 100}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A rollout in its second wave: some good, one failed, some at it, some away. Nobody leads it: it stands still."""
    with pytest.MonkeyPatch.context() as patch, office(tmp_path_factory.mktemp("rollouts")) as made:
        patch.setattr(Leading, "tick", lambda self: False)
        made.account("ada", "fleet-admin")
        made.account("eve", "auditor")
        controller = made.running.app.state.controller
        fleet = {kit_name(n): ({}, []) for n in range(1, 41)}
        with controller.database.write() as connection:
            state = book.create(
                connection, "spring", plan(WAVES, LIMITS), fleet, "ada", controller.clock.now_ms()
            )
        made.log = Log(controller.database, state, controller.clock.now_ms())
        made.log.add(facts.Verb("start", "ada"))
        made.log.add(*(facts.Seen(kit, made.log.now) for kit in state.kits))
        made.log.good(2)
        made.log.now += 1
        made.log.add(*(facts.Seen(kit, made.log.now) for kit in state.kits))
        made.log.good(3)
        bad = next(iter(made.log.state.flying))
        made.log.add(facts.Reported(bad, "failed", NEW, made.log.now, 99, why="golden vector 2: grant"))
        made.bad = bad
        yield made


class Log:
    """Events as a leader would write them."""

    def __init__(self, database, state, now):
        self.database, self.state, self.now, self.n = database, state, now, 0

    def add(self, *said):
        self.n += 1
        self.state, _ = engine.step(self.state, said, self.now)
        with self.database.write() as connection:
            token = lease.take(connection, "test", 1)
            book.append(connection, token, self.state, self.n, said, self.now)

    def good(self, count):
        for _ in range(count):
            kit = next(iter(self.state.flying))
            digest = OLD if self.state.kits[kit].status == "going back" else NEW
            self.add(facts.Reported(kit, "ok", digest, self.now, self.n))


def sign_in(page, desk, name):
    page.open(desk.url + "/admin")
    page.wait("!document.querySelector('#out').hidden")
    page.trouble.clear()  # nobody is signed in: that answer is a 401
    page.do(f"document.querySelector('#name').value = '{name}'")
    page.do(f"document.querySelector('#password').value = '{WORDS}'")
    page.do("document.querySelector('#out button[type=submit]').click()")
    page.wait("!document.querySelector('#in').hidden")


def test_waves_are_dots_with_reasons_and_change_by_themselves(browser, desk):
    page = browser.page(width=1280)
    page.open(desk.url + "/admin/rollouts")
    page.wait("!document.querySelector('#signed-out').hidden")
    sign_in(page, desk, "ada")
    page.open(desk.url + "/admin/rollouts")
    page.wait("document.querySelectorAll('#waves button').length == 40")
    assert "Wave 2: 6 kits" in page.text("#waves") and page.text("#state") == "running"
    page.do(f"document.querySelector('[data-kit=\"{desk.bad}\"]').click()")
    page.wait("document.querySelector('#why').innerText.includes('golden vector 2')")
    assert "Why" in page.text("#why-title")
    page.screenshot(ARTIFACTS / "rollout-live.png")
    page.do("document.querySelector('#verb-buttons [data-verb=\"stop/halt\"]').click()")
    assert "Say why" in page.text("#told")
    page.do("document.querySelector('#reason').value = 'bonus too high'")
    page.do("document.querySelector('#verb-buttons [data-verb=\"stop/halt\"]').click()")
    page.wait("document.querySelector('#reason').value == ''")
    with desk.database.read() as connection:
        (asked,) = book.asks(connection, "spring")
    assert asked.fact == facts.Verb("halt", "ada", "bonus too high", False)
    desk.log.add(facts.Verb("rollback", "ada", "bonus too high"))
    page.wait("document.querySelector('#state').innerText.includes('rolling back')")
    desk.log.good(2)
    page.wait("document.querySelectorAll('#waves .back').length == 2")
    assert page.text("#verb-buttons").split() == ["Pause"]
    page.screenshot(ARTIFACTS / "rollout-back.png")
    assert page.trouble == []
    page.close()


def test_who_may_only_look_has_no_buttons_on_a_phone(browser, desk):
    page = browser.page(width=390, phone=True)
    sign_in(page, desk, "eve")
    page.open(desk.url + "/admin/rollouts")
    page.wait("document.querySelectorAll('#waves button').length == 40")
    assert page.do("document.querySelector('#verbs').hidden")
    assert page.do("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(ARTIFACTS / "rollout-phone.png")
    page.close()


def test_of_ten_thousand_kits_those_that_need_somebody_have_dots(desk):
    drawn = picture(desk.log.state, {desk.bad: "stall-4"}, most=5)
    dots = [dot for wave in drawn["waves"] for dot in wave["dots"]]
    assert len(dots) == 5 and sum(wave["left_out"] for wave in drawn["waves"]) == 35
    assert [desk.bad, "stall-4"] in [dot[:2] for dot in dots] or desk.log.state.kits[
        desk.bad
    ].status == "back"
