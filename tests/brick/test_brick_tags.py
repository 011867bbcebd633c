"""Tags that prove themselves at a real brick: keys from the controller alone, trust by what was proved, replays refused."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from brick import config
from bricklab import EVENT, EVENT_KEY, Host, Lab
from conftest import Lent
from stallmark import keys, token
from stallmark import registry as reg
from virtualkit.isodep import Type4
from virtualkit.ntag424 import Ntag424
from virtualkit.othertags import Phone
from workbench import tag424, tagmaster

MASTER = bytes(range(32))
KEYS = tagmaster.event_keys(MASTER, EVENT)
UID = bytes.fromhex("04a1b2c3d4e580")
OTHER = bytes.fromhex("04a1b2c3d4e581")
NAME = token.subject(keys.subject_key(EVENT_KEY), token.TOKEN_PROVED, UID)


def sealed(host: Host, version: int = 1, event: bytes = EVENT, keys: Any = KEYS) -> tuple[int, Any]:
    """Message 47 as the controller makes it."""
    message = tagmaster.seal(host.control_key, host.brick8, b"nonce-for-12", version, event, keys)
    return reg.MSG_TAG_KEYS, message


def tag(uid: bytes = UID, keys: Any = KEYS) -> Ntag424:
    """A tag of the event."""
    made = Ntag424(uid, random.Random(uid[6]))
    made.activate()
    tag424.personalise(made.apdu, uid, keys, "https://stall.example/t", random=random.Random(1).randbytes)
    made.power_off()
    return made


def read(one: Ntag424) -> bytes:
    """The message that whoever reads the tag now gets: the next one, and the tag's counter went on."""
    one.activate()
    one.apdu(bytes.fromhex("00a4040007d276000085010100"))
    one.apdu(bytes.fromhex("00a4000c02e104"))
    size = int.from_bytes(one.apdu(bytes.fromhex("00b0000002"))[:2], "big")
    message = one.apdu(bytes((0, 0xB0, 0, 2, size)))[:-2]
    one.power_off()
    return message


async def given(lab: Lab, host: Host, *messages: tuple[int, Any]) -> None:
    """The brick has had these messages."""
    for message in messages:
        host.send(*message)
    await lab.until(lambda: host.idle, "the messages to arrive")


async def decided(lab: Lab, host: Host, card: Any) -> Any:
    """Taps a card, after its cooldown if need be, and returns the first record of what came of it."""
    kinds = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN)
    before = len(host.of_kind(*kinds))
    for _ in range(10):
        if (await lab.brick.tap(card, seconds=1.0)).outcome is not None:
            break
        await asyncio.sleep(config.COOLDOWN_MS / 1000 + 0.2)
    await lab.until(lambda: len(host.of_kind(*kinds)) > before, "the record")
    # A brick that was slow to light was asked again, and has a second record.
    return host.of_kind(*kinds)[before]


async def counters(lab: Lab, host: Host) -> dict[int, int]:
    """What the brick has counted: it says so when a session begins."""
    seen = len(host.diagnostics)
    host.restart()
    await lab.until(lambda: len(host.diagnostics) > seen, "the counters")
    return dict(host.diagnostics[-1][3])


def trust(entry: Any) -> int:
    return entry.fields[11] & 15


def market(lent: Lent, test: Callable[[Lab, Host], Any]) -> None:
    async def run() -> None:
        async with lent("nfc") as (lab, host):
            await test(lab, host)

    asyncio.run(run())


