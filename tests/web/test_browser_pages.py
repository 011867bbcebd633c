"""The pages in Chromium: a receipt checks itself, a tampered one fails, the stall is live."""

import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from PIL import Image
from stallmark import base32
from stallmark.registry import KIND_DENY, KIND_GRANT

from tests.web.memorystore import MemoryStore, busy_market
from tests.web.webserver import application, serving

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
CHECKED = "document.querySelector('#verification').dataset.verdict"
LIVE = "document.querySelector('#state').dataset.state === 'good' && document.querySelector('#left li')"
GOOD = {
    "signed": "ok",
    "handle": "ok",
    "mac": "ok",
    "ledger": "ok",
    "reversed": "unknown",
}


class Tampered:
    """The market's store with one thing changed in what it hands out."""

    def __init__(self, store, change):
        self._store = store
        self._change = change

    def __getattr__(self, name):
        return getattr(self._store, name)

    def receipt_by_handle(self, h16):
        found = self._store.receipt_by_handle(h16)
        return found and self._change("receipt", found)

    def keys(self):
        return self._change("keys", json.loads(json.dumps(self._store.keys())))


def verdicts(page):
    """{check: verdict} as the page shows them, each with its word beside the shape."""
    page.wait(CHECKED)
    rows = page.do(
        "[...document.querySelectorAll('#checks li')].map((li) => [li.dataset.check, li.dataset.verdict,"
        " li.querySelector('.verdict').innerText, li.querySelector('use').getAttribute('href')])"
    )
    looks = {"ok": ("yes", "#i-good"), "failed": ("NO", "#i-bad"), "unknown": ("not known yet", "#i-unknown")}
    for _, verdict, word, shape in rows:
        assert (word, shape) == looks[verdict]
    return {check: verdict for check, verdict, _, _ in rows}


def at(name, market, port, host="localhost", more=""):
    return f"http://{host}:{port}/r/{base32.encode(market[1][name][1])}{more}"


def full_link(name, market, port, path=None):
    store, found = market
    cose = store.receipt_by_handle(found[name][1]).cose
    text = urlsafe_b64encode(cose).decode().rstrip("=")
    return f"http://localhost:{port}{path or '/r/' + base32.encode(found[name][1])}#r={text}"


@pytest.mark.parametrize(
    ("host", "more", "crypto"),
    [
        ("localhost", "", "webcrypto"),
        ("localhost", "?crypto=own", "own"),
        ("stall.test", "", "own"),  # http on another name than localhost is no secure context
    ],
)
def test_a_good_receipt_checks_itself(browser, market, port, host, more, crypto):
    page = browser.page()
    page.open(at("granted", market, port, host, more))
    assert verdicts(page) == GOOD
    assert page.text("#total") == "Nothing failed; 1 not known yet."
    assert page.do("document.querySelector('#crypto').dataset.crypto") == crypto
    assert page.do("isSecureContext") == (host == "localhost")
    words = {
        ("localhost", ""): "WebCrypto Ed25519",
        ("localhost", "?crypto=own"): "own Ed25519 module: the address asks for it",
        ("stall.test", ""): "own Ed25519 module: this page was not loaded over a secure connection",
    }
    assert words[host, more] in page.text("#crypto")
    assert page.trouble == []
    page.close()


@pytest.mark.parametrize("more", ["", "?crypto=own"])
@pytest.mark.parametrize(
    ("what", "failing"),
    [
        ("receipt signature", {"signed": "failed", "ledger": "failed", "mac": "unknown"}),
        ("receipt of another link", {"handle": "failed", "ledger": "failed", "mac": "unknown"}),
        ("proof", {"ledger": "failed", "mac": "unknown"}),
        ("host key", {"signed": "failed"}),
        ("log key", {"ledger": "failed", "mac": "failed"}),
    ],
)
def test_a_tampering_server_is_found_out(browser, market, what, failing, more):
    store, found = market
    other = MemoryStore(seed=99)
    from dataclasses import replace

    def change(kind, value):
        if kind == "receipt":
            if what == "receipt signature":
                return replace(value, cose=value.cose[:-1] + bytes([value.cose[-1] ^ 1]))
            if what == "receipt of another link":
                return replace(value, cose=store.receipt_by_handle(found["near"][1]).cose)
            if what == "proof":
                return replace(value, proof=store.receipt_by_handle(found["near"][1]).proof)
        elif what == "host key":
            value["hosts"] = other.keys()["hosts"]
        elif what == "log key":
            value["log"] = other.keys()["log"]
        return value

    with serving(application(Tampered(store, change))) as port:
        page = browser.page()
        page.open(at("granted", market, port, more=more))
        assert verdicts(page) == {**GOOD, **failing}
        assert "Do not rely on this receipt" in page.text("#total")
        assert page.do("document.querySelector('#total').className").endswith("is-bad")
        page.close()


def test_a_refunded_receipt_is_shown_as_taken_back_and_proves_it(browser, market, port):
    page = browser.page()
    page.open(at("refunded", market, port))
    assert verdicts(page)["reversed"] == "failed"
    assert "Taken back by a refund that host-1 signed later." in page.text("#checks")
    page.close()


