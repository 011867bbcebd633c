"""Our own modules in Chromium, against other people's vectors and the core's."""

import hashlib
import hmac
import json
import random
from unittest import SkipTest

import pytest
from stallmark import explain, receipt
from stallmark.registry import KIND_COLLECTIVE, KIND_GRANT, KIND_NAMES

from fleet.verify.check import parse
from fleet.verify.describe import beside, describe
from tests.core import vectors
from tests.world import World

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser, port):
    page = browser.page()
    page.open(f"http://localhost:{port}/static/latest/mark.svg")
    page.wait("document.readyState === 'complete'")
    yield page
    assert page.trouble == []
    page.close()


def run(page, body, data):
    """The value of an async function body that knows `data` and `from(module)`."""
    return page.do(
        f"(async () => {{ const data = {json.dumps(data)};"
        "const from = (name) => import(`/static/latest/${name}.mjs`);"
        f"const {{ fromHex, hex }} = await from('bytes'); {body} }})()"
    )


def public(name):
    try:
        return vectors.public(name)
    except SkipTest as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("which", ["own", "web"])
def test_ed25519_passes_every_wycheproof_vector(page, which):
    file = public("wycheproof_ed25519.json")
    cases = [
        [group["publicKey"]["pk"], test["msg"], test["sig"], test["result"] == "valid", test["tcId"]]
        for group in file["testGroups"]
        for test in group["tests"]
    ]
    assert len(cases) == file["numberOfTests"]
    wrong = run(
        page,
        f"""const {{ {which}: crypto }} = await from('crypto'); const wrong = [];
        for (const [key, message, signature, valid, id] of data)
          if (await crypto.verify(...[key, message, signature].map(fromHex)) !== valid) wrong.push(id);
        return wrong;""",
        cases,
    )
    assert wrong == []


def test_ed25519_refuses_what_is_no_key_and_no_signature(page):
    small = [
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ]
    off_curve = ["02" + "00" * 31]
    not_canonical = ["ee" + "ff" * 30 + "7f", "01" + "00" * 30 + "80"]
    answers = run(
        page,
        """const { own } = await from('crypto'); const out = [];
        const [three, all] = [new Uint8Array(3), new Uint8Array(64)];
        for (const key of data) out.push(await own.verify(fromHex(key), three, all));
        out.push(await own.verify(new Uint8Array(31), new Uint8Array(3), new Uint8Array(64)));
        out.push(await own.verify(fromHex(data[0]), new Uint8Array(3), new Uint8Array(63)));
        return out;""",
        [*small, *off_curve, *not_canonical],
    )
    assert answers == [False] * 9


def test_hashes_equal_the_standard_librarys_at_every_length_of_two_blocks(page):
    chance = random.Random(7)
    messages = [chance.randbytes(n) for n in [*range(0, 260), 1000, 5000]]
    keys = [chance.randbytes(n % 150) for n in range(len(messages))]
    expected = [
        [hashlib.sha256(m).hexdigest(), hashlib.sha512(m).hexdigest(), hmac.digest(k, m, "sha256").hex()]
        for m, k in zip(messages, keys, strict=True)
    ]
    found = run(
        page,
        """const { sha256, sha512, hmac256 } = await from('sha2');
        return data.map((pair) => pair.map(fromHex))
          .map(([m, k]) => [hex(sha256(m)), hex(sha512(m)), hex(hmac256(k, m))]);""",
        [[m.hex(), k.hex()] for m, k in zip(messages, keys, strict=True)],
    )
    assert found == expected


def test_cbor_reads_and_writes_what_the_core_does_and_refuses_what_it_refuses(page):
    file = vectors.load("cbor.json")
    good, bad = [v["hex"] for v in file["values"]], [v["hex"] for v in file["refused"]]
    again, accepted = run(
        page,
        """const { decode, encode } = await from('cbor'); const accepted = [];
        for (const one of data[1]) {
          try { decode(fromHex(one)); accepted.push(one); }
          catch (error) { if (error.name !== 'FormatError') throw error; }
        }
        return [data[0].map((one) => hex(encode(decode(fromHex(one))))), accepted];""",
        [good, bad],
    )
    assert again == good
    assert accepted == []


