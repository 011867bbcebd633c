"""What a person at the stall decides on a question: conditions are waived, rights, limits and arms hold. The host's alone."""

from stallmark import arms, stacking, standing
from stallmark.decision import Decision, plain
from stallmark.granted import currency
from stallmark.numbers import (
    KIND_DENY,
    KIND_GHOST,
    KIND_GRANT,
    KIND_REDEEM,
    REASON_BASKET_SMALL,
    REASON_CLOCK_UNSET,
    REASON_CONTROL_ARM,
    REASON_OUTSIDE_SLOT,
    REASON_PERSON,
    REASON_TOKEN_KIND,
    REASON_VOUCHER_FALSE,
)
from stallmark.values import View

_GRANTED = 0  # message
_DENIED = 1


def operator(ruleset, state, event, rule_index, question, who, granted):
    """The Decision of a person on a question that a record put: `question` (brick8, seq, its wall ms or None).

    Slot and limits are those of the question's instant, else of the event's; who is in the control arm or the holdout is a
    ghost here, too. `who`: a label of at most 24 bytes, no name (field 24 is public); the person's reason belongs into the
    private part. Reason code 23 where it is as the person said."""
    rule = ruleset.rules[rule_index]
    asked_ms = question[2]
    detail = [question[0], question[1], who, None, asked_ms]
    if not granted:
        return _no([REASON_PERSON, rule_index], rule_index, detail)
    view = View(ruleset, state, event)
    if view.wall is not None:
        if asked_ms is not None:
            view.wall = asked_ms
            view.open, view.mine = ruleset.open_at(asked_ms)
        view.enter(rule_index, rule)
    if rule.redeems is not None and not standing.voucher_of(rule, event):
        return _no([REASON_VOUCHER_FALSE, rule_index], rule_index, detail)
    refused, unknown = standing.standing(view, rule_index, rule)
    refused = refused or unknown
    if refused is not None:
        standing.told(view, refused)
    elif rule.limit and view.slot < 0:
        refused = [REASON_CLOCK_UNSET if view.wall is None else REASON_OUTSIDE_SLOT, rule_index]
    elif event.subject is None and (rule.experiment is not None or ruleset.holdout is not None):
        refused = [REASON_TOKEN_KIND, rule_index]
    rights = None
    grants = ()
    if refused is None:
        grants, money, pieces = stacking.give(state, event, rule)
        if not grants:
            refused = [REASON_BASKET_SMALL, rule_index]
        else:
            rights = stacking.cover(state, rule_index, rule, money, pieces)
            if type(rights) is tuple:
                refused = standing.short(view, rule_index, rights[0], rights[1])
    if refused is not None:
        return _no(refused, rule_index, detail)
    aside = _aside(view, rule)
    if aside is not None:
        return Decision(
            KIND_GHOST, rule_index, [], [], [REASON_CONTROL_ARM, rule_index], [], None, _DENIED, [], [], aside, 0, None,
            False, detail,
        )  # fmt: skip
    kind = KIND_GRANT
    if rule.redeems is not None:
        kind = KIND_REDEEM
        detail.insert(0, standing.serial(event))
    experiment = None if rule.experiment is None else list(rule.experiment)
    return Decision(
        kind, rule_index, grants, rights, [REASON_PERSON, rule_index], [], currency(ruleset, grants), _GRANTED, [],
        state.rights.opens(rights), experiment, 0, None, False, detail,
    )  # fmt: skip


def _no(why, rule_index, detail):
    return plain(KIND_DENY, why, rule_index, _DENIED, detail)


def _aside(view, rule):
    """Field 19 of a ghost for who is in the control arm or the holdout, else None."""
    ruleset = view.ruleset
    if rule.experiment is not None and view.arm(rule.experiment[0]) != rule.experiment[1]:
        which = rule.experiment[0]
        return [which, ruleset.experiments[which][3]]
    if ruleset.holdout is not None and arms.held_out(ruleset, view.event.subject):
        return [arms.HOLDOUT, 0]
    return None
