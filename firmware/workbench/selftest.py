"""The self-test of a blank brick, part by part, from the bench's end (docs/formats/bench.md)."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from brick import selftest as brickside
from stallmark import cbor, provision

from workbench.errors import SelfTestFailed, WrongBoard
from workbench.provision import Bench, fields_of

GOOD, ABSENT, FAULT, UNSEEN, UNASKED = "good", "absent", "fault", "nothing seen", "not looked at"
_RESULTS = {
    brickside.ABSENT: ABSENT,
    brickside.GOOD: GOOD,
    brickside.FAULT: FAULT,
    brickside.UNSEEN: UNSEEN,
}
PARTS = (
    (brickside.FLASH, "flash"),
    (brickside.LIGHT, "light"),
    (brickside.SOUND, "sound"),
    (brickside.READER, "reader"),
    (brickside.SCANNER, "scanner"),
    (brickside.BATTERY, "battery"),
)
_ECHOES = 16
_ECHO_BYTES = 400
_ANSWER_SECONDS = 60.0
_RESEND_SECONDS = 15.0  # a test is not asked for again while it may still run


@dataclass(frozen=True)
class Fixture:
    """What lies on the bench: a reference tag and a reference code, and how long to wait for them.

    `tag`: its number in bytes; None: any tag is good. `code`: its text; None: any. `seconds` 0: there is no fixture.
    """

    tag: bytes | None = None
    code: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """One part: its name, what came out, and the details in words."""

    part: str
    outcome: str
    words: str


def identity(bench: Bench, seconds: float = 30.0) -> dict[str, Any]:
    """{"hardware", "flash_bytes", "firmware_digest", "entropy"} of the blank brick on the line. Raises ProvisionError."""
    return provision.parse_identity(bench.ask(provision.identify_request(), seconds))


def run(
    bench: Bench,
    fixture: Fixture,
    look: Callable[[str], bool] | None = None,
    told: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Result]:
    """Tests every part. `look(question)`: asks the technician what cannot be measured; None: nobody looks.

    Raises ProvisionError where the brick falls silent; a part that fails is a Result, see `judge`.
    """
    results: list[Result] = []
    for number, (part, name) in enumerate(PARTS):
        told(name, number, len(PARTS) + 1)
        results.append(_part(bench, part, name, fixture, look))
    told("link", len(PARTS), len(PARTS) + 1)
    results.append(_link(bench))
    told("link", len(PARTS) + 1, len(PARTS) + 1)
    return results


def judge(results: Sequence[Result]) -> None:
    """Raises SelfTestFailed that names every part that does not work."""
    bad = [one for one in results if one.outcome == FAULT]
    if bad:
        words = "; ".join(f"{one.part}: {one.words}" for one in bad)
        raise SelfTestFailed(
            f"the board does not pass: {words}. Check plugs and wires of what is named and repeat; twice: put it aside",
            tuple(one.part for one in bad),
        )


def same_board(found: dict[str, Any], board: str, flash_bytes: int, firmware: bytes) -> None:
    """What the brick says it is must be what was written. Raises WrongBoard."""
    for what, expected, got in (
        ("board", board, found["hardware"]),
        ("flash", flash_bytes, min(flash_bytes, found["flash_bytes"])),  # more does no harm
        ("programs", firmware.hex()[:16], found["firmware_digest"].hex()[:16]),
    ):
        if expected != got:
            raise WrongBoard(f"the brick reports {what} {got}, written was {expected}: flash it again")


def _part(bench: Bench, part: int, name: str, fixture: Fixture, look: Callable[[str], bool] | None) -> Result:
    waits = part in (brickside.READER, brickside.SCANNER)
    request = cbor.encode(
        {0: 1, 1: brickside.TEST, 2: part, 3: int(fixture.seconds * 1000) if waits else 0, 4: os.urandom(8)}
    )
    answer = fields_of(bench.ask(request, _ANSWER_SECONDS, _RESEND_SECONDS))
    if answer.get(1) != brickside.TEST:
        return Result(name, FAULT, f"this firmware has no such test: {answer.get(2)}")
    outcome, words, seen = _RESULTS.get(answer[3], FAULT), str(answer[4]), answer.get(5)
    if outcome == GOOD and part in (brickside.LIGHT, brickside.SOUND):
        if look is None:
            return Result(name, UNASKED, words)
        question = (
            "Did the light show red, green, blue and white?"
            if part == brickside.LIGHT
            else "Did three tones sound, each higher than the last?"
        )
        return (
            Result(name, GOOD, words)
            if look(question)
            else Result(name, FAULT, "the technician saw or heard nothing")
        )
    if waits and fixture.seconds:
        expected = (
            fixture.tag
            if part == brickside.READER
            else None
            if fixture.code is None
            else fixture.code.encode()
        )
        if outcome == UNSEEN:
            thing = "reference tag" if part == brickside.READER else "reference code"
            return Result(name, FAULT, f"{words}, and the {thing} was not seen in {fixture.seconds:.0f} s")
        if outcome == GOOD and expected is not None and bytes(seen or b"") != expected:
            return Result(name, FAULT, f"{words}, but not the reference that lies on the bench")
    return Result(name, outcome, words)


def _link(bench: Bench) -> Result:
    """Long frames there and back, with bytes of every value."""
    for number in range(_ECHOES):
        data = bytes((number + i) & 0xFF for i in range(_ECHO_BYTES))
        answer = fields_of(bench.ask(cbor.encode({0: 1, 1: brickside.ECHO, 2: data}), 5.0))
        if answer.get(2) != data:
            return Result("link", FAULT, "frames come back changed")
    return Result("link", GOOD, f"{_ECHOES} frames of {_ECHO_BYTES} bytes there and back")
