"""The NTAG 424 DNA as a model: files, keys, secure dynamic messages, EV2 authentication (NXP NT4H2421Gx rev. 3.0).

The tag's side of every computation, with `cryptography`: written apart from the core, so that both check each other.
Left out: LRP mode, encrypted file data in links, counter limits, originality signature."""

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from virtualkit import ntag424_crypto as crypto
from virtualkit.isodep import NDEF_APPLICATION, NOT_ALLOWED, NOT_FOUND, OK, WRONG_LENGTH, IsoDep

DONE = b"\x91\x00"
MORE = b"\x91\xaf"
INTEGRITY = b"\x91\x1e"
NO_SUCH_KEY = b"\x91\x40"
LENGTH = b"\x91\x7e"
DENIED = b"\x91\x9d"
PARAMETER = b"\x91\x9e"
AUTHENTICATION = b"\x91\xae"
BOUNDARY = b"\x91\xbe"
ABORTED = b"\x91\xca"
NO_FILE = b"\x91\xf0"
ILLEGAL = b"\x91\x1c"

KIND = "NTAG 424 DNA"
PLAIN, MACED, FULL = 0, 1, 3
FREE, NEVER = 0xE, 0xF
_CC = bytes.fromhex("001720010000ff0406e104010000000506e105008082830000")
_VERSIONS = (bytes.fromhex("04040230001105"), bytes.fromhex("04040201021105"))


@dataclass
class File:
    """One file and its settings. `rights`: read, write, both, change (key number, E free, F never)."""

    number: int
    iso: int
    size: int
    mode: int
    rights: tuple[int, int, int, int]
    data: bytearray = field(default_factory=bytearray)
    sdm: bool = False
    options: int = 0
    meta_key: int = NEVER
    file_key: int = NEVER
    counter_key: int = NEVER
    picc_at: int = 0
    input_at: int = 0
    mac_at: int = 0


