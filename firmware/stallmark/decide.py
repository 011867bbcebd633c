"""One event against a ruleset and the state: grant, deny, ghost or uncertain, and why. docs/formats/ruleset.md"""

from stallmark import arms, expr, stacking
from stallmark import registry as reg
from stallmark.decision import Decision, commit, outcome, record_fields, reserve_fields, settle
from stallmark.ruleform import (
    CAP_ONLY,
    COUNTS_KIT,
    FLAT,
    MODE_LAN,
    MODE_LOCAL,
    NEARS,
    NOT_AT_BRICKS,
    NOT_AT_LANE,
)
from stallmark.values import View

__all__ = (
    "Decision", "commit", "decide", "decide_one", "operator", "outcome", "record_fields", "reserve_fields", "settle",
)  # fmt: skip
GRANTED, DENIED, NEAR = 0, 1, 2  # message
_STALE_S = 60  # data of others older than this are said to be old

# Which refusal explains best: the first of these that applies
_NEAREST = (
    reg.REASON_NEAR,
    reg.REASON_ALREADY_HAD,
    reg.REASON_VOUCHER_SPENT,
    reg.REASON_STOCK_USED_UP,
    reg.REASON_BUDGET_USED_UP,
    reg.REASON_CAP,
    reg.REASON_NO_RIGHTS_YET,
    reg.REASON_TOO_MANY_PEOPLE,
    reg.REASON_STALE,
    reg.REASON_BASKET_SMALL,
    reg.REASON_CONDITION,
    reg.REASON_TOKEN_KIND,
    reg.REASON_OUTSIDE_SLOT,
    reg.REASON_CLOCK_UNSET,
    reg.REASON_OTHER_ARM,
)
_MONEYLESS = (reg.GRANT_SAMPLE, reg.GRANT_UPGRADE, reg.GRANT_TOKENS, reg.GRANT_UNLOCK)


def decide(ruleset, state, event, risk=None, lane=False):
    """The Decisions, one or more, of a Ruleset (None: nothing installed) on an Event; the State is read, not changed.

    Grants come first, in order, then ghosts; latches are in the first. `risk` 0 to 255 or None; `lane`: at the host's
    gateway lane, which asks nobody. No floats, no clock, no randomness: the same bytes on every interpreter."""
    if ruleset is None:
        return [_plain(reg.KIND_UNCERTAIN, [reg.REASON_NO_RULESET])]
    if event.subject is not None and state.revoked(event.subject):
        return [_plain(reg.KIND_DENY, [reg.REASON_REVOKED])]
    view = View(ruleset, state, event, risk)
    skip = NOT_AT_LANE if lane else NOT_AT_BRICKS
    latches, until = _new_latches(ruleset, view, skip) if ruleset.latching else ([], [])
    wins = []
    ghosts = []
    refused = []
    unsure = None
    done = None  # groups that have their first
    for index in ruleset.by_type.get(event.type, b""):
        rule = ruleset.rules[index]
        if rule.flags & skip:
            continue
        if done is not None and rule.group in done:
            continue
        if rule.redeems is not None and not _voucher_of(rule, event):
            continue
        found = _judge(view, index, rule, lane)
        if type(found) is stacking.Win:
            if found.control:
                ghosts.append(found)
                continue
            wins.append(found)
            if rule.group is None or ruleset.groups[rule.group][0] == stacking.FIRST:
                if not ruleset.groups:
                    break
                done = (done or []) + [rule.group]
        elif found is None:
            refused.append((index, None))
        elif found[0] == reg.KIND_UNCERTAIN:
            unsure = unsure or found[1]
        else:
            refused.append((index, found[1]))
    out = []
    if wins:
        out, wins = _grant(view, wins, refused)
    for win in wins if wins else ():
        ghosts.append(win)  # a holdout's grants are ghosts
    for win in ghosts[: stacking.MOST]:
        out.append(_ghost(view, win))
    if not out or (unsure is not None and out[0].kind == reg.KIND_GHOST):
        out.insert(0, _refusal(view, refused, unsure))
    if latches:
        out[0] = _with(out[0], latches=latches, until=until)
    return out


