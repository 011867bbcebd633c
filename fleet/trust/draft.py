"""Drafts: what holders sign one after another, each where the key is: a root, a list of releases, an application.

{"format": "stallmark-draft/1", "kind": "root" or "release", "why": text, "metadata": TUF JSON,
 "compact": {"payload": base64, "signatures": [[kid hex, signature hex] …]} for a root,
 "before": the published TUF root, null for the first}
A draft is a request, not a secret; nothing in it is believed before the thresholds are met."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from tuf.api.metadata import Metadata, Root, Targets

from fleet.signatures import good as signature_good
from fleet.trust import bundledraft, compact, files, metadata
from fleet.trust.bundledraft import BundleDraft
from fleet.trust.errors import DraftError, TrustError
from fleet.trust.keyset import MOST_SIGNATURES, Holder, KeySet
from fleet.trust.waiting import Waiting

FORMAT = "stallmark-draft/1"
MAX_FILE = 2 * 1024 * 1024


class RootDraft:
    """Root N and compact root N, signed by the same holders in one act."""

    kind = "root"

    def __init__(self, root: Metadata[Root], payload: bytes, before: Metadata[Root] | None, why: str) -> None:
        self.root = root
        self.payload = payload
        self.before = before
        self.why = why
        self.compact: dict[bytes, bytes] = {}

    @property
    def version(self) -> int:
        """Its number."""
        return self.root.signed.version

    @property
    def keys(self) -> KeySet:
        """The keys that it would bring."""
        return metadata.keys_of(self.root.signed)

    def check(self) -> None:
        """Form and agreement of its two halves. Raises DraftError, TrustError."""
        keys = self.keys
        keys.check()
        metadata.compact_bound(self.root.signed, self.payload)
        found = compact.fields(self.payload)
        again = compact.payload(keys, self.version, found[2], metadata.ms_of(self.root.signed.expires))
        if again != self.payload:
            raise DraftError(
                "the two halves of this draft name different keys: do not sign it, ask who made it"
            )
        last = 0 if self.before is None else self.before.signed.version
        if self.version != last + 1:
            raise DraftError(f"root {self.version} after root {last}: make the draft anew")

    def waiting(self) -> list[Waiting]:
        """Whose signatures count: the new root's holders, and the old one's. The first root is the authors' too: bricks
        that were provisioned before there was one know only them. Raises TrustError."""
        found = [self._of("new root", self.root.signed)]
        if self.before is not None:
            found.append(self._of("old root", self.before.signed))
        elif self.authors_sign:
            authors = self.keys.authors
            done = tuple(one for one in authors if self._compact_good(one))
            missing = tuple(one for one in authors if one not in done)
            found.append(Waiting("authors", done, missing, self.keys.author_threshold))
        return found

    @property
    def authors_sign(self) -> bool:
        """Whether this is a first root whose envelope has room for both thresholds."""
        keys = self.keys
        return self.before is None and keys.root_threshold + keys.author_threshold <= MOST_SIGNATURES

    def may_sign(self) -> tuple[Holder, ...]:
        """Holders of the new root and of the old one, and the first root's authors; each once."""
        keys = self.keys
        old = () if self.before is None else metadata.keys_of(self.before.signed).root
        authors = keys.authors if self.authors_sign else ()
        return tuple(dict.fromkeys((*keys.root, *old, *authors)))

    def sign(self, keyid: str, kid: bytes, signer: Callable[[bytes], bytes]) -> None:
        """Both halves at once; an author, the compact one. Raises DraftError where the signature is not needed: an envelope
        has room for four."""
        if kid not in self.compact:
            needed = [one for one in self.waiting() if not one.met]
            if not any(one.kid == kid for waiting in needed for one in waiting.missing):
                raise DraftError(f"{kid.hex()} is not needed any more: enough of its side have signed")
            if len(self.compact) >= MOST_SIGNATURES:
                raise DraftError(f"{MOST_SIGNATURES} have signed: no more fit into one envelope")
        if any(
            one.kid == kid for one in self.may_sign() if one not in self.keys.authors or one in self.keys.root
        ):
            metadata.add_signature(self.root, keyid, signer(self.root.signed_bytes))
        self.compact[kid] = signer(compact.message(self.payload))

    def envelope(self) -> bytes:
        """The compact root as bricks take it."""
        return compact.envelope(self.payload, sorted(self.compact.items()))

    def summary(self) -> list[str]:
        """What a holder signs, in plain words."""
        keys = self.keys
        lines = [f"root {self.version}: {self.why or 'no reason given'}"]
        if keys.development:
            lines.append(metadata.INSECURE)
        old = None if self.before is None else metadata.keys_of(self.before.signed)
        for role, holders, threshold in keys.roles:
            lines.append(f"  {role}: {threshold} of {len(holders)}: {_kids(holders)}")
            was = next((h for r, h, _ in old.roles if r == role), ()) if old else ()
            if old and (gone := [one for one in was if one not in holders]):
                lines.append(f"    ends: {_kids(tuple(gone))}")
            if old and (come := [one for one in holders if one not in was]):
                lines.append(f"    begins: {_kids(tuple(come))}")
        lines.append(f"  good until {self.root.signed.expires:%Y-%m-%d}")
        return lines

    def _of(self, of: str, root: Root) -> Waiting:
        keyids, threshold = metadata.good(root, "root", self.root)
        keys = metadata.keys_of(root).root
        both = tuple(one for one in keys if one.keyid in keyids and self._compact_good(one))
        return Waiting(of, both, tuple(one for one in keys if one not in both), threshold)

    def _compact_good(self, one: Holder) -> bool:
        signature = self.compact.get(one.kid)
        return signature is not None and signature_good(signature + compact.message(self.payload), one.public)


