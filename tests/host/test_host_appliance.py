"""A brick's diagnostics become words: what happened, what to do, and nothing is made up from what is missing."""

from hostagent import appliance
from hostagent.screen import battery, words

FULL = {
    0: 5_000, 1: 300_000, 2: 400_000, 3: [[48, 7]], 4: 8192, 5: [0, 80, 3990, None, None, True], 6: [1, 0, False, None],
    7: [], 8: [2, 40, 12, 20], 9: "1.27.0", 10: [1, 0],
}  # fmt: skip


def said(**changed):
    value = dict(FULL) | {int(key[1:]): part for key, part in changed.items()}
    found = appliance.parse(value, None)
    assert found is not None
    return found


def test_a_brick_that_is_well_needs_nobody():
    found = said()
    assert appliance.warnings(found) == []
    assert found["power"] == {
        "level": "full", "percent": 80, "main_mv": 3990, "backup_mv": None, "charging": None, "believable": True,
    }  # fmt: skip
    assert found["start"]["reason"] == "power came on" and found["counters"] == {"decisions": 7}


def test_an_older_brick_says_less_and_is_not_warned_of():
    found = appliance.parse({0: 5, 1: 0, 2: 0, 3: []}, None)
    assert found is not None and found["power"] is None and found["start"] is None
    assert appliance.warnings(found) == []


def test_each_trouble_is_a_sentence_with_what_to_do():
    for changed, expected in (
        ({"f6": [3, 3, True, "reader"]}, ("safe mode", "3 times in a row", "'reader' stood still", "switch it off and on")),
        ({"f6": [2, 0, True, None]}, ("is in safe mode. It decides nothing",)),
        ({"f5": [1, 22, 3550, None, None, True]}, ("saves power (22 %)",)),
        ({"f5": [2, 7, 3390, None, None, True]}, ("low battery (7 %)", "asked at the stall", "Change the pack")),
        ({"f5": [3, 0, 3100, None, None, True]}, ("switches itself off",)),
        ({"f5": [0, None, None, None, None, False]}, ("measures its battery wrongly",)),
        ({"f7": ["chores"]}, ("chores did not keep time",)),
        ({"f4": 1024}, ("short of memory",)),
        ({"f8": [2, 40, 12, -900]}, ("runs -900 parts in a million off",)),
    ):
        found = appliance.warnings(said(**changed))
        assert len(found) == 1
        for word in expected:
            assert word in found[0]


def test_counters_that_found_no_room_stay_until_the_brick_starts_anew():
    first = said()
    second = appliance.parse({0: 35_000, 3: [[70, 4]]}, first)
    assert second is not None and second["counters"] == {"decisions": 7, "start-ups": 4}
    anew = appliance.parse({0: 900, 3: [[70, 5]]}, second)
    assert anew is not None and anew["counters"] == {"start-ups": 5}


class Desk:
    """A screen's language and its way to say an age."""

    def __init__(self, language):
        self.language = language

    def say(self, key, **values):
        return words.say(self.language, key, **values)

    def age(self, seconds):
        return self.say("seconds_ago", n=int(seconds))


def test_the_stall_page_says_how_full_the_packs_are_and_how_old_that_is():
    cell = said(f5=[1, 22, 3560, None, None, True])
    assert battery.words(cell, 12.0, Desk(0)).startswith("22 % (main 3.56 V, back-up not there)")
    assert "12" in battery.words(cell, 12.0, Desk(0)) and "3,56 V" in battery.words(cell, None, Desk(1))
    assert "from outside" in battery.words(said(f5=[0, 100, 3100, 5000, None, True]), 1.0, Desk(0))
    assert "measured wrongly" in battery.words(said(f5=[0, None, None, None, None, False]), 1.0, Desk(0))
    assert "not measured" in battery.words(said(f5=None), 1.0, Desk(0)) and "not measured" in battery.words(None, None, Desk(0))
    assert battery.warning(cell).key == "battery_saving" and battery.warning(said()) is None
    low = battery.warning(said(f5=[2, 7, 3390, None, None, True]))
    assert low is not None and low.look == "bad"


def test_a_brick_without_memory_for_its_people_is_somebodys_work():
    said = appliance.parse({0: 5, 3: [[154, 1]]}, None)
    assert any("no memory for more people" in one for one in appliance.warnings(said))
    said = appliance.parse({0: 5, 3: [[134, 1], [154, 1]]}, None)
    assert not any("no memory" in one for one in appliance.warnings(said)), "it has remembered them since"