def test_receipts_of_the_vectors_are_read_and_damaged_ones_refused(page):
    file = vectors.load("receipt.json")
    good, bad = [v["cose"] for v in file["receipts"]], [v["cose"] for v in file["refused"]]
    answer = run(
        page,
        """const { parseReceipt, toBeSigned, underShortName } = await from('cose');
        const { own } = await from('crypto');
        const shorts = [], accepted = [];
        for (const one of data.good) {
          const found = parseReceipt(fromHex(one));
          const good = await own.verify(fromHex(data.key), toBeSigned(found), found.signature);
          if (!good) throw new Error(one);
          shorts.push(hex((await own.sha256(underShortName(fromHex(one)))).subarray(0, 16)));
        }
        for (const one of data.bad) {
          try { parseReceipt(fromHex(one)); accepted.push(one); }
          catch (error) { if (error.name !== 'FormatError') throw error; }
        }
        return [shorts, accepted];""",
        {"good": good, "bad": bad, "key": file["public_key"]},
    )
    assert answer == [[v["receipt16"] for v in file["receipts"]], []]


def test_trees_of_every_size_prove_every_leaf(page):
    file = vectors.load("tree.json")
    cases = [
        [file["entries"][p["index"]], p["index"], p["size"], p["proof"], file["roots"][p["size"]]]
        for p in file["inclusion"]
    ]
    good, moved = run(
        page,
        """const { rootFromProof } = await from('tlog'); const { own } = await from('crypto');
        const root = async ([entry, index, size, proof], by = 0) => {
          const leaf = await own.sha256(Uint8Array.of(0, ...fromHex(entry)));
          const found = await rootFromProof(leaf, index + by, size, proof.map(fromHex), own.sha256);
          return found && hex(found);
        };
        const roots = (by) => Promise.all(data.map((one) => root(one, by)));
        return [await roots(0), await roots(1)];""",
        cases,
    )
    assert good == [case[4] for case in cases]
    assert all(found != case[4] for found, case in zip(moved, cases, strict=True))


def told():
    """Records of every kind and reason, as the world signs them, and what Python says of them."""
    world = World(61)
    world.brick()
    kinds = [number for number, _ in KIND_NAMES] + [99]
    fields = [{"kind": kind} for kind in kinds if kind in (0, 1, 2, 3, 4, 5, 6, 14, 99)]
    fields.extend({"kind": KIND_COLLECTIVE, "f24": [count, None]} for count in (1, 7))
    for code in range(1, 24):
        for have, need, near in ((None, None, None), (3, 20, 18), (1, 3, 1), (0, 3, 250_000)):
            why = [code, 0, 0, 0, have, need, None, near]
            while why[-1] is None:
                why.pop()
            fields.append({"kind": 2 if code % 2 else 14, "f14": why})
    for kind in range(1, 14):
        for size, minor in ((None, None), (1500, 500), (1, 0), (1250, None), (3, 12345), (7, 5)):
            fields.append({"kind": KIND_GRANT, "f12": [[kind, size, minor]]})
    fields.append({"kind": KIND_GRANT, "f12": [[1, 1500, 7], [5, 2, None]], "f23": "JPY"})
    fields.append({"kind": KIND_GRANT, "f12": [[2, None, 7]], "f23": "KWD"})
    fields.append({"kind": KIND_GRANT, "f12": [[2, None, 7]], "f23": None})
    fields.extend({"kind": KIND_GRANT, "f0": flag} for flag in (1, 8, 9))
    for one in fields:
        yield world.receipt(world.record(one.pop("kind"), **one))


def test_a_page_without_a_server_tells_a_receipt_in_the_same_words(page):
    coses = list(told())
    expected = []
    for cose in coses:
        parsed = parse(cose)
        said = describe(parsed.fields, parsed.record)
        expected.append([said.headline, said.sentence, said.why, said.at_ms])
    found = run(
        page,
        """const { parseReceipt } = await from('cose'); const { describe } = await from('words');
        return data.map((one) => describe(parseReceipt(fromHex(one))))
          .map((one) => [one.headline, one.sentence, one.why, one.at]);""",
        [cose.hex() for cose in coses],
    )
    assert len(coses) > 150
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == theirs


def test_live_events_lose_what_their_headline_says(page):
    pairs = [["Granted", explain.sentence(parse(cose).record)] for cose in told()]
    pairs += [
        ["Granted", "Granted: ."],
        ["A sample", "Granted: a sample, on visit 3."],
        ["Refund", "Refund."],
        ["X", ""],
    ]
    found = run(
        page, "const { beside } = await from('words'); return data.map(([a, b]) => beside(a, b));", pairs
    )
    assert found == [beside(what, sentence) for what, sentence in pairs]


def test_base32_of_links_is_read_strictly(page):
    good = receipt.link_text("", bytes(range(16)))[3:]
    found = run(
        page,
        """const { fromBase32 } = await from('bytes');
        const read = (one) => { try { return hex(fromBase32(one)); } catch (error) { return error.name; } };
        return data.map(read);""",
        [good, good.lower(), good[:-1] + "B", good[:-1], good + "A", "1" * 26],
    )
    assert found[:2] == [bytes(range(16)).hex()] * 2
    assert found[2:] == ["FormatError"] * 4
