"""Read counters on a brick: who is remembered, who is forgotten first, and that a forgotten tag's old link is not taken again."""

import asyncio
import random
from typing import Any

import pytest
from brick import counters as count
from brick.counters import Counters as Counts
from brick.nfc import proving
from brick.tags import KEPT, Counters, Tags
from stallmark import tagkeys
from stallmark.numbers import TRUST_LIVE, TRUST_SDM
from virtualkit.ntag424 import Ntag424
from workbench import tag424, tagmaster

KEYS = tagmaster.event_keys(bytes(range(32)), b"event-01")
UID = bytes.fromhex("04a1b2c3d4e580")


class Identity:
    """Of a brick, with keys or without."""

    tag_keys: Any = None


class Port:
    """What proofs want of one."""

    make_ecb = staticmethod(tagmaster.make_ecb)
    make_inverse = staticmethod(tagmaster.make_inverse)
    random = staticmethod(random.Random(1).randbytes)


def subjects(number: int) -> list[bytes]:
    rng = random.Random(7)
    return [rng.randbytes(8) for _ in range(number)]


def test_a_link_is_not_taken_again_after_four_hundred_other_tags() -> None:
    counts = Counts()
    brick = Tags(Identity(), Port(), counts)
    first, *others = subjects(KEPT + 1)
    assert brick.fresh(TRUST_SDM, first, 5) and not brick.fresh(TRUST_SDM, first, 5)
    for other in others:
        assert brick.fresh(TRUST_SDM, other, 1)
    assert brick.seen.get(first) is None, "its place was needed"
    assert not brick.fresh(TRUST_SDM, first, 5) and not brick.fresh(TRUST_SDM, first, 6)
    assert counts.get(count.TAG_REPLAYED) == 3
    assert brick.fresh(TRUST_LIVE, first, 7), "who authenticates is no copy"
    assert brick.fresh(TRUST_SDM, first, 8), "and is known again"


def test_who_comes_often_is_not_forgotten_and_strangers_are_seldom_held_for_known() -> None:
    seen = Counters()
    names = subjects(KEPT + 1000 + 2000)
    steward = names[0]
    for name in names[: KEPT + 1000]:
        seen.note(name, 1)
        seen.note(steward, 1)
    assert seen.get(steward) == 1 and len(seen) == KEPT
    gone = [name for name in names[: KEPT + 1000] if seen.get(name) is None]
    assert len(gone) == 1000 and all(seen.forgotten(name) for name in gone)
    assert sum(seen.forgotten(name) for name in names[KEPT + 1000 :]) < 200, "one in twenty"


def test_without_keys_nothing_is_proved_even_where_there_were_some() -> None:
    identity = Identity()
    identity.tag_keys = [1, bytes(16), bytes(16), bytes(16)]
    brick = Tags(identity, Port(), Counts())
    identity.tag_keys = None  # they ended with a rental
    assert brick.by_link(b"", UID) is None
    assert asyncio.run(brick.prove(None, UID)) is None


@pytest.mark.parametrize(("shown", "taken"), [("08010203", True), ("31415926", False), (UID.hex(), True)])
def test_a_link_counts_under_its_own_number_or_one_drawn_anew(shown: str, taken: bool) -> None:
    card = Ntag424(UID, random.Random(1))
    tag424.personalise(card.apdu, UID, KEYS, "https://stall.example/t")
    message = tag424._read_once(card.apdu, 150)[2:]
    keys = (KEYS.meta, KEYS.file, KEYS.live)
    assert len(UID) == tagkeys.UID_BYTES
    assert (proving.by_link(message, bytes.fromhex(shown), keys, Port()) is not None) == taken
