"""Who gets which slice: what the forecast had in mind first; what an earlier store may have given goes to nobody."""

import asyncio
import base64
from concurrent.futures import Future
from types import SimpleNamespace

from exchangekit import rule, ruleset
from hostkit import OnDemand, host_folder, running, store_key, until
from stallmark import registry as reg
from stallmark import rights
from stallmark.rules import Ruleset
from test_host_budgets import offer

from hostagent.allotment import Allotment, Held
from hostagent.budgets import Budgets
from hostagent.kitside import Rulebook
from hostagent.store import open_store
from hostagent.store.slices import Slice, Slices
from tests.world import World

ONE, TWO = b"brick--1", b"brick--2"
NEVER = 1 << 50
GIFT = [[reg.GRANT_UNLOCK, 1, 0, "chat"]]


def allotment(*hints, left=None):
    """Slices 1, 2 … with these hints, of one rule, for two bricks that are linked."""
    made = Allotment(lambda: (ONE, TWO), lambda brick: True, lambda brick: (left or {}).get(brick, {}))
    for number, hint in enumerate(hints, 1):
        one = Slice(number, b"rule---8", 1, 100, NEVER, b"", b"")
        made.slices[number] = Held(one, None, None, None, hint=hint)
    return made


def give(made, brick):
    """The number of what the brick gets, after which it is its own."""
    held = made.next_for(brick, 1)
    if held is None:
        return None
    held.brick = brick
    return held.slice.id


def test_a_slice_goes_to_the_brick_that_it_was_meant_for():
    made = allotment(TWO, ONE, None, TWO, ONE)
    assert [give(made, ONE), give(made, TWO), give(made, ONE), give(made, TWO)] == [2, 1, 5, 4]


def test_what_was_meant_for_another_is_taken_only_when_nothing_is_left():
    left = {}
    made = allotment(ONE, TWO, TWO, TWO, left=left)
    assert [give(made, ONE), give(made, ONE)] == [1, None], "one slice left to it: the others are not its"
    assert give(made, TWO) == 2
    made.heard_result(ONE, 1, 1)
    left[ONE] = {1: 0}
    made.heard_status(ONE)
    assert give(made, ONE) == 3


def test_a_store_that_is_new_gives_out_nothing_that_was_minted_before_it(tmp_path):
    async def scenario():
        world = World(311)
        world.brick()
        controller = OnDemand(world)
        offer(world, controller, 3)
        await controller.start()
        path = host_folder(world, tmp_path / "host", controller.address)
        async with running(path):
            pass
        (tmp_path / "host" / "host.db").unlink()
        for name in ("host.db-wal", "host.db-shm"):
            (tmp_path / "host" / name).unlink(missing_ok=True)
        async with running(path) as agent:
            await until(lambda: len(agent.budgets.summary()) == 1)
            offer(world, controller, 2)  # minted before, and offered again only now
            offer(world, controller, 4)
            slices = agent.budgets.allotment.slices
            await until(lambda: set(slices) == {2, 3, 4})
            assert [slices[n].withheld is None for n in (2, 3, 4)] == [False, False, True]
            (line,) = agent.budgets.summary()
            assert line["withheld"] == 1000 and line["amount"] == line["spent"] + line["stranded"] == 1500
        await controller.stop()

    asyncio.run(scenario())


def test_hints_survive_a_restart_of_the_host(tmp_path):
    world = World(312)
    store = open_store(tmp_path / "host.db", store_key(world)).store
    table = Slices(store)
    one = Slice(1, b"rule---8", 1, 100, NEVER, base64.b64decode("AA=="), bytes(64))
    table.add([(one, None, TWO)]).result()
    assert [(row.slice.id, row.hint) for row in table.all().result()] == [(1, TWO)]
    assert table.floor().result() == 0
    store.close()


# --- who can use a rule, and how many slices somebody has places for


