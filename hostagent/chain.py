"""The host's own chain: each record becomes a signed receipt (docs/formats/receipt.md).

The payload is joined from prepared pieces, not encoded anew: tests/host/test_host_chain.py holds it, byte for
byte, against `stallmark.receipt.encode_payload`.
"""

import hashlib
from collections.abc import Callable

from hostagent.core import receipt
from hostagent.form import Form

SHORT = b"stallmark/receipt/1\0"
_BLOCK = 64
# Heads of maps of so many fields
_KEYS = tuple(bytes((0xA0 + count,)) for count in range(24))


class Chain:
    """Builds receipts in order. `host_seq` and `prev16` are of the next one.

    `rulesets`: short digest → (digest32, terms16 or None), shared with the store; `terms` stands in where a
    ruleset's own are not known. `sign(message) -> signature64`.
    """

    def __init__(
        self,
        host: bytes,
        kid: bytes,
        hub: bytes,
        terms: bytes | None,
        handle_key: bytes,
        rulesets: dict[bytes, tuple[bytes, bytes | None]],
        sign: Callable[[bytes], bytes],
    ) -> None:
        self.host_seq = 1
        self.prev16 = bytes(16)
        self._terms = terms
        self._rulesets = rulesets
        self._sign = sign
        protected: bytes = receipt.protected(kid)
        self._signed_head = b"\x84\x6aSignature1" + _bstr(protected) + b"\x40"
        self._cose_head = b"\xd2\x84" + _bstr(protected) + b"\xa0"
        self._host = b"\x03\x48" + host + b"\x04"
        self._hub = b"\x10\x48" + hub
        padded = handle_key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
        self._rules: dict[bytes | None, tuple[int, bytes]] = {}
        self._time: tuple[int, int, int] = (-1, -1, -1)
        self._time_bytes = b""

    def handle(self, brick: bytes, seq: int, mac: bytes) -> bytes:
        """h, 16 bytes, of a record's look-up link: HMAC(handle key, brick8 ‖ u32 seq ‖ mac16)[:16]."""
        inner = self._inner.copy()
        inner.update(brick + seq.to_bytes(4) + mac)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:16]

    def forget_rulesets(self) -> None:
        """After a change in `rulesets`: what was prepared from them is made again."""
        self._rules.clear()

    def add(
        self,
        seq: int,
        public: bytes,
        mac: bytes,
        form: Form,
        ms: int,
        window: int,
        basis: int,
        reference: str | None = None,
        refers: bytes | None = None,
    ) -> bytes:
        """The next receipt as COSE bytes: of a record received at `ms`, in window `window` by `basis`.

        `reference`: the till's own, at most 32 bytes; `refers`: receipt16 of the receipt that this one is about.
        """
        if self._time != (ms, window, basis):
            self._time = (ms, window, basis)
            self._time_bytes = b"".join((b"\x06", uint(ms), b"\x07", uint(window), b"\x08", uint(basis)))
        rules = self._rules.get(form.ruleset8) or self._prepare(form.ruleset8)
        payload = b"".join(
            (
                _KEYS[12 + rules[0] + (reference is not None) + (refers is not None)],
                b"\x00\x01\x01",
                _bstr(public),
                b"\x02\x50",
                mac,
                self._host,
                uint(self.host_seq),
                b"\x05\x50",
                self.prev16,
                self._time_bytes,
                rules[1],
                b"\x0b\x50",
                hashlib.sha256(self.handle(form.brick, seq, mac)).digest()[:16],
                b"" if reference is None else b"\x0e" + _tstr(reference),
                b"\x0f",
                uint(form.rental),
                self._hub,
                b"" if refers is None else b"\x12\x50" + refers,
            )
        )
        head = _bstr(payload)
        signature = self._sign(self._signed_head + head)
        cose = b"".join((self._cose_head, head, b"\x58\x40", signature))
        self.host_seq += 1
        self.prev16 = short(cose)
        return cose

    def _prepare(self, ruleset8: bytes | None) -> tuple[int, bytes]:
        """Fields 9 and 10 of a ruleset: how many there are, and their bytes."""
        digest, terms = (None, None) if ruleset8 is None else self._rulesets.get(ruleset8, (None, None))
        if ruleset8 is not None and terms is None:
            terms = self._terms
        count, data = 0, b""
        if digest is not None:
            count, data = 1, b"\x09\x58\x20" + digest
        if terms is not None:
            count, data = count + 1, data + b"\x0a\x50" + terms
        self._rules[ruleset8] = (count, data)
        return count, data


def short(cose: bytes) -> bytes:
    """receipt16, which is prev16 of the next receipt."""
    return hashlib.sha256(SHORT + cose).digest()[:16]


def uint(value: int) -> bytes:
    """CBOR of an integer from 0 on."""
    if value < 24:
        return bytes((value,))
    if value < 0x100:
        return bytes((0x18, value))
    if value < 0x10000:
        return b"\x19" + value.to_bytes(2)
    if value < 0x100000000:
        return b"\x1a" + value.to_bytes(4)
    return b"\x1b" + value.to_bytes(8)


def _tstr(text: str) -> bytes:
    data = text.encode()
    return (bytes((0x60 + len(data),)) if len(data) < 24 else bytes((0x78, len(data)))) + data


def _bstr(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes((0x40 + size,)) + data
    if size < 0x100:
        return bytes((0x58, size)) + data
    return b"\x59" + size.to_bytes(2) + data
