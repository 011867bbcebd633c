"""The appliance under MicroPython: customers come, lights answer, records arrive; nothing odd stops it."""

import asyncio
import random
from pathlib import Path
from typing import Any

from bricklab import EVENT_KEY, Lab
from conftest import Lent
from stallmark import keys, token
from stallmark import registry as reg
from virtualkit.othertags import Phone, Unreadable
from virtualkit.tags import ntag215

TOKEN_KEY = keys.token_key(EVENT_KEY)
GREEN, BLUE, AMBER = (0, 1, 0), (0, 0, 1), (1, 1, 0)
UID = b"\x04\x01\x02\x03\x04\x05\x06"


def issued(uid: bytes) -> Any:
    """A tag that the hub issued."""
    return ntag215(uid, token.ndef_message(token.tag_payload(uid, TOKEN_KEY)))


def test_from_blank_to_a_green_light_and_a_record_at_the_host(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "brick", ("nfc",)) as lab:
            await lab.until(lambda: (1, 1, 1) in lab.colours, "the light of a brick without keys")
            host = await lab.provision()
            await lab.ready()
            assert [entry.fields[10] for entry in host.records][:2] == [reg.KIND_START, reg.KIND_BOOT]
            shown = await lab.brick.tap(issued(UID))
            assert shown.outcome == "ask at the stall"
            await lab.until(lambda: host.of_kind(reg.KIND_UNCERTAIN), "the record")
            assert host.records[-1].fields[14] == [reg.REASON_NO_RULESET]
            host.macs_hold()

    asyncio.run(market())


def test_first_tap_is_a_sample_the_second_is_nothing_this_time(lent: Lent):
    async def market() -> None:
        async with lent("nfc") as (lab, host):
            assert (await lab.brick.tap(issued(UID))).outcome == "granted"
            await lab.until(lambda: host.of_kind(reg.KIND_GRANT), "the grant at the host")
            grant = host.of_kind(reg.KIND_GRANT)[0].fields
            assert grant[9] == 0 and grant[12] == [[reg.GRANT_SAMPLE, 1, 0]] and grant[13] == [[1, 1]]
            assert grant[11] == reg.EVENT_NFC_TAP << 4 | reg.TRUST_ISSUED
            first_use = host.of_kind(reg.KIND_RIGHTS)[0]
            assert first_use.fields[13] == [[1, 0]] and first_use.seq < host.of_kind(reg.KIND_GRANT)[0].seq
            private = host.of_kind(reg.KIND_GRANT)[0].private_fields
            assert private[1] == token.subject(keys.subject_key(EVENT_KEY), token.TOKEN_UID, UID)
            other = b"\x04\x09\x08\x07\x06\x05\x04"
            assert (await lab.brick.tap(issued(other))).outcome == "granted"
            for entry in host.records:
                assert UID not in entry.public + entry.private
                assert other not in entry.public + entry.private
            host.macs_hold()

    asyncio.run(market())


def test_a_blank_tag_a_forged_one_and_a_phone(lent: Lent):
    async def market() -> None:
        async with lent("nfc") as (lab, host):
            await lab.brick.tap(ntag215(UID))
            forged = b"\x04\x77\x77\x77\x77\x77\x77"
            await lab.brick.tap(ntag215(forged, token.ndef_message(token.tag_payload(UID, TOKEN_KEY))))
            await lab.brick.tap(Phone(random.Random(1)))
            await lab.until(lambda: len(host.of_kind(reg.KIND_GRANT, reg.KIND_DENY)) >= 3, "three records")
            trusts = [e.fields[11] & 15 for e in host.of_kind(reg.KIND_GRANT, reg.KIND_DENY)]
            assert trusts == [reg.TRUST_BARE, reg.TRUST_BARE, reg.TRUST_ANONYMOUS]
            assert host.records[-1].private == b"", "a phone is nobody"
            host.restart()
            await lab.until(lambda: len(host.diagnostics) >= 2, "the counters")
            assert [25, 1] in host.diagnostics[-1][3], "one issued tag with a wrong MAC"

    asyncio.run(market())


def test_two_cards_and_an_unreadable_one_are_amber_and_counted(lent: Lent):
    async def market() -> None:
        async with lent("nfc") as (lab, host):
            chip = lab.brick.nfc
            assert chip is not None
            tags = [issued(UID), issued(b"\x04\x02\x02\x02\x02\x02\x02")]
            chip.field.place(tags[0])
            chip.field.place(tags[1])
            await lab.until(lambda: lab.colours[-1:] == [AMBER], "amber for two cards")
            chip.field.remove(tags[0])
            chip.field.remove(tags[1])
            shown = await lab.brick.tap(Unreadable(b"\x04\x03\x03\x03\x03\x03\x03"))
            assert shown.outcome == "ask at the stall"
            before = len(host.records)
            host.restart()
            await lab.until(lambda: len(host.diagnostics) >= 2, "the counters")
            counted = dict(host.diagnostics[-1][3])
            assert counted[22] == 1 and counted[23] == 1
            assert len(host.records) == before, "neither is a decision"

    asyncio.run(market())


