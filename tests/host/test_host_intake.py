"""Intake: what a brick sends is signed once and in order, or named for what is wrong with it."""

import asyncio

from stallmark import receipt
from stallmark import registry as reg

from hostagent import form, signer
from hostagent.bricks import Brick
from hostagent.chain import Chain, short
from hostagent.clock import monotonic_ms
from hostagent.intake import PENDING_RECORDS, Intake, Outcome
from hostagent.store import open_store
from hostagent.store.receipts import Receipts
from tests.world import World

KEY = bytes(32)


class StillClock:
    """A clock that shows what it is set to."""

    def __init__(self, ms):
        self.ms = ms

    def now_ms(self):
        return self.ms

    def known(self):
        return True


class Desk:
    """Intake over a real store with one brick."""

    def __init__(self, world, folder):
        self.world = world
        self.store = open_store(folder / "host.db", KEY).store
        self.receipts = Receipts(self.store)
        self.clock = StillClock(world.now_ms)
        if not world.bricks:
            world.brick()
        self.receipts.add_bricks([brick.brick8 for brick in world.bricks]).result()
        host = world.host
        signing = signer.Signer(host.seed)
        self.chain = Chain(
            host.host8, signing.kid, world.hub, None, host.handle_key, self.store.rulesets, signing.sign
        )
        counts = self.receipts.counts().result()
        self.intake = Intake(
            self.receipts, self.chain, self.clock, counts["quarantined"], counts["quarantine_last"]
        )
        self.intake.start()
        self.bricks = {head.brick: Brick.of(head, "brick") for head in self.receipts.heads().result()}
        self.brick = self.bricks[world.bricks[0].brick8]
        last = self.receipts.last().result()
        if last is not None:
            self.chain.host_seq, self.chain.prev16 = last[0] + 1, short(last[1])

    def send(self, made, brick=None):
        return self.intake.submit(brick or self.brick, parts(made))

    def rows(self):
        return self.receipts.span(1, 1 << 40).result()


def parts(made):
    return [made.seq, made.public, made.mac, made.private]


def at_a_desk(scenario):
    """Runs `scenario(desk)` in a loop; the seed is the test's."""

    def test(tmp_path):
        async def run():
            desk = Desk(World(41), tmp_path)
            try:
                await scenario(desk)
            finally:
                desk.store.close()

        asyncio.run(run())

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    return test


@at_a_desk
async def test_records_in_order_become_receipts_and_repeats_do_not(desk):
    made = [desk.world.record() for _ in range(10)]
    for record in made[:6]:
        assert desk.send(record) is Outcome.TAKEN
    assert desk.brick.durable_seq == 0, "nothing may be acknowledged before the commit"
    assert desk.send(made[2]) is Outcome.REPEAT
    await desk.intake.drain()
    assert desk.brick.durable_seq == 6
    assert desk.send(made[5]) is Outcome.REPEAT
    for record in made[6:]:
        assert desk.send(record) is Outcome.TAKEN
    await desk.intake.drain()
    assert [row.seq for row in desk.rows()] == list(range(1, 11))
    assert desk.brick.counters["chain_breaks"] == 0


@at_a_desk
async def test_a_gap_is_not_taken_and_not_acknowledged(desk):
    made = [desk.world.record() for _ in range(5)]
    assert desk.send(made[0]) is Outcome.TAKEN
    assert desk.send(made[2]) is Outcome.GAP
    assert desk.send(made[4]) is Outcome.GAP
    await desk.intake.drain()
    assert desk.brick.durable_seq == 1
    for record in made[1:]:
        assert desk.send(record) is Outcome.TAKEN
    await desk.intake.drain()
    assert desk.brick.durable_seq == 5


@at_a_desk
async def test_a_broken_chain_is_taken_and_counted_for_the_controller_to_name_it(desk):
    first = desk.world.record()
    second = desk.world.record(f18=bytes(15) + b"\x01")
    third = desk.world.record()
    for record in (first, second, third):
        assert desk.send(record) is Outcome.TAKEN
    await desk.intake.drain()
    assert desk.brick.counters["chain_breaks"] == 1
    assert receipt.parse(desk.rows()[1].cose).fields[1] == second.public


@at_a_desk
async def test_a_record_of_bad_form_is_kept_aside_and_does_not_hold_up_the_next(desk):
    first, bad, third = (desk.world.record() for _ in range(3))
    assert desk.send(first) is Outcome.TAKEN
    assert desk.intake.submit(desk.brick, [2, bad.public[:-3], bad.mac, bad.private]) is Outcome.QUARANTINED
    assert desk.send(third) is Outcome.TAKEN
    await desk.intake.drain()
    assert desk.brick.durable_seq == 3
    (kept,) = desk.receipts.quarantine(10).result()
    assert (kept.brick, kept.seq, kept.public, kept.mac) == (desk.brick.brick, 2, bad.public[:-3], bad.mac)
    assert kept.reason
    # The third does follow the second as it was; what came damaged has another hash, and that shows.
    assert desk.brick.counters["chain_breaks"] == 1
    assert [row.seq for row in desk.rows()] == [1, 3]