class Ntag424(IsoDep):
    """One tag, as sold: all keys zero, an empty message file that everybody may read and write.

    `counter` is its read counter; `authentications` counts those that succeeded, `refused` those that did not.
    """

    def __init__(self, uid: bytes, rng: random.Random) -> None:
        if len(uid) != 7:
            raise ValueError(f"an NTAG 424 DNA has a number of 7 bytes, not {len(uid)}")
        super().__init__(uid)
        self.number = uid
        self.random_id = False
        self._rng = rng
        self.keys = [bytes(16)] * 5
        self.versions = [0] * 5
        self.counter = 0
        self.authentications = 0
        self.refused = 0
        self.files = {
            1: File(1, 0xE103, 32, PLAIN, (FREE, 0, 0, 0)),
            2: File(2, 0xE104, 256, PLAIN, (FREE, FREE, FREE, 0)),
            3: File(3, 0xE105, 128, FULL, (2, 3, 3, 0)),
        }
        for file in self.files.values():
            file.data = bytearray(file.size)
        self.files[1].data[: len(_CC)] = _CC
        self._session: crypto.Secured | None = None
        self.session_over()

    def power_off(self) -> None:
        """Field gone."""
        super().power_off()
        if self.random_id:
            self.uid = b"\x08" + self._rng.randbytes(3)

    def session_over(self) -> None:
        """Deselected: no application, no session."""
        self._application = False
        self._selected: File | None = None
        self._counted = False
        self._challenge: tuple[int, bytes] | None = None
        self._part = 0
        self._session = None

    def apdu(self, command: bytes) -> bytes:
        """ISO commands, and the native ones in their ISO wrapping."""
        if len(command) < 4:
            return WRONG_LENGTH
        if command[0] == 0x00:
            return self._iso(command)
        if command[0] != 0x90 or not self._application:
            return b"\x6e\x00"
        if len(command) == 5:
            data = b""
        elif len(command) == 6 + command[4]:
            data = command[5:-1]
        else:
            return LENGTH
        return self._native(command[1], data)

    # --- ISO 7816-4

    def _iso(self, command: bytes) -> bytes:
        match command[1]:
            case 0xA4:
                return self._select(command)
            case 0xB0:
                return self._read_binary(command)
            case 0xD6:
                return self._update_binary(command)
            case _:
                return b"\x6d\x00"

    def _select(self, command: bytes) -> bytes:
        name = command[5 : 5 + command[4]] if len(command) > 5 else b""
        self._session = None
        if command[2] == 0x04:
            self._selected = None
            self._counted = False
            self._application = name == NDEF_APPLICATION
            return OK if self._application else NOT_FOUND
        for file in self.files.values():
            if self._application and name == file.iso.to_bytes(2, "big"):
                self._selected = file
                return OK
        return NOT_FOUND

    def _read_binary(self, command: bytes) -> bytes:
        file = self._selected
        if file is None or len(command) != 5:
            return NOT_ALLOWED
        if FREE not in (file.rights[0], file.rights[2]):
            return b"\x69\x82"
        at = command[2] << 8 | command[3]
        if at >= file.size:
            return b"\x6b\x00"
        length = min(command[4] or 256, file.size - at)
        return bytes(self._shown(file)[at : at + length]) + OK

    def _update_binary(self, command: bytes) -> bytes:
        file = self._selected
        if file is None or len(command) < 6:
            return NOT_ALLOWED
        if FREE not in (file.rights[1], file.rights[2]):
            return b"\x69\x82"
        at, data = command[2] << 8 | command[3], command[5 : 5 + command[4]]
        if at + len(data) > file.size:
            return b"\x6a\x84"
        file.data[at : at + len(data)] = data
        return OK

    def _shown(self, file: File) -> bytearray:
        """A file as a stranger reads it: number and counter sealed in, and the MAC over them."""
        if not file.sdm:
            return file.data
        if not self._counted:
            self._counted = True
            self.counter = min(self.counter + 1, 0xFFFFFF)
            self._padding = self._rng.randbytes(5)
        shown = bytearray(file.data)
        count = self.counter.to_bytes(3, "little")
        if file.meta_key < FREE:
            sealed = crypto.encrypt(
                self.keys[file.meta_key], bytes(16), b"\xc7" + self.number + count + self._padding
            )
            shown[file.picc_at : file.picc_at + 32] = sealed.hex().upper().encode()
        if file.file_key < FREE:
            key = crypto.cmac(self.keys[file.file_key], bytes.fromhex("3cc300010080") + self.number + count)
            mac = crypto.short(crypto.cmac(key, bytes(shown[file.input_at : file.mac_at])))
            shown[file.mac_at : file.mac_at + 16] = mac.hex().upper().encode()
        return shown

    # --- native commands

    def _native(self, ins: int, data: bytes) -> bytes:
        if ins == 0xAF:
            return self._continued(data)
        self._challenge = None
        self._part = 0
        simple: dict[int, Callable[[bytes], bytes]] = {0x60: self._version, 0x71: self._begin}
        if ins in simple:
            return simple[ins](data)
        # code: header bytes, mode of the command, what it does
        secured: dict[int, tuple[int, int, Callable[[bytes, bytes], bytes | None]]] = {
            0x51: (0, FULL, self._card_uid),
            0x5F: (1, FULL, self._change_settings),
            0x64: (1, MACED, self._key_version),
            0x8D: (7, -1, self._write),
            0xAD: (7, -1, self._read),
            0xC4: (1, FULL, self._change_key),
            0xF5: (1, MACED, self._settings),
            0xF6: (1, FULL, self._counters),
        }
        if ins not in secured:
            return ILLEGAL
        size, mode, action = secured[ins]
        if mode < 0:
            file = self.files.get(data[0]) if data else None
            if file is None:
                return NO_FILE
            mode = file.mode
        try:
            return self._secured(ins, data, size, mode, action)
        except crypto.Refused as refused:
            self._session = None
            return refused.args[0]

    def _secured(
        self,
        ins: int,
        data: bytes,
        size: int,
        mode: int,
        action: Callable[[bytes, bytes], bytes | None],
    ) -> bytes:
        session = self._session
        if session is None:
            if ins not in (0x64, 0x8D, 0xAD, 0xF5, 0xF6):
                return AUTHENTICATION
            return (action(data[:size], data[size:]) or b"") + DONE
        maced = mode != PLAIN
        body = session.open_command(ins, data, size, mode == FULL) if maced else data[size:]
        own = ins == 0xC4 and data[0] == session.key
        answer = action(data[:size], body)
        session.counter += 1
        if own:  # the key of this session is gone
            self._session = None
            return DONE
        if not maced:
            return (answer or b"") + DONE
        return session.seal_answer(answer or b"", mode == FULL) + DONE

    def _version(self, data: bytes) -> bytes:
        self._part = 1
        return _VERSIONS[0] + MORE

    def _begin(self, data: bytes) -> bytes:
        if len(data) < 2:
            return LENGTH
        if data[0] > 4:
            return NO_SUCH_KEY
        self._session = None
        theirs = self._rng.randbytes(16)
        self._challenge = data[0], theirs
        return crypto.encrypt(self.keys[data[0]], bytes(16), theirs) + MORE

    def _continued(self, data: bytes) -> bytes:
        if self._part:
            self._part += 1
            if self._part == 2:
                return _VERSIONS[1] + MORE
            self._part = 0
            return self.number + bytes.fromhex("ba2d5a21404024") + DONE
        if self._challenge is None:
            return ABORTED
        (number, mine), self._challenge = self._challenge, None
        if len(data) != 32:
            return LENGTH
        plain = crypto.decrypt(self.keys[number], bytes(16), data)
        theirs, back = plain[:16], plain[16:]
        if back != mine[1:] + mine[:1]:
            self.refused += 1
            return AUTHENTICATION
        self.authentications += 1
        ti = self._rng.randbytes(4)
        self._session = crypto.Secured(number, self.keys[number], theirs, mine, ti)
        return crypto.encrypt(self.keys[number], bytes(16), ti + theirs[1:] + theirs[:1] + bytes(12)) + DONE

    def _needs(self, key: int) -> None:
        if key == FREE:
            return
        if self._session is None or self._session.key != key:
            raise crypto.Refused(DENIED if self._session else AUTHENTICATION)

    def _file(self, header: bytes) -> File:
        file = self.files.get(header[0]) if header else None
        if file is None:
            raise crypto.Refused(NO_FILE)
        return file

    def _card_uid(self, header: bytes, data: bytes) -> bytes:
        return self.number

    def _key_version(self, header: bytes, data: bytes) -> bytes:
        if header[0] > 4:
            raise crypto.Refused(NO_SUCH_KEY)
        return bytes((self.versions[header[0]],))

    def _counters(self, header: bytes, data: bytes) -> bytes:
        file = self._file(header)
        if not file.sdm or file.counter_key == NEVER:
            raise crypto.Refused(DENIED)
        self._needs(file.counter_key)
        return self.counter.to_bytes(3, "little") + bytes(2)

    def _settings(self, header: bytes, data: bytes) -> bytes:
        file = self._file(header)
        whole = settings(file)
        return b"\0" + whole[:3] + file.size.to_bytes(3, "little") + whole[3:]

    def _change_settings(self, header: bytes, data: bytes) -> None:
        file = self._file(header)
        self._needs(file.rights[3])
        made = changed(file, data)
        self.counter = self.counter if file.sdm and made.sdm else 0
        self.files[file.number] = made

    def _write(self, header: bytes, data: bytes) -> None:
        file = self._file(header)
        self._needs_one(file.rights[1], file.rights[2])
        at, length = _span(header)
        if length != len(data):
            raise crypto.Refused(LENGTH)
        if at + length > file.size:
            raise crypto.Refused(BOUNDARY)
        file.data[at : at + length] = data

    def _read(self, header: bytes, data: bytes) -> bytes:
        file = self._file(header)
        self._needs_one(file.rights[0], file.rights[2])
        at, length = _span(header)
        if at + length > file.size:
            raise crypto.Refused(BOUNDARY)
        shown = file.data if self._session else self._shown(file)
        return bytes(shown[at : at + (length or file.size - at)])

    def _needs_one(self, one: int, other: int) -> None:
        if FREE in (one, other) or (self._session is not None and self._session.key in (one, other)):
            return
        raise crypto.Refused(AUTHENTICATION if self._session is None else DENIED)

    def _change_key(self, header: bytes, data: bytes) -> None:
        assert self._session is not None
        self._needs(0)
        number = header[0]
        if number > 4:
            raise crypto.Refused(NO_SUCH_KEY)
        if number == self._session.key:
            if len(data) != 17:
                raise crypto.Refused(LENGTH)
            new = data[:16]
        else:
            if len(data) != 21:
                raise crypto.Refused(LENGTH)
            new = bytes(a ^ b for a, b in zip(data[:16], self.keys[number], strict=True))
            if (zlib.crc32(new) ^ 0xFFFFFFFF).to_bytes(4, "little") != data[17:]:
                raise crypto.Refused(INTEGRITY)
        self.keys[number], self.versions[number] = new, data[16]


