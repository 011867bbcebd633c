"""The checks of one receipt. Pure: no files, no clock. The page in the browser gives the same codes."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Literal

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from fleet.core import Fields, FormatError, cbor, leaf, receipt, record, recordform, tree, word
from fleet.core import reg as registry
from fleet.errors import NoteError
from fleet.ledger.checkpoint import Checkpoint
from fleet.ledger.checkpoint import parse as parse_checkpoint
from fleet.ledger.note import DASH, open_note, split
from fleet.ledger.proof import read_proof
from fleet.verify.history import SET_ASIDE, History, RecordKey
from fleet.verify.keys import PublicKeys

# "— name base64": as fleet.ledger.note reads it, told apart here from a signature that does not fit
_SIGNATURE = re.compile(
    re.escape(DASH) + r"([^\s+]+) ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)"
)

Verdict = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One answer: `check` names the question, `code` the reason for programs; `say` is for people."""

    check: str  # "signed", "handle", "mac", "ledger", "reversed"
    verdict: Verdict
    code: str
    say: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is proven to stand."""

    index: int
    size: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out about one receipt. `fields` and `record` are None where the bytes are none."""

    short: bytes  # receipt16
    fields: Fields | None
    record: Fields | None
    place: Place | None
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(check.verdict == "failed" for check in self.checks)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A receipt taken apart. `record` is the public part, decoded."""

    protected: bytes
    payload: bytes
    signature: bytes
    kid: bytes
    fields: Fields
    record: Fields


def verify(
    cose: bytes,
    keys: PublicKeys,
    *,
    handle: bytes | None = None,
    proof: bytes | None = None,
    record_key: bytes | None = None,
    history: History | None = None,
) -> Report:
    """Checks a receipt.

    `handle` is the 16 bytes of its link; `proof` its .tlog-proof; `record_key` the .tlog-proof of the
    published record key, with the entry as extra data; `history` a whole ledger (fleet.verify.history). Each
    may be missing. Does not raise on bad input: what cannot be read is a failed check.
    """
    parsed, trouble = _parse(cose)
    ledger, place = _ledger(cose, proof, history, keys)
    checks = [_signed(parsed, trouble, history, keys)]
    if handle is not None:
        checks.append(_handle(parsed, handle))
    checks += [_mac(parsed, place, record_key, history, keys), ledger, _reversed(parsed, history)]
    fields, public = (parsed.fields, parsed.record) if parsed else (None, None)
    return Report(receipt.short(cose), fields, public, place, tuple(checks))


def parse(cose: bytes) -> Parsed:
    """A receipt taken apart. Raises FormatError."""
    found = receipt.parse(cose)
    public: Fields = recordform.check_public(cbor.decode(found.fields[1]))
    return Parsed(found.protected, found.payload, found.signature, found.kid, found.fields, public)


def _parse(cose: bytes) -> tuple[Parsed | None, str]:
    try:
        return parse(cose), ""
    except FormatError as error:
        return None, str(error)


def _signed(parsed: Parsed | None, trouble: str, history: History | None, keys: PublicKeys) -> Check:
    if parsed is None:
        return Check("signed", "failed", "unreadable", f"These bytes are not a receipt: {trouble}.")
    kid = parsed.kid.hex()
    host = keys.host(parsed.kid)
    if host is None:
        say = f"The key {kid} that it names is not in the keys file."
        return Check("signed", "failed", "unknown-key", say)
    message = receipt.to_be_signed(parsed.protected, parsed.payload)
    try:
        VerifyKey(host.public).verify(message, parsed.signature)
    except CryptoError:
        say = f"The signature does not fit: these bytes are not what {host.name} signed."
        return Check("signed", "failed", "signature-wrong", say)
    if parsed.fields[3] != parsed.kid:
        say = "The receipt says that another host made it than the one that signed it."
        return Check("signed", "failed", "host-mismatch", say)
    if history and history.revoked:
        index, until = history.revoked
        if until is None or parsed.fields[4] > until:
            last = "none of its receipts" if until is None else f"its receipts up to number {until}"
            say = f"{host.name}'s key was revoked (entry {index}): {last} may be trusted."
            return Check("signed", "failed", "key-revoked", say)
    return Check("signed", "ok", "signed", f"{host.name} signed exactly these bytes with its key {kid}.")


def _handle(parsed: Parsed | None, handle: bytes) -> Check:
    holder = parsed.fields.get(11) if parsed else None
    if holder is None:
        return Check("handle", "unknown", "no-holder", "The receipt names no link.")
    if holder == receipt.holder(handle):
        say = "The receipt names the secret in this link: the link belongs to it."
        return Check("handle", "ok", "handle-fits", say)
    return Check("handle", "failed", "handle-wrong", "The receipt belongs to another link than this one.")


def _ledger(
    cose: bytes, proof: bytes | None, history: History | None, keys: PublicKeys
) -> tuple[Check, Place | None]:
    """In the ledger? Either by proof, or in the whole ledger, or in both, which then must agree."""
    if proof is None and history is None:
        return Check("ledger", "unknown", "no-proof", "There is no proof file and no ledger to check."), None
    check, place, checkpoint = None, None, None
    if proof is not None:
        check, place, checkpoint = prove(bytes([registry.LEAF_RECEIPT]) + cose, proof, keys)
        if check.verdict == "failed":
            return check, None
    if history is None:
        assert check is not None
        return check, place
    if history.trouble:
        return Check("ledger", "failed", *history.trouble), None
    newer = checkpoint is not None and checkpoint.size > history.size
    if checkpoint and not newer and history.roots.get(checkpoint.size) != checkpoint.root:
        say = (
            f"Proof and ledger are two histories, both signed: their first {checkpoint.size} entries differ."
        )
        return Check("ledger", "failed", "other-history", say), None
    if history.index is None:
        if newer and check:
            return check, place  # the folder is older than the proof: nothing against it
        say = f"It is not among the {history.size} entries of the ledger."
        return Check("ledger", "failed", "not-in-ledger", say), None
    say = f"Entry {history.index} of the ledger's {history.size}; read in full: their root is the one signed."
    return Check("ledger", "ok", "included", say), Place(history.index, history.size)


def proof_size(proof: bytes) -> int | None:
    """The tree size of a proof's checkpoint, unverified: a whole ledger must have its root at that size."""
    try:
        return parse_checkpoint(split(read_proof(proof).checkpoint)[0]).size
    except NoteError:
        return None