def decide_one(ruleset, state, event, risk=None, lane=False):
    """The first Decision: all that there is where no rule has a group."""
    return decide(ruleset, state, event, risk, lane)[0]


# --- one rule


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
            slot = view.enter(index, rule)
            if slot >= 0:
                end = ruleset.slots[slot][1]
                if not view.state.latched(index, end) and expr.truth(rule.when, view) == expr.TRUE:
                    latches.append(index)
                    until.append(end)
    return latches, until


def _voucher_of(rule, event):
    """Whether an event is a voucher of the series that a rule redeems."""
    signal = event.signal
    return (
        event.trust == reg.TRUST_VOUCHER
        and signal is not None
        and signal[0] == "voucher:{}".format(rule.redeems)
        and serial(event) is not None
    )


def serial(event):
    """The serial (8 bytes) of a voucher's event, or None."""
    try:
        found = bytes([int(event.reference[at : at + 2], 16) for at in range(0, 16, 2)])
        return found if len(event.reference) == 16 else None
    except (TypeError, ValueError):
        return None


def _judge(view, index, rule, lane):
    """A Win, (kind, why), or None for a condition that is not true, to be explained when nothing else grants. All checks
    are joined by `all` (Kleene): one that is false denies, whatever is unknown; without one, an unknown leads to the
    rule's offline policy."""
    event = view.event
    if event.trust < rule.trust:
        return reg.KIND_DENY, _why(reg.REASON_TOKEN_KIND, index, None, None, event.trust, rule.trust)
    unknown = None
    result = expr.TRUE
    latched = False
    if view.wall is None:
        unknown = [reg.REASON_CLOCK_UNSET, index]
    else:
        slot = view.enter(index, rule)
        if slot < 0:
            return reg.KIND_DENY, _why(
                reg.REASON_OUTSIDE_SLOT, index, None, None, None, None, _opens_in(view, rule)
            )
        latched = rule.latch and (
            index in view.latching or view.state.latched(index, view.ruleset.slots[slot][1])
        )
        if not latched:
            when = rule.when
            if rule.flags & FLAT:
                known = view.known
                for at in range(1, len(when)):
                    got = known[when[at]]
                    if got == 3:
                        got = view.leaf(when[at])
                    if got < result:
                        result = got
                        if not got:
                            return None
            else:
                result = expr.truth(when, view)
                if result == expr.FALSE:
                    return None
            if result == expr.UNKNOWN:
                unknown = expr  # explained below, if it comes to that
    why, limit = _standing(view, index, rule)
    if why is not None:
        return reg.KIND_DENY, why
    grants, money, _pieces = stacking.give(view.state, event, rule)
    if not grants:
        return reg.KIND_DENY, _why(reg.REASON_BASKET_SMALL, index)
    rights = stacking.cover(view.state, index, rule, grants)
    if type(rights) is tuple:
        return reg.KIND_DENY, _short(view, index, rights[0], rights[1])
    if unknown is expr:
        unknown = _not_yet(view, index, rule, result)
    unknown = unknown or limit or _unplaced(view, index, rule)
    if unknown is not None:
        return rule.policy, unknown
    win = stacking.Win(index, rule, None)
    win.grants, win.money, win.rights = grants, money, rights
    if rule.experiment is not None:
        which, arm = rule.experiment
        win.control = view.arm(which) != arm
    if rule.mode != MODE_LOCAL and not lane:
        win.ask = _ask(view.state.exposed(index), rule)
    return win


def _ask(exposed, rule):
    if rule.mode != MODE_LAN or exposed >= rule.upper:
        return 2
    return 1 if exposed >= rule.lower else 0


