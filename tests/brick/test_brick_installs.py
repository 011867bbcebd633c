"""What a brick installs and what it refuses: rulesets by the authors' threshold, slices by the director."""

import asyncio
from typing import Any

import pytest
from bricklab import KIT, START_MS, Host, Lab, rule, ruleset
from conftest import RULES, Lent
from stallmark import event, rights
from stallmark import registry as reg
from stallmark.crypt import sha256

EVERYBODY = rule("everybody", [0], [[reg.GRANT_FIXED_NOW, 1, 50]], [[reg.UNIT_MINOR, 50]], limit=0)
NEXT = ruleset(EVERYBODY, rev=2)


async def answer(lab: Lab, host: Host, bundle: bytes, **lies: Any) -> Any:
    """Offers a bundle and waits for its result message."""
    host.answers.clear()
    host.offer(bundle, **lies)
    results: list[Any] = []

    def come() -> bool:
        results[:] = [value for kind, value in host.answers if kind == reg.MSG_BUNDLE_RESULT]
        return bool(results)

    await lab.until(come, "the bundle's result")
    return results[0]


def golden(reason: int, kind: int = reg.KIND_GRANT) -> list[Any]:
    """One golden vector: a person at a time at which every rule is known."""
    e = event.make(
        type=reg.EVENT_NFC_TAP,
        trust=3,
        subject=b"someone1",
        wall_ms=START_MS,
        quality=2,
        spread_ms=0,
        nonce=bytes(8),
    )
    return [event.to_fields(e), kind, 0, reason]