def settings(file: File) -> bytes:
    """A file's settings as ChangeFileSettings takes them (§10.7.1)."""
    read, write, both, change = file.rights
    out = bytes((file.mode | file.sdm << 6, both << 4 | change, read << 4 | write))
    if not file.sdm:
        return out
    out += bytes((file.options, 0xF0 | file.counter_key, file.meta_key << 4 | file.file_key))
    return out + b"".join(at.to_bytes(3, "little") for at in (file.picc_at, file.input_at, file.mac_at))


def changed(file: File, data: bytes) -> File:
    """A file under other settings; Refused where this model, or the tag, does not take them."""
    if len(data) < 3 or data[0] & ~0x43:
        raise crypto.Refused(PARAMETER)
    made = File(file.number, file.iso, file.size, data[0] & 3, _rights(data[1:3]), file.data)
    rest = data[3:]
    if not data[0] & 0x40:
        if rest:
            raise crypto.Refused(LENGTH)
        return made
    if len(rest) != 12 or rest[0] != 0xC1 or rest[2] >> 4 > 4 or rest[2] & 15 > 4:
        raise crypto.Refused(PARAMETER)
    made.sdm, made.options = True, rest[0]
    made.counter_key, made.meta_key, made.file_key = rest[1] & 15, rest[2] >> 4, rest[2] & 15
    made.picc_at, made.input_at, made.mac_at = (
        int.from_bytes(rest[at : at + 3], "little") for at in (3, 6, 9)
    )
    if made.picc_at + 32 > file.size or not made.input_at <= made.mac_at <= file.size - 16:
        raise crypto.Refused(PARAMETER)
    return made