@pytest.mark.parametrize("more", ["", "?crypto=own"])
def test_the_whole_ledger_answers_the_last_question(browser, market, port, more):
    for name, answer in (("granted", "ok"), ("refunded", "failed"), ("sample", "ok")):
        page = browser.page()
        page.open(at(name, market, port, more=more))
        verdicts(page)
        page.do("document.querySelector('#whole').click()")
        page.wait("document.querySelector('#whole').hidden")
        assert verdicts(page)["reversed"] == answer
        if name == "granted":
            assert page.text("#total") == "Nothing failed."
            assert "as of 8 entries" in page.text("#checks [data-check=reversed]")
        assert page.trouble == []
        page.close()


def test_a_ledger_that_was_changed_on_the_server_is_found_out(browser, market):
    store, _ = market

    class Changed(Tampered):
        def file(self, path):
            data = self._store.file(path)
            return data[:-1] + b"?" if data and "entries" in path else data

    with serving(application(Changed(store, lambda kind, value: value))) as port:
        page = browser.page()
        page.open(at("granted", market, port))
        verdicts(page)
        page.do("document.querySelector('#whole').click()")
        page.wait("document.querySelector('#checks [data-check=ledger][data-code=ledger-damaged]')")
        assert "Do not rely on this receipt" in page.text("#total")
        page.close()


def test_a_brick_whose_key_is_secret_and_the_hosts_own_lane_are_not_known(browser, market, port):
    secret = "is not at hand: it is published once the epoch has ended"
    for name, words in (("sample", secret), ("gateway", "Decided by the host itself")):
        page = browser.page()
        page.open(at(name, market, port))
        assert verdicts(page)["mac"] == "unknown"
        assert words in page.text("#checks [data-check=mac]")
        assert page.trouble == []
        page.close()


def test_a_young_receipt_gets_its_proof_without_the_viewers_help(browser):
    store = MemoryStore()
    store.tap()
    _, handle = store.tap(publish=False)
    with serving(application(store)) as port:
        page = browser.page()
        page.open(f"http://localhost:{port}/r/{base32.encode(handle)}")
        assert verdicts(page)["ledger"] == "unknown"
        store.publish()
        page.wait("document.querySelector('#checks [data-check=ledger][data-verdict=ok]')")
        page.close()


def test_a_full_link_is_checked_as_it_is_and_compared_with_the_server(browser, market, port):
    page = browser.page()
    page.open(full_link("granted", market, port))
    assert verdicts(page) == GOOD
    page.close()
    page = browser.page()
    store, found = market
    other = urlsafe_b64encode(store.receipt_by_handle(found["near"][1]).cose).decode().rstrip("=")
    page.open(at("granted", market, port) + f"#r={other}")
    assert verdicts(page)["handle"] == "failed"
    assert "another receipt than this server shows" in page.text("#total")
    page.close()


def test_a_link_that_this_server_does_not_know_leads_to_the_verify_page(browser, market):
    with serving(application(MemoryStore(seed=98))) as port:
        page = browser.page()
        page.open(full_link("granted", market, port))
        page.wait("!document.querySelector('#lost').hidden")
        page.do("document.querySelector('#lost-link').click()")
        page.wait("location.pathname === '/verify' && " + CHECKED)
        assert "is not in the keys file" in page.text("#checks [data-check=signed]")
        page.close()