def test_live_authentication_earns_what_a_number_does_not(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        one = tag()
        bare = await decided(lab, host, one)
        assert trust(bare) == reg.TRUST_BARE, "without keys a tag is the number that it shows"
        await given(lab, host, sealed(host))
        live = await decided(lab, host, tag(OTHER))
        assert trust(live) == reg.TRUST_LIVE
        assert live.private_fields[5] == 1, "the counter that the tag told sealed: the desk read it once"
        proved = await decided(lab, host, one)
        assert trust(proved) == reg.TRUST_LIVE and proved.private_fields[1] == NAME
        assert proved.private_fields[5] == 2, "the brick itself read its link while it had no keys"
        assert proved.private_fields[1] != bare.private_fields[1]
        for entry in host.records:
            assert UID not in entry.public + entry.private

    market(lent, test)


def test_keys_outlast_a_restart_without_a_host(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        await given(lab, host, sealed(host))
        assert trust(await decided(lab, host, tag())) == reg.TRUST_LIVE
        host.silent = True
        await lab.restart()
        await lab.brick.ready()
        assert (await lab.brick.tap(tag(OTHER))).outcome is not None
        host.silent = False
        await lab.until(lambda: host.up and trust(host.records[-1]) == reg.TRUST_LIVE, "the record of that")

    market(lent, test)


def test_a_link_is_taken_once_and_a_clone_that_repeats_it_is_refused_after_a_restart_too(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        await given(lab, host, sealed(host))
        one = tag()
        harvested = read(one)
        first = await decided(lab, host, Type4(UID, harvested))
        assert trust(first) == reg.TRUST_SDM and first.private_fields[1] == NAME
        await lab.restart()
        await lab.brick.ready()
        again = await decided(lab, host, Type4(UID, harvested))
        assert again.fields[10] == reg.KIND_DENY and again.fields[14] == [reg.REASON_TAG_COUNTER]
        assert trust(again) == reg.TRUST_BARE and again.private_fields[5] == first.private_fields[5]
        await lab.restart()
        await lab.brick.ready()
        assert trust(await decided(lab, host, one)) == reg.TRUST_LIVE, "the true tag is as good as before"

    market(lent, test)


def test_what_another_brick_saw_is_a_replay_here(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        await given(lab, host, sealed(host))
        one = tag()
        harvested = read(one)
        await given(lab, host, (reg.MSG_TAG_COUNTERS, {0: NAME[:6] + one.counter.to_bytes(3, "big")}))
        assert (await decided(lab, host, Type4(UID, harvested))).fields[14] == [reg.REASON_TAG_COUNTER]

    market(lent, test)


def test_wrong_keys_wrong_numbers_and_phones_prove_nothing(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        await given(lab, host, sealed(host))
        phone = await decided(lab, host, Phone(random.Random(3)))
        assert trust(phone) == reg.TRUST_ANONYMOUS and phone.private == b""
        foreign = tag(OTHER, keys=tagmaster.event_keys(MASTER, b"event-02"))
        assert trust(await decided(lab, host, foreign)) == reg.TRUST_BARE
        another = Type4(bytes.fromhex("04a1b2c3d4e583"), read(tag()))
        assert trust(await decided(lab, host, another)) == reg.TRUST_BARE, "a link under another number"
        hidden = tag(bytes.fromhex("04a1b2c3d4e582"))
        hidden.random_id = True
        hidden.power_off()
        by_link = await decided(lab, host, hidden)
        assert trust(by_link) == reg.TRUST_SDM, "a tag that hides its number still says it in its link"

    market(lent, test)


def test_keys_that_are_not_the_controllers_are_refused(lent: Lent):
    async def test(lab: Lab, host: Host) -> None:
        kind, good = sealed(host)
        shapes = {**good, 2: bytes(16)}, {**good, 1: good[1][:-1]}, sealed(host, event=b"event-02")[1], {0: 1}
        await given(lab, host, *[(kind, wrong) for wrong in shapes])
        assert (await counters(lab, host))[77] == 4
        assert trust(await decided(lab, host, tag())) == reg.TRUST_BARE
        other = tagmaster.event_keys(b"\x77" * 32, EVENT)
        await given(lab, host, (kind, good), sealed(host, version=1, keys=other))
        assert trust(await decided(lab, host, tag(OTHER))) == reg.TRUST_LIVE, "an old version changes nothing"

    market(lent, test)
