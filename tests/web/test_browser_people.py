"""Signing in with a browser: by password, by a passkey of Chromium's own virtual authenticator, and out again."""

from pathlib import Path

import pytest

from tests.fleet.peopleworld import WORDS, office

pytestmark = pytest.mark.browser
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
IN = "!document.querySelector('#in').hidden"
OUT = "!document.querySelector('#out').hidden"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("people")) as made:
        made.account("ada", "fleet-admin")
        yield made


def press(page, selector):
    page.do(f"document.querySelector('{selector}').click()")


def fill(page, name, words):
    page.do(f"document.querySelector('#name').value = '{name}'")
    page.do(f"document.querySelector('#password').value = '{words}'")
    press(page, "#out button[type=submit]")


def test_a_passkey_is_made_after_a_password_and_signs_in_alone(browser, desk):
    page = browser.page()
    page.call("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    page.call("WebAuthn.addVirtualAuthenticator", options=options)
    page.open(desk.at_localhost() + "/admin")
    page.wait(OUT)
    page.trouble.clear()  # nobody is signed in: that answer is a 401
    fill(page, "ada", "not these words")
    page.wait("document.querySelector('#told').innerText.includes('wrong')")
    page.trouble.clear()
    fill(page, "ada", WORDS)
    page.wait(IN)
    press(page, "#add-passkey")
    page.wait("document.querySelector('#passkeys li')")
    assert "this device" in page.text("#passkeys")
    page.screenshot(ARTIFACTS / "admin-signed-in.png")
    press(page, "#leave")
    page.wait(OUT)
    press(page, "#by-passkey")
    page.wait(IN)
    assert page.text("#who") == "ada"
    press(page, "#passkeys button")
    page.wait("!document.querySelector('#passkeys li')")
    press(page, "#leave")
    page.wait(OUT)
    press(page, "#by-passkey")
    page.wait("document.querySelector('#told').innerText.includes('not known here')")
    page.screenshot(ARTIFACTS / "admin-sign-in.png")
    assert [line for line in page.trouble if "401" not in line] == []
    page.close()


def test_one_changes_ones_own_password(browser, desk):
    desk.account("gus", "operator")
    page = browser.page()
    page.open(desk.at_localhost() + "/admin")
    page.wait(OUT)
    page.trouble.clear()
    fill(page, "gus", WORDS)
    page.wait(IN)
    page.do(f"document.querySelector('#words-now').value = '{WORDS}'")
    page.do("document.querySelector('#words-new').value = 'quite another market'")
    press(page, "#new-words [type=submit]")
    page.wait(OUT + " && document.querySelector('#told').innerText.includes('sign in with it')")
    fill(page, "gus", "quite another market")
    page.wait(IN)
    assert page.trouble == []
    page.close()


def test_at_an_address_the_page_says_why_there_are_no_passkeys(browser, desk):
    desk.at_localhost()
    desk.people.passkeys = type(desk.people.passkeys)(desk.url)
    page = browser.page(width=390, phone=True)
    page.open(desk.url + "/admin")
    page.wait(OUT)
    fill(page, "ada", WORDS)
    page.wait(IN + " && !document.querySelector('#why-not').hidden")
    assert "passkeys need a name" in page.text("#why-not")
    page.screenshot(ARTIFACTS / "admin-phone.png")
    page.close()
