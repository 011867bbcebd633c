"""Reserve, ask, commit or release: the deciding half of a brick, its host late, silent, wrong, or gone."""

import asyncio
from typing import Any

import pytest
from books import KIT, START_MS, Books
from brick import config, indicator
from brick import counters as count
from bricklab import rule2, ruleset2
from ports import Random
from ramflash import PowerCut, RamFlash
from stallmark import event, rights
from stallmark import registry as reg
from stallmark.errors import FormatError, FullError
from stallmark.rules import Ruleset
from stallmark.state import State

SECTOR = 4096
ALONE, LAN, STRICT = 1, 2, 3
TEA = [[reg.GRANT_SAMPLE, 1, 0]]
EURO = [[reg.GRANT_FIXED_NOW, 1, 100]]


def rules(mode: int, lower: int = 1, upper: int = 3, **f: Any) -> bytes:
    """One rule that gives a cup of tea to anyone, asking the host as its mode says."""
    return ruleset2(rule2("tea", [0], TEA, [reg.UNIT_PIECES], f9=[reg.KIND_DENY, mode, lower, upper]), **f)


def books(
    data: bytes, flash: RamFlash | None = None, keyflash: RamFlash | None = None, seed: int = 1
) -> Books:
    slices = [
        rights.Slice(n, rights.rule8(name), unit, 5, KIT, 1, START_MS * 2)
        for n, name, unit in [(1, "tea", 2), (2, "tea", 2), (3, "money", 1), (4, "cake", 2)]
    ]
    slices[2] = slices[2]._replace(amount=1000)
    return Books(flash or RamFlash(6 * SECTOR), keyflash or RamFlash(2 * SECTOR), data, slices, seed)


def tap(now: Books, number: int, **more: Any) -> list[Any]:
    """What was told to whoever waits for the outcome of a person's tap."""
    told: list[Any] = []
    now.decider.decide(now.event(b"%08d" % (number * 1_000_003), **more), told.append)
    return told


def kinds(now: Books) -> list[int]:
    return [entry.fields[10] for entry in now.journal.records()][1:]


def left(now: Books) -> int:
    """Pieces of tea that can still be given."""
    return sum(amount for number, amount in now.decider.state.slices_left() if number < 3)


def answer(now: Books, which: int = -1, yes: bool = True, **more: Any) -> None:
    asked = [value for kind, value in now.posts if kind == reg.MSG_ASK]
    now.asking.answered({0: asked[which][0], 1: reg.ANSWER_YES if yes else reg.ANSWER_NO, **more})
    if now.asking.open:
        now.asking.settle()


def test_under_the_lower_limit_alone_then_the_host_is_asked_and_its_yes_commits():
    now = books(rules(LAN))
    now.up = True
    assert tap(now, 1)[0].fields[13] == [[1, 1]]
    assert now.posts == [] and now.lamp.shown == [indicator.GRANTED]
    told = tap(now, 2)
    assert told == [] and now.lamp.shown == [indicator.GRANTED], "no light before the host has answered"
    ((kind, asked),) = now.posts
    assert kind == reg.MSG_ASK and asked[2] == rights.rule8("tea") and asked[3] == [[reg.UNIT_PIECES, 1]]
    assert asked[4] == 1 and event.decode(asked[1]).subject == b"%08d" % 2_000_006
    answer(now)
    assert kinds(now)[-2:] == [reg.KIND_RESERVE, reg.KIND_GRANT]
    reserve, grant = list(now.journal.records())[-2:]
    assert reserve.fields[13] == [[1, 1]] and reserve.fields[15] == grant.fields[15]
    assert grant.fields[20] == reserve.seq and 13 not in grant.fields
    assert told[0].seq == grant.seq and now.lamp.shown[-1] is indicator.GRANTED
    assert left(now) == 8 and now.rebuilt().open_reserves() == []


def test_what_is_durable_at_the_host_does_not_count_as_exposed():
    now = books(rules(LAN))
    now.up = True
    for number in range(5):
        assert tap(now, number)[0].fields[10] == reg.KIND_GRANT
        now.decider.state.reconciled(now.journal.next_seq - 1)
    assert now.posts == []


def test_without_a_link_the_answer_is_nobody_at_once():
    alone = books(rules(LAN))
    assert [tap(alone, n)[0].fields[10] for n in range(3)] == [reg.KIND_GRANT] * 3
    denied = tap(alone, 3)[0].fields
    assert denied[10] == reg.KIND_DENY and denied[14][0] == reg.REASON_EXPOSURE_LIMIT
    assert left(alone) == 7 and alone.lamp.shown[-1] is indicator.NOTHING
    strict = books(rules(STRICT))
    assert tap(strict, 1)[0].fields[14][0] == reg.REASON_ASK_HOST
    assert kinds(strict) == [reg.KIND_RIGHTS, reg.KIND_RESERVE, reg.KIND_RELEASE, reg.KIND_DENY]
    assert left(strict) == 10
    assert strict.counters.get(count.ASKED) == 0 and strict.counters.get(count.ASK_UNANSWERED) == 1


