"""Bytes read from flash by the page are what they are in memory; a ruleset of them is the same ruleset."""

from rulekit import data, rule, sample
from stallmark import rules
from stallmark.errors import FormatError
from stallmark.pages import PAGE, Pages
from vectors import raises


class Flash:
    """Reads of a slot's reader, counted; more than `most` bytes at once are too many."""

    def __init__(self, data, most=2048):
        self.data = data
        self.most = most
        self.reads = 0

    def read(self, offset, size):
        assert size <= self.most, size
        self.reads += 1
        return self.data[offset : offset + size]


def paged(found, most=2048):
    return Pages(Flash(b"before" + found, most), 6, len(found))


def same(one, other):
    """What deciding has of two rulesets."""
    for name in (
        "version", "id", "rev", "currency", "slots", "terms", "people_capacity", "market", "values", "leaves", "counters",
        "latching", "limited", "limited_ever", "flags", "trusts", "limits", "units", "starts", "parts", "by_type", "digest",
        "least_trust", "watched", "leads", "attends", "elsewhere",
    ):  # fmt: skip
        assert getattr(one, name) == getattr(other, name), name
    assert [list(rule)[1:] for rule in one.rules] == [list(rule)[1:] for rule in other.rules]
    assert list(one.rule8) == list(other.rule8)


def test_a_page_at_a_time_gives_every_byte():
    found = bytes(range(256)) * 3 + b"end"
    pages = paged(found)
    assert len(pages) == len(found) and bytes([pages[at] for at in range(len(found))]) == found
    assert pages._source.reads == (len(found) + PAGE - 1) // PAGE
    for start, stop in ((0, 3), (250, 260), (760, 771), (760, 900), (771, 780), (5, 5)):
        assert pages[start:stop] == found[start:stop]
    assert pages[:2] == b"\0\1" and pages[769:] == b"nd"
    raises(IndexError, lambda: pages[len(found)])
    raises(IndexError, lambda: pages[-1])
    assert pages.sha256() == rules.sha256(found)


class Bent(Flash):
    """Gives one wrong bit at its nth read, or from then on."""

    def __init__(self, data, nth, for_good):
        super().__init__(data)
        self.nth, self.for_good = nth, for_good

    def read(self, offset, size):
        out = bytearray(super().read(offset, size))
        if out and (self.reads == self.nth or (self.for_good and self.reads > self.nth)):
            out[self.nth * 37 % len(out)] ^= 1 << self.nth % 8
        return bytes(out)


def test_whichever_read_goes_wrong_no_other_rules_have_the_digest_of_these():
    found = data(sample(), *[rule("rule-{}".format(one)) for one in range(6)])
    good = rules.Ruleset(found)
    flash = Flash(found)
    rules.Ruleset(Pages(flash, 0, len(found)))
    healed = 0
    for nth in range(1, flash.reads + 2):
        for for_good in (False, True):
            try:
                one = rules.Ruleset(Pages(Bent(found, nth, for_good), 0, len(found)))
            except (FormatError, OSError):
                continue
            if one.digest == good.digest:
                same(one, good)
                healed += not for_good
    assert healed > 5, "a page that reads wrong once is read again"


def test_a_ruleset_in_flash_is_the_same_ruleset():
    for number in (0, 1, 2, 40):
        found = data(*[rule("rule-{}".format(one)) for one in range(number)] + [sample()])
        here, there = rules.Ruleset(found), rules.Ruleset(paged(found))
        same(here, there)
        assert there.data._bytes == b"", "no page is kept once it was read"
        for index in range(number + 1):
            assert here.fields(index) == there.fields(index)
            assert [here.words(index, message) for message in range(3)] == [there.words(index, message) for message in range(3)]
            assert here.tree(index) == there.tree(index)


def test_what_is_refused_in_memory_is_refused_in_flash():
    found = data(rule(), sample())
    for at in range(0, len(found), 7):
        raises(FormatError, rules.Ruleset, paged(found[:at], 49152))
    wrong = refused = 0
    for at in range(len(found)):
        bad = bytearray(found)
        bad[at] ^= 0x21
        ends = []
        for one in (bytes(bad), paged(bytes(bad), 49152)):
            try:
                ends.append(rules.Ruleset(one).digest)
            except FormatError:
                ends.append(None)
        wrong += ends[0] != ends[1]
        refused += ends[0] is None
    assert not wrong and refused > len(found) // 2, (wrong, refused)


def test_too_many_bytes_are_refused_before_they_are_read():
    pages = paged(bytes(49153))
    raises(FormatError, rules.Ruleset, pages)
    assert pages._source.reads == 0


class Measured(Pages):
    """Knows the most bytes that were asked for at once."""

    most = 0

    def __getitem__(self, key):
        found = Pages.__getitem__(self, key)
        if type(key) is not int:
            self.most = max(self.most, len(found))
        return found


def test_the_longest_list_of_slots_and_values_that_are_none_take_no_large_piece_of_memory():
    hour = 3_600_000
    slots = [[1_790_000_000_000 + number * hour, 1_790_000_000_000 + (number + 1) * hour] for number in range(64)]
    found = data(rule(), slots=slots)
    assert len(found) > 1200
    pages = Measured(Flash(found), 0, len(found))
    same(rules.Ruleset(found), rules.Ruleset(pages))
    assert 0 < pages.most < 200, (pages.most, len(found))
    for at in range(0, len(found), 61):
        for byte in (0x1C, 0xFF, 0x5A, 0x9B):
            bent = found[:at] + bytes((byte,)) + found[at + 1 :]
            pages = Measured(Flash(bent), 0, len(bent))
            try:
                rules.Ruleset(bent)
            except FormatError:
                raises(FormatError, rules.Ruleset, pages)
            else:
                same(rules.Ruleset(bent), rules.Ruleset(pages))
            assert pages.most < 200, (at, byte, pages.most)
