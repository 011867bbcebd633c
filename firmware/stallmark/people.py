"""What bricks tell each other of a record: entries of 14 bytes (link message 40). docs/formats/link.md"""

from struct import pack, unpack_from

from stallmark.constant import const
from stallmark.numbers import (
    EVENT_NONE,
    FLAG_SHADOW,
    FLAG_TRAINING,
    KIND_DENY,
    KIND_GHOST,
    KIND_GRANT,
    KIND_REDEEM,
    KIND_UNCERTAIN,
    QUALITY_HOST,
    REASON_PERSON,
)

SIZE = const(14)
MOST = const(28)  # entries of one message
GRANT = const(0x80)
GHOST = const(0x40)
REDEEM = const(0x20)
NO_RULE = const(255)
NOBODY = bytes(6)
_LATEST = const(0x7FFFFFFF)
_TRUST = const(15)


def entry(subject8, event_type, trust, kind, rule, slot, since_ms):
    """14 bytes of one record in one slot: `subject8` None for nobody known, `rule` its index or None,
    `since_ms` from the slot's start. Event types over 255 and rules over 254 are told as none."""
    flags = trust & _TRUST
    if kind == KIND_GRANT:
        flags |= GRANT
    elif kind == KIND_GHOST:
        flags |= GHOST
    elif kind == KIND_REDEEM:
        flags |= REDEEM
    return pack(
        ">6sBBBBI",
        NOBODY if subject8 is None else subject8[:6],
        event_type if event_type < 256 else EVENT_NONE,
        flags,
        NO_RULE if rule is None or rule > 254 else rule,
        slot,
        min(max(since_ms, 0), _LATEST),
    )


def read(data, at):
    """(subject6 or None, event type, trust, flags, rule index or 255, slot, since ms) of the entry at byte
    `at`."""
    subject, event_type, flags, rule, slot, since = unpack_from(">6sBBBBI", data, at)
    return None if subject == NOBODY else subject, event_type, flags & _TRUST, flags, rule, slot, since


def of_record(slots, fields, private_fields, leads=None):
    """Entries (bytes, 14 for each slot that was open) of a record for the other bricks; empty where it says
    nothing of people. `slots`: [(start ms, end ms) …] of the ruleset that the record was decided by, `leads`: ms
    of early access to each.

    Who comes early comes at the slot's start. What a person answered afterwards is told without event type (the
    event was told before), in the slot of the question."""
    kind = fields[10]
    if kind not in (KIND_GRANT, KIND_DENY, KIND_GHOST, KIND_UNCERTAIN, KIND_REDEEM):
        return b""
    if fields[0] & (FLAG_TRAINING | FLAG_SHADOW) or fields[5] is None or fields[7][0] < QUALITY_HOST:
        return b""
    subject = None if not private_fields else private_fields.get(1)
    rule = fields.get(9)
    event_type, trust = divmod(fields.get(11, 0), 16)
    if fields.get(14, (0,))[0] == REASON_PERSON or answers(fields):
        event_type = EVENT_NONE
    wall = came(fields)
    out = b""
    for slot, (start, end) in enumerate(slots):
        if start - (leads[slot] if leads else 0) <= wall < end:
            # Others count what is later than all before it: an answer within the slot stands where it was given.
            at = fields[5] if fields[5] < end else wall
            out += entry(subject, event_type, trust, kind, rule, slot, max(at - start, 0))
    return out


def answers(fields):
    """True for a record of somebody having come that is a person's answer to a question: its event was counted before."""
    return len(fields.get(24, ())) > 3


def came(fields):
    """Wall ms at which whom a record is of came: of a person's answer the instant of the question, where it says so."""
    detail = fields.get(24, ())
    return detail[-1] if len(detail) > 4 and type(detail[-1]) is int else fields[5]
