"""What stands twice, rules in two slots and keys in two sectors: old or new after every cut, never neither, never others."""

import random
from collections import Counter
from itertools import pairwise

from stallmark import keystore
from stallmark.crypt import sha256
from stallmark.errors import FormatError
from stallmark.keystore import KeyStore
from stallmark.slot import Slots

from tests.campaigns.flashchip import SECTOR, Half, Logged, RamFlash, apply, torn

SLOT = 4 * SECTOR


def slots(chip: RamFlash) -> Slots:
    """Two slots on one chip."""
    return Slots(Half(chip, 0, SLOT), Half(chip, SLOT, SLOT))


def install(pair: Slots, data: bytes, rng: random.Random) -> None:
    """As the installer does: pieces of a link's size."""
    pair.begin(len(data))
    while pair.written < len(data):
        pair.write(pair.written, data[pair.written : pair.written + rng.randrange(1, 257)])
    pair.finish(sha256(data))


def slot_cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """Three installs, cut inside every operation: the bundle before or the new one is active, whole."""
    rng = random.Random(f"slots {seed}")
    bundles = [rng.randbytes(rng.randrange(300, 2 * SECTOR)) for _ in range(4)]
    chip = Logged(2 * SLOT)
    install(slots(chip), bundles[0], rng)
    before, told = chip.copy(), Counter()
    for old, new in pairwise(bundles):
        chip.steps = []
        install(slots(chip), new, rng)
        for number, (offset, data, _) in enumerate(chip.steps):
            for where, cut in torn(before, offset, data, erase_stride if data is None else stride, seed):
                step = f"seed {seed} operation {number} {where}"
                active = slots(cut).active()
                assert active is not None, f"{step}: no rules"
                found = active[1].bytes()
                assert found in (old, new), f"{step}: rules that nobody installed"
                told["images"] += 1
                told["images with the new rules"] += found == new
                if rng.random() < 0.03:
                    install(slots(cut), new, rng)
                    assert slots(cut).active()[1].bytes() == new, step
                    told["images that were installed again"] += 1
            apply(before, offset, data)
        told["operations"] += len(chip.steps)
    return told


def slot_flips(seed: int, stride: int) -> Counter:
    """Each bit of both slots turned over: the newest whole bundle is active, never changed bytes."""
    rng = random.Random(seed)
    old, new = rng.randbytes(400), rng.randbytes(300)
    chip = RamFlash(2 * SLOT)
    install(slots(chip), old, rng)
    install(slots(chip), new, rng)
    told: Counter = Counter()
    for at in (
        *range(256),
        *range(SECTOR, SECTOR + 400),
        *range(SLOT, SLOT + 256),
        *range(SLOT + SECTOR, SLOT + SECTOR + 300),
    ):
        for bit in range(8):
            if (at * 8 + bit) % stride:
                continue
            chip.data[at] ^= 1 << bit
            active = slots(chip).active()
            assert active is not None and active[1].bytes() in (old, new), (at, bit)
            told["bits turned"] += 1
            told["fell back to the old rules"] += active[1].bytes() == old
            chip.data[at] ^= 1 << bit
    return told


def fields(epoch: int, rng: random.Random) -> dict:
    """A key partition's content, of the size that a brick's has."""
    return {
        keystore.BRICK: b"brick--1",
        keystore.ROOT: rng.randbytes(32),
        keystore.RENTAL: 1,
        keystore.ONLY: rng.randbytes(32),
        keystore.LINK_EPOCH: epoch,
        keystore.LINK_KEY: rng.randbytes(32),
        keystore.RECORD_EPOCH: epoch,
        keystore.RECORD_CHAIN: rng.randbytes(32),
        keystore.EVENT_KEY: rng.randbytes(32),
        keystore.AUTHORS: [[rng.randbytes(8), rng.randbytes(32)] for _ in range(3)],
        keystore.THRESHOLD: 2,
    }


def key_cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """Keys that move on, cut inside every operation: the old ones or the next, whole; then the next save works."""
    rng = random.Random(f"keys {seed}")
    chip = Logged(2 * SECTOR)
    made = [fields(epoch, rng) for epoch in range(5)]
    KeyStore(chip).save(made[0])
    before, told = chip.copy(), Counter()
    for old, new in pairwise(made):
        chip.steps = []
        store = KeyStore(chip)
        store.load()
        store.save(new)
        for number, (offset, data, _) in enumerate(chip.steps):
            for where, cut in torn(before, offset, data, erase_stride if data is None else stride, seed):
                step = f"seed {seed} operation {number} {where}"
                found = KeyStore(cut).load()
                assert found in (old, new), f"{step}: other keys"
                told["images"] += 1
                told["images with the new keys"] += found == new
                if rng.random() < 0.05:
                    KeyStore(cut).save(new)
                    assert KeyStore(cut).load() == new, step
                    told["images that were saved to again"] += 1
            apply(before, offset, data)
        told["operations"] += len(chip.steps)
    return told


def key_flips(seed: int, stride: int) -> Counter:
    """Each bit of the keys turned over: said to be damaged, or whole; never other keys."""
    rng = random.Random(seed)
    keys = fields(7, rng)
    whole = RamFlash(2 * SECTOR)
    KeyStore(whole).save(keys)
    told: Counter = Counter()
    for at in range(700):
        for bit in range(8):
            if (at * 8 + bit) % stride:
                continue
            chip = whole.copy()
            chip.data[at] ^= 1 << bit
            told["bits turned"] += 1
            try:
                assert KeyStore(chip).load() == keys, (at, bit)
            except FormatError:
                told["said to be damaged"] += 1
    return told
