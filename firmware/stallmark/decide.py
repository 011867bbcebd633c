"""One event against a ruleset and the state: grant, deny, ghost or uncertain. docs/formats/ruleset.md"""

from stallmark import expr, stacking, whynot
from stallmark.constant import const
from stallmark.decision import Decision, commit, outcome, plain, record_fields, reserve_fields, settle
from stallmark.granted import ghost, grant
from stallmark.numbers import (
    KIND_DENY,
    KIND_GHOST,
    KIND_UNCERTAIN,
    REASON_BASKET_SMALL,
    REASON_CLOCK_UNSET,
    REASON_NO_RULESET,
    REASON_REVOKED,
    REASON_TOKEN_KIND,
)
from stallmark.ruleform import DENIES, FLAT, MODE_LAN, MODE_LOCAL, NOT_AT_BRICKS, NOT_AT_LANE, PLAIN, REDEEMS
from stallmark.stacking import CONTROL
from stallmark.standing import short, standing, voucher_of, why
from stallmark.values import NOWHERE, View

__all__ = (
    "Decision", "commit", "decide", "decide_one", "outcome", "record_fields", "reserve_fields", "settle",
)  # fmt: skip
LATER = const(
    -1
)  # of a rule's function (stallmark.judge): no win, to be judged by hand where nothing else grants


def decide(ruleset, state, event, risk=None, lane=False):
    """The Decisions, one or more, of a Ruleset (None: nothing installed) on an Event; the State is read, not changed.

    Grants come first, in order, then ghosts; latches are in the first. `risk` 0 to 255 or None; `lane`: at the host's
    gateway lane, which asks nobody. No floats, no clock, no randomness: the same bytes on every interpreter."""
    if ruleset is None:
        return [plain(KIND_UNCERTAIN, [REASON_NO_RULESET])]
    if event.subject is not None and state.revoked(event.subject):
        return [plain(KIND_DENY, [REASON_REVOKED])]
    view = state.view
    if view is None or view.ruleset is not ruleset:
        view = state.view = View(ruleset, state, event, risk)
    else:
        view.begin(event, risk)
    view.lane = lane
    judges = ruleset.judges
    if judges is None and ruleset.slow:
        judges = ruleset.warm()
    skip = NOT_AT_LANE if lane else NOT_AT_BRICKS
    latches, until = _new_latches(ruleset, view, skip) if ruleset.latching else ((), ())
    groups = ruleset.groups
    elsewhere = ruleset.elsewhere
    if view.mine is None:
        judges = None
    wins = []
    ghosts = []
    refused = []
    unsure = None
    done = ()  # groups that have their first
    for index in ruleset.by_type.get(event.type, b""):
        if elsewhere and ruleset.flags[index] & skip:
            continue
        if done and ruleset.bodies[index].group in done:
            continue
        found = by_hand(view, index) if judges is None else judges[index](view)
        if type(found) is int:
            refused.append((index, found))
        elif type(found) is list:
            if found[CONTROL]:
                ghosts.append(found)
                continue
            wins.append(found)
            if not groups:
                break
            group = found[stacking.RULE].group
            if group is None or groups[group][0] == stacking.FIRST:
                done += (group,)
        elif found is not None:
            if found[0] == KIND_DENY:
                refused.append((index, found[1]))
            else:
                unsure = unsure or found[1]
    out = []
    if wins:
        out, wins = grant(view, wins, refused)
        ghosts += wins  # a holdout's grants are ghosts
    for win in ghosts[: stacking.MOST]:
        out.append(ghost(view, win))
    if not out or out[0].kind == KIND_GHOST:
        if judges is not None:
            unsure = _put_off(view, refused, unsure)
        if not out or unsure is not None:
            out.insert(0, whynot.refusal(view, refused, unsure))
    if latches:
        first = list(out[0])
        first[5], first[8] = latches, until
        out[0] = Decision(*first)
    return out


def decide_one(ruleset, state, event, risk=None, lane=False):
    """The first Decision: all that there is where no rule has a group or an experiment."""
    return decide(ruleset, state, event, risk, lane)[0]


def _put_off(view, refused, unsure):
    """Judges what rules' functions left (LATER), since nothing grants: the first unknown, or None."""
    for place, (index, reason) in enumerate(refused):
        if reason == LATER:
            if unsure is not None and unsure[1] < index:
                break
            least = view.ruleset.trusts[index]
            if view.event.trust < least:
                refused[place] = (index, [REASON_TOKEN_KIND, index, None, None, view.event.trust, least])
                continue
            found = by_hand(view, index)
            if type(found) is tuple:
                if found[0] != KIND_DENY:
                    return found[1]
                found = found[1]
            refused[place] = (index, found)
    return unsure


