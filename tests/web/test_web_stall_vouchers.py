"""A voucher of a brick's grant at the stall screen and on the customer's receipt page, in Chromium."""

from pathlib import Path

import pytest
from stallmark import registry as reg

from hostagent.screen import facts
from tests.web.stallkit import OFF, PIN, Stall, click_until, fill, rule, ruleset, signed

pytestmark = pytest.mark.browser
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
GIFT = rule(
    "gift-voucher", [11, [22], 100], [[reg.GRANT_VOUCHER, 3, 200, 10]], [1], f1=[reg.EVENT_COMMITMENT], f2=3
)


class Gifts(Stall):
    """A stall whose second rule gives vouchers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, seed=883)
        self.rules = ruleset(self.world, OFF, GIFT)
        self.controller.bundle = ('"1"', signed(self.world, self.rules))


def test_a_bricks_voucher_is_at_the_screen_and_on_the_customers_phone(browser, tmp_path):
    with Gifts(tmp_path) as stall:
        given = {
            "f8": stall.brick.rules.digest8,
            "f9": 1,
            "f12": [[9, 3, 200]],
            "f13": [[9, 200]],
            "f23": "EUR",
        }
        stall.do(lambda: stall.brick.decide(1, kind=reg.KIND_GRANT, **given))
        page = browser.page(width=390, height=844, phone=True)
        page.open(f"{stall.base}/stall/")
        fill(page, "input[name=pin]", PIN)
        fill(page, "input[name=name]", "Ana")
        page.do("document.querySelector('button').click()")
        page.wait("document.querySelector('.hero.granted[data-seq]')")
        click_until(page, "Receipt", "document.querySelector('.receipt')")
        page.wait(
            "document.querySelector('.receipt [data-voucher=open] .qr svg') && document.getAnimations().length === 0"
        )
        assert "Voucher: 2.00 EUR" in page.text(".receipt [data-voucher]")
        page.do("document.querySelector('.receipt [data-voucher]').scrollIntoView()")
        page.screenshot(ARTIFACTS / "stall-voucher-phone.png")
        assert not page.trouble
        page.close()
        (one,) = [
            item
            for item in stall.do(lambda: facts.decisions(stall.agent, stall.agent.lane.ruleset, 0))
            if item.kind == reg.KIND_GRANT
        ]
        phone = browser.page(width=360, height=740, phone=True)
        phone.open(f"{stall.base}/r/{facts.handle_text(one.handle)}")
        phone.wait("document.querySelector('[data-voucher=open] .qr svg')")
        assert phone.do("document.documentElement.scrollWidth <= innerWidth"), "it fits a small phone"
        phone.screenshot(ARTIFACTS / "receipt-voucher-phone.png")
        assert not phone.trouble
        phone.close()