def prove(entry: bytes, proof: bytes, keys: PublicKeys) -> tuple[Check, Place | None, Checkpoint | None]:
    """Is `entry` in the log that the keys name, by a tlog-proof file?"""

    def no(code: str, say: str) -> tuple[Check, None, None]:
        return Check("ledger", "failed", code, say), None, None

    try:
        file = read_proof(proof)
        text, lines = split(file.checkpoint)
        checkpoint = parse_checkpoint(text)
        signers = [_signer(line) for line in lines]
    except NoteError as error:
        return no("proof-unreadable", f"The proof file cannot be read: {error}.")
    if checkpoint.origin != keys.origin or (keys.log.name, keys.log.key_id) not in signers:
        return no("other-log", f"The checkpoint is not from the log {keys.origin}.")
    try:
        open_note(file.checkpoint, [keys.log])
    except NoteError:
        return no("checkpoint-signature", "The log's signature under the checkpoint does not fit.")
    leaf_hash = tree.leaf_hash(entry)
    if not tree.verify_inclusion(leaf_hash, file.index, checkpoint.size, list(file.hashes), checkpoint.root):
        return no("not-included", "The proof does not lead from these bytes to the signed checkpoint.")
    say = f"Entry {file.index} of the {checkpoint.size} under a checkpoint that the log {keys.origin} signed."
    return Check("ledger", "ok", "included", say), Place(file.index, checkpoint.size), checkpoint


def _signer(line: str) -> tuple[str, bytes]:
    """(key name, key id) of a signature line. Raises NoteError where it is none."""
    found = _SIGNATURE.fullmatch(line)
    if found is None or len(found[2]) < 8:
        raise NoteError("a signature line is not in its form")
    return found[1], b64decode(found[2][:8])[:4]


