"""What a record costs the flash: the ring on its raw partition against a file on littlefs that is appended to and flushed."""

from tests.bench import Figure, say
from tests.campaigns import flash_files, flash_journal

SIZE = 184  # bytes of a record on average, as the ring's run has them


def run(quick: bool = False) -> list[Figure]:
    """Bytes programmed and sectors erased; counted, not timed: the same on every machine."""
    records = 2_000 if quick else 20_000
    say("records into the ring")
    ring = flash_journal.wear(records, 1)
    say("records onto littlefs")
    files = flash_files.appends(records // 10, SIZE)
    mine, theirs = ring["erases"] / ring["records"], files["erases"] / files["records"]
    programmed = ring["bytes programmed"] / ring["bytes of records"]
    others = files["bytes programmed"] / files["bytes of records"]
    most, least = ring["most erases of a ring sector"], ring["fewest erases of a ring sector"]
    return [
        Figure("erases for each record", mine, "", "littlefs, append and flush", mine / theirs, 0.1, True),
        Figure(
            "bytes programmed for each byte",
            programmed,
            "",
            "littlefs, append and flush",
            programmed / others,
            0.25,
            True,
        ),
        Figure(
            "programs for each record", ring["programs"] / ring["records"], "", "acknowledgements included"
        ),
        Figure("most erases of a sector of 32", most, "", "the least used one", most / max(1, least)),
    ]
