"""Whether a rule may grant to this subject, beside its condition: arm, voucher, limits, rights. docs/formats/ruleset.md"""

from stallmark.numbers import (
    REASON_ALREADY_HAD,
    REASON_BUDGET_USED_UP,
    REASON_NO_RIGHTS_YET,
    REASON_OTHER_ARM,
    REASON_STOCK_USED_UP,
    REASON_TOKEN_KIND,
    REASON_TOO_MANY_PEOPLE,
    REASON_VOUCHER_SPENT,
    TRUST_VOUCHER,
    UNIT_MINOR,
)


def why(code, index, path=None, leaf=None, have=None, need=None, near=None):
    """Field 14 of the record: [code, rule, path, leaf, have, need, age s, near] no absent ones at the end."""
    if near is not None:
        return [code, index, path, leaf, have, need, None, near]
    if need is not None:
        return [code, index, path, leaf, have, need]
    found = [code, index, path, leaf, have]
    while found[-1] is None:
        found.pop()
    return found


def told(view, reason):
    """A *why* with the path of its rule's condition, which is only looked at for the one that is told."""
    if len(reason) > 2 and reason[2] is True:
        index = reason[1]
        view.enter(index, view.ruleset.bodies[index])
        reason[2] = view.path(index)
    return reason


def standing(view, index, rule):
    """(why a rule is certainly not this subject's, why that is not known), each or None: arm, spent voucher, limits."""
    subject = view.event.subject
    unknown = None
    if rule.experiment is not None and subject is not None:
        which, arm = rule.experiment
        mine = view.arm(which)
        if mine != arm and mine != view.ruleset.experiments[which][3]:
            return [REASON_OTHER_ARM, index], None
    if rule.redeems is not None:
        spent = view.state.spent(serial(view.event), subject)
        if spent:
            return [REASON_VOUCHER_SPENT, index], None
        if spent is None:
            unknown = [REASON_TOO_MANY_PEOPLE, index]
    if rule.limit and view.slot >= 0:
        if subject is None:
            unknown = unknown or _of(view, REASON_TOKEN_KIND, index)
        else:
            place = view.place()
            if place >= 0:
                had = view.state.granted(place, index)
                if had >= rule.limit:
                    return _of(view, REASON_ALREADY_HAD, index, had, rule.limit), None
            elif view.unseen():
                unknown = unknown or _of(view, REASON_TOO_MANY_PEOPLE, index)
    if rule.limit_ever:
        had = None if subject is None else view.state.granted_ever(subject, index)
        if had is None:
            code = REASON_TOKEN_KIND if subject is None else REASON_TOO_MANY_PEOPLE
            unknown = unknown or _of(view, code, index)
        elif had >= rule.limit_ever:
            return _of(view, REASON_ALREADY_HAD, index, had, rule.limit_ever), None
    return None, unknown


def _of(view, code, index, have=None, need=None):
    """A *why* that has the path of the rule's condition, where it was looked at (`told`)."""
    return why(code, index, None if view.slot < 0 else True, None, have, need)


def short(view, index, unit, amount):
    """Why of rights that do not cover an amount."""
    rights = view.state.rights
    if not rights.had(index, unit):
        return why(REASON_NO_RIGHTS_YET, index, None, None, None, amount)
    code = REASON_BUDGET_USED_UP if unit == UNIT_MINOR else REASON_STOCK_USED_UP
    return why(code, index, None, None, rights.available(index, unit), amount)


def opens_in(view, rule):
    """Seconds until the rule's next slot begins, rounded up; None where none follows."""
    first = None
    for slot in rule.slots:
        start = view.ruleset.slots[slot][0]
        if start > view.wall and (first is None or start < first):
            first = start
    return None if first is None else (first - view.wall + 999) // 1000


def voucher_of(rule, event):
    """Whether an event is a voucher of the series that a rule redeems."""
    signal = event.signal
    return (
        event.trust == TRUST_VOUCHER
        and signal is not None
        and signal[0] == "voucher:{}".format(rule.redeems)
        and serial(event) is not None
    )


def serial(event):
    """The serial (8 bytes) of a voucher's event, or None."""
    text = event.reference
    if text is None or len(text) != 16:
        return None
    for letter in text:
        if letter not in "0123456789ABCDEFabcdef":
            return None
    return bytes([int(text[at : at + 2], 16) for at in range(0, 16, 2)])
