"""A compiled ruleset becomes a bundle: its manifest signed by authors. docs/formats/bundle.md"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from fleet.authoring import engine, wire
from fleet.authoring.engine import FormatError, bundle, rules

SEED_BYTES = 32


def author_kid(seed: bytes) -> bytes:
    """kid8 of an author's key: SHA-256(public key)[:8]."""
    return sha256(bytes(SigningKey(seed).verify_key)).digest()[:8]


def make_bundle(
    ruleset: bytes,
    rev: int,
    author_seeds: Sequence[bytes],
    name: str,
    *,
    golden: Sequence[Sequence[Any]] = (),
    terms16: bytes | None = None,
    fallback: Sequence[bytes] = (),
    hardware: Sequence[str] = (),
    valid_until_ms: int | None = None,
    since_ms: int = 0,
    authoring_hash: bytes | None = None,
) -> bytes:
    """Bundle bytes: the ruleset in an envelope signed by each of `author_seeds` (Ed25519 seeds, 1 to 4, all
    different).

    `rev` must be the ruleset's own; `golden` are the vectors of the compiler's report; `fallback` digests of
    artefacts that a brick may go back to; `since_ms` a signed lower bound of the present; `authoring_hash` the
    report's, so that authors sign what they read too. Raises FormatError,
    also for a ruleset that the engine refuses, or whose golden vectors come out otherwise."""
    compiled = rules.Ruleset(ruleset)
    if compiled.rev != rev:
        raise FormatError(f"bundle rev {rev}: the ruleset says {compiled.rev}")
    if not 1 <= len(set(author_seeds)) == len(author_seeds) <= bundle.MAX_SIGNATURES:
        expected = f"expected 1 to {bundle.MAX_SIGNATURES} different ones"
        raise FormatError(f"{len(author_seeds)} author keys: {expected}")
    wrong = engine.golden.first_wrong(compiled, golden)
    if wrong is not None:
        raise FormatError(f"golden vector {wrong[0]} comes out otherwise")
    payload: bytes = bundle.manifest(
        ruleset,
        rev,
        fallback=fallback,
        engine=(wire.read(ruleset)[0], rules.ENGINE),  # the form's version on
        hardware=hardware,
        valid_until_ms=valid_until_ms,
        golden=golden,
        name=name,
        terms16=terms16,
        since_ms=since_ms,
    )
    if authoring_hash is not None:
        payload = engine.cbor.encode({**engine.cbor.decode(payload), 13: authoring_hash})
    message: bytes = bundle.pae(bundle.TYPE, payload)
    signatures = [(author_kid(seed), SigningKey(seed).sign(message).signature) for seed in author_seeds]
    envelope: bytes = bundle.envelope(bundle.TYPE, payload, signatures)
    signed: bytes = bundle.join(envelope, ruleset)
    return signed
