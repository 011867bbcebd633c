"""A directive as the controller makes and reads it: signed by the director, in the envelope of bundles."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from fleet.config import kid8
from fleet.core import FormatError, bundle, cbor, directive

SECURITY_CRITICAL: int = directive.SECURITY_CRITICAL
HALTED: int = directive.HALTED
MAX_REASON = 96  # bytes
ROOT_VERSION = 1  # that a directive wants where nobody says more


class Item(NamedTuple):
    """What one brick is to run. `artefact`, `bundle`: digest32 of the artefact, and of the envelope that its authors signed;
    `hardware`: "" for any board."""

    brick: bytes
    kind: int
    artefact: bytes
    length: int
    rev: int
    hardware: str
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """A directive's content. Instants are market ms."""

    kit: bytes
    number: int
    issued_ms: int
    expires_ms: int
    items: tuple[Item, ...]
    flags: int = 0
    reason: str = ""
    rental: int = 0
    root_version: int = ROOT_VERSION
    host_release: str | None = None

    @property
    def halted(self) -> bool:
        """Nothing is to be installed, and no bonus given that the host could keep from being given."""
        return bool(self.flags & HALTED)

    @property
    def content(self) -> bytes:
        """SHA-256 of the items: what a renewal does not change."""
        return content_of(self.items)


def content_of(items: tuple[Item, ...]) -> bytes:
    """SHA-256 of items, whatever their order."""
    data: bytes = cbor.encode([list(item) for item in sorted(items)])
    return sha256(data).digest()


def sign(order: Order, seed: bytes) -> bytes:
    """Envelope bytes. Raises FormatError: what does not fit a directive."""
    payload: bytes = directive.payload(
        order.kit, order.number, order.issued_ms, order.expires_ms, order.items, order.root_version, order.flags,
        order.host_release, order.reason, order.rental,
    )  # fmt: skip
    if directive.named_twice(order.items):
        raise FormatError("a directive names a brick at most once for one kind of artefact")
    public, secret = crypto_sign_seed_keypair(seed)
    signature = crypto_sign(bundle.pae(directive.TYPE, payload), secret)[:crypto_sign_BYTES]
    envelope: bytes = bundle.envelope(directive.TYPE, payload, [(kid8(public), signature)])
    return envelope


def parse(envelope: bytes) -> Order:
    """The content of envelope bytes: form only, nothing is trusted. Raises FormatError."""
    return _order(_opened(envelope)[0])


def own(envelope: bytes, public: bytes) -> Order | None:
    """The content where this director signed it, else None: also for bytes that are no directive."""
    try:
        payload, signatures = _opened(envelope)
        order = _order(payload)
    except FormatError:
        return None
    message = bundle.pae(directive.TYPE, payload)
    for kid, signature in signatures:
        if kid == kid8(public):
            try:
                crypto_sign_open(signature + message, public)
            except (BadSignatureError, ValueError):
                continue
            return order
    return None


def signed_by(envelope: bytes, kid: bytes) -> bool:
    """Whether a signature in a stored envelope says that it is this key's; it is not checked. Raises FormatError."""
    return any(signer == kid for signer, _ in _opened(envelope)[1])


def etag_of(envelope: bytes) -> str:
    """Entity tag of just these bytes."""
    return f'"{sha256(envelope).hexdigest()[:32]}"'


def _opened(envelope: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    payload: bytes
    signatures: list[tuple[bytes, bytes]]
    payload, signatures = bundle.opened(bytes(envelope), directive.TYPE)
    return payload, signatures


def _order(payload: bytes) -> Order:
    f: Any = directive.check_fields(cbor.decode(payload))
    items = tuple(Item(*item) for item in f[5])
    return Order(f[1], f[2], f[3], f[4], items, f[7], f[9], f[10], f[6], f[8])