def test_a_no_gives_back_and_says_why():
    now = books(rules(STRICT))
    now.up = True
    told = tap(now, 1)
    answer(now, yes=False)
    assert told[0].fields[14][0] == reg.REASON_HOST_REFUSED
    again = tap(now, 2)
    now.asking.answered({0: now.posts[-1][1][0], 1: reg.ANSWER_NO, 2: reg.REASON_VOUCHER_SPENT, 3: "Ana"})
    now.asking.settle()
    assert again[0].fields[10] == reg.KIND_DENY and again[0].fields[14][0] == reg.REASON_VOUCHER_SPENT
    release = next(entry for entry in now.journal.records() if entry.fields[10] == reg.KIND_RELEASE)
    assert release.fields[13] == [[1, 1]] and release.fields[20] == release.seq - 1
    assert left(now) == 10


def test_late_doubled_and_foreign_answers_are_counted_and_change_nothing():
    now = books(rules(STRICT))
    now.up = True
    tap(now, 1)
    now.asking.answered({0: b"stranger", 1: reg.ANSWER_YES})
    assert now.asking.open
    answer(now)
    before = kinds(now)
    answer(now)
    answer(now, yes=False)
    assert now.counters.get(count.ASK_LATE) == 3 and kinds(now) == before and left(now) == 9
    for bad in ({0: b"short", 1: 1}, {0: bytes(8), 1: 3}, {0: bytes(8)}, [1], {0: bytes(8), 1: 1, 2: 999}):
        with pytest.raises(FormatError):
            now.asking.answered(bad)


def test_the_wait_ends_after_150_ms_and_nothing_stands_still_meanwhile():
    async def market() -> None:
        now = books(rules(LAN, lower=0, upper=9))
        now.up = True
        ticked = 0
        task = asyncio.create_task(now.asking.run(Beat()))
        told = tap(now, 1)
        waiting = tap(now, 2)
        while not told:
            await asyncio.sleep(0.001)
            ticked += 1
            now.source.now += 5
            assert ticked < 400
        assert now.source.now >= config.ASK_MS and ticked > 5
        assert told[0].fields[10] == reg.KIND_GRANT, "mode 2 goes alone"
        assert waiting == [], "the next one's own 150 ms have begun"
        while not waiting:
            await asyncio.sleep(0.001)
            now.source.now += 5
        task.cancel()

    asyncio.run(market())


@pytest.mark.parametrize(("mode", "kind"), [(LAN, reg.KIND_GRANT), (STRICT, reg.KIND_DENY)])
def test_a_question_ends_under_the_rules_that_asked_it_when_others_come(mode: int, kind: int):
    """Its decision names a rule by its place: under the new rules that place may have another mode or be nobody's."""
    tea = rule2("tea", [0], TEA, [reg.UNIT_PIECES], f9=[reg.KIND_DENY, mode, 0, 3])
    other = LAN if mode == STRICT else STRICT
    cake = rule2("cake", [0], TEA, [reg.UNIT_PIECES], f9=[reg.KIND_DENY, other, 0, 3])
    now = books(ruleset2(tea))
    now.up = True
    told = tap(now, 1)
    assert now.asking.open and not told
    asked_by = now.ruleset.digest8
    after = Ruleset(ruleset2(cake, tea))
    now.decider.use(after, State(after))
    (record,) = told
    assert (record.fields[8], record.fields[9], record.fields[10]) == (asked_by, 0, kind)
    assert record.fields[14][0] == (reg.REASON_ASK_HOST if mode == STRICT else reg.REASON_GRANTED)
    assert not now.asking.open and now.decider.ruleset is after


def test_events_wait_for_their_turn_and_too_many_go_to_the_stall():
    now = books(rules(STRICT))
    now.up = True
    told = [tap(now, number) for number in range(config.ASK_WAITING + 3)]
    assert now.counters.get(count.ASK_CROWDED) == 2 and told[-1] == [None] == told[-2]
    assert now.lamp.shown == [indicator.ASK] * 2
    for _ in range(config.ASK_WAITING + 1):
        answer(now)
    assert [one[0].fields[10] for one in told[:-2]] == [reg.KIND_GRANT] * (config.ASK_WAITING + 1)
    assert left(now) == 10 - config.ASK_WAITING - 1


def test_the_same_person_twice_while_the_host_is_asked_is_granted_once():
    now = books(rules(STRICT))
    now.up = True
    first, second = tap(now, 1), tap(now, 1)
    answer(now)
    assert first[0].fields[10] == reg.KIND_GRANT
    assert second[0].fields[14][0] == reg.REASON_ALREADY_HAD and left(now) == 9


