"""Signatures checked from tables: the same answer as without them, whatever the tables have been through."""
# heap: 16M

import sys

import vectors
from ramflash import SECTOR, RamFlash
from stallmark import comb, combmake, ed25519
from stallmark.combstore import BASE, CombStore
from test_ed25519 import P, _cases

SMALL = sys.implementation.name == "micropython"
SIZE = 12 * SECTOR
_rows = {}


def table(public):
    """Rows of a key in memory, as a function; None where it gets none."""
    if public not in _rows:
        data = bytearray(comb.ROW * comb.ROWS)
        got = 0
        for made in combmake.rows(None if public == BASE else public):
            if made is not None:
                row, part = made
                data[comb.ROW * row : comb.ROW * row + len(part)] = part
                got += len(part)
        assert got in (0, len(data))
        _rows[public] = data if got else None
    data = _rows[public]

    def row(number, buffer):
        buffer[:] = data[comb.ROW * number : comb.ROW * number + comb.ROW]

    return None if data is None else row


def verify(public, message, signature):
    return comb.verify(public, message, signature, table(BASE), table(public))


def build(store, key, signers):
    steps = store.build(key, signers)
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


def stored(flash, *keys):
    store = CombStore(flash)
    for key in (BASE,) + keys:
        assert build(store, key, keys)[0], key
    return store


def test_signatures_of_rfc_8032_from_tables():
    for public, message, signature in _cases():
        assert verify(public, message, signature)
        assert not verify(public, message + b"x", signature)
        for at in (0, 31, 32, 63):
            bent = bytearray(signature)
            bent[at] ^= 4
            assert not verify(public, message, bytes(bent)), at
    _rows.clear()


def test_all_of_wycheproof_from_tables():
    checked = 0
    for group in vectors.public("wycheproof_ed25519.json")["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        assert table(public) is not None
        for case in group["tests"]:
            good = verify(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert good == (case["result"] == "valid"), (case["tcId"], case["comment"])
            checked += 1
        _rows.pop(public)
    assert checked == 151, checked


def test_keys_that_are_no_points_or_outside_the_group_get_no_table():
    assert table((2).to_bytes(32, "little")) is None
    for y in ed25519.SMALL_ORDER:
        point = y.to_bytes(32, "little")
        assert not [made for made in combmake.rows(point) if made is not None], y
        assert not comb.verify(point, b"m", point + bytes(32), table(BASE), table(BASE))
    # a good key plus the point of order two is a point of the curve and outside the group
    x, y = ed25519.decode(_cases()[0][0])
    mixed = ((P - y) | ((P - x) & 1) << 255).to_bytes(32, "little")
    assert ed25519.decode(mixed) == (P - x, P - y)
    assert table(mixed) is None


def test_what_cannot_be_told_from_the_bytes_alone_is_refused_before_any_row_is_read():
    public, message, signature = _cases()[0]

    def never(row, buffer):
        raise AssertionError("a row was read")

    s = ed25519.scalar(signature[32:]) + ed25519.L
    for key, bad in (
        (public[:31], signature),
        (public, signature[:63]),
        (public, signature[:32] + s.to_bytes(32, "little")),
        (public, P.to_bytes(32, "little") + signature[32:]),
        (bytes(32), signature),
    ):
        assert not comb.verify(key, message, bad, never, never)


def test_tables_on_flash_are_found_again_and_replaced_by_those_that_are_needed():
    flash = RamFlash(SIZE)
    (one, _, _), (two, _, _) = _cases()[:2]
    three = ed25519.encoding(*ed25519.double(ed25519.extended(*ed25519.decode(one)))[:3])
    store = CombStore(flash)
    assert store.wanted(()) is None and store.wanted((one,)) == BASE and store.rows(BASE) is None
    good, pauses = build(store, BASE, (one,))
    assert good and pauses > 20
    assert store.wanted((one,)) == one
    assert build(store, one, (one,))[0] and store.wanted((one,)) is None
    assert store.wanted((one, two)) == two and build(store, two, (one, two))[0]
    assert CombStore(flash).wanted((one, two)) is None
    assert store.wanted((one, two, three)) is None, "of three signers the third is checked without a table"
    assert not build(store, three, (one, two))[0]
    erases = flash.erases
    for turn in range(3 if SMALL else 9):  # the sector of headers fills up
        key = (three, one)[turn & 1]
        assert build(store, key, (key, two))[0]
        store = CombStore(flash)
        assert sorted(store.keys()) == sorted([BASE, two, key])
    assert flash.erases - erases <= 3 * (turn + 1) + 1
    for public, message, signature in _cases()[1:2]:
        assert comb.verify(public, message, signature, store.rows(BASE), store.rows(public))


def test_a_flipped_bit_in_a_table_never_makes_a_false_signature_good_and_is_found():
    public, message, signature = _cases()[1]
    flash = RamFlash(SIZE)
    stored(flash, public)
    for at in range(0, 6 * SECTOR, 4099 if SMALL else 601):
        spoilt = flash.copy()
        store = CombStore(spoilt)
        rows = store.rows(BASE), store.rows(public)
        spoilt.data[SECTOR + at] ^= 1 << at % 8
        assert not comb.verify(public, message + b"x", signature, *rows), at
        right = comb.verify(public, message, signature, *rows)
        assert not (store.sound(BASE) and store.sound(public)), at
        again = CombStore(spoilt)
        assert again.wanted((public,)) in (BASE, public), right
        fresh = CombStore(flash.copy())
        fresh._flash.data[SECTOR + at] ^= 1 << at % 8
        assert fresh.rows(BASE) is None or fresh.rows(public) is None, "read through before the first use"
    for at in range(0, 256, 37 if SMALL else 5):
        spoilt = flash.copy()
        spoilt.data[at] ^= 0x10
        assert len(CombStore(spoilt).keys()) == 1, at


def test_a_cut_while_tables_are_built_leaves_each_whole_or_missing():
    (one, message, signature), (two, _, _) = _cases()[:2]
    start = RamFlash(SIZE)
    stored(start, one)
    whole = start.copy()
    whole.operations = 0
    build(CombStore(whole), two, (two,))
    cuts = 0
    for operation in range(0, whole.operations, 17 if SMALL else 3):
        for byte in (0, 100, 255, 256):
            chip = start.copy()
            chip.cut_at(operation, byte)
            try:
                build(CombStore(chip), two, (two,))
                raise AssertionError("not cut")
            except chip.cut_error:
                pass
            chip = chip.copy()
            store = CombStore(chip)
            for key in store.keys():
                assert store.rows(key) is not None, (operation, byte)
            assert store.rows(BASE) is not None and store.rows(one) is not None
            assert comb.verify(one, message, signature, store.rows(BASE), store.rows(one))
            cuts += 1
        chip.cut_at(-1, 0)
        assert build(store, two, (two,))[0], "and the next try works"
    print("tables: {} cuts".format(cuts))
