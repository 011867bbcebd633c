"""What customers open on their own phones, from the host alone: pass, poster, terms, receipt; also without network."""

import hashlib
from pathlib import Path

import httpx
import pytest

from hostagent.public.pages import POLICY
from hostagent.screen.passes import Passes
from tests.web.stallkit import Stall, click

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
PHONE = {"width": 360, "height": 740, "phone": True}


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    with Stall(tmp_path_factory.mktemp("stall"), operators=False, seed=882) as up:
        yield up


def narrow(page):
    """Nothing is wider than the phone."""
    return page.do("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_the_poster_is_an_event_of_its_own_kind_with_an_answer_and_a_receipt(browser, stall):
    page = browser.page(**PHONE)
    page.open(f"{stall.base}/q/stall")
    page.wait("document.querySelector('#scan button')")
    page.screenshot(ARTIFACTS / "stall-poster-phone.png")
    page.do("document.querySelector('#scan button').click()")
    page.wait("document.querySelector('.hero')")
    assert "Granted" in page.text(".hero") and "unlock" in page.text(".hero")
    assert narrow(page)
    page.screenshot(ARTIFACTS / "stall-answer-phone.png")
    page.do("document.querySelector('#receipt').click()")
    page.wait("document.querySelector('time[datetime]')")
    assert "Granted" in page.text(".hero")
    page.screenshot(ARTIFACTS / "stall-host-receipt-phone.png")
    assert not page.trouble and narrow(page)
    page.close()
    newest = stall.do(lambda: stall.agent.lane.given)
    fields = list(newest.values())[-1].fields
    assert divmod(fields[11], 16) == (16, 0), "a poster's event, by nobody"


def test_the_same_form_sent_again_is_decided_once_and_too_often_is_refused(stall):
    with httpx.Client(base_url=stall.base, trust_env=False) as client:
        before = stall.do(lambda: stall.agent.lane.brick.next_seq)
        form = {"nonce": "0123456789abcdef", "pass": ""}
        first, again = client.post("/q/gate", data=form), client.post("/q/gate", data=form)
        assert first.status_code == again.status_code == 200
        assert stall.do(lambda: stall.agent.lane.brick.next_seq) == before + 1
        codes = [client.post("/q/gate", data={"nonce": f"{n:016x}"}).status_code for n in range(10)]
        assert codes[0] == 200 and codes[-1] == 429
        assert client.post("/q/gate", data=form, headers={"Origin": "http://elsewhere"}).status_code == 403
        assert client.get("/q/stall", headers={"Host": "elsewhere.example"}).status_code == 421
        assert client.post("/q/NO WAY", data=form).status_code == 404


def test_every_page_has_the_strict_policy_and_loads_nothing_from_elsewhere(stall):
    with httpx.Client(base_url=stall.base, trust_env=False) as client:
        for path in ("/p", "/q/stall", "/poster", "/terms", "/faq", "/r/AAAA", "/nowhere"):
            answer = client.get(path, headers={"Accept-Language": "de-DE"})
            assert answer.headers["content-security-policy"] == POLICY, path
            assert 'lang="de"' in answer.text and "http://stall.test" not in answer.text
            assert "<script>" not in answer.text and "style=" not in answer.text.replace("<svg", "")


def test_terms_are_shown_only_where_their_text_is_the_one_that_receipts_name(stall):
    text = "One cup a person.\n"
    digest = hashlib.sha256(text.encode()).digest()[:16]
    folder = stall.agent.config.folder / "terms"
    folder.mkdir()
    object.__setattr__(stall.agent.config, "terms", digest)
    with httpx.Client(base_url=stall.base, trust_env=False) as client:
        assert digest.hex() in client.get("/terms").text
        (folder / f"{digest.hex()}.txt").write_text("Other words.\n")
        assert "Other words" not in client.get("/terms").text
        (folder / f"{digest.hex()}.txt").write_text(text)
        (folder / f"{digest.hex()}.de.txt").write_text("Eine Tasse je Person.\n")
        assert "One cup a person." in client.get("/terms").text
        german = client.get("/terms?lang=de").text
        assert "Eine Tasse" in german and "Übersetzung" in german


@pytest.mark.browser
def test_a_pass_is_made_once_for_a_code_and_opens_without_a_network(browser, stall):
    screen = browser.page()
    screen.open(f"{stall.base}/stall/")
    click(screen, "More")
    click(screen, "New pass for a phone")
    screen.wait("document.querySelector('[data-part=new-pass] .link')")
    link = screen.text("[data-part=new-pass] .link")
    screen.close()
    passes = Passes(stall.agent)
    page = browser.page(**PHONE)
    page.open(link)
    page.wait("document.querySelector('#ask') && !document.querySelector('#none').hidden")
    page.do("document.querySelector('#ask button').click()")
    page.wait("document.querySelector('#code').naturalWidth > 0 && !document.querySelector('#kept').hidden")
    number = page.text("#number").replace(" ", "")
    text = page.do("JSON.parse(localStorage['stallmark-pass']).text")
    assert passes.read(text) == (3, passes.subject_of_number(number))
    again = httpx.post(f"{stall.base}/p", data={"code": link.split("=")[1]}, trust_env=False)
    assert again.status_code == 403, "a code is good for one pass"
    assert narrow(page)
    page.screenshot(ARTIFACTS / "stall-pass-phone.png")
    page.open(f"{stall.base}/q/door")
    page.wait("document.querySelector('#with') && !document.querySelector('#with').hidden")
    page.open(f"{stall.base}/faq")
    page.wait("document.querySelector('details')")
    stall.end()  # no host, no network
    page.open(f"{stall.base}/p")
    page.wait("document.querySelector('#code').naturalWidth > 0")
    assert page.text("#number").replace(" ", "") == number
    page.close()


def test_a_poster_form_sent_at_once_is_decided_once():
    import asyncio
    from types import SimpleNamespace

    from hostagent.public.posters import Posters

    decided = []

    class Lane:
        trouble = None

        async def decide(self, event):
            await asyncio.sleep(0.01)
            decided.append(event)
            return len(decided)

    async def scenario():
        posters = Posters(SimpleNamespace(lane=Lane()), SimpleNamespace(read=lambda text: None))
        nonce = "00112233" * 2
        found = await asyncio.gather(*(posters.scanned("stall", nonce, "", "10.0.0.1") for _ in range(4)))
        assert (found, len(decided)) == ([1] * 4, 1)
        assert decided[0].nonce != bytes.fromhex(nonce), "the ledger's nonce is the host's"

    asyncio.run(scenario())
