"""Sentences of the status: every key that can be wrong has one, and nothing is said of what is well."""

from hostagent.kitwords import words

TAGS = {"known": 3, "refused": 0, "findings": 0, "newest_findings": [], "trouble": None}
STORE = {"lost": 0, "quarantined": 0}
GOOD = {
    "tags": TAGS,
    "rights_refused": {},
    "store": STORE,
    "printer": {"there": True, "printed": 1, "trouble": None},
}


def test_all_is_well_and_nothing_is_said():
    assert words(GOOD) == [] and words({}) == [] and words({"tags": None, "printer": None}) == []


def test_a_copied_tag_is_said_with_its_records():
    seen = {
        "what": "the same message was taken twice: one of two tags is a copy",
        "records": [{"brick": "brick-2", "seq": 7}, {"brick": "brick-1", "seq": 4}],
    }
    (said,) = words(GOOD | {"tags": TAGS | {"findings": 2, "newest_findings": [seen]}})
    assert "seen 2 times" in said and "brick-2 7 and brick-1 4" in said and "Take that tag aside" in said
    (said,) = words(GOOD | {"tags": TAGS | {"refused": 3}})
    assert "3 taps" in said
    (said,) = words(GOOD | {"tags": TAGS | {"trouble": "tag-keys.json cannot be read (KeyError)"}})
    assert said == "tag-keys.json cannot be read (KeyError)."


def test_what_was_refused_lost_kept_aside_or_not_printed_is_said():
    (said,) = words(GOOD | {"rights_refused": {"slice with a wrong signature": 2}})
    assert "a wrong signature (2)" in said
    lost, aside = words(GOOD | {"store": STORE | {"lost": 1, "quarantined": 2}})
    assert "1 record." in lost and "2 records." in aside
    (said,) = words(
        GOOD | {"printer": {"there": True, "printed": 0, "trouble": "the printer does not work: paper?"}}
    )
    assert said == "Nothing is printed: the printer does not work: paper?"
