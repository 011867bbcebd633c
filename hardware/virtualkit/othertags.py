"""Cards that are not NTAGs: a phone with a random number, a MIFARE Classic, a card that cannot be read."""

import random

from virtualkit.rf import Reply

NOT_FOUND = b"\x6a\x82"
NAK_ARGUMENT = 0x0
NAK_AUTH = 0x4


class Phone:
    """A phone in card emulation: 4-byte number 08…, another one in every field; Type 4, no NDEF."""

    atqa = 0x0004
    sak = 0x20
    ats = bytes.fromhex("0578807002")

    def __init__(self, rng: random.Random, uid: bytes | None = None) -> None:
        if uid is not None and (len(uid) != 4 or uid[0] != 8):
            raise ValueError("a phone's random number has 4 bytes and begins with 08")
        self._rng = rng
        self.uid = uid or b"\x08" + rng.randbytes(3)
        self.stubborn = False
        self.gone = False
        self._in_dep = False

    def power_off(self) -> None:
        """Field gone: the next session shows another number."""
        self.uid = b"\x08" + self._rng.randbytes(3)
        self._in_dep = False

    def activate(self) -> None:
        """Selected."""
        self._in_dep = False

    def transceive(self, frame: bytes) -> Reply:
        """ISO 14443-4 blocks: RATS, I-blocks without chaining, R(NAK) presence check, S(DESELECT)."""
        if frame[:1] == b"\xe0":
            self._in_dep = True
            return self.ats
        if not self._in_dep or not frame:
            return None
        if frame[0] & 0xE2 == 0x02:
            return frame[:1] + self.apdu(frame[1:])
        if frame[0] & 0xF6 == 0xB2:
            return bytes((0xA2 | frame[0] & 1,))
        if frame[0] == 0xC2:
            self._in_dep = False
            return frame[:1]
        return None

    def apdu(self, command: bytes) -> bytes:
        """Every application is "not found" but the phone's own."""
        return NOT_FOUND if command else b"\x67\x00"


class Classic:
    """A MIFARE Classic 1K: a foreign card, with a number and sectors behind keys (default FF…FF)."""

    atqa = 0x0004
    sak = 0x08
    ats = b""

    def __init__(self, memory: bytes) -> None:
        if len(memory) not in (1024, 4096):
            raise ValueError(f"a MIFARE Classic dump has 1024 or 4096 bytes, not {len(memory)}")
        self.memory = bytearray(memory)
        self.uid = bytes(memory[:4])
        self.stubborn = False
        self.gone = False
        self._open: int | None = None

    def power_off(self) -> None:
        """Field gone."""
        self._open = None

    def activate(self) -> None:
        """Selected: no sector is open."""
        self._open = None

    def authenticate(self, command: int, block: int, key: bytes) -> bool:
        """Opens the block's sector with key A (60h) or B (61h) from its trailer."""
        trailer = (block | 3) * 16
        if trailer + 16 > len(self.memory):
            return False
        at = trailer if command == 0x60 else trailer + 10
        stored = bytes(self.memory[at : at + 6])
        self._open = block >> 2 if key == stored else None
        return self._open is not None

    def transceive(self, frame: bytes) -> Reply:
        """READ of a block in the open sector; everything else is refused."""
        if len(frame) == 2 and frame[0] == 0x30 and self._open == frame[1] >> 2:
            at = frame[1] * 16
            return bytes(self.memory[at : at + 16])
        return NAK_AUTH


class Unreadable:
    """A torn or worn card: it answers the selection, then nothing."""

    atqa = 0x0044
    sak = 0x00
    ats = b""

    def __init__(self, uid: bytes) -> None:
        self.uid = uid
        self.stubborn = False
        self.gone = False

    def power_off(self) -> None:
        """Field gone."""

    def activate(self) -> None:
        """Selected."""

    def transceive(self, frame: bytes) -> Reply:
        """Silence."""
        return None


def classic(uid: bytes) -> Classic:
    """A MIFARE Classic 1K as sold: this 4-byte number, zeros, transport keys."""
    if len(uid) != 4:
        raise ValueError(f"this MIFARE Classic has a 4-byte number, not {len(uid)}")
    trailer = b"\xff" * 6 + bytes.fromhex("ff078069") + b"\xff" * 6
    sector = bytes(48) + trailer
    memory = bytearray(sector * 16)
    memory[:16] = uid + bytes((uid[0] ^ uid[1] ^ uid[2] ^ uid[3],)) + bytes.fromhex("08040062636465666768 69")
    return Classic(bytes(memory))
