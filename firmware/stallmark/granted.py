"""What a decision says of rules that grant, and of ghosts: records' fields, why, and what is cut. docs/formats/ruleset.md"""

from stallmark import arms, expr, stacking
from stallmark.constant import const
from stallmark.decision import decision
from stallmark.numbers import (
    GRANT_SAMPLE,
    GRANT_TOKENS,
    GRANT_UNLOCK,
    GRANT_UPGRADE,
    KIND_GHOST,
    KIND_GRANT,
    KIND_REDEEM,
    REASON_CAP,
    REASON_CONTROL_ARM,
    REASON_GRANTED,
)
from stallmark.ruleform import FLAT, NEVER
from stallmark.stacking import BECAUSE, CONTROL, INDEX, RULE
from stallmark.standing import serial, why

_GRANTED = const(0)  # message
_DENIED = const(1)
_MONEYLESS = (GRANT_SAMPLE, GRANT_UPGRADE, GRANT_TOKENS, GRANT_UNLOCK)


def grant(view, wins, refused):
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
    ruleset = view.ruleset
    index, rule, grants, money, pieces, rights, ask, _control, because = win
    held = view.state.rights
    if rights is None:  # a cap has cut it
        rights = stacking.cover(view.state, index, rule, money, pieces)
    detail = experiment = None
    kind = KIND_GRANT
    if rule.redeems is not None:
        kind = KIND_REDEEM
        detail = [serial(view.event)]
    if rule.experiment is not None:
        experiment = list(rule.experiment)
    return decision(
        view, rule, kind, index, because or _because(view, index, rule, REASON_GRANTED), _GRANTED, grants, rights,
        held.opens(rights), experiment, ask, detail, currency(ruleset, grants),
    )  # fmt: skip


def currency(ruleset, grants):
    for grant in grants:
        if grant[0] not in _MONEYLESS:
            return ruleset.currency
    return None


def ghost(view, win):
    index, rule = win[INDEX], win[RULE]
    experiment = [arms.HOLDOUT, 0]
    if win[CONTROL]:
        which = rule.experiment[0]
        experiment = [which, view.ruleset.experiments[which][3]]
    found = win[BECAUSE] or _because(view, index, rule, REASON_CONTROL_ARM)
    found[0] = REASON_CONTROL_ARM
    return decision(view, rule, KIND_GHOST, index, found, _DENIED, (), (), (), experiment)


def _because(view, index, rule, code):
    """Why a rule grants: the path, and the sides of the comparison that explains it."""
    ruleset = view.ruleset
    shown = ruleset.shown[index]
    first = ruleset.starts[index]
    if shown == NEVER and rule.flags & FLAT and ruleset.starts[index + 1] == first:
        return [code, index, 0]  # true: nothing to look at
    view.enter(index, rule)
    if rule.flags & FLAT and not rule.latch:
        path = (1 << ruleset.starts[index + 1] - first) - 1  # it grants because all are true
    else:
        path = view.path(index)
    if shown == NEVER:
        return [code, index, path]
    have, need = view.sides(ruleset.parts[first + shown] if rule.flags & FLAT else expr.nth(ruleset.trees[index], shown))
    return why(code, index, path, shown, have, need)
