"""Fraud signals on the brick: every decision says how unusual it was; a score never refuses, it asks."""

import asyncio
from pathlib import Path

from bricklab import Lab, rule2, ruleset2
from conftest import Lent
from stallmark import explain, expr, riskwords, rules
from stallmark import registry as reg

TEA = [[reg.GRANT_SAMPLE, 1, 0]]
# A rule for other events stands before it, and the risk is no bare comparison
OTHER = rule2("scans", [expr.GE, [expr.TRUST], 7], TEA, [reg.UNIT_PIECES], f1=[reg.EVENT_QR_SCAN], f8=[])
NEVER = [expr.GE, [expr.TRUST], 7]
CALM = ruleset2(
    OTHER,
    rule2("calm", [expr.ANY, NEVER, [expr.LE, [expr.ADD, [expr.RISK], 1], 250]], TEA, [reg.UNIT_PIECES], f8=[]),
)


def test_a_score_is_recorded_and_changes_nothing_where_no_rule_asks_for_it(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            assert (await lab.outcome(b"a" * 8))[1] == reg.KIND_GRANT
            for _ in range(7):
                found = await lab.outcome(b"a" * 8)
            assert found[1] in (reg.KIND_DENY, None), "once for each person, whatever the score is"
            await lab.until(lambda: host.of_kind(reg.KIND_GRANT) and host.of_kind(reg.KIND_DENY), "the records")
            for entry in host.of_kind(reg.KIND_GRANT, reg.KIND_DENY):
                score, model, _ = riskwords.parts(entry.fields[22]) or (0, 0, "")
                assert 0 <= score <= 255 and model >= 1

    asyncio.run(market())


def test_what_a_rule_would_refuse_for_the_risk_alone_is_asked_at_the_stall_with_its_reason(tmp_path: Path):
    """A tag held to the reader over and over: after a few cups it is "ask", never a silent no."""

    async def market() -> None:
        async with Lab(tmp_path, ("events",)) as lab:
            host = await lab.stocked(CALM, lab.authors.slice(1, "calm", reg.UNIT_PIECES, 50))
            kinds = [(await lab.outcome(b"t" * 8))[1] for _ in range(8)]
            assert kinds[0] == reg.KIND_GRANT and kinds[-1] == reg.KIND_UNCERTAIN and reg.KIND_DENY not in kinds
            await lab.until(lambda: host.of_kind(reg.KIND_UNCERTAIN), "the record")
            fields = host.of_kind(reg.KIND_UNCERTAIN)[-1].fields
            assert fields[14][0] == reg.REASON_RISK
            words = explain.sentence(fields, rules.Ruleset(CALM))
            assert words == "Ask at the stall: this looked unusual: the same tag many times within ten seconds."

    asyncio.run(market())
