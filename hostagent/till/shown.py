"""A lane's answer as JSON, and what is wrong with a body as one sentence."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from hostagent import promised
from hostagent.core import Fields, reg
from hostagent.lane import answers, reversal
from hostagent.lane.answers import LaneAnswer
from hostagent.promised import Voucher
from hostagent.till.models import FIELDS, KIND_NAMES

PAID_BEFORE = "A voucher that came with it was paid before: it is not taken back."


def event(answer: LaneAnswer, ruleset: Any, vouchers: Sequence[Voucher] = ()) -> bytes:
    """The body of an answer (models.EventOut)."""
    credit, also = answer.credit_minor, answer.others
    if answer.outcome == "reversed":
        back, also = reversal.taken_now(answer.public)
        credit = -back
    value = {
        "id": answer.nonce.hex(),
        "outcome": answer.outcome,
        "credit": _money(credit, answer.currency),
        "also": also,
        "sentence": f"{answer.sentence} {PAID_BEFORE}" if answer.vouchers_paid else answer.sentence,
        "vouchers": promised.as_json(vouchers),
        "reason": answer.reason,
        "decisions": [_decision(fields, ruleset, answer) for fields in answer.public],
        "receipt": {"link": answer.link, "number": answer.host_seq},
        "training": any(fields[0] & reg.FLAG_TRAINING for fields in answer.public),
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def status(answer: LaneAnswer) -> int:
    """HTTP status: what was taken back before is a conflict, everything else was done as asked."""
    return 409 if answer.reason == reg.REASON_REVERSED else 200


def nothing_to_take_back() -> bytes:
    """A refund of a sale that was given nothing."""
    value: dict[str, Any] = {
        "id": "",
        "outcome": "nothing to take back",
        "credit": _money(0, None),
        "also": [],
        "sentence": "This sale was given nothing: there is nothing to take back.",
        "reason": None,
        "vouchers": [],
        "decisions": [],
        "receipt": None,
        "training": False,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _money(minor: int, currency: str | None) -> dict[str, Any]:
    return {"minor": minor, "currency": currency, "text": answers.amount(minor, currency)}


def _decision(fields: Fields, ruleset: Any, whole: LaneAnswer) -> dict[str, Any]:
    # One record alone explains itself by the answer's own sentence.
    sentence = whole.sentence if len(whole.public) == 1 else answers.words(fields, ruleset)
    index = fields.get(9)
    name: str | None = None
    if ruleset is not None and index is not None and fields.get(8) == ruleset.digest8:
        name = ruleset.rules[index].id
    return {
        "number": fields[2],
        "kind": KIND_NAMES.get(fields[10], str(fields[10])),
        "rule": name,
        "reason": (fields.get(14) or [None])[0],
        "sentence": sentence,
        "grants": [answers.grant_words(grant, fields.get(23)) for grant in fields.get(12) or ()],
    }


def complaint(wrong: ValidationError) -> str:
    """The first fault: where it is, and what is expected. What was found is not repeated: it may be a person's."""
    faults = wrong.errors(include_url=False, include_input=False, include_context=False)
    # Of an amount as text and one as an object the one that was meant is named more exactly.
    same = [fault for fault in faults if fault["loc"][:1] == faults[0]["loc"][:1]]
    fault = max(same, key=lambda one: len(_place(one)))
    place = ".".join(_place(fault)) or "body"
    words = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {words[0].lower()}{words[1:]}"


def _place(fault: Any) -> list[str]:
    """Names of fields and places in lists, as the till wrote them: without the names of this program's types."""
    last = len(fault["loc"]) - 1
    return [
        str(part)[:40]
        for at, part in enumerate(fault["loc"])
        if isinstance(part, int)
        or part in FIELDS
        or (at == last and fault["type"] in ("extra_forbidden", "missing"))
    ]