def test_a_pass_is_granted_and_hostile_codes_are_amber_and_counted(lent: Lent):
    async def market() -> None:
        async with lent("qr") as (lab, host):
            scanner = lab.brick.scanner
            assert scanner is not None
            good = token.pass_text(b"serial-001", TOKEN_KEY).encode()
            assert (await lab.brick.scan(good)).outcome == "granted"
            scanner.show(good[:-1] + (b"A" if good[-1:] != b"A" else b"B"))
            decided = reg.KIND_GRANT, reg.KIND_DENY
            await lab.until(lambda: len(host.of_kind(*decided)) == 2, "a forged pass, as text")
            assert host.records[-1].fields[11] == reg.EVENT_QR_SCAN << 4 | reg.TRUST_TEXT
            scanner.hide()
            before = len(host.records)
            hostile = [b"$RESET", b"@000301", b"%%INIT", b"^A", b"a\x07b", b"caf\xc3\xa9"]
            for code in [*hostile, b"x" * 4000, b"z" * 129]:
                assert (await lab.brick.scan(code)).outcome == "ask at the stall", code[:12]
            scanner.show(b"Y")
            await lab.until(lambda: len(host.records) > before, "a code of one byte is an event")
            host.restart()
            await lab.until(lambda: len(host.diagnostics) >= 2, "the counters")
            counted = dict(host.diagnostics[-1][3])
            assert (counted[33], counted[34], counted[35], counted[38]) == (2, 1, 5, 1)

    asyncio.run(market())


def test_the_fourth_person_opens_the_crowd_bonus_and_the_latch_stands_before_it(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            kinds = [(await lab.outcome(b"%d-person" % n))[1] for n in range(4)]
            assert kinds == [reg.KIND_GRANT] * 3 + [reg.KIND_GRANT]
            await lab.until(lambda: len(host.of_kind(reg.KIND_GRANT)) == 4, "the records")
            last = host.of_kind(reg.KIND_GRANT)[-1].fields
            assert (last[9], last[23], last[13]) == (1, "EUR", [[2, 300]]), "stock gone, the crowd rule pays"
            [latch] = host.of_kind(reg.KIND_LATCH)
            assert latch.fields[9] == 1 and latch.seq < host.of_kind(reg.KIND_GRANT)[-1].seq

    asyncio.run(market())


def test_restart_remembers_people_stock_and_latches(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            for n in range(5):
                await lab.outcome(b"%d-person" % n)
            await lab.restart()
            await lab.ready()
            await lab.until(lambda: len(host.statuses[-1][9]) == 2, "the slices again")
            assert host.statuses[-1][9] == [[1, 0], [2, 2400]]
            assert host.statuses[-1][0] == 3, "the number of this start-up"
            assert (await lab.outcome(b"0-person"))[1] == reg.KIND_GRANT, "the crowd bonus, once"
            assert (await lab.outcome(b"0-person"))[1] == reg.KIND_DENY
            assert (await lab.outcome(b"6-person"))[1] == reg.KIND_GRANT
            await lab.drained()
            host.macs_hold()

    asyncio.run(market())


def test_repeated_denials_merge_and_the_close_writes_them(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            for _ in range(2):
                await lab.outcome(b"1-person", reg.TRUST_TEXT)
            for _ in range(5):
                assert (await lab.outcome(b"1-person", reg.TRUST_TEXT))[1] is None
            host.send(reg.MSG_CLOSE, {0: "Ada"})
            await lab.until(lambda: host.of_kind(reg.KIND_CLOSE), "the close")
            [merged] = host.of_kind(reg.KIND_COLLECTIVE)
            assert merged.fields[24][0] == 6 and merged.private_fields[1] == b"1-person"
            assert len(host.of_kind(reg.KIND_DENY)) == 1
            assert lab.colours.count(BLUE) == 7, "each customer saw an answer"

    asyncio.run(market())


def test_close_ends_the_key_epoch_also_over_a_restart(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            host.send(reg.MSG_CLOSE, {0: "Ada"})
            await lab.until(lambda: host.of_kind(reg.KIND_CLOSE), "the close")
            await lab.restart()
            await lab.ready()
            await lab.outcome(b"1-person")
            host.send(reg.MSG_CLOSE, {0: "Ada"})
            await lab.outcome(b"2-person")
            await lab.drained()
            await lab.until(lambda: len(host.of_kind(reg.KIND_CLOSE)) == 2, "the second close")
            assert [entry.fields[24] for entry in host.of_kind(reg.KIND_CLOSE)] == [["Ada"], ["Ada"]]
            assert {entry.fields[3] for entry in host.records} >= {0, 1}
            host.macs_hold()

    asyncio.run(market())
