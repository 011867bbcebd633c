"""Serial ports that may be a board, in words; and the one that is meant."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workbench.errors import NoPort

# USB identities of the bridges and chips on ESP32 boards (vendor, product; None: every product).
_KNOWN: tuple[tuple[int, int | None, str], ...] = (
    (0x10C4, 0xEA60, "CP210x bridge"),
    (0x1A86, None, "CH340/CH9102 bridge"),
    (0x0403, None, "FTDI bridge"),
    (0x303A, 0x1001, "the chip's own USB"),
    (0x303A, None, "Espressif USB"),
)


@dataclass(frozen=True)
class Candidate:
    """A port: its path and what hangs on it, in words."""

    port: str
    words: str
    likely: bool


def candidates(lister: Callable[[], Iterable[object]] | None = None) -> list[Candidate]:
    """Every serial port of this computer, likely boards first. `lister`: pyserial's comports where None."""
    if lister is None:
        from serial.tools.list_ports import comports

        lister = comports
    found: list[Candidate] = []
    for info in lister():
        port, vid, pid = (getattr(info, name, None) for name in ("device", "vid", "pid"))
        known = next((words for v, p, words in _KNOWN if v == vid and p in (None, pid)), None)
        serial = getattr(info, "serial_number", None)
        words = known or str(getattr(info, "description", "") or "serial port")
        found.append(
            Candidate(str(port), words + (f", number {serial}" if serial else ""), known is not None)
        )
    return sorted(found, key=lambda one: (not one.likely, one.port))


def choose(port: str | None, lister: Callable[[], Iterable[object]] | None = None) -> str:
    """The port that was named, or the only likely one. Raises NoPort, which lists what there is."""
    if port:
        return port
    found = candidates(lister)
    likely = [one for one in found if one.likely]
    if len(likely) == 1:
        return likely[0].port
    listed = "".join(f"\n  {one.port}  {one.words}" for one in (likely or found))
    if likely:
        raise NoPort(f"{len(likely)} boards are plugged in: say which with --port{listed}")
    if found:
        raise NoPort(
            f"none of the serial ports looks like a board: plug it in, or say which with --port{listed}"
        )
    raise NoPort("no serial port at all: plug the board in with a cable that carries data, not only power")
