"""Flash partitions as data are the table of docs/formats/flash.md, and neither touches another."""

import vectors
from boards import partitions

PAGE = __file__.rsplit("/", 1)[0] + "/../../docs/formats/flash.md"


def cell(text):
    text = text.strip()
    if text == "–":
        return None
    offset, size = text.split(",")
    return int(offset.strip(), 16), int(size.strip(), 16)


def published():
    """The page's table: [(name, (offset, size) of 8 MiB or None, of 4 MiB or None)]."""
    rows = []
    with open(PAGE) as file:
        for line in file:
            cells = line.strip().split("|")
            if len(cells) > 4 and "0x" in line and "(" not in cells[1]:
                rows.append((cells[1].strip(), cell(cells[2]), cell(cells[3])))
    return rows


def test_the_tables_are_those_of_the_page():
    rows = published()
    assert len(rows) == 15
    eight = tuple([(name.split("/")[-1].strip(), at[0], at[1]) for name, at, _ in rows if at])
    four = tuple([(name.split("/")[0].strip(), at[0], at[1]) for name, _, at in rows if at])
    assert eight == partitions.PARTITIONS_8M
    assert four == partitions.PARTITIONS_4M


def test_partitions_follow_each_other_in_whole_sectors_and_fit():
    for table, flash in ((partitions.PARTITIONS_8M, 8 << 20), (partitions.PARTITIONS_4M, 4 << 20)):
        end = 0x9000
        for name, offset, size in table:
            assert offset >= end and size > 0 and not offset % 4096 and not size % 4096, name
            if name.startswith("ota_") or name == "factory":
                assert not offset % 0x10000, "application slots are aligned to 64 KiB"
            end = offset + size
        assert end <= flash
    assert partitions.find(8 << 20, "journal") == (0x520000, 1 << 20)
    assert partitions.find(4 << 20, "journal") == (0x240000, 384 << 10)


def test_sizes_of_flash_choose_the_table():
    assert partitions.table(16 << 20) is partitions.PARTITIONS_8M
    vectors.raises(ValueError, partitions.table, 2 << 20)
    vectors.raises(KeyError, partitions.find, 4 << 20, "ota_1")


def test_the_csv_has_every_partition_once():
    for flash in (8 << 20, 4 << 20):
        lines = partitions.esp32_csv(flash).strip().split("\n")
        assert lines[0].startswith("#")
        rows = [[part.strip() for part in line.split(",")] for line in lines[1:]]
        assert [(row[0], int(row[3], 16), int(row[4], 16)) for row in rows] == list(partitions.table(flash))
        for row in rows:
            assert row[1] in ("data", "app") and row[2]
        assert len(set([(row[1], row[2]) for row in rows])) == len(rows)
