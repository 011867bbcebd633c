"""The stall screen in Chromium over a real host agent: live decisions, questions, amounts, sign-in, training."""

import time
from pathlib import Path

import pytest
from escpos.printer import Dummy
from stallmark import registry as reg

from hostagent.config import Printer as Setting
from hostagent.printing.printer import Printer
from hostagent.store.records import Records
from tests.web.stallkit import PIN, Stall, click, click_until, fill

pytestmark = pytest.mark.browser
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
NEW_NUMBER = "[data-part=passes] input[data-part=new-number], [data-part=new-number] input"


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    with Stall(tmp_path_factory.mktemp("stall")) as up:
        yield up


def sign_in(browser, stall, pin=PIN, **more):
    page = browser.page(**({"width": 390, "height": 844, "phone": True} | more))
    # As README, pages and terminal write it.
    page.open(f"{stall.base}/stall")
    page.wait("document.querySelector('input[name=pin]')")
    fill(page, "input[name=name]", "Ana")
    fill(page, "input[name=pin]", pin)
    page.do("document.querySelector('button').click()")
    return page


def at_screen(browser, stall, **more):
    page = sign_in(browser, stall, **more)
    page.wait("document.querySelector('.q-tab') && !document.querySelector('#popup')?.offsetParent")
    page.wait("window.did_handshake ?? window.socket?.connected ?? true")
    return page


def test_a_wrong_pin_is_refused_and_too_many_have_to_wait(browser, stall):
    page = sign_in(browser, stall, "1111")
    page.wait("document.querySelector('.wrong')")
    assert "wrong" in page.text(".wrong")
    page.screenshot(ARTIFACTS / "stall-signin.png")
    page.open(f"{stall.base}/stall/_nicegui_ws/socket.io/?EIO=4&transport=polling")
    page.wait("document.body.innerText.includes('Sign in first')")
    page.close()


def test_what_happens_at_a_brick_is_on_the_screen_at_once_with_colour_icon_and_word(browser, stall):
    page = at_screen(browser, stall)
    page.wait("document.body.innerText.includes('Nothing yet') || document.querySelector('.hero[data-seq]')")
    stall.tap(7)
    page.wait("document.querySelector('.hero.ask[data-seq]')")
    assert page.text(".hero.ask .word") == "Ask at the stall"
    assert page.do("document.querySelector('.hero.ask .q-icon').innerText") == "front_hand"
    page.screenshot(ARTIFACTS / "stall-now-phone.png")
    click_until(page, "Receipt", "document.querySelector('.receipt')")
    page.wait("document.querySelector('.receipt .qr svg') && document.getAnimations().length === 0")
    assert "http://stall.test/r/" in page.text(".receipt .link")
    page.screenshot(ARTIFACTS / "stall-receipt-phone.png")
    assert not page.trouble
    page.close()


def test_an_amount_by_keypad_is_decided_with_its_credit(browser, stall):
    page = at_screen(browser, stall)
    click(page, "Amount")
    for key in ("1", "6", "00"):
        click(page, key, "document.querySelector('.keys')")
    page.wait("document.querySelector('[data-amount]').innerText.includes('16.00')")
    click(page, "Decide")
    page.wait("document.querySelector('[data-answer]')")
    assert "2.40" in page.text("[data-answer]") and "Granted" in page.text("[data-answer]")
    page.screenshot(ARTIFACTS / "stall-amount-phone.png")
    fill(page, "input[maxlength='60']", "SM1.NOT-A-PASS")
    click(page, "5", "document.querySelector('.keys')")
    click(page, "Decide")
    page.wait("document.body.innerText.includes('no pass of this event')")
    fill(page, "input[maxlength='60']", stall.pass_text(3))
    click(page, "Decide")
    page.wait("document.querySelector('.hero.nothing[data-answer]')")
    assert not page.trouble
    page.close()


def test_a_question_is_answered_by_the_person_signed_in_with_a_reason(browser, stall):
    stall.tap(8)
    page = at_screen(browser, stall)
    click(page, "Ask")
    page.wait("document.querySelector('.question')")
    page.screenshot(ARTIFACTS / "stall-ask-phone.png")
    waiting = page.do("document.querySelectorAll('.question').length")
    click(page, "Decline", "document.querySelector('.question')")
    page.wait("document.body.innerText.includes('Write a reason first')")
    fill(page, ".question input", "no tea left in the pot")
    click(page, "Decline", "document.querySelector('.question')")
    page.wait(f"document.querySelectorAll('.question').length === {waiting - 1}")
    last = Records(stall.agent.store).of(stall.agent.lane.brick8).result()[-1].record.fields
    assert (last[10], last[14][0]) == (reg.KIND_DENY, reg.REASON_PERSON)
    assert last[24][2:4] == [stall.agent.staff.label("Ana"), None], "no name and no free text in public"
    page.close()


