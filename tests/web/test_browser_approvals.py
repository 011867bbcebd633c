"""The second person and other people's accounts in the browser: a start that waits, an agreement, roles, recovery, the end."""

from pathlib import Path

import pytest

from fleet.people import accounts, audit
from fleet.rollouts import book
from tests.fleet.peopleworld import WORDS, office
from tests.fleet.rolling import kit_name, plan

pytestmark = pytest.mark.browser
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
WAVES = [{"size": "1"}, {"size": "100%"}]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("approvals")) as made:
        made.account("ada", "fleet-admin")
        made.account("pia", "approver")
        made.account("bob", "rule-author")
        controller = made.running.app.state.controller
        fleet = {kit_name(n): ({}, []) for n in range(1, 13)}
        with made.database.write() as connection:
            book.create(connection, "spring", plan(WAVES), fleet, "bob", controller.clock.now_ms())
        yield made


def sign_in(page, desk, name, to):
    """By the API, as the page's own script does it; then to a page."""
    page.open(desk.url + "/admin")
    page.wait("!document.querySelector('#out').hidden || !document.querySelector('#in').hidden")
    page.trouble.clear()  # nobody is signed in: that answer is a 401
    page.do(f"document.querySelector('#name').value = '{name}'")
    page.do(f"document.querySelector('#password').value = '{WORDS}'")
    page.do("document.querySelector('#out button[type=submit]').click()")
    page.wait(f"document.querySelector('#who').innerText == '{name}'")
    page.open(desk.url + to)


def press(page, selector):
    page.do(f"document.querySelector('{selector}').click()")


def has(selector, words):
    return f"document.querySelector('{selector}')?.innerText.includes('{words}')"


def test_a_start_waits_for_the_second_person_who_sees_what_it_is(browser, desk):
    ada, pia = browser.page(width=1280), browser.page(width=390, phone=True)
    sign_in(ada, desk, "ada", "/admin/rollouts")
    ada.wait("document.querySelector('[data-verb=start]')")
    press(ada, "[data-verb=start]")
    ada.wait(has("#told", "waiting for the second person: anybody with the role approver; asked by ada"))
    ada.wait(has("#state", "waiting for the second person"))
    assert "asked by ada" in ada.text("#why")
    ada.screenshot(ARTIFACTS / "rollout-second-person.png")
    ada.open(desk.url + "/admin/approvals")
    ada.wait(has("#open", "You cannot agree"))
    press(ada, 'header a[href="/admin"]')
    ada.wait("document.querySelector('#leave')?.checkVisibility()")
    press(ada, "#leave")
    sign_in(pia, desk, "pia", "/admin/approvals")
    pia.wait(has("#open", "wave 1: 1 kit"))
    assert "planned by bob" in pia.text("#open h2")
    assert "1 waits, 1 for you" in pia.text("#state")
    pia.screenshot(ARTIFACTS / "approvals-phone.png")
    press(pia, "#open .buttons li:last-child button")
    pia.wait(has("#told", "Say why not"))
    press(pia, "#open .chief")
    pia.wait(has("#told", "agreed by pia"))
    pia.wait(has("#decided", "agreed by pia"))
    assert ada.trouble == pia.trouble == []
    pia.close()
    ada.close()


def test_an_admin_makes_changes_recovers_and_ends_accounts(browser, desk):
    page = browser.page(width=1280, height=1500)
    sign_in(page, desk, "ada", "/admin/people")
    page.wait("document.querySelectorAll('#people button').length == 3")
    page.do("document.querySelector('#new-name').value = 'fay'")
    page.do(f"document.querySelector('#new-password').value = '{WORDS}'")
    press(page, "#new-roles [value=operator]")
    desk.clock.now += 11 * 60_000  # the session was left open: who is it?
    press(page, "#new [type=submit]")
    page.wait("document.querySelector('#again').open")
    page.screenshot(ARTIFACTS / "people-again.png")
    page.do("document.querySelector('#again-password').value = 'not these words'")
    press(page, "#again [type=submit]")
    page.wait(has("#again-told", "wrong"))
    page.do(f"document.querySelector('#again-password').value = '{WORDS}'")
    press(page, "#again [type=submit]")
    page.wait(has("#told", "fay is made"))
    page.wait(has("#one-title", "fay"))
    press(page, "#one-roles [value=auditor]")
    press(page, "#belongs [type=submit]")
    page.wait(has("#told", "saved"))
    page.wait(has("#people", "auditor, operator"))
    page.screenshot(ARTIFACTS / "people.png")
    press(page, "#recover")
    page.wait(has("#told", "Say why"))
    page.do("document.querySelector('#one-reason').value = 'phone was stolen'")
    page.do("document.querySelector('#one-password').value = 'another tent pole altogether'")
    press(page, "#recover")
    page.wait(has("#told", "sessions have ended"))
    desk.browser("fay", "another tent pole altogether")
    page.do("document.querySelector('#one-reason').value = 'left'")
    press(page, "#disable")
    page.wait(has("#one-state", "disabled since"))
    press(page, "#people [data-name=ada]")
    page.wait("!document.querySelector('#own').hidden")
    assert page.do("document.querySelector('#access').hidden")
    with desk.database.read() as connection:
        assert accounts.find(connection, "fay").disabled_ms is not None
        verbs = [one["verb"] for one in audit.page(connection) if one["thing"] == "account fay"]
    ours = [
        "people.add",
        "people.password",
        "people.role",
        "people.recover",
        "session.begin",
        "people.disable",
    ]
    assert verbs == ours
    assert [line for line in page.trouble if "401" not in line and "403" not in line] == []
    page.close()
