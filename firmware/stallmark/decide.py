"""One event against a ruleset and the state: grant, deny, ghost or uncertain. docs/formats/ruleset.md"""

from stallmark import arms, expr, stacking, whynot
from stallmark.constant import const
from stallmark.decision import Decision, commit, outcome, plain, record_fields, reserve_fields, settle
from stallmark.numbers import (
    GRANT_SAMPLE,
    GRANT_TOKENS,
    GRANT_UNLOCK,
    GRANT_UPGRADE,
    KIND_DENY,
    KIND_GHOST,
    KIND_GRANT,
    KIND_REDEEM,
    KIND_UNCERTAIN,
    REASON_BASKET_SMALL,
    REASON_CAP,
    REASON_CLOCK_UNSET,
    REASON_CONTROL_ARM,
    REASON_GRANTED,
    REASON_NO_RULESET,
    REASON_REVOKED,
    REASON_TOKEN_KIND,
)
from stallmark.ruleform import FLAT, MODE_LAN, MODE_LOCAL, NOT_AT_BRICKS, NOT_AT_LANE, PLAIN
from stallmark.stacking import CONTROL, INDEX, RULE
from stallmark.values import NOWHERE, View
from stallmark.whynot import decision, short, standing, why

__all__ = (
    "Decision", "commit", "decide", "decide_one", "outcome", "record_fields", "reserve_fields", "settle",
)  # fmt: skip
_GRANTED = const(0)  # message
_DENIED = const(1)
_MONEYLESS = (GRANT_SAMPLE, GRANT_UPGRADE, GRANT_TOKENS, GRANT_UNLOCK)


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
    skip = NOT_AT_LANE if lane else NOT_AT_BRICKS
    latches, until = _new_latches(ruleset, view, skip) if ruleset.latching else ((), ())
    mine = view.mine
    rules = ruleset.rules
    wins = []
    ghosts = []
    refused = []
    unsure = None
    done = ()  # groups that have their first
    for index in ruleset.by_type.get(event.type, b""):
        rule = rules[index]
        flags = rule.flags
        if flags & skip or rule.group in done:
            continue
        result = None
        if flags & PLAIN and mine is not None and event.trust >= rule.trust:
            # Most rules on most events: outside its slot or not true. Why is asked only if nothing else grants.
            slot = mine[index]
            if slot == NOWHERE:
                refused.append((index, 0))
                continue
            if slot != view.here:
                view.turn(slot, slot, None)
            when = rule.when
            result = view.all(when) if len(when) > 1 else 2
            if result != 2 and (not result or rule.policy == KIND_DENY):
                refused.append((index, result))
                continue
        elif rule.redeems is not None and not whynot.voucher_of(rule, event):
            continue
        found = _judge(view, index, rule, lane, result)
        if type(found) is list:
            if found[CONTROL]:
                ghosts.append(found)
                continue
            wins.append(found)
            if rule.group is None or ruleset.groups[rule.group][0] == stacking.FIRST:
                if not ruleset.groups:
                    break
                done += (rule.group,)
        elif found[0] == KIND_DENY:
            refused.append((index, found[1]))
        else:
            unsure = unsure or found[1]
    out = []
    if wins:
        out, wins = _grant(view, wins, refused)
        ghosts += wins  # a holdout's grants are ghosts
    for win in ghosts[: stacking.MOST]:
        out.append(_ghost(view, win))
    if not out or (unsure is not None and out[0].kind == KIND_GHOST):
        out.insert(0, whynot.refusal(view, refused, unsure))
    if latches:
        first = list(out[0])
        first[5], first[8] = latches, until
        out[0] = Decision(*first)
    return out


def decide_one(ruleset, state, event, risk=None, lane=False):
    """The first Decision: all that there is where no rule has a group or an experiment."""
    return decide(ruleset, state, event, risk, lane)[0]


def _new_latches(ruleset, view, skip):
    """Rules whose condition is true for the first time in their slot, and until when they stay so."""
    latches = []
    until = []
    if view.wall is not None and view.open:
        view.latching = latches
        for index in ruleset.latching:
            rule = ruleset.rules[index]
            if rule.flags & skip:
                continue
            slot = view.mine[index]
            if slot != NOWHERE and view.state.latched(index, ruleset.slots[slot][1]):
                continue
            slot = view.enter(index, rule)
            if slot >= 0:
                end = ruleset.slots[slot][1]
                if slot == view.mine[index] or not view.state.latched(index, end):
                    result = view.all(rule.when) if rule.flags & FLAT else expr.truth(rule.when, view)
                    if result == expr.TRUE:
                        latches.append(index)
                        until.append(end)
    return latches, until