def test_a_yes_gives_what_was_asked_for_in_the_name_of_who_said_it(browser, stall):
    stall.tap(9)
    page = at_screen(browser, stall)
    click(page, "Ask")
    page.wait("document.querySelector('.question')")
    waiting = page.do("document.querySelectorAll('.question').length")
    fill(page, ".question input", "a regular guest")
    click(page, "Give it", "document.querySelector('.question')")
    page.wait(f"document.querySelectorAll('.question').length === {waiting - 1}")
    last = Records(stall.agent.store).of(stall.agent.lane.brick8).result()[-1].record
    assert (last.fields[10], last.fields[14][0]) == (reg.KIND_GRANT, reg.REASON_PERSON)
    assert (
        last.fields[24][2] == stall.agent.staff.label("Ana") and last.private_fields[7] == "a regular guest"
    )
    page.close()


@pytest.fixture
def papers(stall):
    """What a printer that takes everything was sent, while it stands at the stall."""
    found = []

    def paper():
        found.append(Dummy())
        return found[-1]

    before = stall.agent.printer
    stall.agent.printer = Printer(Setting("file", path=stall.folder / "paper"), paper)
    yield found
    stall.agent.printer = before


def test_a_receipt_is_printed_and_a_credit_taken_back_only_with_a_reason(browser, stall, papers):
    page = at_screen(browser, stall)
    click(page, "Amount")
    for key in ("1", "2", "00"):
        click(page, key, "document.querySelector('.keys')")
    click(page, "Decide")
    page.wait("document.querySelector('.hero.granted[data-answer]')")
    click(page, "Now")
    page.wait("document.querySelector('.hero.granted[data-seq]')?.innerText.includes('1.80')")
    click_until(page, "Receipt", "document.querySelector('.receipt')")
    click(page, "Print a slip")
    page.wait("document.body.innerText.includes('Printed')")
    assert b"1.80" in papers[0].output
    click(page, "Take back")
    page.wait("document.body.innerText.includes('Why is it taken back?')")
    dialog = "[...document.querySelectorAll('.q-dialog')].at(-1)"
    click(page, "Take back", dialog)
    page.wait("document.body.innerText.includes('Write a reason first')")
    fill(page, ".q-dialog input", "the cake was sold out")
    click(page, "Take back", dialog)
    page.wait("!document.querySelector('.q-dialog input')")
    last = Records(stall.agent.store).of(stall.agent.lane.brick8).result()[-1].record
    assert (last.fields[10], last.private_fields[7]) == (reg.KIND_VOID, "the cake was sold out")
    assert not page.trouble
    page.close()


