"""Questions for a person: nobody can push the others' out by scanning again and again."""

from types import SimpleNamespace
from typing import Any

from stallmark import registry as reg

from hostagent.asking import OPEN_QUESTIONS, QUESTIONS_EACH, Questions

NOW = 1_790_000_000_000
CLOCK: Any = SimpleNamespace(now_ms=lambda: NOW)


def asked(brick: bytes, seq: int, trust: int) -> Any:
    """An uncertain record, as the store has it."""
    fields = {
        0: 0, 1: brick, 2: seq, 5: NOW, 7: [2, 50], 10: reg.KIND_UNCERTAIN,
        11: reg.EVENT_NFC_TAP * 16 + trust, 14: [reg.REASON_ASK_HOST, None], 15: seq.to_bytes(8),
    }  # fmt: skip
    return SimpleNamespace(brick=brick, record=SimpleNamespace(fields=fields, private_fields={1: bytes(8)}))


def test_a_flood_pushes_out_its_own_questions_and_no_others() -> None:
    questions = Questions(CLOCK, lambda: None, lambda digest8: None)
    questions.recorded(asked(b"brick--a", 1, reg.TRUST_ISSUED))
    questions.recorded(asked(b"brick--b", 1, reg.TRUST_ANONYMOUS))
    for seq in range(2, 500):
        questions.recorded(asked(b"brick--a", seq, reg.TRUST_ANONYMOUS))
    left = [(one.brick, one.seq) for one in questions.open()]
    assert left[:2] == [(b"brick--a", 1), (b"brick--b", 1)]
    assert left[2:] == [(b"brick--a", seq) for seq in range(500 - QUESTIONS_EACH, 500)]


def test_where_there_are_too_many_in_all_anonymous_ones_go_first() -> None:
    questions = Questions(CLOCK, lambda: None, lambda digest8: None)
    known = [(b"brick--a", seq) for seq in range(1, 6)]
    for brick, seq in known:
        questions.recorded(asked(brick, seq, reg.TRUST_ISSUED))
    for place in range(20):
        for seq in range(100, 100 + QUESTIONS_EACH):
            questions.recorded(asked(b"brick-%02d" % place, seq, reg.TRUST_ANONYMOUS))
    left = [(one.brick, one.seq) for one in questions.open()]
    assert len(left) == OPEN_QUESTIONS and left[:5] == known
