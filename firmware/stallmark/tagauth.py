"""Authentication with an NTAG 424 DNA and secure messaging after it, without I/O. docs/formats/tag.md

AuthenticateEV2First and CommMode.Full in AES mode: NXP NT4H2421Gx §9.1, §10.4.1; AN12196 §4. One command at a time:
what a method returns is sent, what the tag answers goes into the next method."""

from stallmark.constant import const
from stallmark.crypt import cmac, equal
from stallmark.errors import FormatError
from stallmark.sdm import truncated

IDLE = const(0)
BEGUN = const(1)  # the tag's challenge is awaited
ASKED = const(2)  # the tag's proof is awaited
OPEN = const(3)  # both know the session's keys
SENT = const(4)  # the answer to a command is awaited

_OK = b"\x91\x00"
_MORE = b"\x91\xaf"
_BLOCK = const(16)
_MAC_BYTES = const(8)
_FULL_DATA = const(240)  # bytes of command data that a short APDU carries beside padding and MAC


class Session:
    """One authentication and what follows it.

    `make_ecb(key16)` gives an AES-ECB encryptor, `make_inverse(key16)` a decryptor, `random(n)` fresh bytes. Every
    method raises FormatError where the tag's answer is not that of a tag that knows the key, and where it is called
    out of turn; the session is then over."""

    def __init__(self, make_ecb, make_inverse, random):
        self._make_ecb = make_ecb
        self._make_inverse = make_inverse
        self._random = random
        self.state = IDLE
        self._ours = b""
        self._inverse = None
        self._key = b""
        self._encrypt = self._mac = self._decrypt = None
        self.ti = b""
        self.counter = 0

    def begin(self, number):
        """The first command: authenticate with key `number` (0 to 4)."""
        self.state = BEGUN
        return bytes((0x90, 0x71, 0, 0, 2, number, 0, 0))

    def challenged(self, answer, key):
        """The tag's challenge, and the 16-byte key it is to know; the second command."""
        self._in(BEGUN)
        if len(answer) != _BLOCK + 2 or answer[-2:] != _MORE:
            raise FormatError("no challenge came: {}".format(bytes(answer[-2:]).hex()))
        self._key = key
        self._inverse = self._make_inverse(key)
        theirs = self._inverse(bytes(answer[:_BLOCK]))
        self._ours = ours = self._random(_BLOCK)
        self._session_keys(ours, theirs)
        both = cbc(self._make_ecb(key), bytes(_BLOCK), ours + theirs[1:] + theirs[:1])
        self.state = ASKED
        return b"\x90\xaf\x00\x00\x20" + both + b"\x00"

    def proved(self, answer):
        """The tag's proof: after this the tag has shown that it knows the key."""
        self._in(ASKED)
        if len(answer) != 2 * _BLOCK + 2 or answer[-2:] != _OK:
            raise FormatError("the tag refused: {}".format(bytes(answer[-2:]).hex()))
        plain = uncbc(self._inverse, bytes(_BLOCK), bytes(answer[:-2]))
        if not equal(plain[4:20], self._ours[1:] + self._ours[:1]):
            raise FormatError("the tag does not know the key")
        self.ti = plain[:4]
        self.counter = 0
        self._inverse = None
        self._key = b""
        self.state = OPEN

    def command(self, ins, header=b"", data=b""):
        """An APDU in CommMode.Full: `header` stays readable, `data` (at most 240 bytes) is encrypted."""
        if len(data) > _FULL_DATA:
            raise FormatError("{} bytes of command data: at most 240 fit".format(len(data)))
        self._in(OPEN)
        sealed = b""
        if data:
            sealed = cbc(self._encrypt, self._iv(b"\xa5\x5a"), padded(data))
        body = header + sealed + self._maced(ins, header + sealed)
        self.state = SENT
        return bytes((0x90, ins, 0, 0, len(body))) + body + b"\x00"

    def opened(self, answer, plain=False):
        """The data of an answer, without padding; the MAC over it was right. `plain`: of a command whose answer carries
        a MAC and is not encrypted (CommMode.MAC)."""
        self._in(SENT)
        if answer[-2:] != _OK:
            raise FormatError("the tag refused: {}".format(bytes(answer[-2:]).hex()))
        body = bytes(answer[:-2])
        sealed = body[:-_MAC_BYTES]
        if len(body) < _MAC_BYTES or (len(sealed) % _BLOCK and not plain):
            raise FormatError("an answer of {} bytes".format(len(answer)))
        self.counter += 1
        if not equal(self._maced(0, sealed), body[-_MAC_BYTES:]):
            raise FormatError("the answer's MAC is wrong")
        self.state = OPEN
        if plain or not sealed:
            return sealed
        return unpadded(uncbc(self._decrypt, self._iv(b"\x5a\xa5"), sealed))

    def _in(self, state):
        found, self.state = self.state, IDLE  # until the step is done: a failure ends the session
        if found != state:
            raise FormatError("out of turn")

    def _session_keys(self, ours, theirs):
        vector = ours[:2] + _xor(ours[2:8], theirs[:6]) + theirs[6:] + ours[8:]
        make = cmac(self._make_ecb(self._key), b"\xa5\x5a\x00\x01\x00\x80" + vector)
        self._encrypt = self._make_ecb(make)
        self._decrypt = self._make_inverse(make)
        self._mac = self._make_ecb(cmac(self._make_ecb(self._key), b"\x5a\xa5\x00\x01\x00\x80" + vector))

    def _iv(self, label):
        return self._encrypt(label + self.ti + self.counter.to_bytes(2, "little") + bytes(8))  # type: ignore

    def _maced(self, first, body):
        """MAC over command code or status, counter, transaction, and what follows; shortened to eight bytes."""
        head = bytes((first,)) + self.counter.to_bytes(2, "little") + self.ti
        return truncated(cmac(self._mac, head + body))


def cbc(encrypt, iv, data):
    """AES-CBC from an ECB encryptor; `data` in whole blocks."""
    out = b""
    for at in range(0, len(data), _BLOCK):
        iv = bytes(encrypt(_xor(iv, data[at : at + _BLOCK])))
        out += iv
    return out


def uncbc(decrypt, iv, data):
    """The inverse of `cbc`, from an ECB decryptor."""
    out = b""
    for at in range(0, len(data), _BLOCK):
        block = data[at : at + _BLOCK]
        out += _xor(decrypt(block), iv)
        iv = block
    return out


def padded(data):
    """ISO 9797-1 method 2: 80 and zeros up to whole blocks."""
    return data + b"\x80" + bytes(-(len(data) + 1) % _BLOCK)


def unpadded(data):
    """The inverse of `padded`. Raises FormatError where there is no such padding."""
    end = len(data)
    while end and data[end - 1] == 0:
        end -= 1
    if not end or data[end - 1] != 0x80:
        raise FormatError("padding is missing")
    return data[: end - 1]


def _xor(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")