def _judge(view, index, rule, lane, result):
    """A win (stacking) or (kind, why); *why* is FALSE or UNKNOWN where the condition alone refuses, to be explained when nothing
    else grants. All checks are joined by `all` (Kleene): one that is false denies, whatever is unknown; without one, an unknown
    leads to the rule's offline policy. `result`: the condition's, or None where it is not known yet."""
    event = view.event
    if event.trust < rule.trust:
        return KIND_DENY, why(REASON_TOKEN_KIND, index, None, None, event.trust, rule.trust)
    unknown = None
    if view.wall is None:
        unknown = [REASON_CLOCK_UNSET, index]
    elif result is None:
        slot = view.enter(index, rule)
        if slot < 0:
            return KIND_DENY, expr.FALSE
        if not rule.latch or (
            index not in view.latching and not view.state.latched(index, view.ruleset.slots[slot][1])
        ):
            result = view.all(rule.when) if rule.flags & FLAT else expr.truth(rule.when, view)
            if not result or (result == expr.UNKNOWN and rule.policy == KIND_DENY):
                return KIND_DENY, result
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
        unknown = whynot.not_yet(view, index, rule, result, view.guilty(rule, result))
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
    if rule.mode != MODE_LOCAL and not lane:
        ask = _ask(view.state.exposed(index), rule)
    return [index, rule, grants, money, pieces, rights, ask, control]


def _ask(exposed, rule):
    if rule.mode != MODE_LAN or exposed >= rule.upper:
        return 2
    return 1 if exposed >= rule.lower else 0


def _unplaced(view, index, rule):
    """Without a subject neither an arm nor the holdout is known."""
    if rule.experiment is not None or view.ruleset.holdout is not None:
        return [REASON_TOKEN_KIND, index]
    return None


# --- what is granted


def _grant(view, wins, refused):
    """(Decisions that grant, wins of a subject in the holdout)."""
    ruleset = view.ruleset
    if ruleset.groups or ruleset.basket_cap:
        wins, capped = stacking.together(ruleset, stacking.choose(ruleset, wins))
        for win in capped:
            refused.append((win[INDEX], [REASON_CAP, win[INDEX]]))
    if ruleset.holdout is not None and arms.held_out(ruleset, view.event.subject):
        return [], wins
    return [_granted(view, win) for win in wins], ()


def _granted(view, win):
    ruleset, state = view.ruleset, view.state
    index, rule, grants, money, pieces, rights, ask, _control = win
    if rights is None:  # a cap has cut it
        rights = stacking.cover(state, index, rule, money, pieces)
    detail = None
    kind = KIND_GRANT
    if rule.redeems is not None:
        kind = KIND_REDEEM
        detail = [whynot.serial(view.event)]
    return decision(
        view, rule, kind, index, _because(view, index, rule, REASON_GRANTED), _GRANTED, grants, rights, opens(state, rights),
        None if rule.experiment is None else list(rule.experiment), ask, detail, currency(ruleset, grants),
    )  # fmt: skip


def opens(state, rights):
    """Slices that are spent from for the first time."""
    return [part[0] for part in rights if not state.rights.opened(part[0])]


def currency(ruleset, grants):
    for grant in grants:
        if grant[0] not in _MONEYLESS:
            return ruleset.currency
    return None


def _ghost(view, win):
    index, rule = win[INDEX], win[RULE]
    experiment = [arms.HOLDOUT, 0]
    if win[CONTROL]:
        which = rule.experiment[0]
        experiment = [which, view.ruleset.experiments[which][3]]
    found = _because(view, index, rule, REASON_CONTROL_ARM)
    return decision(view, rule, KIND_GHOST, index, found, _DENIED, (), (), (), experiment)


def _because(view, index, rule, code):
    """Why a rule grants: the path, and the sides of the comparison that explains it."""
    shown = rule.shown
    if shown is None and len(rule.when) == 1:  # true: nothing to look at
        return [code, index, 0]
    view.enter(index, rule)
    path = view.path(rule)
    if shown is None:
        return [code, index, path]
    have, need = view.sides(rule.when[shown + 1] if rule.flags & FLAT else expr.nth(rule.when, shown))
    return why(code, index, path, shown, have, need)