def _rights(data: bytes) -> tuple[int, int, int, int]:
    return data[1] >> 4, data[1] & 15, data[0] >> 4, data[0] & 15


def _span(header: bytes) -> tuple[int, int]:
    if len(header) != 7:
        raise crypto.Refused(LENGTH)
    return int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:7], "little")


def dump(tag: Ntag424) -> bytes:
    """A tag as JSON: number, keys, counter, message file and its settings. Development keys: it holds secrets."""
    file = tag.files[2]
    whole = {
        "kind": KIND,
        "development": True,
        "uid": tag.number.hex(),
        "random_id": tag.random_id,
        "keys": [key.hex() for key in tag.keys],
        "versions": tag.versions,
        "counter": tag.counter,
        "file": bytes(file.data).hex(),
        "settings": settings(file).hex(),
    }
    return json.dumps(whole, indent=1).encode() + b"\n"


def load(data: bytes) -> Ntag424:
    """The tag of a dump. Raises ValueError where it is none."""
    try:
        f = json.loads(data)
        if f["kind"] != KIND:
            raise ValueError(f"kind {f['kind']!r}")
        tag = Ntag424(bytes.fromhex(f["uid"]), random.Random(f["uid"]))
        tag.random_id = bool(f["random_id"])
        tag.keys = [bytes.fromhex(key) for key in f["keys"]]
        tag.versions = [int(version) for version in f["versions"]]
        tag.counter = int(f["counter"])
        tag.files[2] = changed(tag.files[2], bytes.fromhex(f["settings"]))
        tag.files[2].data[:] = bytes.fromhex(f["file"])
        if len(tag.keys) != 5 or len(tag.versions) != 5 or len(tag.files[2].data) != tag.files[2].size:
            raise ValueError("keys or file of another size")
    except (KeyError, TypeError, crypto.Refused, ValueError) as wrong:
        raise ValueError(f"not a dump of an NTAG 424 DNA: {wrong}") from wrong
    tag.power_off()
    return tag