@at_a_desk
async def test_a_record_of_another_brick_and_a_wrong_commitment_are_kept_aside(desk):
    other = desk.world.brick()
    foreign = desk.world.record(brick=other)
    assert desk.send(foreign) is Outcome.QUARANTINED
    made = [desk.world.record(brick=desk.world.bricks[0]) for _ in range(2)]
    swapped = [2, made[1].public, made[1].mac, made[0].private]
    assert desk.intake.submit(desk.brick, swapped) is Outcome.QUARANTINED
    await desk.intake.drain()
    reasons = [kept.reason for kept in desk.receipts.quarantine(10).result()]
    assert "commitment" in reasons[0] and "names brick" in reasons[1]


@at_a_desk
async def test_a_second_record_under_a_signed_number_is_evidence(desk):
    made = desk.world.record()
    assert desk.send(made) is Outcome.TAKEN
    await desk.intake.drain()
    twin = World(42)
    twin.brick()
    other = twin.record()
    assert desk.intake.submit(desk.brick, [1, other.public, other.mac, other.private]) is Outcome.REPEAT
    while not desk.brick.counters["equivocations"]:
        await asyncio.sleep(0)
    await desk.intake.drain()
    (kept,) = desk.receipts.quarantine(10).result()
    assert (kept.seq, kept.public) == (1, other.public)
    assert len(desk.rows()) == 1
    assert desk.send(made) is Outcome.REPEAT, "the same bytes are only a repeat"
    await desk.intake.drain()
    assert len(desk.receipts.quarantine(10).result()) == 1


@at_a_desk
async def test_a_kind_newer_than_this_program_is_signed_like_any_other(desk):
    made = desk.world.record(kind=77, f25="field of the future")
    assert desk.send(made) is Outcome.TAKEN
    await desk.intake.drain()
    assert receipt.parse(desk.rows()[0].cose).fields[1] == made.public


@at_a_desk
async def test_more_than_may_wait_for_the_disk_is_refused_not_lost(desk):
    made = [desk.world.record() for _ in range(PENDING_RECORDS + 5)]
    outcomes = [desk.send(record) for record in made]
    assert outcomes.count(Outcome.TAKEN) == PENDING_RECORDS
    assert outcomes[PENDING_RECORDS:] == [Outcome.BUSY] * 5
    await desk.intake.drain()
    for record in made[PENDING_RECORDS:]:
        assert desk.send(record) is Outcome.TAKEN
    await desk.intake.drain()
    assert desk.brick.durable_seq == len(made) == len(desk.rows())


@at_a_desk
async def test_the_event_window_is_of_the_best_time_there_is(desk):
    start = desk.world.now_ms
    # The middle of a window: the milliseconds that this test itself takes do not matter.
    desk.clock.ms = (start // 300_000) * 300_000 + 3_600_000 + 150_000
    # A set clock wins, however late the record comes.
    by_wall = desk.world.record(f5=start + 1, f7=[reg.QUALITY_HOST, 50])
    # A held clock does not; without a word on uptime the time of receipt stands.
    received = desk.world.record(f5=start + 1, f7=[reg.QUALITY_HELD, 50], f6=1_000)
    desk.send(by_wall)
    desk.send(received)
    desk.brick.heard_uptime(1, 1_801_000, monotonic_ms())
    by_uptime = desk.world.record(f5=None, f7=[reg.QUALITY_UNSET, 0], f6=1_000)
    desk.send(by_uptime)
    other_boot = desk.world.record(f5=None, f7=[reg.QUALITY_UNSET, 0], f6=1_000, f4=2)
    desk.send(other_boot)
    await desk.intake.drain()
    fields = [receipt.parse(row.cose).fields for row in desk.rows()]
    bases = [reg.BASIS_BRICK, reg.BASIS_RECEIVED, reg.BASIS_UPTIME, reg.BASIS_RECEIVED]
    assert [f[8] for f in fields] == bases
    late, half_an_hour_ago = desk.clock.ms // 300_000, (desk.clock.ms - 1_800_000) // 300_000
    assert [f[7] for f in fields] == [start // 300_000, late, half_an_hour_ago, late]


@at_a_desk
async def test_a_boot_record_tells_the_whole_digest_of_the_ruleset(desk):
    told = []
    desk.intake.on_ruleset = told.append
    desk.send(desk.world.record(reg.KIND_BOOT))
    await desk.intake.drain()
    assert told == [desk.world.ruleset_digest]


def test_after_a_restart_everything_goes_on_where_it_was(tmp_path):
    world = World(43)
    world.brick()

    async def one(count):
        desk = Desk(world, tmp_path)
        for _ in range(count):
            assert desk.send(world.record(brick=world.bricks[0])) is Outcome.TAKEN
        await desk.intake.drain()
        assert desk.brick.counters["chain_breaks"] == 0
        rows = desk.rows()
        desk.store.close()
        return rows

    for count in (3, 1, 300, 0, 7):
        rows = asyncio.run(one(count))
    assert [row.host_seq for row in rows] == list(range(1, 312))
    prev = bytes(16)
    for row in rows:
        fields = receipt.parse(row.cose).fields
        assert fields[5] == prev
        prev = receipt.short(row.cose)
    assert form.link(*(fields[key] for key in (1, 2))) == world.bricks[0].prev
