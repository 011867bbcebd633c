"""The public pages as a browser's first request sees them: words, headers, and wrong addresses."""

import hashlib
import html
import re

import pytest
from fastapi.testclient import TestClient
from stallmark import base32, registry
from stallmark.registry import KIND_CLOSE, KIND_DENY, KIND_GRANT

from fleet.ledger.proof import read_proof
from tests.web.memorystore import MemoryStore, busy_market
from tests.web.webserver import application

STORE, FOUND = busy_market()
HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def client():
    with TestClient(application(STORE)) as client:
        yield client


def link(name, suffix=""):
    return f"/r/{base32.encode(FOUND[name][1])}{suffix}"


def words(answer):
    """The visible text of a page, white space folded."""
    body = re.sub(r"<(script|style|svg|template).*?</\1>", " ", answer.text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def test_a_receipt_page_says_what_was_granted_and_under_which_terms(client):
    answer = client.get(link("granted"))
    text = words(answer)
    assert answer.status_code == 200
    assert "15 % off now, at most 5.00 EUR" in text
    assert "not a fiscal receipt" in text
    assert "2026-09-21 14:15:01 UTC" in text
    assert "by the brick's own clock; clock set by its host" in text
    assert "World market" in text and "signed by host-1" in text
    digest = hashlib.sha256(STORE.world.terms_text.encode()).hexdigest()[:32]
    assert f'href="/terms/{digest}"' in answer.text
    assert "stallmark verify receipt.cose --keys keys.json" in text


def test_a_refusal_says_why_and_how_near(client):
    text = words(client.get(link("near")))
    assert "Nothing this time" in text
    assert "14 more people are needed." in text
    assert "How near: 7 of 21" in text


def test_an_uncertain_decision_sends_people_to_the_stall(client):
    text = words(client.get(link("uncertain")))
    assert "Ask at the stall" in text
    assert "The time of day is not known yet." in text


def test_a_receipt_taken_back_says_so(client):
    text = words(client.get(link("refunded")))
    assert "Taken back: a refund of 2026-09-21 14:15:07 UTC" in text
    assert client.get(link("refunded", ".reversal")).content[:1] == b"\xd2"
    assert client.get(link("granted", ".reversal")).status_code == 404


def test_the_hosts_own_lane_is_said_to_be_its_own(client):
    assert "Decided by the host itself, not by a brick." in words(client.get(link("gateway")))


def test_lower_case_links_work_too(client):
    assert client.get(link("granted").lower()).status_code == 200


def test_development_keys_are_marked_on_every_page_and_real_ones_are_not(client):
    for path in ("/", "/live", "/verify", link("granted"), "/nowhere"):
        assert "Development keys." in words(client.get(path, headers=HTML)), path
    store = MemoryStore(development=False)
    with TestClient(application(store)) as real:
        for path in ("/", "/live", "/verify", "/nowhere"):
            assert "Development keys." not in words(real.get(path, headers=HTML)), path


def test_a_young_receipt_waits_for_its_proof():
    store = MemoryStore()
    store.tap()
    _, handle = store.tap(publish=False)
    with TestClient(application(store)) as client:
        text = words(client.get(f"/r/{base32.encode(handle)}"))
    assert "not yet published" in text
    assert "The proof comes with the next checkpoint" in text


def test_what_is_no_receipts_link_is_422_and_an_unknown_one_404(client):
    for bad in ("/r/ABC", "/r/" + "A" * 25 + "B", "/r/" + "1" * 26, "/r/%00"):
        answer = client.get(bad, headers=HTML)
        assert answer.status_code == 422, bad
        assert "Not a receipt's link" in words(answer)
    answer = client.get("/r/" + base32.encode(bytes(16)), headers=HTML)
    assert answer.status_code == 404
    assert "No such receipt" in answer.text


def test_wrong_addresses_get_a_plain_page_and_programs_get_json(client):
    page = client.get("/nowhere", headers=HTML)
    assert page.status_code == 404
    assert "There is no page at this address." in page.text
    for path, accept in (("/nowhere", "application/json"), ("/v1/nowhere", "text/html")):
        answer = client.get(path, headers={"accept": accept})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert client.post("/live", headers=HTML).status_code == 405


def test_terms_are_found_by_their_digest_only(client):
    digest = hashlib.sha256(STORE.world.terms_text.encode()).hexdigest()[:32]
    assert "One gift a person and day" in words(client.get(f"/terms/{digest}"))
    assert client.get(f"/terms/{digest.upper()}").status_code == 200
    for bad in ("0" * 32, "x" * 32, digest[:-1], "..%2f..%2fkeys.json"):
        assert client.get(f"/terms/{bad}").status_code == 404


def test_the_record_key_file_carries_its_own_entry(client):
    answer = client.get(link("near", ".record-key"))
    file = read_proof(answer.content)
    assert file.extra == STORE.log.entries[file.index]
    assert file.extra[0] == registry.LEAF_DISCLOSURE
    assert client.get(link("sample", ".record-key")).status_code == 404
    assert client.get("/r/nonsense.record-key").status_code == 404


def test_the_start_page_and_the_live_page_of_an_empty_stall_say_what_to_do_first():
    with TestClient(application(MemoryStore())) as client:
        assert "stallmark kit tap" in words(client.get("/"))
        live = client.get("/live")
        assert "stallmark kit tap" in words(live)
        assert "No brick has been heard from yet." in words(live)
        assert "none yet" in words(live)


def test_the_live_page_shows_a_brick_that_has_no_record_yet():
    store = MemoryStore()
    empty = store.stall()
    store.stall = lambda: {**empty, "bricks": [{"brick": "11" * 8, "kit": None, "seq": 0, "last_ms": None}]}
    with TestClient(application(store)) as client:
        assert "no record yet" in words(client.get("/live"))


def test_the_live_page_lists_the_newest_first_even_without_scripts(client):
    text = words(client.get("/live"))
    refund, granted = text.index("An earlier grant was refunded"), text.index("15 % off now, at most")
    assert refund < granted
    assert "4 granted" in text and "1 nothing this time" in text and "1 ask at the stall" in text
    summary = client.get("/v1/stall").json()
    assert summary["stall"]["ledger_size"] == STORE.published
    assert [one["index"] for one in summary["recent"]] == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("path", ["/", "/live", "/verify", link("granted"), "/nowhere", "/r/ABC"])
def test_pages_allow_nothing_but_our_own_files(client, path):
    answer = client.get(path, headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert " style=" not in answer.text and " onclick=" not in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)
    for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", answer.text):
        assert address.startswith(("/", "#")), address


def test_static_files_may_be_kept_for_good_under_their_version(client):
    page = client.get("/live").text
    base = re.search(r"/static/[0-9a-f]{16}", page)[0]
    for name in set(re.findall(r"/static/[0-9a-f]{16}/([a-z0-9.-]+)", page)) | {"sha2.mjs", "mark.svg"}:
        answer = client.get(f"{base}/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    module = client.get(f"{base}/verify.mjs")
    assert module.headers["content-type"].startswith("text/javascript")
    again = client.get(f"{base}/verify.mjs", headers={"if-none-match": module.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/static/latest/verify.mjs").headers["cache-control"] == "no-cache"
    for bad in (f"{base}/nothing.mjs", "/static/0123456789abcdef/verify.mjs", f"{base}/..%2fpages.py"):
        assert client.get(bad).status_code == 404


def test_every_module_imports_only_its_neighbours(client):
    base = re.search(r"/static/[0-9a-f]{16}", client.get("/live").text)[0]
    seen, open_ = set(), ["receipt-page.mjs", "live-page.mjs", "verify-page.mjs", "lost-page.mjs"]
    while open_:
        name = open_.pop()
        if name in seen:
            continue
        seen.add(name)
        text = client.get(f"{base}/{name}").text
        assert text.startswith("// "), f"{name} opens with what it is"
        assert "innerHTML" not in text and "eval(" not in text
        for found in re.findall(
            r"^(?:import|export)\s[^;]*?from \"([^\"]+)\"|^import \"([^\"]+)\"", text, re.M
        ):
            address = found[0] or found[1]
            assert address.startswith("./"), address
            open_.append(address[2:])
    assert {"cbor.mjs", "sha2.mjs", "ed25519.mjs", "cose.mjs", "tlog.mjs", "verify.mjs"} <= seen


def test_names_from_outside_never_become_markup():
    store = MemoryStore()
    evil = "<script>alert(1)</script>\"'"
    store.stall_name = evil
    store.world.host.name = evil
    store.world.terms_text = evil
    _, handle = store.tap(KIND_GRANT, f23="<b>")
    store.tap(KIND_CLOSE, f24=["<img src=x>"])
    digest = hashlib.sha256(evil.encode()).hexdigest()[:32]
    with TestClient(application(store)) as client:
        for path in ("/", "/live", f"/r/{base32.encode(handle)}", f"/terms/{digest}"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert (
                "<script>" not in answer.text
                and "<img src=x>" not in answer.text
                and "<b>" not in answer.text
            )
            assert "&lt;script&gt;" in answer.text or "&lt;b&gt;" in answer.text


def test_a_record_that_cannot_be_read_is_no_server_error():
    store = MemoryStore()
    item, handle = store.tap()
    store.log.entries[0] = b"\x01" + store.world.receipt(item, f1=b"\xa0")
    with TestClient(application(store)) as client:
        answer = client.get(f"/r/{base32.encode(handle)}")
        assert answer.status_code == 200
        assert "of a form that this program cannot read" in words(answer)
        assert client.get(f"/r/{base32.encode(handle)}.record-key").status_code == 404
        assert client.get(f"/r/{base32.encode(handle)}.cose").status_code == 200


def test_fields_newer_than_this_program_are_shown_and_wild_clocks_do_not_break_the_page():
    store = MemoryStore()
    _, newer = store.tap(99)
    _, wild = store.tap(KIND_DENY, f5=2**62, f30="later")
    _, unset = store.tap(KIND_DENY, f5=None, f7=[0, 0], f14=[registry.REASON_CLOCK_UNSET])
    with TestClient(application(store)) as client:
        assert "newer than this program (99)" in words(client.get(f"/r/{base32.encode(newer)}")).lower()
        text = words(client.get(f"/r/{base32.encode(wild)}"))
        assert "9999-12-31" in text and "record: field 30" in text
        assert "when the host received it; the brick had no clock" in words(
            client.get(f"/r/{base32.encode(unset)}")
        )