def _standing(view, index, rule):
    """(why a rule is certainly not this subject's, why that is not known), each or None: arm, spent voucher, limits."""
    subject = view.event.subject
    unknown = None
    if rule.experiment is not None and subject is not None:
        which, arm = rule.experiment
        mine = view.arm(which)
        if mine != arm and mine != view.ruleset.experiments[which][3]:
            return [reg.REASON_OTHER_ARM, index], None
    if rule.redeems is not None:
        spent = view.state.spent(serial(view.event))
        if spent:
            return [reg.REASON_VOUCHER_SPENT, index], None
        if spent is None:
            unknown = [reg.REASON_TOO_MANY_PEOPLE, index]
    if rule.limit and view.wall is not None:
        had = None
        if subject is None:
            unknown = unknown or _of(view, reg.REASON_TOKEN_KIND, index, rule)
        else:
            place = view.place()
            if place >= 0:
                had = view.state.granted(place, index)
                if had >= rule.limit:
                    return _of(view, reg.REASON_ALREADY_HAD, index, rule, had, rule.limit), None
            elif view.unseen():
                unknown = unknown or _of(view, reg.REASON_TOO_MANY_PEOPLE, index, rule)
    if rule.limit_ever:
        had = None if subject is None else view.state.granted_ever(subject, index)
        if had is None:
            code = reg.REASON_TOKEN_KIND if subject is None else reg.REASON_TOO_MANY_PEOPLE
            unknown = unknown or _of(view, code, index, rule)
        elif had >= rule.limit_ever:
            return _of(view, reg.REASON_ALREADY_HAD, index, rule, had, rule.limit_ever), None
    return None, unknown


def _unplaced(view, index, rule):
    """Without a subject neither an arm nor the holdout is known."""
    if view.event.subject is None and (rule.experiment is not None or view.ruleset.holdout is not None):
        return [reg.REASON_TOKEN_KIND, index]
    return None


def _of(view, code, index, rule, have=None, need=None):
    """A *why* that has the path of the rule's condition, where it was looked at."""
    path = None if view.wall is None else expr.path(rule.when, view)[0]
    return _why(code, index, path, None, have, need)


# --- what is granted


def _grant(view, wins, refused):
    """(Decisions that grant, wins of a subject in the holdout)."""
    ruleset, state = view.ruleset, view.state
    chosen = stacking.choose(ruleset, wins) if ruleset.groups else wins[:1]
    capped = ()
    if ruleset.groups or ruleset.basket_cap:
        chosen, capped = stacking.together(ruleset, chosen)
    for win in capped:
        refused.append((win.index, [reg.REASON_CAP, win.index]))
    if ruleset.holdout is not None and arms.held_out(ruleset, view.event.subject):
        for win in chosen:
            win.control = False
        return [], chosen
    out = []
    opened = []
    for win in chosen:
        rights = win.rights
        if rights is None:
            rights = stacking.cover(state, win.index, win.rule, win.grants)
        opens = [part[0] for part in rights if not state.rights.opened(part[0])]
        opened += opens
        redeems = win.rule.redeems is not None
        out.append(
            _decision(
                view,
                win.rule,
                reg.KIND_REDEEM if redeems else reg.KIND_GRANT,
                win.index,
                _granted(view, win, reg.REASON_GRANTED),
                GRANTED,
                grants=win.grants,
                rights=rights,
                opens=opens,
                experiment=None if win.rule.experiment is None else list(win.rule.experiment),
                ask=win.ask,
                detail=[serial(view.event)] if redeems else None,
                currency=_currency(ruleset, win.grants, win.rule),
            )
        )
    return out, ()


def _currency(ruleset, grants, rule):
    for grant in grants:
        if grant[0] not in _MONEYLESS:
            return ruleset.currency
    return None


def _ghost(view, win):
    experiment = [arms.HOLDOUT, 0]
    if win.control:
        which = win.rule.experiment[0]
        experiment = [which, view.ruleset.experiments[which][3]]
    why = _granted(view, win, reg.REASON_CONTROL_ARM)
    return _decision(view, win.rule, reg.KIND_GHOST, win.index, why, DENIED, experiment=experiment)


def _granted(view, win, code):
    rule = win.rule
    if view.wall is None:
        return [code, win.index]
    view.enter(win.index, rule)
    path = expr.path(rule.when, view)[0]
    if rule.shown is None:
        return _why(code, win.index, path)
    have, need = view.sides(expr.nth(rule.when, rule.shown))
    return _why(code, win.index, path, rule.shown, have, need)