def test_the_verify_page_reads_a_link_pasted_text_and_files(browser, market, port, tmp_path):
    store, found = market
    receipt = store.receipt_by_handle(found["granted"][1])
    page = browser.page()
    page.open(full_link("granted", market, port, "/verify"))
    assert verdicts(page) == {"signed": "ok", "mac": "unknown", "ledger": "unknown", "reversed": "unknown"}
    assert "15 % off now, at most 5.00 EUR" in page.text("#said")

    page = browser.page()
    page.open(f"http://localhost:{port}/verify?crypto=own")
    page.wait("document.readyState === 'complete'")
    for text in (
        receipt.cose.hex(),
        urlsafe_b64encode(receipt.cose).decode(),
        full_link("granted", market, port),
    ):
        page.do(
            f"document.querySelector('#text').value = {json.dumps(text)};"
            "document.querySelector('#go').click()"
        )
        page.wait(CHECKED + " === 'ok'")
        page.do("delete document.querySelector('#verification').dataset.verdict")
    assert page.text("#checks [data-check=handle] .verdict") == "yes"
    page.do(
        "document.querySelector('#text').value = 'http://localhost/r/AAAA';"
        "document.querySelector('#go').click()"
    )
    page.wait(CHECKED + " === 'unknown'")
    assert "this link only points at a receipt" in page.text("#total")
    assert page.trouble == []

    page = browser.page()
    page.open(f"http://localhost:{port}/verify")
    page.wait("document.readyState === 'complete'")
    stranger = MemoryStore(seed=97)
    files = {
        "receipt.cose": receipt.cose,
        "receipt.tlog-proof": receipt.proof.encode(),
        "receipt.record-key": store.log.record_key(store.published - 1).encode(),
        "keys.json": json.dumps(store.keys()).encode(),
        "notes.txt": b"?",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    page.set_files("#files", [tmp_path / name for name in files])
    assert verdicts(page) == {"signed": "ok", "mac": "ok", "ledger": "ok", "reversed": "unknown"}
    assert "notes.txt is not used" in page.text("#have")
    (tmp_path / "keys.json").write_text(json.dumps(stranger.keys()))
    page.do("delete document.querySelector('#verification').dataset.verdict")
    page.set_files("#files", [tmp_path / "keys.json"])
    page.wait(CHECKED + " === 'failed'")
    assert page.text("#keys-from") == "The keys from the file that you gave."
    page.close()


def test_times_are_in_the_viewers_zone_with_utc_on_hover(browser, market, port):
    shown = {}
    for zone in ("Europe/Lisbon", "Asia/Tokyo"):
        page = browser.page(zone=zone)
        page.open(at("granted", market, port))
        page.wait(CHECKED)
        assert page.do("document.querySelector('.slip time').title") == "2026-09-21 14:15:01 UTC"
        shown[zone] = page.text(".slip time")
        page.close()
    assert re.search(r"\b3:15:01", shown["Europe/Lisbon"]) and re.search(r"\b11:15:01", shown["Asia/Tokyo"])


def test_a_wild_clock_does_not_stop_a_page(browser):
    store = MemoryStore()
    _, handle = store.tap(KIND_DENY, f5=2**62)
    store.tap()
    with serving(application(store)) as port:
        page = browser.page()
        page.open(f"http://localhost:{port}/r/{base32.encode(handle)}")
        assert verdicts(page)["signed"] == "ok"
        assert "9999" in page.text(".slip time")
        page.open(f"http://localhost:{port}/live")
        page.wait("document.querySelectorAll('#feed li').length === 2")
        page.wait("document.querySelector('#state').dataset.state === 'good'")
        assert page.trouble == []
        page.close()


def test_the_live_page_shows_what_happens_and_reconnects_by_itself(browser):
    store, _ = busy_market()
    app = application(store)
    with serving(app) as port:
        page = browser.page()
        page.open(f"http://localhost:{port}/live")
        page.wait(LIVE)
        assert page.text("#state") == "live"
        assert page.text("[data-kind=grant]") == "4"
        store.tap(KIND_DENY, f14=[3])
        page.wait("document.querySelector('#feed li .sentence').innerText === 'This person already had it.'")
        page.wait("document.querySelector('[data-kind=deny]').innerText === '2'")
        assert page.do("document.querySelectorAll('#feed li').length") == 8
    page.wait("document.querySelector('#state').innerText.includes('connection lost')")
    assert page.do("document.querySelector('#state').dataset.state") == "warn"
    store.tap(KIND_GRANT, f12=[[5, 1, None]])  # while nobody listens
    with serving(app, port):
        page.wait("document.querySelector('#state').dataset.state === 'good'")
        page.wait("document.querySelector('#feed li .sentence').innerText === 'A sample.'")
        indexes = page.do("[...document.querySelectorAll('#feed li')].map((li) => Number(li.dataset.index))")
        assert indexes == sorted(set(indexes), reverse=True) and len(indexes) == 9
        page.close()


def test_the_feed_stays_bounded_and_empty_stalls_fill_up(browser):
    store = MemoryStore()
    with serving(application(store)) as port:
        page = browser.page()
        page.open(f"http://localhost:{port}/live")
        page.wait("document.querySelector('#state').dataset.state === 'good'")
        assert not page.do("document.querySelector('#empty').hidden")
        for _ in range(45):
            store.tap()
        page.wait("document.querySelector('#feed li')?.dataset.index === '44'")
        assert page.do("document.querySelectorAll('#feed li').length") == 40
        assert page.do("document.querySelector('#empty').hidden")
        page.close()


@pytest.mark.parametrize("name", ["receipt", "receipt-failed", "live"])
@pytest.mark.parametrize(
    ("width", "height", "phone", "dark"),
    [(1280, 900, False, False), (390, 844, True, False), (390, 844, True, True)],
    ids=["desktop", "phone", "phone-dark"],
)
def test_pages_look_like_pages(browser, market, port, name, width, height, phone, dark):
    page = browser.page(width, height, phone, dark)
    if name == "live":
        page.open(f"http://localhost:{port}/live")
        page.wait(LIVE)
    else:
        page.open(at("near" if name == "receipt" else "refunded", market, port))
        page.wait(CHECKED)
    wide = page.do("document.documentElement.scrollWidth")
    assert wide <= width, f"the page is {wide} wide on a screen of {width}"
    scale = 2 if phone else 1
    kind = ("phone-dark" if dark else "phone") if phone else "desktop"
    path = ARTIFACTS / f"{name}-{kind}.png"
    page.screenshot(path)
    with Image.open(path) as image:
        assert image.width == width * scale and image.height >= height * scale
        colours = image.convert("RGB").getcolors(1 << 24)
        corner = image.convert("RGB").getpixel((2, image.height - 3))
    assert len(colours) > 100, "the picture is blank"
    assert (sum(corner) < 150) == dark
    assert page.trouble == []
    page.close()
