"""The firmware under MicroPython as one of a kit: asks, is told of others, takes vouchers, practises."""

import asyncio
from pathlib import Path
from typing import Any

import nacl.signing
from brick import config
from bricklab import KIT, START_MS, Host, Lab, rule2, ruleset2, seeded
from stallmark import people, voucher
from stallmark import registry as reg

ISSUER = nacl.signing.SigningKey(seeded("issuer"))
TEA = [[reg.GRANT_SAMPLE, 1, 0]]
CROWD = [10, [20, 0, 864_000_000, 0], 20]
RULES = ruleset2(
    rule2("tea", CROWD, TEA, [reg.UNIT_PIECES], f1=[reg.EVENT_NFC_TAP], f9=[reg.KIND_DENY, 3, 0, 0]),
    rule2("coin", [0], [[reg.GRANT_FIXED_NOW, 1, 0]], [], f2=4, f8=[], f20=7),
    f14=[[3, 1, 9, 4, "cups"]],
    f15=[ISSUER.verify_key.encode()],
)
START = START_MS - 5 * 86_400_000
GREEN, BLUE = (0, 1, 0), (0, 0, 1)


def text(
    serial: int, audience: bytes = KIT, expires_s: int = START_MS // 1000 + 10**6, forged: bool = False
) -> bytes:
    """The text of a voucher worth 2.00."""
    data = voucher.payload(
        voucher.kid4(ISSUER.verify_key.encode()), serial.to_bytes(8), 7, 200, audience, expires_s
    )
    signature = ISSUER.sign(voucher.message(b"other" if forged else data)).signature
    return voucher.text(data, signature).encode()


def entries(first: int, count: int) -> bytes:
    since = START_MS - START
    return b"".join(
        people.entry(b"%06dxx" % n, reg.EVENT_NFC_TAP, 3, reg.KIND_DENY, 0, 0, since + n)
        for n in range(first, first + count)
    )


async def kit(lab: Lab) -> Host:
    host = await lab.stocked(RULES, lab.authors.slice(1, "tea", reg.UNIT_PIECES, 5))
    await lab.drained()
    return host


def test_others_people_open_a_rule_that_asks_and_the_answer_makes_the_light(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "brick", ("events",)) as lab:
            host = await kit(lab)
            ruleset8 = host.statuses[-1][5]
            for part in range(2):
                host.send(
                    reg.MSG_PEOPLE,
                    {0: ruleset8, 1: b"brick-02", 2: 10 * part + 10, 3: entries(10 * part, 10)},
                )
            host.send(reg.MSG_PEOPLE, {0: b"elsewise", 1: b"brick-02", 2: 40, 3: entries(40, 20)})
            host.send(reg.MSG_PARAMETERS, {0: ruleset8, 1: [[0, 7]], 2: "Ana", 3: b"nonce--1"})
            await lab.until(
                lambda: (reg.MSG_PARAMETERS_RESULT, {0: b"nonce--1", 1: 1}) in host.answers, "open values"
            )
            lab.inject(b"999999xx")
            await lab.until(lambda: _asked(host), "the question")
            assert lab.colours == [] or lab.colours[-1] != GREEN
            host.send(reg.MSG_ANSWER, {0: _asked(host)[0][0], 1: reg.ANSWER_YES})
            await lab.until(lambda: lab.outcomes, "the outcome")
            assert lab.outcomes[-1][1] == reg.KIND_GRANT and lab.colours[-1] == GREEN
            await lab.until(lambda: host.of_kind(reg.KIND_GRANT), "the record")
            grant, reserve = host.of_kind(reg.KIND_GRANT)[0].fields, host.of_kind(reg.KIND_RESERVE)[0]
            assert grant[20] == reserve.seq and grant[21] == reserve.fields[21]
            lab.inject(b"888888xx")
            await lab.until(lambda: len(lab.outcomes) == 2, "nobody answered")
            assert lab.outcomes[-1][1] == reg.KIND_DENY
            await lab.until(lambda: len(host.of_kind(reg.KIND_RELEASE)) == 1, "given back")
            host.macs_hold()
            lab.inject(b"777777xx")
            await lab.until(lambda: len(host.of_kind(reg.KIND_RESERVE)) == 3, "reserved")
            await lab.restart()
            await lab.ready()
            await lab.until(
                lambda: len(host.of_kind(reg.KIND_RELEASE)) == 2, "given back after the restart, or before"
            )
            host.macs_hold()

    asyncio.run(market())


def test_vouchers_at_the_scanner_are_told_apart_and_practice_spends_none(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "brick", ("qr",)) as lab:
            host = await kit(lab)
            await practise(lab, host, True)
            shown = await lab.brick.scan(text(1))
            await lab.until(lambda: _decided(host, 0), "the practice")
            assert shown.outcome == "granted", _decided(host, 0)[-1].fields
            await practise(lab, host, False)
            await lab.until(lambda: host.of_kind(reg.KIND_REDEEM), "the practice")
            assert host.of_kind(reg.KIND_REDEEM)[0].fields[0] & reg.FLAG_TRAINING
            for code, expected in (
                (text(2, forged=True), [reg.KIND_DENY, reg.REASON_VOUCHER_FALSE, 1]),
                (text(1), [reg.KIND_REDEEM, reg.REASON_GRANTED, 4]),
                (text(3, audience=b"hub-9999"), [reg.KIND_DENY, reg.REASON_VOUCHER_ELSEWHERE, 4]),
                (text(4, expires_s=START_MS // 1000 - 1), [reg.KIND_DENY, reg.REASON_VOUCHER_EXPIRED, 4]),
                (b"SMV1:NO VOUCHER", [reg.KIND_DENY, reg.REASON_NO_RULE, 1]),
                (text(1), [reg.KIND_DENY, reg.REASON_VOUCHER_SPENT, 4]),
            ):
                before = len(host.records)
                while (await lab.brick.scan(code, seconds=3.0)).outcome is None:
                    # The same code within the cooldown is the same customer: no light, until it has been away that long.
                    await asyncio.sleep(config.QR_REPEAT_MS / 1000)
                await lab.until(lambda before=before: _decided(host, before), "the record")
                fields = _decided(host, before)[-1].fields
                assert [fields[10], fields[14][0], fields[11] & 15] == expected, code
            paid = host.of_kind(reg.KIND_REDEEM)[-1].fields
            assert paid[24] == [(1).to_bytes(8)] and paid[12] == [[reg.GRANT_FIXED_NOW, 1, 200]]
            host.restart()
            host.diagnostics.clear()
            await lab.until(lambda: host.diagnostics, "the counters")
            counted = dict(host.diagnostics[-1][3])
            assert [counted.get(n) for n in (41, 42, 43, 44, 62)] == [1, 1, 1, 1, 1]

    asyncio.run(market())


async def practise(lab: Lab, host: Host, on: bool) -> None:
    """Turns practice on or off; messages arrive in order, so an answer to a later one says that it was taken."""
    host.answers.clear()
    host.send(reg.MSG_TRAINING, {0: on, 1: "Ana"})
    host.send(reg.MSG_PARAMETERS, {0: host.statuses[-1][5], 1: [[9, 9]], 2: "Ana", 3: b"on or of"})
    await lab.until(lambda: host.answers and host.idle, "the answer after it")


def _asked(host: Host) -> list[Any]:
    return [value for kind, value in host.answers if kind == reg.MSG_ASK]


def _decided(host: Host, since: int) -> list[Any]:
    kinds = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_REDEEM, reg.KIND_UNCERTAIN)
    return [entry for entry in host.records[since:] if entry.fields[10] in kinds]