def _new_latches(ruleset, view, skip):
    """Rules whose condition is true for the first time in their slot, and until when they stay so."""
    latches = []
    until = []
    if view.open:
        view.latching = latches
        slots, mine, state = ruleset.slots, view.mine, view.state
        for index in ruleset.latching:
            slot = mine[index]
            if slot != NOWHERE and state.latched(index, slots[slot][1]):
                continue
            rule = ruleset.bodies[index]
            if rule.flags & skip:
                continue
            slot = view.enter(index, rule)
            if slot >= 0:
                end = slots[slot][1]
                if slot == mine[index] or not state.latched(index, end):
                    result = view.all(index) if rule.flags & FLAT else expr.truth(ruleset.trees[index], view)
                    if result == expr.TRUE:
                        latches.append(index)
                        until.append(end)
    return latches, until


def by_hand(view, index):
    """What a rule comes to, found by looking at its parts: a win (a list); a refusal, (kind, why) or 0 or 1, the truth of its
    condition, which is explained when nothing else grants; None for a voucher's rule on another event."""
    ruleset = view.ruleset
    flags = ruleset.flags[index]
    if flags & REDEEMS:
        if not voucher_of(ruleset.bodies[index], view.event):
            return None
    elif flags & PLAIN and view.mine is not None and view.event.trust >= ruleset.trusts[index]:
        # Most rules on most events: outside its slot or not true. Why is asked only if nothing else grants.
        slot = view.mine[index]
        if slot == NOWHERE:
            return expr.FALSE
        if slot != view.here:
            view.turn(slot, slot, None)
        result = view.all(index)
        if result != expr.TRUE and (not result or flags & DENIES):
            return result
        return _judge(view, index, ruleset.bodies[index], result)
    return _judge(view, index, ruleset.bodies[index], None)


def _judge(view, index, rule, result):
    """As `by_hand`. All checks are joined by `all` (Kleene): one that is false denies, whatever is unknown; without one, an
    unknown leads to the rule's offline policy. `result`: the condition's, or None where it is not known yet."""
    event = view.event
    if event.trust < rule.trust:
        return KIND_DENY, why(REASON_TOKEN_KIND, index, None, None, event.trust, rule.trust)
    unknown = None
    if view.wall is None:
        unknown = [REASON_CLOCK_UNSET, index]
    elif result is None:
        slot = view.enter(index, rule)
        if slot < 0:
            return expr.FALSE
        if not rule.latch or (
            index not in view.latching and not view.state.latched(index, view.ruleset.slots[slot][1])
        ):
            result = view.all(index) if rule.flags & FLAT else expr.truth(view.ruleset.trees[index], view)
            if not result or (result == expr.UNKNOWN and rule.policy == KIND_DENY):
                return result
    limit = None
    if rule.limit or rule.limit_ever or rule.experiment is not None or rule.redeems is not None:
        refused, limit = standing(view, index, rule)
        if refused is not None:
            return KIND_DENY, refused
    grants, money, pieces = stacking.give(view.state, event, rule)
    if not grants:
        return KIND_DENY, [REASON_BASKET_SMALL, index]
    rights = stacking.cover(view.state, index, rule, money, pieces) if rule.need else []
    if type(rights) is tuple:
        return KIND_DENY, short(view, index, rights[0], rights[1])
    if result == expr.UNKNOWN:  # of a policy to ask
        unknown = whynot.not_yet(view, index, result, view.guilty(index, result))
    if event.subject is None:
        limit = limit or _unplaced(view, index, rule)
    unknown = unknown or limit
    if unknown is not None:
        return rule.policy, unknown
    control = False
    if rule.experiment is not None:
        which, arm = rule.experiment
        control = view.arm(which) != arm
    ask = 0
    if rule.mode != MODE_LOCAL and not view.lane:
        ask = asks(view.state.exposed(index), rule)
    return [index, rule, grants, money, pieces, rights, ask, control, None]


def asks(exposed, rule):
    """0, 1 the host may be asked, 2 it must: for a rule that does not decide alone, with so many grants not durable yet."""
    if rule.mode != MODE_LAN or exposed >= rule.upper:
        return 2
    return 1 if exposed >= rule.lower else 0


def _unplaced(view, index, rule):
    """Without a subject neither an arm nor the holdout is known."""
    if rule.experiment is not None or view.ruleset.holdout is not None:
        return [REASON_TOKEN_KIND, index]
    return None