def _mac(
    parsed: Parsed | None,
    place: Place | None,
    record_key: bytes | None,
    history: History | None,
    keys: PublicKeys,
) -> Check:
    """Made by the brick? The record's MAC under a key that was published only afterwards."""
    if parsed is None:
        return Check("mac", "unknown", "no-receipt", "There is no record to check.")
    fields = parsed.record
    if fields[0] & registry.FLAG_GATEWAY:
        say = "Decided by the host itself, not by a brick: only the host's signature stands for it."
        return Check("mac", "unknown", "host-lane", say)
    if history and any(code == registry.FINDING_MAC_WRONG for _, code in history.findings):
        index = next(index for index, code in history.findings if code == registry.FINDING_MAC_WRONG)
        say = f"The controller, who holds the brick's key, found the MAC wrong (entry {index})."
        return Check("mac", "failed", "mac-wrong", say)
    key = history.record_key if history and not history.trouble else None
    if key is None and record_key is not None:
        found = _record_key(record_key, fields[1], fields[3], keys)
        if isinstance(found, Check):
            return found
        key = found
    if key is None:
        say = f"The brick's key of epoch {fields[3]} is not at hand: it is published once the epoch has ended."
        if history and not history.trouble:
            say = f"Among {history.size} entries the brick's key of epoch {fields[3]} is not published yet."
        return Check("mac", "unknown", "not-published", say)
    if record.mac(key.key, parsed.fields[1]) != parsed.fields[2]:
        say = "The published record key does not give this MAC: the brick did not make this record."
        return Check("mac", "failed", "mac-wrong", say)
    if place is None:
        say = "The MAC fits the published key, but counts only for entries proven older than the publication."
        return Check("mac", "unknown", "place-unknown", say)
    if place.index >= key.below:
        say = "The entry is not older than the publication of the key: anybody could have made this MAC."
        return Check("mac", "failed", "after-publication", say)
    brick = fields[1].hex()
    say = f"The brick {brick} made this record: its MAC fits the key of epoch {fields[3]}, published later."
    return Check("mac", "ok", "brick-made", say)


def _record_key(file: bytes, brick: bytes, epoch: int, keys: PublicKeys) -> RecordKey | Check:
    """The published key that rides as extra data in its own proof."""
    try:
        entry = read_proof(file).extra or b""
        kind, payload = leaf.parse(entry)
        if kind != registry.LEAF_DISCLOSURE:
            raise FormatError("not a record-key disclosure")
        found = leaf.decode_disclosure(payload)
    except (NoteError, FormatError):
        return Check("mac", "failed", "record-key-unreadable", "The published record key cannot be read.")
    if (found[1], found[2]) != (brick, epoch):
        say = "The published record key is that of another brick or epoch."
        return Check("mac", "failed", "record-key-other", say)
    _, place, _ = prove(entry, file, keys)
    if place is None or place.index < found[5]:
        say = "The published record key is not proven to be in the ledger."
        return Check("mac", "failed", "record-key-unproved", say)
    return RecordKey(place.index, found[3], found[5])


def _reversed(parsed: Parsed | None, history: History | None) -> Check:
    """Taken back, or set aside?"""
    if history is None or history.trouble or parsed is None:
        say = "Only the whole ledger can show whether a later entry takes this receipt back."
        return Check("reversed", "unknown", "no-ledger", say)
    if history.index is None:
        say = "It is not in this ledger, so nothing in it can speak of it."
        return Check("reversed", "unknown", "not-in-ledger", say)
    as_of = f"as of {history.size} entries"
    if history.reversed_by:
        index, kind = history.reversed_by[0]
        named = word(registry.KIND_NAMES, kind)
        return Check("reversed", "failed", "reversed", f"Taken back by a {named} (entry {index}), {as_of}.")
    for index, code in history.findings:
        if code in SET_ASIDE:
            named = word(registry.FINDING_NAMES, code)
            say = f"The controller set it aside: {named} (entry {index}). It counts in no sum, {as_of}."
            return Check("reversed", "failed", "set-aside", say)
    if history.other_record:
        say = f"Entry {history.other_record[0]} is another record of the same brick and number: one is false."
        return Check("reversed", "failed", "equivocation", say)
    if history.same_record and history.same_record[0] < history.index:
        say = f"Entry {history.same_record[0]} is an earlier receipt of the same record: that one counts."
        return Check("reversed", "failed", "duplicate", say)
    return Check("reversed", "ok", "not-reversed", f"No later entry takes it back, {as_of}.")