def test_a_higher_revision_takes_over_and_is_reported(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            bundle = lab.authors.bundle(NEXT, 2, golden=[golden(reg.REASON_GRANTED)] * 3)
            assert (await answer(lab, host, bundle))[1] == reg.INSTALL_OK
            await lab.until(lambda: host.statuses[-1][12] == sha256(NEXT), "the new ruleset in the status")
            await lab.drained()
            assert host.of_kind(reg.KIND_BOOT)[-1].fields[24][0] == sha256(NEXT)
            assert [(v[0], v[1]) for k, v in host.answers if k == reg.MSG_SLICE_RESULT] == [
                (1, reg.SLICE_UNKNOWN_RULE), (2, reg.SLICE_UNKNOWN_RULE),
            ]  # fmt: skip
            host.send(reg.MSG_SLICE, lab.authors.slice(3, "everybody", reg.UNIT_MINOR, 100))
            await lab.until(lambda: host.statuses[-1][9] == [[3, 100]], "a slice for the new rule")
            assert [(await lab.outcome(b"someone%d" % n))[1] for n in range(3)] == [1, 1, 2]
            await lab.restart()
            await lab.ready()
            assert host.statuses[-1][12] == sha256(NEXT), "it is still there after a restart"
            assert (await answer(lab, host, bundle))[1] == reg.INSTALL_ALREADY

    asyncio.run(market())


def test_everything_else_is_refused_by_its_own_name_and_the_old_rules_go_on(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            authors = lab.authors
            good = authors.bundle(NEXT, 2)
            torn = good[:-1] + bytes((good[-1] ^ 1,))
            refusals = [
                (authors.bundle(NEXT, 2, signers=1), {}, reg.INSTALL_THRESHOLD),
                (authors.bundle(NEXT, 2, signers=0), {}, reg.INSTALL_THRESHOLD),
                (authors.bundle(NEXT, 1), {}, reg.INSTALL_OLDER),
                (authors.bundle(NEXT, 2, hardware=["another board"]), {}, reg.INSTALL_HARDWARE),
                (authors.bundle(NEXT, 2, engine=(3, 4)), {}, reg.INSTALL_HARDWARE),
                (authors.bundle(NEXT, 2, golden=[golden(reg.REASON_NEAR, 2)]), {}, reg.INSTALL_VECTOR),
                (authors.bundle(b"no ruleset", 2), {}, reg.INSTALL_UNREADABLE),
                (torn, {}, reg.INSTALL_DIGEST),
                (good, {"digest": b"elsewise"}, reg.INSTALL_DIGEST),
                (good + b"more", {}, reg.INSTALL_DIGEST),
                (b"\xff\xff\xff\xff" + good, {"digest": b"elsewise"}, reg.INSTALL_TOO_LARGE),
                (b"\x00\x00\x00\x09no bundle", {"digest": b"elsewise"}, reg.INSTALL_UNREADABLE),
                (good, {"length": 70_000}, reg.INSTALL_TOO_LARGE),
            ]
            for bundle, more, expected in refusals:
                result = await answer(lab, host, bundle, **more)
                assert result[1] == expected, (result, expected)
            assert host.statuses[-1][12] == sha256(RULES)
            assert (await lab.outcome(b"someone1"))[1] == reg.KIND_GRANT
            assert (await answer(lab, host, good))[1] == reg.INSTALL_OK, "and then the good one"

    asyncio.run(market())


def test_a_bundle_that_lists_the_older_one_lets_it_return(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            fallback = lab.authors.bundle(NEXT, 5, fallback=[sha256(RULES)])
            assert (await answer(lab, host, fallback))[1] == reg.INSTALL_OK
            assert (await answer(lab, host, lab.authors.bundle(RULES, 1)))[1] == reg.INSTALL_OK
            await lab.until(lambda: host.statuses[-1][12] == sha256(RULES), "the older ruleset")

    asyncio.run(market())


def test_a_download_goes_on_where_a_lost_session_left_it(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            large = ruleset(*[rule(f"rule-{n}", [0], [[5, 1, 0]], [[2, 1]]) for n in range(30)], rev=2)
            bundle = lab.authors.bundle(large, 2)
            host.withhold_after = 1024
            host.offer(bundle)
            await lab.until(lambda: host.wanted and host.wanted[-1] >= 1024, "half of the download")
            host.restart()
            host.withhold_after = None
            await lab.until(lambda: host.statuses[-1][12] == sha256(large), "the whole download")
            assert host.wanted.count(0) == 1, "nothing was fetched twice from the start"

    asyncio.run(market())


@pytest.mark.parametrize("what", ["signature", "kit", "rental", "expired", "rule", "torn", "again"])
def test_slices_are_taken_only_from_the_director_for_this_kit(lent: Lent, what: str):
    async def market() -> None:
        async with lent("events") as (lab, host):
            authors = lab.authors
            number, rule_name, expected = 9, "sample", reg.SLICE_OK
            piece = authors.slice(number, rule_name, reg.UNIT_PIECES, 5)
            if what == "signature":
                piece = {0: piece[0], 1: bytes(64)}
                expected = reg.SLICE_SIGNATURE
            elif what == "kit":
                piece = authors.slice(number, rule_name, reg.UNIT_PIECES, 5, kit=b"kit-0002")
                expected = reg.SLICE_OTHER_KIT
            elif what == "rental":
                piece = authors.slice(number, rule_name, reg.UNIT_PIECES, 5, rental=2)
                expected = reg.SLICE_OTHER_KIT
            elif what == "expired":
                payload = rights.encode_slice(9, rights.rule8("sample"), reg.UNIT_PIECES, 5, KIT, 1, 0)
                piece = {0: payload, 1: authors.director.sign(rights.slice_message(payload)).signature}
                expected = reg.SLICE_EXPIRED
            elif what == "rule":
                piece = authors.slice(number, "another rule", reg.UNIT_PIECES, 5)
                expected = reg.SLICE_UNKNOWN_RULE
            elif what == "torn":
                host.send(reg.MSG_SLICE, {0: piece[0][:-3], 1: piece[1]})
            elif what == "again":
                piece, number, expected = authors.slice(1, "sample", reg.UNIT_PIECES, 3), 1, reg.SLICE_HELD
            host.answers.clear()
            host.send(reg.MSG_SLICE, piece)
            await lab.until(lambda: host.answers, "the slice's result")
            assert host.answers == [(reg.MSG_SLICE_RESULT, {0: number, 1: expected})]

    asyncio.run(market())
