"""NTAG213, 215 and 216: memory, locks, password and commands (NXP data sheet NTAG213_215_216 rev. 3.2)."""

from dataclasses import dataclass

from virtualkit.rf import ACK, Reply

NAK_ARGUMENT = 0x0
NAK_AUTH = 0x4
PAGE = 4


@dataclass(frozen=True)
class Model:
    """What differs between the three. `lock_page`: dynamic lock bytes, one bit for `lock_step` pages."""

    name: str
    pages: int
    storage: int  # size byte of GET_VERSION
    cc_size: int  # size byte of the capability container
    lock_page: int
    lock_step: int


NTAG213 = Model("NTAG213", 45, 0x0F, 0x12, 0x28, 2)
NTAG215 = Model("NTAG215", 135, 0x11, 0x3E, 0x82, 16)
NTAG216 = Model("NTAG216", 231, 0x13, 0x6D, 0xE2, 16)
MODELS = (NTAG213, NTAG215, NTAG216)


class Ntag:
    """One NTAG21x. `memory`: all its bytes, password included; READ hides what the chip hides.

    `tear_after`: number of the WRITE (1 = the next) during which the card leaves the field with half a page
    programmed.
    """

    atqa = 0x0044
    sak = 0x00
    ats = b""

    def __init__(self, model: Model, memory: bytes) -> None:
        if len(memory) != model.pages * PAGE:
            raise ValueError(f"{model.name} holds {model.pages * PAGE} bytes, not {len(memory)}")
        self.model = model
        self.memory = bytearray(memory)
        self.uid = bytes(memory[0:3] + memory[4:8])
        self.signature = bytes(32)
        self.stubborn = False
        self.tear_after = 0
        self.gone = False
        self._authenticated = False
        self._auth0 = 0xFF
        self._compat: int | None = None
        self._counted = False
        self.counter = 0
        self.failed_passwords = 0

    @property
    def _config(self) -> int:
        return (self.model.pages - 4) * PAGE

    @property
    def _access(self) -> int:
        return self.memory[self._config + 4]

    def power_off(self) -> None:
        """The field is gone."""
        self._authenticated = False
        self._compat = None
        self._counted = False

    def activate(self) -> None:
        """Selected; AUTH0 counts as it is now, a change takes effect at the next activation (§8.8.1)."""
        self._authenticated = False
        self._compat = None
        self._auth0 = self.memory[self._config + 3]

    def transceive(self, frame: bytes) -> Reply:
        """Answers one command."""
        if self.gone or not frame:
            return None
        if self._compat is not None:
            page, self._compat = self._compat, None
            return self._write(page, frame[:PAGE]) if len(frame) == 16 else NAK_ARGUMENT
        code, rest = frame[0], frame[1:]
        match code, len(rest):
            case 0x60, 0:
                return bytes((0, 4, 4, 2, 1, 0, self.model.storage, 3))
            case 0x30, 1:
                return self._read(rest[0])
            case 0x3A, 2:
                return self._fast_read(rest[0], rest[1])
            case 0xA2, 5:
                return self._write(rest[0], rest[1:])
            case 0xA0, 1:
                if not self._writable(rest[0]):
                    return NAK_ARGUMENT
                self._compat = rest[0]
                return ACK
            case 0x39, 1 if rest[0] == 2 and self._access & 0x10:
                return self.counter.to_bytes(3, "little")
            case 0x1B, 4:
                return self._password(rest)
            case 0x3C, 1 if rest[0] == 0:
                return self.signature
            case _:
                return NAK_ARGUMENT

    def _shown(self) -> bytes:
        """Memory as READ gives it: password and PACK read as zero."""
        return bytes(self.memory[: self._config + 8]) + bytes(8)

    def _end(self) -> int:
        """First page that cannot be read in this session."""
        protected = self._access & 0x80 and not self._authenticated
        return min(self._auth0, self.model.pages) if protected else self.model.pages

    def _count(self) -> None:
        """The NFC counter rises at the first read of a session, where it is enabled."""
        if not self._counted and self._access & 0x10 and self.counter < 0xFFFFFF:
            self.counter += 1
        self._counted = True

    def _read(self, page: int) -> Reply:
        end = self._end()
        if page >= end:
            return NAK_ARGUMENT
        self._count()
        shown = self._shown()[: end * PAGE]
        return (shown[page * PAGE :] + shown * 4)[:16]

    def _fast_read(self, first: int, last: int) -> Reply:
        if last < first or last >= self._end():
            return NAK_ARGUMENT
        self._count()
        return self._shown()[first * PAGE : (last + 1) * PAGE]

    def _password(self, password: bytes) -> Reply:
        limit = self._access & 0x07
        if limit and self.failed_passwords >= limit:
            return NAK_AUTH
        at = self._config + 8
        if password != bytes(self.memory[at : at + 4]):
            self.failed_passwords += 1
            return NAK_ARGUMENT
        self.failed_passwords = 0
        self._authenticated = True
        return bytes(self.memory[at + 4 : at + 6])

    def _locked(self, page: int) -> bool:
        if page < 16:
            return page >= 3 and bool((self.memory[10] | self.memory[11] << 8) >> page & 1)
        if page < self.model.lock_page:
            at = self.model.lock_page * PAGE
            bits = int.from_bytes(self.memory[at : at + 2], "little")
            return bool(bits >> ((page - 16) // self.model.lock_step) & 1)
        if page in (self.model.pages - 4, self.model.pages - 3):
            return bool(self._access & 0x40)
        return False

    def _writable(self, page: int) -> bool:
        if not 2 <= page < self.model.pages or self._locked(page):
            return False
        return page < self._auth0 or self._authenticated

    def _write(self, page: int, data: bytes) -> Reply:
        if not self._writable(page):
            return NAK_ARGUMENT
        at = page * PAGE
        old = bytes(self.memory[at : at + PAGE])
        if page == 2:  # serial number and internal byte stay; static lock bits only rise, unless frozen
            data = old[:2] + _raise_static_locks(old[2:], data[2:])
        elif page == 3:  # one-time programmable
            data = bytes(a | b for a, b in zip(old, data, strict=True))
        elif page == self.model.lock_page:
            data = _raise_dynamic_locks(old, data)
        if self.tear_after:
            self.tear_after -= 1
            if not self.tear_after:
                self.memory[at : at + 2] = data[:2]
                self.gone = True
                return None
        self.memory[at : at + PAGE] = data
        return ACK


def _raise_static_locks(old: bytes, new: bytes) -> bytes:
    """Lock bits rise and never fall; block-locking bits 0 to 2 freeze pages 3, 4 to 9 and 10 to 15."""
    before, wanted = old[0] | old[1] << 8, new[0] | new[1] << 8
    frozen = (before & 1) << 3 | (0x03F0 if before & 2 else 0) | (0xFC00 if before & 4 else 0)
    return (before | wanted & ~frozen).to_bytes(2, "little")


def _raise_dynamic_locks(old: bytes, new: bytes) -> bytes:
    """Dynamic lock bits rise and never fall; each bit of byte 2 freezes two of them. Byte 3 is not stored."""
    before, wanted = old[0] | old[1] << 8, new[0] | new[1] << 8
    frozen = sum(0b11 << 2 * bit for bit in range(8) if old[2] >> bit & 1)
    return (before | wanted & ~frozen).to_bytes(2, "little") + bytes((old[2] | new[2], old[3]))


def image(model: Model, uid: bytes, ndef: bytes = b"") -> bytes:
    """A fresh tag's memory: 7-byte number, capability container, NDEF message (raw, without TLV; may be b"").

    Raises ValueError if the number is not 7 bytes or the message does not fit.
    """
    if len(uid) != 7:
        raise ValueError(f"an NTAG's number has 7 bytes, not {len(uid)}")
    memory = bytearray(model.pages * PAGE)
    memory[0:4] = uid[:3] + bytes((0x88 ^ uid[0] ^ uid[1] ^ uid[2],))
    memory[4:10] = uid[3:] + bytes((uid[3] ^ uid[4] ^ uid[5] ^ uid[6], 0x48))
    memory[12:16] = bytes((0xE1, 0x10, model.cc_size, 0))
    length = bytes((len(ndef),)) if len(ndef) < 255 else b"\xff" + len(ndef).to_bytes(2, "big")
    tlv = b"\x03" + length + ndef + b"\xfe"
    room = model.cc_size * 8
    if len(tlv) > room + 1:  # the terminator may be left out when the message fills the tag
        raise ValueError(f"{model.name} has room for {room} bytes, the message needs {len(tlv)}")
    memory[16 : 16 + min(len(tlv), room)] = tlv[:room]
    config = (model.pages - 4) * PAGE
    memory[model.lock_page * PAGE + 3] = 0xBD
    memory[config : config + 16] = bytes.fromhex("040000ff 00050000 ffffffff 00000000")
    return bytes(memory)


def ntag215_image(uid: bytes, ndef: bytes = b"") -> bytes:
    """The 540 bytes of an NTAG215 with this number and NDEF message."""
    return image(NTAG215, uid, ndef)


def ntag215(uid: bytes, ndef: bytes = b"") -> Ntag:
    """An NTAG215 with this number and NDEF message."""
    return Ntag(NTAG215, image(NTAG215, uid, ndef))
