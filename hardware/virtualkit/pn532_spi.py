"""The PN532 on SPI as a model: the chip's status byte and frames by transfers (UM0701-02 §6.2.5).

A pseudo-terminal carries the transfers of the brick's port: 01 select, 00 deselect, 02 ‖ u16 length ‖ bytes; each
transfer is answered by as many bytes. Bits are in the port's order: low bit first is its own business.
"""

from collections.abc import Callable

from virtualkit.pn532 import Chip

SELECT, DESELECT, TRANSFER = 1, 0, 2
WRITE, STATUS, READ = 1, 2, 3
READY = 1
LOOSE = 0xFF
"""What a line without a chip reads."""
MAX_TRANSFER = 512


class SpiSide:
    """A chip behind four wires; stands where a UART's model stands."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.changed: Callable[[], None] = lambda: None
        self._buffer = bytearray()
        self._selected: bytearray | None = None
        self._frame = b""
        self._read_at = 0

    @property
    def baud(self) -> int:
        """Any: the transfers' pace is not modelled."""
        return 115200

    def host_baud_changed(self, baud: int) -> None:
        """There is none."""

    def due(self) -> int | None:
        """The chip says nothing unasked."""
        return None

    def poll(self) -> bytes:
        """Nothing comes unasked."""
        return b""

    def reset(self) -> None:
        """Power-on, or RSTPD_N."""
        self._frame = b""
        self._selected = None
        self._buffer.clear()
        self.chip.reset()

    def feed(self, data: bytes) -> bytes:
        """What the port sent; the answers to its transfers."""
        self._buffer += data
        out = bytearray()
        while self._buffer:
            if self._buffer[0] == TRANSFER:
                if len(self._buffer) < 3:
                    break
                length = self._buffer[1] << 8 | self._buffer[2]
                if length > MAX_TRANSFER or len(self._buffer) < 3 + length:
                    if length > MAX_TRANSFER:
                        self._buffer.clear()
                    break
                out += self._transfer(bytes(self._buffer[3 : 3 + length]))
                del self._buffer[: 3 + length]
            else:
                self._select(self._buffer[0] == SELECT)
                del self._buffer[:1]
        return bytes(out)

    def _select(self, on: bool) -> None:
        done, self._selected = self._selected, bytearray() if on else None
        if done is None:
            return
        if done and done[0] == WRITE:
            self._frame = b""  # what was not fetched is gone
            self.chip.hear(bytes(done[1:]))
        elif done and done[0] == READ and self._read_at:
            self._frame = b""

    def _transfer(self, data: bytes) -> bytes:
        if self._selected is None or self.chip.faults.unplugged:
            return bytes((LOOSE,)) * len(data)
        before = len(self._selected)
        self._selected += data
        kind = self._selected[0]
        out = bytearray(len(data))
        for i in range(len(data)):
            place = before + i
            if place == 0:
                self._begin(kind)
            elif kind == STATUS:
                out[i] = READY if self._frame else 0
            elif kind == READ:
                if self._read_at < len(self._frame):
                    out[i] = self._frame[self._read_at]
                self._read_at += 1
        return bytes(out)

    def _begin(self, kind: int) -> None:
        self._read_at = 0
        if kind == STATUS and not self._frame:
            self._frame = self.chip.next_frame()
