"""Invariant 8: no tag number and no pass in anything that leaves a brick or enters the ledger, in any usual spelling."""

import base64
from collections.abc import Iterable, Mapping

from virtualkit.reference.audit import Findings

_PREFIX = 6
_CHUNK = 1 << 18
_LONGEST_NUMBER = (
    10  # bytes of a tag number or a pass's serial; what is longer is text and has no decimal form
)


def spellings(secret: bytes) -> set[bytes]:
    """How `secret` may stand in a text or a file: raw, hex, base64 (also inside something longer), base32, decimal."""
    pairs = [f"{byte:02x}" for byte in secret]
    found = {secret}
    for mark in ("", ":", "-", " "):
        text = mark.join(pairs)
        found |= {text.encode(), text.upper().encode()}
    for before in range(3):
        whole = 8 * (before + len(secret)) // 6
        coded = base64.b64encode(bytes(before) + secret)[(8 * before + 5) // 6 : whole]
        found |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    coded = base64.b32encode(secret)[: 8 * len(secret) // 5]
    found |= {coded, coded.lower()}
    if len(secret) <= _LONGEST_NUMBER:
        found |= {str(int.from_bytes(secret, "big")).encode(), str(int.from_bytes(secret, "little")).encode()}
    return found


def check_private(secrets: Iterable[bytes], places: Mapping[str, bytes], findings: Findings) -> None:
    """A breach for every place in which one of `secrets` stands, however spelt."""
    by_prefix: dict[bytes, set[bytes]] = {}
    short: set[bytes] = set()
    for secret in secrets:
        for form in spellings(secret):
            if len(form) < _PREFIX:
                short.add(form)
            else:
                by_prefix.setdefault(form[:_PREFIX], set()).add(form)
    for place, data in places.items():
        likely = {form for prefix in _prefixes(data, by_prefix) for form in by_prefix[prefix]}
        if any(form in data for form in short | likely):
            findings.breach(8, f"a token's number stands in {place}")


def _prefixes(data: bytes, wanted: Mapping[bytes, object]) -> set[bytes]:
    """Which of `wanted` stand in `data`: one pass, however many are wanted."""
    found: set[bytes] = set()
    for start in range(0, len(data), _CHUNK):
        end = min(start + _CHUNK, len(data) - _PREFIX + 1)
        found |= wanted.keys() & {data[at : at + _PREFIX] for at in range(start, end)}
    return found
