"""Receipts, honest and not, against `fleet.verify.check`: each tampering gets its own verdict and code."""

import json

import pytest

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
