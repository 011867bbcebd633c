"""Receipts, honest and not, against `fleet.verify.check`: each tampering gets its own verdict and code."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.verify.check import verify
from fleet.verify.keys import parse_keys
from tests.verify.tampering import Stage, cases

STAGE = Stage()
CASES = cases(STAGE)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_tampering_is_named(case):
    report = verify(
        case.cose,
        parse_keys(json.dumps(case.keys)),
        handle=case.handle,
        proof=None if case.proof is None else case.proof.encode(),
        record_key=None if case.record_key is None else case.record_key.encode(),
    )
    assert {one.check: (one.verdict, one.code) for one in report.checks} == case.expect
    assert all(one.say.endswith(".") for one in report.checks)


GOOD = STAGE.good()
KEYS = parse_keys(json.dumps(GOOD.keys))


def check_all(cose, proof, record_key):
    report = verify(cose, KEYS, handle=GOOD.handle, proof=proof, record_key=record_key)
    assert [one.check for one in report.checks] == ["signed", "handle", "mac", "ledger", "reversed"]
    return report


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600), st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=300))
def test_any_bytes_are_answered_and_nothing_false_is_ok(cose, proof, record_key):
    report = check_all(cose, proof, record_key)
    assert report.failed
    assert all(one.verdict != "ok" for one in report.checks)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD.cose) - 1), st.integers(1, 255))
def test_no_byte_of_a_receipt_can_be_changed(at, change):
    cose = GOOD.cose[:at] + bytes([GOOD.cose[at] ^ change]) + GOOD.cose[at + 1 :]
    report = check_all(cose, GOOD.proof.encode(), GOOD.record_key.encode())
    answers = {one.check: one.verdict for one in report.checks}
    assert answers["signed"] == "failed" and answers["ledger"] == "failed" and answers["mac"] != "ok"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD.proof.encode()) - 1), st.integers(1, 255), st.booleans())
def test_no_byte_of_a_proof_can_be_changed_to_another_answer(at, change, of_key):
    """It is refused, or (a bit that base64 does not use) still says the truth."""
    file = (GOOD.record_key if of_key else GOOD.proof).encode()
    at %= len(file)
    changed = file[:at] + bytes([file[at] ^ change]) + file[at + 1 :]
    proof, key = (GOOD.proof.encode(), changed) if of_key else (changed, GOOD.record_key.encode())
    report = check_all(GOOD.cose, proof, key)
    if report.place is not None:
        assert report.place.index == 4