class ReleaseDraft:
    """Targets N: the list of everything that may be passed on to bricks and hosts."""

    kind = "release"

    def __init__(self, targets: Metadata[Targets], root: Metadata[Root], why: str) -> None:
        self.targets = targets
        self.root = root
        self.why = why

    @property
    def version(self) -> int:
        """Its number."""
        return self.targets.signed.version

    def check(self) -> None:
        """Raises DraftError where the list holds what ours never do."""
        if self.targets.signed.delegations is not None:
            raise DraftError("this list of releases delegates to others: do not sign it")
        for path, entry in self.targets.signed.targets.items():
            if entry.hashes != {"sha256": path}:
                raise DraftError(f"{path[:80]} is not named by its digest: do not sign this list")

    def waiting(self) -> list[Waiting]:
        """Whose signatures count: the authors'."""
        keyids, threshold = metadata.good(self.root.signed, "targets", self.targets)
        keys = metadata.keys_of(self.root.signed).authors
        done = tuple(one for one in keys if one.keyid in keyids)
        return [Waiting("authors", done, tuple(one for one in keys if one not in done), threshold)]

    def may_sign(self) -> tuple[Holder, ...]:
        """The authors of the published root."""
        return metadata.keys_of(self.root.signed).authors

    def sign(self, keyid: str, kid: bytes, signer: Callable[[bytes], bytes]) -> None:
        """One author's signature."""
        del kid  # the same key by its shorter name; envelopes only
        metadata.add_signature(self.targets, keyid, signer(self.targets.signed_bytes))

    def summary(self) -> list[str]:
        """What an author signs, in plain words."""
        lines = [f"list of releases {self.version}: {self.why or 'no reason given'}"]
        for path, entry in sorted(self.targets.signed.targets.items()):
            custom: dict[str, Any] = entry.custom or {}
            lines.append(
                f"  {custom.get('name') or '?'} rev {custom.get('rev')}: {entry.length} bytes, {path[:16]}…"
            )
        lines.append(f"  good until {self.targets.signed.expires:%Y-%m-%d}")
        return lines


Draft = RootDraft | ReleaseDraft | BundleDraft


def complete(draft: Draft) -> bool:
    """Whether every threshold is met."""
    return all(one.met for one in draft.waiting())


def save(draft: Draft, path: Path) -> None:
    """Writes the draft file. Raises OSError."""
    if isinstance(draft, BundleDraft):
        files.write_json(path, {"format": FORMAT, "kind": draft.kind, "why": draft.why, **draft.as_json()})
        return
    if isinstance(draft, RootDraft):
        body, root = draft.root, draft.before
        half = {
            "payload": base64.b64encode(draft.payload).decode(),
            "signatures": [[kid.hex(), signature.hex()] for kid, signature in sorted(draft.compact.items())],
        }
    else:
        body, root, half = draft.targets, draft.root, None
    value = {
        "format": FORMAT,
        "kind": draft.kind,
        "why": draft.why,
        "metadata": body.to_dict(),
        "compact": half,
        "before": None if root is None else root.to_dict(),
    }
    files.write_json(path, value)


def load(path: Path) -> Draft:
    """Reads a draft and checks its form. Raises DraftError, TrustError."""
    value = files.read_json(path, MAX_FILE)
    if value.get("format") != FORMAT or value.get("kind") not in ("root", "release", "application", "host"):
        raise DraftError(f"{path} is not a draft of `stallmark fleet keys` or `stallmark fleet release`")
    before = value.get("before")
    root = None if before is None else metadata.parse(Root, _bytes(before), f"{path}: root before")
    why = value.get("why")
    why = why if isinstance(why, str) and why.isprintable() else ""
    if value["kind"] in ("application", "host"):
        if root is None:
            raise DraftError(f"{path}: an application without the root that names its authors")
        draft: Draft = bundledraft.read(value, root, why)
    elif value["kind"] == "release":
        if root is None:
            raise DraftError(f"{path}: a list of releases without the root that names its authors")
        draft = ReleaseDraft(
            metadata.parse(Targets, _bytes(value.get("metadata")), str(path)), root, why
        )
    else:
        half: Any = value.get("compact")
        draft = _root(path, value, cast("dict[str, Any]", half) if isinstance(half, dict) else {}, root, why)
    draft.check()
    return draft


def _root(
    path: Path, value: dict[str, Any], half: dict[str, Any], before: Metadata[Root] | None, why: str
) -> RootDraft:
    try:
        payload = base64.b64decode(str(half["payload"]), validate=True)
        pairs = [(bytes.fromhex(kid), bytes.fromhex(signature)) for kid, signature in half["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise DraftError(f"{path}: a root draft without its compact half") from None
    if len(pairs) > MOST_SIGNATURES or any(len(kid) != 8 or len(signature) != 64 for kid, signature in pairs):
        raise DraftError(f"{path}: signatures that are none")
    draft = RootDraft(metadata.parse(Root, _bytes(value.get("metadata")), str(path)), payload, before, why)
    draft.compact = dict(pairs)
    return draft


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _kids(holders: tuple[Holder, ...]) -> str:
    return ", ".join(f"{one.name} {one.kid.hex()}" for one in holders)


def require_complete(draft: Draft) -> None:
    """Raises TrustError that says whose signatures are missing."""
    short = [one.words() for one in draft.waiting() if not one.met]
    if short:
        raise TrustError("; ".join(short))