# --- why not


def _refusal(view, refused, unsure):
    """The deny or uncertain Decision where nothing grants: the first unknown, else the rule that came nearest."""
    why = unsure
    kind = reg.KIND_UNCERTAIN
    if why is None:
        kind = reg.KIND_DENY
        best = len(_NEAREST) + 1, 0
        for index, found in refused:
            if found is None:
                found = _explain(view, index)
            rank = _rank(found)
            if rank < best:
                best = rank
                why = found
    if why is None:
        return _plain(reg.KIND_DENY, [reg.REASON_NO_RULE])
    rule = view.ruleset.rules[why[1]]
    currency = view.ruleset.currency if why[0] == reg.REASON_BASKET_SMALL else None
    message = NEAR if why[0] == reg.REASON_NEAR else DENIED
    return _decision(view, rule, kind, why[1], why, message, currency=currency)


def _explain(view, index):
    """Why of a rule whose condition is not true: what would refuse all the same goes first."""
    rule = view.ruleset.rules[index]
    view.enter(index, rule)
    why, _unknown = _standing(view, index, rule)
    if why is not None:
        return why
    grants, _money, _pieces = stacking.give(view.state, view.event, rule)
    if grants:
        rights = stacking.cover(view.state, index, rule, grants)
        if type(rights) is tuple:
            return _short(view, index, rights[0], rights[1])
    return _not_yet(view, index, rule, expr.FALSE)


def _not_yet(view, index, rule, result):
    """Why a condition is not true: the comparison to blame, how much there is and how much it takes."""
    path = expr.path(rule.when, view)[0]

    def counts_people(place):
        return view.ruleset.values[view.ruleset.leaves[3 * place + 1]][0] == expr.PEOPLE

    guilty = expr.blame(rule.when, view, counts_people)
    if guilty is None:
        return _why(reg.REASON_CONDITION, index, path)
    number, place = guilty
    have, need = view.sides(place)
    code, near = _code(view, rule, place, result, have, need)
    return _why(code, index, path, number, have, need, near)


def _code(view, rule, place, result, have, need):
    """(reason, what is missing) for the comparison to blame."""
    ruleset = view.ruleset
    op, left, right = ruleset.leaves[3 * place : 3 * place + 3]
    value = ruleset.values[left]
    name = value[0]
    rising = op in (expr.GT, expr.GE) or (
        op in (expr.GT + expr.BOTH, expr.GE + expr.BOTH) and ruleset.values[right][0] == expr.OPEN
    )
    if result == expr.UNKNOWN:
        if name in (expr.PEOPLE, expr.EVENTS) and view.old(rule):
            return reg.REASON_STALE, None
        if name in (expr.SIGNAL, expr.BALANCE):
            return (
                reg.REASON_STALE
                if view.event.subject is not None or name == expr.SIGNAL
                else reg.REASON_TOKEN_KIND,
                None,
            )
        if name == expr.PEOPLE:
            return reg.REASON_TOO_MANY_PEOPLE, None
        if name in (expr.VISITS, expr.SEEN, expr.ATTENDED, expr.ARM):
            return reg.REASON_TOKEN_KIND if view.event.subject is None else reg.REASON_TOO_MANY_PEOPLE, None
        return reg.REASON_CONDITION, None
    if not rising or not rule.flags & NEARS or have is None or need is None or have >= need:
        return reg.REASON_CONDITION, None
    if name == expr.BASKET:
        return reg.REASON_BASKET_SMALL, need - have
    if name == expr.PEOPLE or name == expr.EVENTS:
        _what, window, ms, _scope, _type, _trust = ruleset.counters[value[1]]
        if window != expr.WINDOW_FIRST or view.since < ms:
            return reg.REASON_NEAR, need - have
    elif not rule.flags & CAP_ONLY and name in (
        expr.BALANCE, expr.ATTENDED, expr.VISITS, expr.ITEMS, expr.ITEM,
    ):  # fmt: skip
        return reg.REASON_NEAR, need - have
    return reg.REASON_CONDITION, None


