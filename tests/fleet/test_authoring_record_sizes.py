"""The largest record of a rule: what a redemption and a person's answer add is counted."""

from fleet.authoring.sizes import largest_record

WHEN, GRANTS, NEEDS, EVENTS = [0], [[2, 1, 500]], [[1, 500]], [2]


def test_a_redemption_names_its_serial_and_a_persons_answer_question_label_and_reason() -> None:
    plain = largest_record(WHEN, GRANTS, NEEDS, EVENTS)
    redeem = largest_record(WHEN, GRANTS, NEEDS, EVENTS, redeems=True)
    assert redeem - plain >= 2 + 1 + 9 - 8, "field 24 [serial8], where the grant is the larger record"
    person = largest_record(WHEN, GRANTS, NEEDS, EVENTS, person=True)
    assert person - plain >= 9 + 5 + 26 + 2 + 62, "[brick8, seq, label, null, null], and the reason"
    assert largest_record(WHEN, GRANTS, NEEDS, EVENTS, redeems=True, person=True) > person
