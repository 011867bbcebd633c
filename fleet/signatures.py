"""Ed25519 verification of many messages by one key, on two cores where there are: libsodium drops the GIL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

FEW = 16  # below this many a second thread costs more than it saves

_beside = ThreadPoolExecutor(1, thread_name_prefix="verify") if (os.cpu_count() or 1) > 1 else None


def good(signed: bytes, public: bytes) -> bool:
    """Whether `signed` (64 bytes of signature, then the message) is by this key."""
    try:
        crypto_sign_open(signed, public)
    except BadSignatureError:
        return False
    return True


def first_bad(signed: Sequence[bytes], public: bytes) -> int | None:
    """The place of the first message whose signature is wrong; None where all are good."""
    if _beside is None or len(signed) < FEW:
        return _first_bad(signed, public)
    half = len(signed) // 2
    later = _beside.submit(_first_bad, signed[half:], public)
    found = _first_bad(signed[:half], public)
    rest = later.result()
    if found is None and rest is not None:
        return half + rest
    return found


def _first_bad(signed: Sequence[bytes], public: bytes) -> int | None:
    for place, one in enumerate(signed):
        if not good(one, public):
            return place
    return None