def _short(view, index, unit, amount):
    rights = view.state.rights
    if not rights.had(index, unit):
        return _why(reg.REASON_NO_RIGHTS_YET, index, None, None, None, amount)
    code = reg.REASON_BUDGET_USED_UP if unit == reg.UNIT_MINOR else reg.REASON_STOCK_USED_UP
    return _why(code, index, None, None, rights.available(index, unit), amount)


def _opens_in(view, rule):
    """Seconds until the rule's next slot begins, rounded up; None where none follows."""
    first = None
    for slot in rule.slots:
        start = view.ruleset.slots[slot][0]
        if start > view.wall and (first is None or start < first):
            first = start
    return None if first is None else (first - view.wall + 999) // 1000


def _why(code, index, path=None, leaf=None, have=None, need=None, near=None):
    """Field 14 of the record: [code, rule, path, leaf, have, need, age s, near] no absent ones at the end."""
    why = [code, index, path, leaf, have, need, None, near]
    while why[-1] is None:
        why.pop()
    return why


def _rank(why):
    """Order of refusals: the lower explains better; of two near ones the nearer, then the earlier rule."""
    return (_NEAREST.index(why[0]), why[7] if why[0] == reg.REASON_NEAR else 0)


# --- decisions


def _plain(kind, why, rule=None, message=None, detail=None):
    return Decision(kind, rule, [], [], why, [], None, message, [], [], None, 0, None, False, detail)


def _decision(
    view,
    rule,
    kind,
    index,
    why,
    message,
    grants=(),
    rights=(),
    opens=(),
    experiment=None,
    ask=0,
    detail=None,
    currency=None,
):
    """A Decision that a rule explains, with the age of the data of others that its condition looks at."""
    newest, oldest = view.age(rule)
    if newest is not None and len(why) > 2:
        while len(why) < 7:
            why.append(None)
        why[6] = newest
    evidence = view.state.evidence() if rule.flags & COUNTS_KIT and view.wall is not None else None
    stale = oldest is not None and oldest > _STALE_S
    return Decision(
        kind, index, list(grants), list(rights), why, [], currency, message, [], list(opens), experiment, ask, evidence, stale,
        detail,
    )  # fmt: skip


def _with(decision, latches, until):
    found = list(decision)
    found[5] = latches
    found[8] = until
    return Decision(*found)


def operator(ruleset, state, event, rule_index, question, who, text, granted):
    """The Decision of a person at the stall on a question that a record (brick8, seq) put: conditions are waived,
    rights and limits hold. `who` at most 24 bytes of text, `text` the reason, at most 60; reason 23 where it is as the person said."""
    rule = ruleset.rules[rule_index]
    detail = [question[0], question[1], who, text]
    if not granted:
        return _plain(reg.KIND_DENY, [reg.REASON_PERSON, rule_index], rule_index, DENIED, detail)
    view = View(ruleset, state, event)
    if view.wall is not None:
        view.enter(rule_index, rule)
    why, unknown = _standing(view, rule_index, rule) if view.slot >= 0 or not rule.limit else (None, None)
    why = why or unknown
    grants, _money, _pieces = stacking.give(state, event, rule)
    if why is None and rule.redeems is not None and not _voucher_of(rule, event):
        why = [reg.REASON_VOUCHER_FALSE, rule_index]
    if why is None and not grants:
        why = [reg.REASON_BASKET_SMALL, rule_index]
    rights = None
    if why is None:
        rights = stacking.cover(state, rule_index, rule, grants)
        if type(rights) is tuple:
            why = _short(view, rule_index, rights[0], rights[1])
    if why is not None:
        return _plain(reg.KIND_DENY, why, rule_index, DENIED, detail)
    opens = [part[0] for part in rights if not state.rights.opened(part[0])]
    kind = reg.KIND_GRANT if rule.redeems is None else reg.KIND_REDEEM
    if kind == reg.KIND_REDEEM:
        detail = [serial(event)] + detail
    return Decision(
        kind, rule_index, grants, rights, [reg.REASON_PERSON, rule_index], [], _currency(ruleset, grants, rule), GRANTED, [],
        opens, None, 0, None, False, detail,
    )  # fmt: skip
