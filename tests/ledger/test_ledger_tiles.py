"""Tile names, widths and bundles as C2SP tlog-tiles has them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark.errors import FormatError

from fleet.ledger.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    all_tiles,
    decode_bundle,
    encode_bundle,
    new_tiles,
    parse_path,
    tile_at,
)


def test_the_specifications_example_of_an_index():
    assert Tile(0, 1234067, WIDTH).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 7, 12).path == "tile/entries/007.p/12"
    assert Tile(1, 1000, WIDTH).path == "tile/1/x001/000"


def test_the_specifications_example_of_a_tree_of_70000():
    tiles = list(all_tiles(70_000))
    of_level = {level: [t for t in tiles if t.level == level] for level in (ENTRIES, 0, 1, 2)}
    assert sum(map(len, of_level.values())) == len(tiles)
    for level in (ENTRIES, 0):
        assert [t.width for t in of_level[level]] == [WIDTH] * 273 + [112]
    assert [t.width for t in of_level[1]] == [WIDTH, 17]
    assert [t.width for t in of_level[2]] == [1]


def test_a_tree_of_256_has_a_full_tile_and_the_first_hash_of_the_level_above():
    assert list(all_tiles(256)) == [Tile(ENTRIES, 0, 256), Tile(0, 0, 256), Tile(1, 0, 1)]
    assert list(all_tiles(0)) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(-1, 7), st.integers(0, 10**9), st.integers(1, WIDTH))
def test_every_name_leads_back_to_its_tile(level, index, width):
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/000/001",
        "tile/00/000",
        "tile/8/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/../../../../keys.json",
        "../keys.json",
        "tile/entries/../../keys.json",
        "tile/0/٠٠٠",
        "tile/0/000\n",
    ],
)
def test_no_other_name_reaches_the_disk(path):
    assert parse_path(path) is None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200_000), st.integers(0, 70_000))
def test_growing_in_steps_writes_every_tile_of_the_final_size(old, more):
    new = old + more
    grown = set(new_tiles(old, new))
    final = set(all_tiles(new))
    assert grown == final - set(all_tiles(old))
    for tile in grown:
        assert tile_at(tile.level, tile.index, new) == tile


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=WIDTH))
def test_a_bundle_comes_back_and_never_otherwise(entries):
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    for damaged in (data[:-1], data + b"\0"):
        if data:
            with pytest.raises(FormatError):
                decode_bundle(damaged, len(entries))


def test_an_entry_that_no_bundle_can_hold_is_refused():
    with pytest.raises(FormatError):
        encode_bundle([bytes(65_536)])
