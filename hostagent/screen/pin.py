"""An operator's PIN: kept as a scrypt hash in keys.json, compared in constant time.

The text is `scrypt$n$r$p$salt$hash` (salt and hash in base64). A PIN is short: what protects it is the limit
on attempts (sessions.py); the hash only keeps a reader of the file from the PIN at a glance.
"""

import base64
import binascii
import hashlib
import hmac
import os

N, R, P = 2**14, 8, 1
SHORTEST, LONGEST = 6, 32  # of a new one; a shorter one of before is still known
# What a hash may ask of this machine: 64 MiB.
MOST_MEMORY = 64 * 1024 * 1024


def hash_pin(pin: str, salt: bytes | None = None) -> str:
    """The text for keys.json. Raises ValueError for a PIN under 6 or over 32 characters."""
    if not SHORTEST <= len(pin) <= LONGEST:
        raise ValueError(f"a PIN has {SHORTEST} to {LONGEST} characters")
    salt = os.urandom(16) if salt is None else salt
    digest = hashlib.scrypt(pin.encode(), salt=salt, n=N, r=R, p=P, maxmem=MOST_MEMORY)
    return f"scrypt${N}${R}${P}${_text(salt)}${_text(digest)}"


def check_pin(pin: str, stored: str) -> bool:
    """Whether this is the PIN of a stored hash; a hash that cannot be read is nobody's."""
    try:
        name, n, r, p, salt, digest = stored.split("$")
        if name != "scrypt" or len(pin) > LONGEST:
            return False
        wanted = base64.b64decode(digest, validate=True)
        found = hashlib.scrypt(
            pin.encode(),
            salt=base64.b64decode(salt, validate=True),
            n=int(n),
            r=int(r),
            p=int(p),
            maxmem=MOST_MEMORY,
            dklen=len(wanted),
        )
    except (ValueError, binascii.Error, MemoryError):
        return False
    return len(wanted) >= 16 and hmac.compare_digest(found, wanted)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
