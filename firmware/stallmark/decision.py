"""A decision, and the records that come of it: its own, or reserve, commit and release. docs/formats/ruleset.md"""

from collections import namedtuple

from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.ruleform import COUNTS_KIT

_OLD_S = const(60)  # data of others older than this are said to be old

# kind, rule (index or None), grants, rights, why and currency (text or None) as the record's fields 10, 9,
# 12, 13, 14, 23; latches: indexes of rules whose *latch* record is to be written first, until: the ends (ms)
# of those latches; opens: slices spent from for the first time, whose *rights* record [[slice, 0]] is to be
# written first; message: 0 granted, 1 denied, 2 near or None (Ruleset.words); experiment, evidence, detail: fields 19, 21,
# 24; ask: 0, 1 the host may be asked, 2 it must; stale: data of others older than a minute were looked at
Decision = namedtuple(
    "Decision",
    "kind rule grants rights why latches currency message until opens experiment ask evidence stale detail",
)


def plain(kind, why, rule=None, message=None, detail=None):
    """A Decision that gives nothing and that no condition explains."""
    return Decision(kind, rule, [], [], why, [], None, message, [], [], None, 0, None, False, detail)


def decision(
    view,
    rule,
    kind,
    index,
    reason,
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
    evidence = None
    stale = False
    if rule.flags & view.others:
        if view.wall is not None and view.aging() and len(reason) > 2 and reason[2] is not None and view.enter(index, rule) >= 0:
            newest, oldest = view.age(index)  # its condition was looked at
            if newest is not None:
                while len(reason) < 7:
                    reason.append(None)
                reason[6] = newest
                stale = oldest > _OLD_S
        if rule.flags & COUNTS_KIT:
            evidence = view.state.evidence()
    return Decision(
        kind, index, grants or [], rights or [], reason, [], currency, message, [], opens or [], experiment, ask, evidence, stale,
        detail,
    )  # fmt: skip


def outcome(decisions):
    """The kind that is shown for the decisions on one event: a grant before anything else."""
    kinds = [decision.kind for decision in decisions]
    for kind in (reg.KIND_GRANT, reg.KIND_REDEEM, reg.KIND_UNCERTAIN):
        if kind in kinds:
            return kind
    return kinds[0]


def record_fields(ruleset, event, decision):
    """The part of a decision record's public fields that comes from deciding: 5 to 15, 19, 21, 23, 24."""
    fields = {
        5: event.wall_ms,
        6: event.uptime_ms or 0,
        7: [event.quality, event.spread_ms or 0],
        10: decision.kind,
        11: event.type * 16 + event.trust,
        14: decision.why,
        15: event.nonce,
    }
    if decision.stale:
        fields[0] = reg.FLAG_STALE
    if ruleset is not None:
        fields[8] = ruleset.digest8
    if decision.rule is not None:
        fields[9] = decision.rule
    if decision.grants:
        fields[12] = decision.grants
    if decision.rights:
        fields[13] = decision.rights
    if decision.experiment is not None:
        fields[19] = decision.experiment
    if decision.evidence is not None:
        fields[21] = decision.evidence
    if decision.currency is not None:
        fields[23] = decision.currency
    if decision.detail is not None:
        fields[24] = decision.detail
    return fields


def reserve_fields(ruleset, event, decision):
    """Public fields of the *reserve* record that goes before a decision with `ask`: its rule, rights, nonce and why."""
    fields = record_fields(ruleset, event, decision)
    fields[10] = reg.KIND_RESERVE
    for key in (12, 19, 23, 24):
        fields.pop(key, None)
    return fields


def commit(decision, reserve_seq):
    """What changes in a decision's record fields once its reserve stands: {20: its seq, 13: None}; None takes a field out."""
    return {13: None, 20: reserve_seq}


def settle(ruleset, event, decision, reserve_seq, answer, reason=None):
    """[(kind, public fields), …] to be written, in order, after the reserve record `reserve_seq` of a decision with `ask`.

    `answer`: of the host (1 yes, 2 no), None where none came in time; `reason`: the host's code for its no. Yes, or nobody
    where the brick may go alone: the grant without rights of its own. Else the release, then what the customer is told."""
    fields = record_fields(ruleset, event, decision)
    if answer == reg.ANSWER_YES or (answer is None and decision.ask == 1):
        fields.update(commit(decision, reserve_seq))
        fields.pop(13)
        return [(decision.kind, fields)]
    rule = ruleset.bodies[decision.rule]
    kind = reg.KIND_DENY
    if answer is None:
        kind = rule.policy
        reason = reg.REASON_ASK_HOST if rule.mode == 3 else reg.REASON_EXPOSURE_LIMIT
    why = list(decision.why)
    why[0] = reason or reg.REASON_HOST_REFUSED
    release = {key: fields[key] for key in (5, 6, 7, 8, 9, 11, 15)}
    release[10] = reg.KIND_RELEASE
    release[13] = decision.rights
    release[20] = reserve_seq
    for key in (12, 13, 19, 23, 24):
        fields.pop(key, None)
    fields[10] = kind
    fields[14] = why
    return [(reg.KIND_RELEASE, release), (kind, fields)]