def test_several_records_of_one_event_are_one_light_once_all_are_durable():
    every = ruleset2(
        rule2("tea", [0], TEA, [reg.UNIT_PIECES], f13=0),
        rule2("money", [0], EURO, [reg.UNIT_MINOR], f13=0, f9=[reg.KIND_DENY, STRICT, 0, 9]),
        f12=[[3, False, 0]],
    )
    now = books(every)
    now.up = True
    told = tap(now, 1)
    assert now.lamp.shown == [] and kinds(now)[-1] == reg.KIND_RESERVE
    answer(now)
    assert kinds(now)[-2:] == [reg.KIND_GRANT] * 2 and now.lamp.shown == [indicator.GRANTED]
    grants = [entry.fields for entry in now.journal.records() if entry.fields[10] == reg.KIND_GRANT]
    assert len({fields[15] for fields in grants}) == 1 and told[0].fields[9] == 0
    again = tap(now, 2)
    answer(now, yes=False)
    assert [again[0].fields[10], kinds(now)[-1]] == [reg.KIND_GRANT, reg.KIND_DENY]
    assert now.lamp.shown == [indicator.GRANTED] * 2, "what was granted is shown, whatever else was refused"


def test_an_event_too_long_for_a_question_is_decided_as_without_a_link():
    now = books(rules(LAN, lower=0, upper=9))
    now.up = True
    lines = [[f"code-{n:026d}", 1, 100] for n in range(20)]
    assert tap(now, 1, lines=lines)[0].fields[10] == reg.KIND_GRANT and now.posts == []


@pytest.mark.parametrize("yes", [True, False, None])
def test_a_cut_at_every_flash_operation_never_loses_or_doubles_rights(yes: bool | None):
    data = rules(STRICT)
    base, base_keys = RamFlash(6 * SECTOR), RamFlash(2 * SECTOR)
    books(data, base, base_keys)
    operation = 0
    while True:
        flash, keyflash = base.copy(), base_keys.copy()
        now = books(data, flash, keyflash)
        now.up = True
        flash.cut_at(flash.operations + operation, operation * 37 % 256)
        green = cut = 0
        try:
            for number in range(3):
                tap(now, number)
                if yes is None:
                    now.asking.settle()
                else:
                    answer(now, yes=yes)
                green += now.lamp.shown[-1] is indicator.GRANTED
        except PowerCut:
            cut = 1
        again = books(data, flash.copy(), keyflash.copy(), 2)
        state = again.decider.state
        assert state.open_reserves() == [], f"cut in operation {operation}: a reserve stays open"
        granted = kinds(again).count(reg.KIND_GRANT)
        assert green <= granted <= green + cut, f"cut in operation {operation}"
        assert left(again) == 10 - granted, f"cut in operation {operation}"
        ends = [entry.fields[20] for entry in again.journal.records() if 20 in entry.fields]
        assert len(ends) == len(set(ends)) == kinds(again).count(reg.KIND_RESERVE)
        third = books(data, again.journal_flash.copy(), keyflash.copy(), 3)
        assert left(third) == left(again), "once more started, nothing else is given back"
        if not cut:
            break
        operation += 1
    assert operation > 6


def test_an_end_that_finds_no_room_is_made_up_for_later():
    now = books(rules(STRICT))
    now.up = True
    tap(now, 1)
    write = now.recorder.write
    now.recorder.write = lambda *_: (_ for _ in ()).throw(FullError("full"))
    answer(now)
    assert now.lamp.shown == [indicator.ASK] and now.decider.owing
    now.recorder.write = write
    now.decider.release_open()
    assert left(now) == 10 and not now.decider.owing and kinds(now)[-1] == reg.KIND_RELEASE


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_host_does_a_brick_never_spends_what_it_has_not(seed: int):
    """Answers that come, come late, twice, wrong or not at all, restarts in between, 300 steps."""
    print("seed", seed)
    random = Random(seed)
    flash, keyflash = RamFlash(16 * SECTOR), RamFlash(2 * SECTOR)
    data = rules(LAN if seed % 2 else STRICT, lower=2, upper=6, people=200)
    now = books(data, flash, keyflash, seed)
    asked: list[bytes] = []
    for step in range(300):
        now.up = random.chance(80)
        choice = random.below(10)
        if choice < 5:
            tap(now, random.below(60))
        elif choice < 8 and now.posts:
            asked += [value[0] for kind, value in now.posts if kind == reg.MSG_ASK]
            now.posts.clear()
        if asked and random.chance(60):
            nonce = asked[random.below(len(asked))]
            now.asking.answered({0: nonce, 1: 1 + random.below(2)})
        now.source.now += 50
        if now.asking.open and random.chance(40):
            now.asking.settle()
        if random.chance(20):
            now.decider.state.reconciled(now.journal.next_seq - 1)
        if random.chance(4):
            at = now.source.now
            now = books(data, flash, keyflash, seed + step)
            now.source.now = at
        granted = kinds(now).count(reg.KIND_GRANT)
        assert left(now) + granted + len(now.asking.open) == 10, f"step {step}"
    assert granted <= 10


class Beat:
    """A pulse nobody watches."""

    def beat(self) -> None:
        """Nothing."""
