"""PN532 host frames as bytes, seen from the chip: normal, extended, ACK, NACK, error (UM0701-02 §6.2.1)."""

from enum import Enum

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")
SYNTAX_ERROR = bytes.fromhex("0000ff01ff7f8100")
HOST = 0xD4
CHIP = 0xD5
MAX_PAYLOAD = 265
_MAX_BUFFER = 4 * MAX_PAYLOAD


class Control(Enum):
    """What a host sends besides commands."""

    ACK = 0
    NACK = 1


def build(payload: bytes) -> bytes:
    """A frame around `payload` (TFI first); extended above 255 bytes."""
    n = len(payload)
    extended = bytes((0xFF, 0xFF, n >> 8, n & 0xFF, -((n >> 8) + n) & 0xFF))
    head = extended if n > 255 else bytes((n, -n & 0xFF))
    return b"\x00\x00\xff" + head + payload + bytes((-sum(payload) & 0xFF, 0))


class FrameReader:
    """Cuts bytes from the host into ACK, NACK and payloads whose checksums are right; the rest is skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.damaged = 0

    def clear(self) -> None:
        """Forgets a half-received frame."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Control | bytes]:
        """Everything that is complete with these bytes."""
        self._buffer += data
        found: list[Control | bytes] = []
        while (item := self._next()) is not None:
            found.append(item)
        del self._buffer[:-_MAX_BUFFER]
        return found

    def _next(self) -> Control | bytes | None:
        buffer = self._buffer
        while True:
            at = buffer.find(b"\x00\xff")
            if at < 0:
                del buffer[: len(buffer) - (1 if buffer.endswith(b"\x00") else 0)]
                return None
            del buffer[:at]
            if len(buffer) < 4:
                return None
            pair = bytes(buffer[2:4])
            if pair == b"\x00\xff":
                del buffer[:4]
                return Control.ACK
            if pair == b"\xff\x00":
                del buffer[:4]
                return Control.NACK
            extended = pair == b"\xff\xff"
            if extended and len(buffer) < 7:
                return None
            body, length = (7, buffer[4] << 8 | buffer[5]) if extended else (4, buffer[2])
            check = sum(buffer[4:7]) if extended else sum(pair)
            if check & 0xFF or not 1 <= length <= MAX_PAYLOAD:
                self.damaged += 1
                del buffer[:2]
                continue
            if len(buffer) < body + length + 1:
                return None
            payload = bytes(buffer[body : body + length])
            if (sum(payload) + buffer[body + length]) & 0xFF:
                self.damaged += 1
                del buffer[:2]
                continue
            del buffer[: body + length + 1]
            return payload
