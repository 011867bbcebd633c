"""Reads leaves in order and says what is wrong with them: forms, host chains, signatures, disclosed MACs.
Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.core import Fields, FormatError, cbor, leaf, receipt, record, recordform, reg, rights, word
from fleet.signatures import good

ZERO16 = bytes(16)
Complain = Callable[[int, str], None]  # (leaf index, what is wrong)


@dataclass(slots=True)
class _Host:
    seq: int = 0
    prev: bytes = ZERO16


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record whose key is not published yet."""

    index: int
    public: bytes
    mac: bytes
    host: bytes
    host_seq: int


@dataclass(slots=True)
class Auditor:
    """Takes leaves one after another. With `signatures` it verifies each (about 50 µs); `complain` hears
    what is wrong. Memory: one entry for each record whose key is not disclosed yet."""

    complain: Complain
    signatures: bool = True
    types: Counter[str] = field(default_factory=Counter[str])
    verified: int = 0  # signatures
    proven: int = 0  # record MACs, under disclosed keys
    _keys: dict[tuple[int, bytes], bytes] = field(default_factory=dict[tuple[int, bytes], bytes])
    _hosts: defaultdict[bytes, _Host] = field(default_factory=lambda: defaultdict[bytes, _Host](_Host))
    _waiting: defaultdict[tuple[bytes, int], list[_Waiting]] = field(
        default_factory=lambda: defaultdict[tuple[bytes, int], list[_Waiting]](list)
    )
    _named: set[tuple[bytes, int]] = field(default_factory=set[tuple[bytes, int]])  # by findings
    _unreadable: list[tuple[int, bytes, int]] = field(default_factory=list[tuple[int, bytes, int]])

    def take(self, index: int, entry: bytes) -> None:
        """The next leaf."""
        try:
            kind, payload = leaf.parse(entry)
            check = _CHECKS.get(kind)
            known = check is not None or kind == reg.LEAF_BATCH
            self.types[word(reg.LEAF_NAMES, kind) if known else "newer than this program"] += 1
            if check is not None:
                check(self, index, payload)
        except FormatError as error:
            self.complain(index, str(error))

    def finish(self) -> None:
        """After the last leaf: what no finding has named in the end."""
        for index, host, seq in self._unreadable:
            if (host, seq) not in self._named:
                self.complain(index, "holds a record that is unreadable here, and no finding names it")

    def _receipt(self, index: int, cose: bytes) -> None:
        parsed = receipt.parse(cose)
        fields: Fields = parsed.fields
        host_id: bytes = fields[3]
        host = self._hosts[host_id]
        if fields[4] != host.seq + 1 or fields[5] != host.prev:
            self.complain(index, f"host {host_id.hex()} breaks its chain: seq {fields[4]} after {host.seq}")
        host.seq, host.prev = fields[4], receipt.short(cose)
        self._signed(
            index,
            self._keys.get((reg.ROLE_HOST, parsed.kid)),
            parsed.signature,
            receipt.to_be_signed(parsed.protected, parsed.payload),
            f"host {host_id.hex()}",
        )
        try:
            public: Fields = recordform.check_public(cbor.decode(fields[1]))
        except FormatError:
            self._unreadable.append((index, host_id, fields[4]))
            return
        waiting = _Waiting(index, fields[1], fields[2], host_id, fields[4])
        self._waiting[public[1], public[3]].append(waiting)

    def _key_event(self, index: int, payload: bytes) -> None:
        fields: Fields = leaf.decode_key_event(payload)
        if fields[1] in (reg.ACTION_ADD, reg.ACTION_ROTATE):
            self._keys[fields[2], fields[3]] = fields[4]
        if receipt.kid(fields[4]) != fields[3]:
            self.complain(index, "names a key by another key's id")

    def _rights(self, index: int, payload: bytes) -> None:
        fields: Fields = leaf.decode_rights(payload)
        rights.decode_slice(fields[1])
        director = [key for (role, _), key in self._keys.items() if role == reg.ROLE_DIRECTOR]
        message: bytes = rights.slice_message(fields[1])
        if not director:
            self.complain(index, "holds a slice, but no earlier leaf names a director key")
        elif self.signatures and not any(good(fields[2] + message, key) for key in director):
            self.complain(index, "holds a slice that no director key of this ledger signed")
        else:
            self.verified += self.signatures

    def _disclosure(self, index: int, payload: bytes) -> None:
        fields: Fields = leaf.decode_disclosure(payload)
        if fields[5] > index:
            self.complain(index, f"discloses a key as of {fields[5]} leaves, which is after itself")
        for waiting in self._waiting.pop((fields[1], fields[2]), []):
            if waiting.index < fields[5] and record.mac(fields[3], waiting.public) == waiting.mac:
                self.proven += 1
            elif (waiting.host, waiting.host_seq) not in self._named:
                self.complain(waiting.index, "holds a record with a wrong MAC, and no finding names it")

    def _finding(self, index: int, payload: bytes) -> None:
        fields: Fields = leaf.decode_finding(payload)
        self._named.add((fields[4], fields[5]))
        if self._hosts[fields[4]].seq < fields[5]:
            self.complain(index, "is a finding about a receipt that is not in the ledger before it")

    def _signed(self, index: int, key: bytes | None, signature: bytes, message: bytes, who: str) -> None:
        if key is None:
            self.complain(index, f"is signed by {who}, whose key no earlier leaf names")
        elif self.signatures:
            if good(signature + message, key):
                self.verified += 1
            else:
                self.complain(index, f"carries a wrong signature of {who}")


def _window(_: Auditor, _index: int, payload: bytes) -> None:
    leaf.decode_window(payload)


def _erasure(_: Auditor, _index: int, payload: bytes) -> None:
    leaf.decode_erasure(payload)


_CHECKS: dict[int, Callable[[Auditor, int, bytes], None]] = {
    reg.LEAF_RECEIPT: Auditor._receipt,  # pyright: ignore[reportPrivateUsage]
    reg.LEAF_KEY_EVENT: Auditor._key_event,  # pyright: ignore[reportPrivateUsage]
    reg.LEAF_RIGHTS: Auditor._rights,  # pyright: ignore[reportPrivateUsage]
    reg.LEAF_DISCLOSURE: Auditor._disclosure,  # pyright: ignore[reportPrivateUsage]
    reg.LEAF_FINDING: Auditor._finding,  # pyright: ignore[reportPrivateUsage]
    reg.LEAF_WINDOW: _window,
    reg.LEAF_ERASURE: _erasure,
}
