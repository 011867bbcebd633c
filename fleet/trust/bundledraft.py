"""An application or a host's release on its way round the authors: they sign its bundle's manifest, so it travels along.

{"format", "kind": "application" or "host", "why", "compact": {"payload": base64, "signatures": [[kid hex, signature hex] …]},
 "artefact": base64 of the pack, "before": the published TUF root}"""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tuf.api.metadata import Metadata, Root

from fleet import packs
from fleet.core import FormatError, bundle, cbor, reg
from fleet.signatures import good as signature_good
from fleet.trust import metadata
from fleet.trust.errors import DraftError
from fleet.trust.keyset import MOST_SIGNATURES, Holder
from fleet.trust.waiting import Waiting

KINDS = {reg.ARTEFACT_APPLICATION: "application", reg.ARTEFACT_HOST: "host"}
TITLES = {reg.ARTEFACT_APPLICATION: "application", reg.ARTEFACT_HOST: "host release"}
MAX_PACK = 1024 * 1024 - 8192  # a bundle of at most 1 MiB with its envelope


class BundleDraft:
    """One application bundle. `payload`: its manifest, signed as it stands; `artefact`: the pack's bytes."""

    def __init__(self, payload: bytes, artefact: bytes, root: Metadata[Root], why: str) -> None:
        self.payload = payload
        self.artefact = artefact
        self.root = root
        self.why = why
        self.signatures: dict[bytes, bytes] = {}

    @property
    def kind(self) -> str:
        """ "application", or "host": a release of the host agent."""
        return KINDS.get(self.fields[1], "")

    @property
    def fields(self) -> dict[int, Any]:
        """The manifest (docs/formats/bundle.md). Raises DraftError."""
        try:
            found: dict[int, Any] = bundle.check_fields(cbor.decode(self.payload))
        except FormatError as wrong:
            raise DraftError(f"an application's manifest that is none: {wrong}") from None
        return found

    @property
    def version(self) -> int:
        """Its revision."""
        revision: int = self.fields[4]
        return revision

    def check(self) -> None:
        """That the manifest is of this very pack. Raises DraftError."""
        f = self.fields
        if f[1] not in KINDS:
            raise DraftError(f"this draft's manifest is of artefact kind {f[1]}: do not sign it")
        if (f[2], f[3]) != (sha256(self.artefact).digest(), len(self.artefact)):
            raise DraftError("this draft's manifest names another pack than it carries: do not sign it")
        try:
            _said(f[1], self.artefact)
        except FormatError as wrong:
            raise DraftError(f"do not sign this: {wrong}") from None

    def waiting(self) -> list[Waiting]:
        """Whose signatures count: the authors'."""
        keys = metadata.keys_of(self.root.signed)
        done = tuple(one for one in keys.authors if self._good(one))
        missing = tuple(one for one in keys.authors if one not in done)
        return [Waiting("authors", done, missing, keys.author_threshold)]

    def may_sign(self) -> tuple[Holder, ...]:
        """The authors of the published root."""
        return metadata.keys_of(self.root.signed).authors

    def sign(self, keyid: str, kid: bytes, signer: Callable[[bytes], bytes]) -> None:
        """One author's signature. Raises DraftError where enough have signed: an envelope has room for four."""
        del keyid
        if kid not in self.signatures and self.waiting()[0].met:
            raise DraftError(f"{kid.hex()} is not needed any more: enough authors have signed")
        self.signatures[kid] = signer(bundle.pae(bundle.TYPE, self.payload))

    def bundle(self) -> bytes:
        """The signed bundle as bricks take it."""
        envelope: bytes = bundle.envelope(bundle.TYPE, self.payload, sorted(self.signatures.items()))
        joined: bytes = bundle.join(envelope, self.artefact)
        return joined

    def summary(self) -> list[str]:
        """What an author signs, in plain words."""
        f = self.fields
        lines = [
            f"{TITLES[f[1]]} {f[10]} revision {f[4]}: {self.why or 'no reason given'}",
            f"  {f[3]} bytes, SHA-256 {f[2].hex()}",
            f"  {_said(f[1], self.artefact)}",
            f"  hardware: {', '.join(f[7]) or 'any'}",
        ]
        who = "hosts" if f[1] == reg.ARTEFACT_HOST else "bricks"
        lines += [f"  {who} may go back to {one.hex()} without authors" for one in f[5]]
        return lines

    def as_json(self) -> dict[str, Any]:
        """For the draft's file."""
        pairs = [[kid.hex(), signature.hex()] for kid, signature in sorted(self.signatures.items())]
        return {
            "compact": {"payload": base64.b64encode(self.payload).decode(), "signatures": pairs},
            "artefact": base64.b64encode(self.artefact).decode(),
            "before": self.root.to_dict(),
        }

    def _good(self, one: Holder) -> bool:
        signature = self.signatures.get(one.kid)
        message = bundle.pae(bundle.TYPE, self.payload)
        return signature is not None and signature_good(signature + message, one.public)


def read(value: dict[str, Any], root: Metadata[Root], why: str) -> BundleDraft:
    """A draft of its file's JSON; `check` is the caller's. Raises DraftError."""
    try:
        half: Any = value["compact"]
        payload = base64.b64decode(str(half["payload"]), validate=True)
        artefact = base64.b64decode(str(value["artefact"]), validate=True)
        pairs = [(bytes.fromhex(kid), bytes.fromhex(signature)) for kid, signature in half["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise DraftError("an application's draft without its manifest or its pack") from None
    if len(pairs) > MOST_SIGNATURES or any(len(kid) != 8 or len(signature) != 64 for kid, signature in pairs):
        raise DraftError("an application's draft with signatures that are none")
    made = BundleDraft(payload, artefact, root, why)
    made.signatures = dict(pairs)
    return made


def _said(kind: int, artefact: bytes) -> str:
    """What the artefact says of itself, in words. Raises FormatError."""
    if kind == reg.ARTEFACT_HOST:
        return f"release {packs.host_version(artefact)} of the host agent"
    return f"bricks that run it report {packs.digest(artefact).hex()}"


def manifest(
    pack: bytes,
    rev: int,
    name: str,
    hardware: tuple[str, ...] = (),
    fallback: tuple[bytes, ...] = (),
    kind: int = reg.ARTEFACT_APPLICATION,
) -> bytes:
    """The manifest of a pack: `fallback` digests of packs' bundles' artefacts that bricks may go back to.
    Raises DraftError."""
    if len(pack) > MAX_PACK:
        raise DraftError(f"{len(pack)} bytes to be signed: at most {MAX_PACK}")
    try:
        _said(kind, pack)
        made: bytes = bundle.manifest(
            pack, rev, kind=kind, engine=(1, 0xFFFF), hardware=hardware, fallback=fallback, name=name
        )  # fmt: skip
    except FormatError as wrong:
        raise DraftError(str(wrong)) from None
    return made
