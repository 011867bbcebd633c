"""What the controller answers, read as values: whatever is not as agreed is a ControllerError of kind "unreadable".

Every `read_…` of an object raises it; those of single values answer None."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, cast

from hostagent.errors import ControllerError


class Busy(ControllerError):
    """The controller has no room now: after `retry_s` it may have."""

    def __init__(self, retry_s: float) -> None:
        super().__init__("busy", f"the controller has no room now and asks for {retry_s:g} s")
        self.retry_s = retry_s


class Conflict(ControllerError):
    """The controller stands elsewhere in this host's chain of batches."""

    def __init__(self, message: str, expected: int | None, prev: bytes | None) -> None:
        super().__init__("conflict", message)
        self.expected = expected
        self.prev = prev


@dataclass(frozen=True)
class Mark:
    """The controller has everything of a brick up to `ledger_seq`; `tag` proves that to the brick."""

    brick: bytes
    ledger_seq: int
    tag: bytes


@dataclass(frozen=True)
class Standing:
    """Where the controller stands: number and prev32 that the next batch must have, and host seq and prev16
    that the next receipt must have."""

    number: int
    prev: bytes
    host_seq: int | None
    prev_receipt: bytes | None


@dataclass(frozen=True)
class PrivateKey:
    """The key of the private parts of one event and subject."""

    id: bytes
    event: bytes
    subject: bytes | None
    key: bytes


@dataclass(frozen=True)
class SignedSlice:
    """A slice as minted: payload and the director's signature; `brick`: whom the forecast had in mind."""

    payload: bytes
    signature: bytes
    brick: bytes | None = None


@dataclass(frozen=True)
class Rekey:
    """A new link key that was ordered for a brick: `key` sealed for this host, `tag` for the brick."""

    brick: bytes
    epoch: int
    tag: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Step:
    """An order to a brick to step from a rental to the one that follows; `key`: its link key from `epoch` on, sealed for this
    host, other bytes each time it is asked for. The host's own lane is a brick, too."""

    brick: bytes
    rental: int
    following: int
    epoch: int
    tag: bytes
    key: bytes = field(repr=False, compare=False)
    lane: bool



@dataclass(frozen=True)
class SealedTagKeys:
    """An event's tag keys as message 47 carries them to one brick; nobody on the way can open them."""

    brick: bytes
    nonce: bytes
    sealed: bytes
    tag: bytes


@dataclass(frozen=True)
class Asked:
    """The answer to a long-poll. `envelope` None: nothing is newer; `etag` None: nothing was ever ordered. `pause_s`: what the
    controller asks to leave before the next question."""

    etag: str | None
    envelope: bytes | None
    pause_s: float


def fields_of(body: bytes) -> dict[str, Any]:
    """What a refusal says; nothing where its body is no object."""
    try:
        return read_object(body)
    except ControllerError:
        return {}


def read_seconds(text: str | None, most: float) -> float | None:
    """A header of seconds, at most `most`; None where it is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return min(value, most) if value >= 0 else None


def refusal(status: int, body: bytes) -> ControllerError:
    """Why the controller refused, in plain words."""
    answer = fields_of(body)
    said = answer.get("reason") or answer.get("detail")
    reason = said[:200] if isinstance(said, str) else ""
    if status == 409:
        expected = answer.get("expected")
        return Conflict(
            reason or "the controller expects another batch",
            expected if type(expected) is int else None,
            read_hex(answer.get("prev"), 32),
        )
    if status in (401, 403):
        why = f": {reason}" if status == 403 and reason else ""
        return ControllerError("credentials", f"the controller does not accept this host's credential{why}")
    if status == 422:
        return ControllerError(
            "invalid", f"the controller finds the batch wrong: {reason or 'no reason given'}"
        )
    if status >= 500:
        return ControllerError("failing", f"the controller answers {status}")
    return ControllerError("refused", f"the controller answers {status} {reason}".rstrip())


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as failed:  # nested too deep to be read is none either
        raise ControllerError("unreadable", "the answer is not JSON") from failed
    if not isinstance(value, dict):
        raise ControllerError("unreadable", "the answer is not a JSON object")
    return cast(dict[str, Any], value)


def read_list(answer: dict[str, Any], name: str) -> list[Any]:
    """A list in an answer."""
    found = answer.get(name)
    if not isinstance(found, list):
        raise ControllerError("unreadable", f"answer without {name}")
    return cast(list[Any], found)


def read_mark(entry: Any) -> Mark:
    """How far the ledger has a brick."""
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, tag, seq = read_hex(f.get("brick"), 8), read_hex(f.get("tag"), 16), f.get("ledger_seq")
        if brick is not None and tag is not None and type(seq) is int and 0 <= seq <= 0xFFFFFFFF:
            return Mark(brick, seq, tag)
    raise ControllerError("unreadable", "a mark that is none")


def read_slice(entry: Any) -> SignedSlice:
    """A slice with its signature."""
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        payload, signature = read_base64(f.get("payload")), read_base64(f.get("signature"))
        if payload is not None and signature is not None and len(signature) == 64:
            return SignedSlice(payload, signature, read_hex(f.get("brick"), 8))
    raise ControllerError("unreadable", "a slice that is none")


def read_rekey(entry: Any) -> Rekey:
    """An order for a new link key."""
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, epoch = read_hex(f.get("brick"), 8), f.get("epoch")
        tag, key = read_base64(f.get("tag")), read_base64(f.get("key"))
        if brick and tag and key and len(tag) == 16 and type(epoch) is int and 0 < epoch <= 0xFFFFFFFF:
            return Rekey(brick, epoch, tag, key)
    raise ControllerError("unreadable", "an order for a link key that is none")


def read_step(entry: Any) -> Step:
    """An order to step to another rental."""
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, tag, key = read_hex(f.get("brick"), 8), read_base64(f.get("tag")), read_base64(f.get("key"))
        numbers = [f.get(name) for name in ("rental", "following", "epoch")]
        good = [one for one in numbers if type(one) is int and 0 <= one <= 0xFFFFFFFF]
        if brick and tag and key and len(tag) == 16 and len(good) == 3:
            return Step(brick, good[0], good[1], good[2], tag, key, f.get("lane") is True)
    raise ControllerError("unreadable", "an order to step to another rental that is none")


def read_tag_keys(entry: Any) -> SealedTagKeys:
    """An event's tag keys for one brick."""
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, nonce = read_hex(f.get("brick"), 8), read_base64(f.get("nonce"))
        sealed, tag = read_base64(f.get("sealed")), read_base64(f.get("tag"))
        if brick and nonce and sealed and tag and (len(nonce), len(tag)) == (12, 16) and len(sealed) <= 128:
            return SealedTagKeys(brick, nonce, sealed, tag)
    raise ControllerError("unreadable", "tag keys that are none")


def read_hex(value: Any, size: int) -> bytes | None:
    """Bytes of `size` in hex; None where it is none."""
    if not isinstance(value, str) or len(value) != 2 * size:
        return None
    try:
        return bytes.fromhex(value)
    except ValueError:
        return None


def read_base64(value: Any) -> bytes | None:
    """Bytes in base64; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None
