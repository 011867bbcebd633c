"""What of a host's records the stall's screen shows to a person."""

from hostagent.core import reg
from hostagent.screen.facts import worth_showing

ONE, OTHER = b"b" * 8, b"c" * 8


def record(kind, visit, brick=ONE):
    return {1: brick, 10: kind, 15: visit} if visit else {1: brick, 10: kind}


def test_a_comparison_group_is_not_shown_beside_what_lit_the_light():
    told = [
        record(reg.KIND_GHOST, b"visit 1."),
        record(reg.KIND_GRANT, b"visit 1."),
        record(reg.KIND_RIGHTS, b"visit 1."),
        record(reg.KIND_GHOST, b"visit 2."),
        record(reg.KIND_DENY, b"visit 3."),
        record(reg.KIND_GHOST, b"visit 1.", OTHER),
        record(reg.KIND_LATCH, None),
    ]
    assert worth_showing(told) == [False, True, False, True, True, True, True]


def test_records_without_a_visit_hide_none():
    assert worth_showing([record(reg.KIND_GHOST, None), record(reg.KIND_COLLECTIVE, None)]) == [True, True]
