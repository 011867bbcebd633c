"""What the lane answers: outcome, money, sentence and link of the records that one event became."""

from typing import Any, NamedTuple

from hostagent.core import Fields, explain, money, reg

NOW = (reg.GRANT_PERCENT_NOW, reg.GRANT_FIXED_NOW)
PERCENT = (reg.GRANT_PERCENT_NOW,)
# Which record stands for the whole event, first to last
ORDER = (reg.KIND_GRANT, reg.KIND_REDEEM, reg.KIND_UNCERTAIN, reg.KIND_DENY, reg.KIND_GHOST)
# Records that answer somebody; latches and uses of rights beside them do not.
DECISIONS = (*ORDER, reg.KIND_VOID, reg.KIND_REFUND, reg.KIND_RESERVE, reg.KIND_RELEASE)


class LaneAnswer(NamedTuple):
    """What came of one event. `decisions`: as the engine gave them; `records`: (seq, kind) of all that was written;
    `outcome`: what the customer is told ("granted", "nothing this time", "ask at the stall", or "reversed");
    `credit_minor`: off this purchase, in minor units of `currency`, 0 where nothing is; `others`: what else was
    given, in words; `sentence`: why; `link`: look-up link of the record that stands for the event, `host_seq` its
    receipt's number; `reason`: code of the record's *why*, None where it has none; `nonce`: of the event;
    `vouchers_paid`: of a reversal, vouchers that were paid before and are not taken back."""

    decisions: list[Any]
    records: list[tuple[int, int]]
    outcome: str
    credit_minor: int
    currency: str | None
    sentence: str
    link: str
    host_seq: int
    others: list[str]
    reason: int | None
    nonce: bytes
    public: list[Fields]
    vouchers_paid: int = 0


def leading(records: list[Fields]) -> int:
    """Index of the record that stands for the event: a grant before anything else."""
    for kind in ORDER:
        for index, fields in enumerate(records):
            if fields[10] == kind:
                return index
    return len(records) - 1


def half_up(amount: int, share: int, of: int) -> int:
    """amount · share ÷ of, half up; all from 0 on, `of` from 1 on."""
    return (2 * amount * share + of) // (2 * of)


def grant_minor(grant: list[Any], basket: int | None) -> int:
    """What a grant of money costs: version 1 of the rules states only the cap of a percentage."""
    kind, size, minor = grant
    if kind in PERCENT and size is not None and basket is not None:
        share = half_up(basket, size, 10_000)
        return share if minor is None else min(share, minor)
    return minor or 0


def credit(records: list[Fields], basket: int | None) -> int:
    """Minor units off this purchase."""
    return sum(
        grant_minor(grant, basket)
        for fields in records
        if fields[10] in (reg.KIND_GRANT, reg.KIND_REDEEM)
        for grant in fields.get(12) or ()
        if grant[0] in NOW
    )


def others(records: list[Fields]) -> list[str]:
    """What was given beside the credit, in words."""
    return [
        grant_words(grant, fields.get(23))
        for fields in records
        if fields[10] in (reg.KIND_GRANT, reg.KIND_REDEEM)
        for grant in fields.get(12) or ()
        if grant[0] not in NOW
    ]


def grant_words(grant: list[Any], currency: str | None) -> str:
    """One grant in words."""
    return str(explain.grant(*grant[:3], currency))


def sentence(records: list[Fields], ruleset: Any, language: int = 0) -> str:
    """Every grant's sentence, or the one of the record that explains best."""
    granted = [fields for fields in records if fields[10] in (reg.KIND_GRANT, reg.KIND_REDEEM)]
    shown = granted or [records[leading(records)]]
    return " ".join(words(fields, ruleset, language) for fields in shown)


def words(fields: Fields, ruleset: Any, language: int = 0) -> str:
    """The sentence of one record."""
    return str(explain.sentence(fields, ruleset, language))


def amount(minor: int, currency: str | None) -> str:
    """Money as people read it; nothing at all where there is none in no currency."""
    return "" if not minor and currency is None else str(money.text(minor, currency))


def outcome(kind: int) -> str:
    """What the customer is told of a record of this kind."""
    return str(explain.outcome(kind))
