"""A brick that was told a root installs what the director orders for it, and nothing else."""

import asyncio
from pathlib import Path

import nacl.signing
import pytest
from bricklab import SAMPLES, START_MS, Host, Lab, rule, ruleset, seeded
from conftest import RULES, Lent
from directorlab import DAY, Office, public, rooted, tag, tell
from stallmark import bundle, directive, rootmeta
from stallmark import registry as reg
from stallmark.crypt import sha256
from test_brick_installs import NEXT, answer

THIRD = ruleset(SAMPLES, rev=3)


async def ordered(lab: Lab, host: Host, office: Office, data: bytes, **more: object) -> None:
    """A directive that names a bundle for this brick, taken."""
    result = await tell(lab, host, 2, office.order(office.item(host.brick8, data), **more))
    assert result[1] == reg.INSTALL_OK, result


def test_from_the_first_root_on_only_what_is_ordered_is_installed(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            good = lab.authors.bundle(NEXT, 2)
            assert host.statuses[-1][15] == [0, None, 0, None, 0]
            office = await rooted(lab, host)
            await lab.until(lambda: host.statuses[-1][15][0] == 1, "the root in the status")
            assert (await answer(lab, host, good))[1] == reg.INSTALL_NOT_NAMED, "two authors signed, nobody ordered"
            await ordered(lab, host, office, lab.authors.bundle(THIRD, 3))
            assert (await answer(lab, host, good))[1] == reg.INSTALL_NOT_NAMED, "another was ordered"
            await ordered(lab, host, office, good)
            assert (await answer(lab, host, good))[1] == reg.INSTALL_OK
            await lab.until(lambda: host.statuses[-1][12] == sha256(NEXT), "the new rules")
            await lab.drained()
            assert host.of_kind(reg.KIND_BOOT)[-1].fields[24][2:] == [2, 1, 0, 1], "directive 2, root 1, under a MAC"
            host.bundle = None
            await lab.restart()
            await lab.ready()
            assert host.statuses[-1][15][2] == 2, "it is still in force after a restart"
            assert host.of_kind(reg.KIND_BOOT)[-1].fields[24][2] == 2
            assert (await answer(lab, host, lab.authors.bundle(THIRD, 3)))[1] == reg.INSTALL_NOT_NAMED

    asyncio.run(market())


def test_a_halt_ends_a_download_that_is_under_way(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            office = await rooted(lab, host)
            large = ruleset(*[rule(f"rule-{n}", [0], [[5, 1, 0]], [[2, 1]]) for n in range(30)], rev=2)
            data = lab.authors.bundle(large, 2)
            await ordered(lab, host, office, data)
            host.withhold_after = 1024
            host.offer(data)
            await lab.until(lambda: host.wanted and host.wanted[-1] >= 1024, "half of the download")
            halt = office.order(office.item(host.brick8, data), flags=directive.HALTED, reason="error rate")
            seen = len(host.answers)
            host.send(reg.MSG_TRUST, {0: 2, 1: sha256(halt)[:8], 2: len(halt), 3: halt})
            await lab.until(lambda: len(host.answers) >= seen + 2, "both answers")
            results = {kind: value[1] for kind, value in host.answers[seen:]}
            assert results == {reg.MSG_BUNDLE_RESULT: reg.INSTALL_HALTED, reg.MSG_TRUST_RESULT: reg.INSTALL_OK}
            host.withhold_after = None
            assert (await answer(lab, host, data))[1] == reg.INSTALL_HALTED, "latecomers included"
            assert host.statuses[-1][12] == sha256(RULES)
            await ordered(lab, host, office, data)
            assert (await answer(lab, host, data))[1] == reg.INSTALL_OK, "until another directive lets it"

    asyncio.run(market())


@pytest.mark.parametrize("what", ["tag", "authors", "replayed tag"])
def test_a_first_root_needs_the_authors_and_the_controller(lent: Lent, what: str):
    async def market() -> None:
        async with lent() as (lab, host):
            office = Office(lab.authors)
            first, expected = office.first_root(), reg.INSTALL_NOT_FIRST_ROOT
            given = tag(host, first)
            if what == "tag":
                given = bytes(16)
            elif what == "authors":
                first, expected = office.root(), reg.INSTALL_THRESHOLD
                given = tag(host, first)
            else:
                first = office.root(1, tuple(lab.authors.signers[:2]), issued_ms=START_MS)
            result = await tell(lab, host, 1, first, tag=given)
            assert (result[1], result[2]) == (expected, 0)
            assert (await answer(lab, host, lab.authors.bundle(NEXT, 2)))[1] == reg.INSTALL_OK, "as before"

    asyncio.run(market())


def test_a_stolen_director_is_replaced_by_a_root_and_its_orders_end(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            office = await rooted(lab, host)
            thief, office.director = office.director, nacl.signing.SigningKey(seeded("the next director"))
            stolen = Office(lab.authors)
            good = lab.authors.bundle(NEXT, 2)
            far = stolen.order(stolen.item(host.brick8, good), number=2**32 - 1, issued_ms=START_MS + 300 * DAY,
                               expires_ms=START_MS + 301 * DAY)  # fmt: skip
            assert (await tell(lab, host, 2, far))[1] == reg.INSTALL_OK, "nobody knows of the theft yet"
            second = office.root(2)
            assert (await tell(lab, host, 1, second))[1] == reg.INSTALL_OK
            assert (await answer(lab, host, good))[1] == reg.INSTALL_NOT_NAMED
            assert (await tell(lab, host, 2, far))[1] == reg.INSTALL_THRESHOLD
            await ordered(lab, host, office, good)
            assert (await answer(lab, host, good))[1] == reg.INSTALL_OK
            assert thief.verify_key.encode() not in public([office.director])
            host.answers.clear()
            host.send(reg.MSG_SLICE, lab.authors.slice(7, "everybody", reg.UNIT_MINOR, 100))
            await lab.until(lambda: host.answers, "the slice's result")
            assert host.answers[0][1] == {0: 7, 1: reg.SLICE_SIGNATURE}, "nor does it mint rights any more"

    asyncio.run(market())


def test_pieces_go_on_in_order_and_lies_about_them_change_nothing(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            office = await rooted(lab, host)
            names = [office.item(b"sister%02d" % number, lab.authors.bundle(NEXT, 2)) for number in range(20)]
            long = office.order(*names)
            assert len(long) > 1500
            host.send(reg.MSG_TRUST, {0: 2, 1: b"elsewise", 2: 4097})
            host.send(reg.MSG_TRUST, {0: 3, 1: b"elsewise", 2: 100})
            host.send(reg.MSG_TRUST, {0: 2, 1: b"elsewise", 2: len(long), 3: long[:300]})
            host.send(reg.MSG_TRUST_PIECE, {0: b"elsewise", 1: 7, 2: b"x"})
            host.send(reg.MSG_TRUST_PIECE, {0: b"elsewise", 1: 0, 2: bytes(257)})
            short = office.order(number=9)
            host.answers.clear()
            host.send(reg.MSG_TRUST, {0: 2, 1: b"elsewise", 2: len(short), 3: short})
            await lab.until(lambda: (reg.MSG_TRUST_RESULT in dict(host.answers)), "the refusal")
            assert dict(host.answers)[reg.MSG_TRUST_RESULT][1] == reg.INSTALL_DIGEST
            office.number = 9
            result = await tell(lab, host, 2, office.order(*names))
            assert (result[1], result[3]) == (reg.INSTALL_OK, office.number)
            assert (await tell(lab, host, 2, short, whole=False))[1] == reg.INSTALL_OLDER

    asyncio.run(market())


def test_orders_to_others_and_of_others_are_refused_by_their_own_name(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            office = await rooted(lab, host)
            good = lab.authors.bundle(NEXT, 2)
            mine = office.item(host.brick8, good)
            await ordered(lab, host, office, good)
            await lab.until(lambda: host.statuses[-1][15][1] is not None, "the order in the status")
            before = list(host.statuses[-1][15])
            for envelope, expected in (
                (office.order(mine, kit=b"kit-0002"), reg.INSTALL_OTHER_KIT),
                (office.order(mine, rental=2), reg.INSTALL_OTHER_RENTAL),
                (office.order(mine, mine), reg.INSTALL_NAMED_TWICE),
                (office.order(office.item(host.brick8, good, hardware="rp2040")), reg.INSTALL_HARDWARE),
                (office.order(office.item(host.brick8, good, rev=1)), reg.INSTALL_OLDER),
                (office.order(mine, expires_ms=START_MS - DAY), reg.INSTALL_EXPIRED),
                (office.order(mine, root_version=2), reg.INSTALL_ROOT_WANTED),
                (office.order(mine, flags=4), reg.INSTALL_NEWER_FORM),
                (office.order(number=1), reg.INSTALL_EQUIVOCATION),
            ):
                result = await tell(lab, host, 2, envelope)
                assert (result[1], result[3]) == (expected, 1), expected
            await lab.until(lambda: host.statuses[-1][15][4] == 1, "the alarm")
            assert host.statuses[-1][15][:3] == [1, before[1], 1]
            assert (await answer(lab, host, good))[1] == reg.INSTALL_OK, "the first word holds"

    asyncio.run(market())


def test_a_brick_that_was_promised_a_root_installs_nothing_before_it(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "brick", ()) as lab:
            office = Office(lab.authors)
            first = office.root()
            host = await lab.provision(first_root=sha256(bundle.opened(first, rootmeta.TYPE)[0]))
            await lab.until(lambda: host.up and host.statuses, "the link")
            assert host.statuses[-1][15] == [0, None, 0, None, 8]
            data = lab.authors.bundle(RULES, 1)
            assert (await answer(lab, host, data))[1] == reg.INSTALL_ROOT_WANTED
            host.bundle = None
            other = office.root(1, tuple(lab.authors.signers[:2]), issued_ms=START_MS)
            assert (await tell(lab, host, 1, other, tag=tag(host, other)))[1] == reg.INSTALL_NOT_FIRST_ROOT
            assert (await tell(lab, host, 1, first))[1] == reg.INSTALL_OK, "the bench said so: no tag, no author"
            await ordered(lab, host, office, data)
            assert (await answer(lab, host, data))[1] == reg.INSTALL_OK

    asyncio.run(market())
