"""Tables of signers' keys on flash: after every cut each is whole, with the bytes it should have, or missing, and can be made."""

import random
from collections import Counter

from nacl.signing import SigningKey
from stallmark import combmake
from stallmark.comb import ROW, ROWS
from stallmark.combstore import BASE, CombStore

from tests.campaigns.flashchip import SECTOR, Logged, apply, torn

SIZE = 12 * SECTOR


def _build(store: CombStore, key: bytes, signers: tuple[bytes, ...]) -> bool:
    steps = store.build(key, signers)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _rows(key: bytes) -> bytes:
    made = [part for part in combmake.rows(None if key == BASE else key) if part is not None]
    return b"".join(bytes(data) for _, data in sorted(made, key=lambda part: part[0]))


def cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """A third signer takes a place of the two before: cut inside every operation."""
    rng = random.Random(f"tables {seed}")
    keys = [SigningKey(rng.randbytes(32)).verify_key.encode() for _ in range(3)]
    expected = {key: _rows(key) for key in (BASE, *keys)}
    chip = Logged(SIZE)
    store = CombStore(chip)
    for key in (BASE, *keys[:2]):
        assert _build(store, key, tuple(keys[:2]))
    stays = {BASE, keys[1]}
    before, told = chip.copy(), Counter()
    chip.steps = []
    assert _build(store, keys[2], (keys[1], keys[2]))
    for number, (offset, data, _) in enumerate(chip.steps):
        for where, cut in torn(before, offset, data, erase_stride if data is None else stride, seed):
            step = f"seed {seed} operation {number} {where}"
            left = CombStore(cut)
            named = left.keys()
            whole = {key for key in named if _same(left, key, expected[key], step)}
            assert stays <= whole, f"{step}: a table that nobody touched is gone"
            told["images"] += 1
            told["images with the new table"] += keys[2] in whole
            if rng.random() < 0.005:
                wanted = left.wanted((keys[1], keys[2]))
                assert wanted is None or _build(left, wanted, (keys[1], keys[2])), step
                assert CombStore(cut).wanted((keys[1], keys[2])) is None, step
                told["images whose table was made again"] += 1
        apply(before, offset, data)
    told["operations"] += len(chip.steps)
    return told


def _same(store: CombStore, key: bytes, expected: bytes, step: str) -> bool:
    """Whether a table is whole; its rows have to be those of the key then."""
    row = store.rows(key)
    if row is None:
        return False
    buffer = bytearray(ROW)
    for number in range(0, ROWS, 9):
        row(number, buffer)
        assert buffer == expected[ROW * number : ROW * (number + 1)], f"{step}: another row"
    return True
