"""The tag's side of AES in an NTAG 424 DNA: CBC, CMAC, session keys, secure messaging (NT4H2421Gx §9.1)."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC


class Refused(Exception):
    """The command fails; the argument is the status word."""


def encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-128-CBC over whole blocks."""
    cipher = Cipher(AES(key), CBC(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """The inverse of `encrypt`."""
    cipher = Cipher(AES(key), CBC(iv)).decryptor()
    return cipher.update(data) + cipher.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    made = CMAC(AES(key))
    made.update(message)
    return made.finalize()


def short(mac: bytes) -> bytes:
    """Every second byte."""
    return mac[1::2]


class Secured:
    """A session after AuthenticateEV2First with key number `key`; `theirs` is the reader's random number."""

    def __init__(self, key: int, secret: bytes, theirs: bytes, mine: bytes, ti: bytes) -> None:
        self.key = key
        self.ti = ti
        self.counter = 0
        mixed = bytes(a ^ b for a, b in zip(theirs[2:8], mine[:6], strict=True))
        vector = bytes.fromhex("00010080") + theirs[:2] + mixed + mine[6:] + theirs[8:]
        self._enc = cmac(secret, b"\xa5\x5a" + vector)
        self._mac = cmac(secret, b"\x5a\xa5" + vector)

    def open_command(self, ins: int, data: bytes, header: int, full: bool) -> bytes:
        """What a command carries after its header; Refused where the MAC is wrong."""
        if len(data) < header + 8:
            raise Refused(b"\x91\x7e")
        body, mac = data[:-8], data[-8:]
        if mac != self._short(ins, body):
            raise Refused(b"\x91\x1e")
        sealed = body[header:]
        if not full or not sealed:
            return sealed
        if len(sealed) % 16:
            raise Refused(b"\x91\x7e")
        plain = decrypt(self._enc, self._iv(b"\xa5\x5a"), sealed).rstrip(b"\0")
        if plain[-1:] != b"\x80":
            raise Refused(b"\x91\x1e")
        return plain[:-1]

    def seal_answer(self, data: bytes, full: bool) -> bytes:
        """The answer's data and MAC; the counter is already that of the answer."""
        if full and data:
            data = encrypt(self._enc, self._iv(b"\x5a\xa5"), data + b"\x80" + bytes(-(len(data) + 1) % 16))
        return data + self._short(0, data)

    def _iv(self, label: bytes) -> bytes:
        block = label + self.ti + self.counter.to_bytes(2, "little") + bytes(8)
        return encrypt(self._enc, bytes(16), block)

    def _short(self, first: int, body: bytes) -> bytes:
        return short(cmac(self._mac, bytes((first,)) + self.counter.to_bytes(2, "little") + self.ti + body))