def test_the_kit_says_what_is_left_and_what_to_do_before_opening(browser, stall):
    page = at_screen(browser, stall)
    click(page, "Kit")
    page.wait("document.querySelector('[data-step=step_scan]')")
    states = page.do(
        "Object.fromEntries([...document.querySelectorAll('[data-step]')].map((one) =>"
        " [one.dataset.step, one.dataset.state]))"
    )
    assert states["step_links"] == "todo" and states["step_clock"] == "good" and states["battery"] == "look"
    assert "brick-2" in page.text("[data-step=step_links]")
    assert "fifteen-off" in page.text("[data-part=budget]")
    assert "not measured by this brick" in page.text("[data-part=bricks]")
    page.screenshot(ARTIFACTS / "stall-kit-phone.png")
    assert page.do("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_slips_are_backed_by_rights_paid_once_and_given_back_when_the_day_closes(browser, stall):
    page = at_screen(browser, stall)
    click(page, "More")
    fill(page, "[data-part=slips] input[type=number]", "2")
    click(page, "Set aside and print")
    page.wait("document.querySelectorAll('[data-part=slip-codes] .link').length === 2")
    code = page.text("[data-part=slip-codes] .link").split(":")[0]
    click(page, "Close", "document.querySelector('[data-part=slip-codes]')")
    page.wait("document.querySelectorAll('[data-slip][data-state=open]').length === 2")
    for words in ("Granted", "paid already"):
        fill(page, "[data-part=slips] input[maxlength='40']", code)
        click(page, "Redeem")
        page.wait("document.querySelector('[data-slip][data-state=redeemed]')")
        if words == "Granted":
            page.wait("document.querySelector(\"[data-part=slips] input[maxlength='40']\").value === ''")
    page.wait("document.querySelector('.q-notification.bg-negative')")
    assert len(stall.do(stall.agent.lane.state.open_reserves)) == 1
    click(page, "End of day", "document.querySelector('[data-part=close]')")
    click(page, "Close the day as Ana")
    page.wait("document.querySelector('[data-slip][data-state=released]')")
    page.screenshot(ARTIFACTS / "stall-slips-phone.png")
    assert not stall.do(stall.agent.lane.state.open_reserves)
    page.close()


def test_open_values_training_and_a_code_for_a_pass(browser, stall):
    page = at_screen(browser, stall, width=820, height=1180)
    click(page, "More")
    page.wait("document.querySelector('[data-value]')")
    fill(page, "[data-value] input", "12")
    click(page, "Set")
    page.wait("document.body.innerText.includes('is outside')")
    fill(page, "[data-value] input", "6")
    click(page, "Set")
    page.wait("document.querySelector('[data-value]').innerText.includes('set by Ana')")
    assert stall.do(lambda: stall.agent.lane.state.parameter(0)) == 6
    click(page, "Start training")
    page.wait("document.querySelector('.banner.training')")
    page.screenshot(ARTIFACTS / "stall-more-tablet.png")
    click(page, "End training")
    page.wait("!document.querySelector('.banner.training')")
    click(page, "New pass for a phone")
    page.wait("document.querySelector('[data-part=new-pass] .qr svg')")
    page.close()


def test_a_lost_pass_is_revoked_by_its_number_and_counts_no_more(browser, stall):
    page = at_screen(browser, stall)
    click(page, "More")
    fill(page, "[data-part=passes] input", stall.pass_text(9)[4:20])
    click(page, "Revoke a lost pass")
    page.wait("document.body.innerText.includes('counts no more')")
    click(page, "Amount")
    click(page, "5", "document.querySelector('.keys')")
    fill(page, "input[maxlength='60'][autocapitalize]", stall.pass_text(9))
    click(page, "Decide")
    page.wait("document.querySelector('.hero.nothing[data-answer]')")
    last = Records(stall.agent.store).of(stall.agent.lane.brick8).result()[-1].record.fields
    assert last[14][0] == reg.REASON_REVOKED
    page.close()


def test_the_balance_of_a_lost_pass_moves_to_the_new_one_and_only_once(browser, stall):
    old, new = stall.give_tokens(21, 7), stall.give_tokens(22, 1)
    state = stall.agent.lane.state
    deadline = time.monotonic() + 60
    while stall.do(lambda: (state.balance(old), state.balance(new))) != (7, 1):
        assert time.monotonic() < deadline, "the tokens never reached the lane"
        time.sleep(0.02)
    page = at_screen(browser, stall)
    click(page, "More")
    fill(page, "[data-part=passes] input", stall.pass_text(21)[4:20])
    fill(page, NEW_NUMBER, "not a number")
    click(page, "Revoke a lost pass")
    page.wait("document.body.innerText.includes('Nothing was done')")
    fill(page, NEW_NUMBER, stall.pass_text(22)[4:20])
    click(page, "Revoke a lost pass")
    page.wait("document.body.innerText.includes('7 tokens are on the new pass now')")
    assert stall.do(lambda: state.balance(new)) == 8
    last = Records(stall.agent.store).of(stall.agent.lane.brick8).result()[-1].record.fields
    assert (last[10], last[12], last[24][2]) == (
        reg.KIND_GRANT,
        [[reg.GRANT_TOKENS, 7, 0]],
        stall.agent.staff.label("Ana"),
    )
    page.wait("document.querySelector('[data-part=passes] input').value === ''")
    fill(page, "[data-part=passes] input", stall.pass_text(21)[4:20])
    fill(page, NEW_NUMBER, stall.pass_text(23)[4:20])
    click(page, "Revoke a lost pass")
    page.wait("document.body.innerText.includes('moved before')")
    page.close()


def test_german_words_and_a_dark_tent(browser, stall):
    page = at_screen(browser, stall, dark=True, width=820, height=1180)
    page.open(f"{stall.base}/stall/?lang=de")
    page.wait("document.body.innerText.includes('Beleg')")
    page.screenshot(ARTIFACTS / "stall-now-tablet-dark.png")
    page.close()
