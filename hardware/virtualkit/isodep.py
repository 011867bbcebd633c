"""Cards that speak ISO 14443-4: blocks and chaining, and a plain NFC Forum Type 4 tag on top (also a cheap clone)."""

from virtualkit.rf import Reply

OK = b"\x90\x00"
NOT_FOUND = b"\x6a\x82"
WRONG_LENGTH = b"\x67\x00"
UNKNOWN_INS = b"\x6d\x00"
NOT_ALLOWED = b"\x69\x85"
NDEF_APPLICATION = bytes.fromhex("d2760000850101")
CC_FILE = 0xE103
NDEF_FILE = 0xE104
_CHAINED = 0x10
_MAX_COMMAND = 512


class IsoDep:
    """The block protocol of a card; `apdu` is the card itself. Answers are shorter than any reader's frame."""

    atqa = 0x0344
    sak = 0x20
    ats = bytes.fromhex("067777710280")

    def __init__(self, uid: bytes) -> None:
        self.uid = uid
        self.stubborn = False
        self.gone = False
        self._in_dep = False
        self._last = b""
        self._chained = b""

    def power_off(self) -> None:
        """Field gone."""
        self._in_dep = False
        self.session_over()

    def activate(self) -> None:
        """Selected."""
        self._in_dep = False
        self._chained = b""
        self.session_over()

    def session_over(self) -> None:
        """Volatile state is lost."""

    def apdu(self, command: bytes) -> bytes:
        """Answers a command APDU with data and status word."""
        raise NotImplementedError

    def transceive(self, frame: bytes) -> Reply:
        """RATS, I-blocks (chained ones too), R-blocks, S(DESELECT)."""
        if frame[:1] == b"\xe0":
            self._in_dep = True
            return self.ats
        if not self._in_dep or not frame:
            return None
        kind = frame[0]
        if kind & 0xE2 == 0x02:
            self._chained += frame[1:]
            if len(self._chained) > _MAX_COMMAND:
                return None
            if kind & _CHAINED:
                self._last = bytes((0xA2 | kind & 1,))
            else:
                command, self._chained = self._chained, b""
                self._last = bytes((0x02 | kind & 1,)) + self.apdu(command)
            return self._last
        if kind & 0xF6 == 0xB2:  # R(NAK): the last answer once more, or "still here"
            same = self._last and self._last[0] & 1 == kind & 1
            return self._last if same else bytes((0xA2 | kind & 1,))
        if kind == 0xC2:
            self._in_dep = False
            self.session_over()
            return frame[:1]
        return None


class Type4(IsoDep):
    """A Type 4 tag with a message that never changes; `uid` may be any: clones come with chosen numbers."""

    def __init__(self, uid: bytes, message: bytes) -> None:
        super().__init__(uid)
        self.message = message
        self._selected = 0
        self._files = {
            CC_FILE: bytes.fromhex("000f20003b00340406e10400ff00ff"),
            NDEF_FILE: len(message).to_bytes(2, "big") + message,
        }

    def session_over(self) -> None:
        """Nothing is selected."""
        self._selected = 0

    def apdu(self, command: bytes) -> bytes:
        """SELECT and READ BINARY; whatever else is unknown."""
        if len(command) < 4:
            return WRONG_LENGTH
        if command[0] != 0:
            return UNKNOWN_INS
        if command[1] == 0xA4:
            name = command[5 : 5 + command[4]] if len(command) > 4 else b""
            if command[2] == 0x04:
                self._selected = 0
                return OK if name == NDEF_APPLICATION else NOT_FOUND
            number = int.from_bytes(name, "big")
            if number not in self._files:
                return NOT_FOUND
            self._selected = number
            return OK
        if command[1] == 0xB0 and self._selected and len(command) == 5:
            at = command[2] << 8 | command[3]
            return self._files[self._selected][at : at + (command[4] or 256)] + OK
        return UNKNOWN_INS
