"""The table of tampering again, in Chromium: verdicts as the command gives them, with either cryptography."""

import json
import random
from dataclasses import replace

import pytest

from fleet.verify.check import verify
from fleet.verify.keys import parse_keys
from tests.verify.histories import scenes
from tests.verify.tampering import Stage, cases

pytestmark = pytest.mark.browser

STAGE = Stage(seed=12)
CASES = cases(STAGE)


@pytest.fixture(scope="module")
def answers(browser, port):
    """{crypto: [{check: [verdict, code, say]} per case]}, by the page's own modules."""
    return ask(browser, port, CASES, ["own", "web"])


def ask(browser, port, cases, cryptos):
    """What the page's modules answer to each case, with each cryptography."""
    page = browser.page()
    page.open(f"http://localhost:{port}/static/latest/mark.svg")
    page.wait("document.readyState === 'complete'")
    data = [
        {
            "cose": case.cose.hex(),
            "keys": case.keys,
            "handle": None if case.handle is None else case.handle.hex(),
            "proof": case.proof,
            "recordKey": case.record_key,
        }
        for case in cases
    ]
    found = page.do(
        f"""(async () => {{
        const data = {json.dumps(data)}; const out = {{}};
        const [{{ fromHex }}, cryptos, {{ parseKeys }}, {{ verifyReceipt }}] = await Promise.all(
          ['bytes', 'crypto', 'keys', 'verify'].map((name) => import(`/static/latest/${{name}}.mjs`)));
        for (const crypto of {json.dumps(cryptos)}.map((name) => cryptos[name])) {{
          out[crypto.name] = [];
          for (const one of data) {{
            const keys = await parseKeys(one.keys, crypto.sha256);
            const handle = one.handle && fromHex(one.handle);
            const cose = fromHex(one.cose);
            const {{ checks }} = await verifyReceipt({{ ...one, cose, handle, keys, crypto }});
            const pairs = checks.map((c) => [c.check, [c.verdict, c.code, c.say]]);
            out[crypto.name].push(Object.fromEntries(pairs));
          }}
        }}
        return out; }})()"""
    )
    page.close()
    return found


def test_the_table_is_not_empty():
    assert len(CASES) > 35


@pytest.mark.parametrize("crypto", ["own", "webcrypto"])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_page_and_command_agree_on_each_tampering(answers, crypto, number):
    case = CASES[number]
    found = {check: (verdict, code) for check, (verdict, code, _) in answers[crypto][number].items()}
    assert found == case.expect
    assert found == command(case)


def command(case):
    """{check: (verdict, code)} by the command."""
    report = verify(
        case.cose,
        parse_keys(json.dumps(case.keys)),
        handle=case.handle,
        proof=None if case.proof is None else case.proof.encode(),
        record_key=None if case.record_key is None else case.record_key.encode(),
    )
    return {one.check: (one.verdict, one.code) for one in report.checks}


def test_page_and_command_agree_on_changes_made_by_chance(browser, port):
    seed = 20260921
    chance = random.Random(seed)
    good = CASES[0]
    changed = []
    for number in range(400):
        what = ("cose", "proof", "record_key")[number % 3]
        data = getattr(good, what)
        at = chance.randrange(len(data))
        if what == "cose":
            data = data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]
        else:
            data = data[:at] + chance.choice("AZaz09+/=\n —.!") + data[at + 1 :]
        changed.append(replace(good, name=f"{what} at {at}", **{what: data}))
    found = ask(browser, port, changed, ["own"])["own"]
    for case, answer in zip(changed, found, strict=True):
        page = {check: (verdict, code) for check, (verdict, code, _) in answer.items()}
        assert page == command(case), f"seed {seed}: {case.name}"


def test_both_say_the_same_sentence_where_nothing_is_damaged(answers):
    case = CASES[0]
    report = verify(
        case.cose,
        parse_keys(json.dumps(case.keys)),
        handle=case.handle,
        proof=case.proof.encode(),
        record_key=case.record_key.encode(),
    )
    assert {check: say for check, (_, _, say) in answers["own"][0].items()} == {
        one.check: one.say for one in report.checks
    }


SCENES = list(scenes())


@pytest.fixture(scope="module")
def histories(browser, port):
    """[{check: [verdict, code, say]}] of each ledger scene, with our own cryptography."""
    page = browser.page()
    page.open(f"http://localhost:{port}/static/latest/mark.svg")
    page.wait("document.readyState === 'complete'")
    data = [
        {
            "cose": scene.cose.hex(),
            "keys": scene.keys,
            "proof": scene.proof,
            "files": {name: data.hex() for name, data in scene.files.items()},
        }
        for scene in SCENES
    ]
    found = page.do(
        f"""(async () => {{
        const data = {json.dumps(data)}; const out = [];
        const modules = await Promise.all(['bytes', 'crypto', 'keys', 'verify', 'history'].map(
          (name) => import(`/static/latest/${{name}}.mjs`)));
        const {{ fromHex, own: crypto, parseKeys, readReceipt, verifyReceipt, readHistory }} =
          Object.assign({{}}, ...modules);
        for (const {{ cose: text, keys: file, proof, files }} of data) {{
          const cose = fromHex(text);
          const keys = await parseKeys(file, crypto.sha256);
          const {{ receipt, short }} = await readReceipt(cose, crypto);
          const fetchFile = async (path) => (files[path] ? fromHex(files[path]) : null);
          const history = await readHistory({{ cose, short, receipt, proof, keys, crypto, fetchFile }});
          const {{ checks }} = await verifyReceipt({{ cose, proof, keys, crypto, history }});
          out.push(Object.fromEntries(checks.map((c) => [c.check, [c.verdict, c.code, c.say]])));
        }}
        return out; }})()"""
    )
    page.close()
    return found


@pytest.mark.parametrize("number", range(len(SCENES)), ids=[scene.name for scene in SCENES])
def test_a_whole_ledger_says_the_same_in_the_browser(histories, number):
    found = {check: (verdict, code) for check, (verdict, code, _) in histories[number].items()}
    assert found == SCENES[number].expect
