"""What a brick says of the programs that it runs (message 14): its slot, whether they are on trial, what came back and why."""

from dataclasses import dataclass
from typing import Any, cast

from hostagent.bricks import Brick
from hostagent.clock import monotonic_ms
from hostagent.core import Fields, reg

STEADY, TRIAL = 1, 2


@dataclass(frozen=True)
class Slots:
    """`bundle8`: beginning of the running bundle's digest, None for what the bench wrote. `coming`: (bundle8, bytes there,
    bytes of all, why it waits or 0). `returned`: (bundle8 or None, reason)."""

    index: int
    generation: int
    state: int
    bundle8: bytes | None
    rev: int | None
    coming: tuple[bytes, int, int, int] | None
    returned: tuple[bytes | None, int] | None

    @property
    def waits(self) -> str:
        """Why what comes waits, "" where it does not."""
        return "" if self.coming is None or not self.coming[3] else _name(reg.HOLD_NAMES, self.coming[3])

    @property
    def why_returned(self) -> str:
        """Why what was tried last went back, "" where nothing did."""
        return "" if self.returned is None else _name(reg.RETURN_NAMES, self.returned[1])

    def words(self) -> str:
        """One sentence for people."""
        said = f"programs from slot {'AB'[self.index]}"
        if self.rev is not None:
            said += f", revision {self.rev}"
        if self.state == TRIAL:
            said += ", on trial"
        if self.coming is not None:
            _, there, whole, _ = self.coming
            said += f"; others come: {there} of {whole} bytes"
            if self.waits:
                said += f", waiting: {self.waits}"
        if self.returned is not None:
            said += f"; others went back: {self.why_returned}"
        return said + "."


def parse(f: Fields) -> Slots | None:
    """The message, or None where it is not of the form."""
    numbers = [f.get(key) for key in (0, 1, 2)]
    if any(type(number) is not int or number < 0 for number in numbers) or f[0] > 1:
        return None
    bundle8, rev = f.get(3), f.get(4)
    if not _digest(bundle8) or (rev is not None and type(rev) is not int):
        return None
    coming, returned = _row(f.get(5), 4), _row(f.get(6), 2)
    if (coming is None) != (f.get(5) is None) or (returned is None) != (f.get(6) is None):
        return None
    if coming is not None and (coming[0] is None or not _digest(coming[0]) or any(type(n) is not int for n in coming[1:])):
        return None
    if returned is not None and (not _digest(returned[0]) or type(returned[1]) is not int):
        return None
    return Slots(
        f[0], f[1], f[2], bundle8, rev, cast(Any, None if coming is None else tuple(coming)),
        cast(Any, None if returned is None else tuple(returned)),
    )  # fmt: skip


def _name(names: Any, number: int) -> str:
    return str(cast(Any, reg).name(names, number))


def _digest(value: object) -> bool:
    return value is None or (type(value) is bytes and len(value) == 8)


def _row(value: object, length: int) -> list[Any] | None:
    return cast(list[Any], value) if type(value) is list and len(cast(list[Any], value)) == length else None


def _steady(said: Slots) -> tuple[object, ...]:
    """What a piece more does not change."""
    coming = said.coming and (said.coming[0], said.coming[3])
    return said.index, said.state, said.bundle8, coming, said.returned


def heard(brick: Brick, f: Fields) -> list[tuple[bytes, int, str]] | None:
    """Takes the message over; results that follow from it as (bundle8, install result, words), None where it is unreadable.

    An application counts as installed when its trial is over, not when it was written."""
    said = parse(f)
    if said is None:
        return None
    before, brick.slots = brick.slots, said
    if before is None or _steady(before) != _steady(said):
        brick.slots_ms = monotonic_ms()
    found: list[tuple[bytes, int, str]] = []
    if said.state == STEADY and said.bundle8 is not None and (before is None or before.state != STEADY):
        found.append((said.bundle8, reg.INSTALL_OK, said.words()))
    if said.returned is not None and said.returned[0] is not None and (before is None or before.returned != said.returned):
        found.append((said.returned[0], reg.INSTALL_RETURNED, _name(reg.RETURN_NAMES, said.returned[1])))
    return found