def many(rules, each=2, bricks=(ONE, TWO), left=None, suits=lambda brick, rule: True):
    """`each` slices of so many rules, numbered from 1 rule by rule."""
    made = Allotment(lambda: bricks, lambda brick: True, lambda brick: (left or {}).get(brick, {}), suits)
    for number in range(1, rules * each + 1):
        name = b"rule-%03d" % ((number - 1) // each)
        made.slices[number] = Held(Slice(number, name, 1, 100, NEVER, b"", b""), None, None, None)
    return made


def all_of(made, brick):
    """Everything that a brick gets now."""
    found = []
    while (number := give(made, brick)) is not None:
        found.append(number)
    return found


def test_slices_of_a_rule_go_to_those_who_can_use_it():
    made = many(1, each=3, suits=lambda brick, rule: brick == TWO)
    assert all_of(made, ONE) == [] and all_of(made, TWO) == [1, 2], "nothing is kept for who never needs it"


def test_what_was_meant_for_one_that_cannot_use_it_is_anybodys():
    made = many(1, suits=lambda brick, rule: brick == TWO)
    made.slices[2].hint = ONE
    assert all_of(made, TWO) == [1, 2]


def test_a_brick_is_given_no_more_slices_than_it_has_places_for():
    made = many(35)
    got = all_of(made, ONE)
    assert len(got) == 24 == len({made.slices[number].slice.rule for number in got}), (
        "the first of each rule first"
    )
    made = many(14, bricks=(ONE,))
    got = all_of(made, ONE)
    assert len(got) == 24 and len({made.slices[number].slice.rule for number in got}) == 14


def test_a_brick_without_room_is_offered_the_refused_one_again_and_nothing_new():
    left = {
        ONE: {1000 + number: 5 for number in range(10)}
    }  # of a store that was lost: the host knows them not
    made = many(35, left=left)
    got = all_of(made, ONE)
    assert len(got) == 14
    for number in got[:-1]:
        made.heard_result(ONE, number, reg.SLICE_OK)
    made.heard_result(ONE, got[-1], reg.SLICE_NO_ROOM)
    left[ONE] |= dict.fromkeys(got[:-1], 100)
    made.heard_status(ONE)
    assert all_of(made, ONE) == [] and made.no_room(ONE, 1) == [], "as full as before"
    left[ONE][got[0]] = 0
    made.heard_status(ONE)
    assert [held.slice.id for held in made.no_room(ONE, 1)] == [got[-1]] and all_of(made, ONE) == []
    made.heard_result(ONE, got[-1], reg.SLICE_OK)
    left[ONE][got[-1]] = 100
    left[ONE][got[1]] = 0
    made.heard_status(ONE)
    assert len(all_of(made, ONE)) == 2


def test_who_can_use_a_rule_is_read_from_the_rules_in_use():
    taps, sales, both = [reg.EVENT_NFC_TAP], [reg.EVENT_TILL_SALE], [reg.EVENT_QR_SCAN, reg.EVENT_TILL_SALE]
    ask = [reg.KIND_UNCERTAIN, 1, 0, 0]
    rules = Ruleset(
        ruleset(
            World(313),
            rule("taps", [0], GIFT, [], f1=taps),
            rule("sales", [0], GIFT, [], f1=sales),
            rule("both", [0], GIFT, [], f1=both),
            rule("not-at-bricks", [0], GIFT, [], f1=both, f18=2),
            rule("not-at-lane", [0], GIFT, [], f1=both, f18=1),
            rule("asks", [0], GIFT, [], f1=both, f18=1, f9=ask),
        )
    )
    lane = SimpleNamespace(brick8=TWO, ruleset=rules)
    book = Rulebook(SimpleNamespace(current=None), lambda: lane)
    seen = {
        name: (book.suits(ONE, rights.rule8(name)), book.suits(TWO, rights.rule8(name)))
        for name in ("taps", "sales", "both", "not-at-bricks", "not-at-lane", "asks", "another rule")
    }
    assert seen == {
        "taps": (True, True), "sales": (False, True), "both": (True, True), "not-at-bricks": (False, True),
        "not-at-lane": (True, False), "asks": (True, True), "another rule": (True, True),
    }  # fmt: skip
    lane.ruleset = None
    assert book.suits(ONE, rights.rule8("sales")), "as long as nobody knows the rules"


def test_what_ended_while_the_disk_took_its_time_is_not_sent_any_more():
    """A brick that had started since would take it, and nobody would know before its next start."""
    at = SimpleNamespace(ms=0)

    def assign(number, brick):
        at.ms += 100
        done = Future()
        done.set_result(None)
        return done

    async def scenario():
        table = SimpleNamespace(assign=assign)
        budgets = Budgets(table, None, SimpleNamespace(now_ms=lambda: at.ms), {}, b"", 1, None, False)
        given = []
        budgets.give = lambda brick, slices: given.append(slices)
        for expires in (150, 150):
            held = Held(Slice(1, b"rule---8", 1, 100, expires, b"", b""), None, None, None)
            await budgets._assign(held, ONE)
            assert held.brick == ONE and not held.unconfirmed
        assert len(given) == 1

    asyncio.run(scenario())
