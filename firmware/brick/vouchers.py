"""A voucher at the scanner: taken in the order of docs/formats/voucher.md, then an event like any other."""

from stallmark import numbers as reg
from stallmark import token, voucher
from stallmark.errors import FormatError

from brick import counters as count

_COUNTED = (
    (reg.REASON_VOUCHER_FALSE, count.VOUCHER_FALSE),
    (reg.REASON_VOUCHER_EXPIRED, count.VOUCHER_TIME),
    (reg.REASON_CLOCK_UNSET, count.VOUCHER_TIME),
    (reg.REASON_VOUCHER_ELSEWHERE, count.VOUCHER_ELSEWHERE),
)


def read(data, counters):
    """The voucher.Voucher of what claims to be one; None where it is none: then it is text, and counted."""
    try:
        return voucher.parse(data)
    except FormatError:
        counters.add(count.VOUCHER_WRONG)
        return None


def take(found, good, identity, issuers, clock, floor_ms, counters):
    """(trust, event fields, kind and reason of a refusal or None) of a voucher. `good`: whether one of `issuers`, the public keys
    of the ruleset in use, has signed it."""
    wall_ms = clock.wall_ms()
    clock_s = wall_ms // 1000 if wall_ms is not None and clock.quality >= reg.QUALITY_HOST else None
    audiences = (identity.brick8, identity.kit8, identity.hub8)
    reason = voucher.refusal(found, issuers, audiences, floor_ms // 1000, clock_s, lambda *_: good)
    fields = {
        "subject": token.subject(identity.subject_key, voucher.TOKEN_TYPE, found.serial),
        "signal": voucher.signal(found),
        "reference": voucher.reference(found),
    }
    if reason is None:
        return reg.TRUST_VOUCHER, fields, None
    for code, number in _COUNTED:
        if code == reason:
            counters.add(number)
    kind = reg.KIND_UNCERTAIN if reason == reg.REASON_CLOCK_UNSET else reg.KIND_DENY
    # What nobody has signed is text: it must not count as a person whom an issuer vouched for.
    trust = reg.TRUST_TEXT if reason == reg.REASON_VOUCHER_FALSE else reg.TRUST_VOUCHER
    return trust, fields, (kind, reason)
