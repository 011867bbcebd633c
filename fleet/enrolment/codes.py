"""One-time codes of labels: eight letters and digits by which a spare takes another device's place, in the field.

A code names one device, counts once, ends, and is stored only as a MAC under the controller's seal key: whoever reads the
database cannot try codes at home. Online, tries are held back by account and by address."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none that looks like another
SIZE = 8  # 40 bits
LIFE_MS = 180 * 86_400_000
LONGEST_MS = 400 * 86_400_000
KEPT = 1000  # of those that were used or have ended
_ALIKE = str.maketrans("OIL", "011")
QR = "STALLMARK:CODE:"  # before a code in the QR of its label: a scanner types the whole
WRONG = (
    "this code is not known, was used, or has ended: a technician makes a new one (`stallmark fleet enrol code`). What stands "
    "large on a bench's own label is the brick's short name and opens nothing"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a code stands for."""

    digest: bytes
    kind: str
    device: bytes
    tenant: str


def make(
    connection: Connection,
    seal_key: bytes,
    kind: str,
    device: bytes,
    tenant: str,
    by: str,
    now_ms: int,
    life_ms: int = LIFE_MS,
) -> str:
    """A new code, `K7MQ-29XD`; earlier ones of the same device end. Raises Refused 422."""
    if not 0 < life_ms <= LONGEST_MS:
        raise Refused(422, "a label's code lives for at most 400 days")
    mine = (t.claim_codes.c.kind == kind) & (t.claim_codes.c.device == device)
    connection.execute(
        update(t.claim_codes).where(mine, t.claim_codes.c.expires_ms > now_ms).values(expires_ms=now_ms)
    )
    ended = t.claim_codes.c.used_ms.is_not(None) | (t.claim_codes.c.expires_ms <= now_ms)
    newest = select(t.claim_codes.c.digest).where(ended).order_by(t.claim_codes.c.made_ms.desc())
    old = list(connection.execute(newest.offset(KEPT).limit(KEPT)).scalars())  # the log has what they were
    connection.execute(delete(t.claim_codes).where(t.claim_codes.c.digest.in_(old)))
    text = "".join(secrets.choice(LETTERS) for _ in range(SIZE))
    connection.execute(
        insert(t.claim_codes).values(
            digest=_digest(seal_key, text),
            kind=kind,
            device=device,
            tenant=tenant,
            made_ms=now_ms,
            expires_ms=now_ms + life_ms,
            by=by,
            used_ms=None,
            used_by=None,
        )
    )
    return f"{text[:4]}-{text[4:]}"


def find(connection: Connection, seal_key: bytes, code: str, now_ms: int) -> Claim:
    """What a code stands for. Raises Refused 403, in the same words whatever is wrong with it."""
    text = read(code)
    row = (
        None
        if text is None
        else connection.execute(
            select(t.claim_codes).where(t.claim_codes.c.digest == _digest(seal_key, text))
        ).first()
    )
    if row is None or row.used_ms is not None or row.expires_ms <= now_ms:
        raise Refused(403, WRONG)
    return Claim(row.digest, row.kind, row.device, row.tenant)


def use(connection: Connection, claim: Claim, by: str, now_ms: int) -> None:
    """It counts no more. Raises Refused 403 where somebody was faster."""
    first = (t.claim_codes.c.digest == claim.digest) & t.claim_codes.c.used_ms.is_(None)
    if (
        connection.execute(update(t.claim_codes).where(first).values(used_ms=now_ms, used_by=by)).rowcount
        != 1
    ):
        raise Refused(403, WRONG)


def every(connection: Connection) -> list[dict[str, Any]]:
    """Codes by the device that they are of; the code itself nobody knows any more."""
    rows = connection.execute(select(t.claim_codes).order_by(t.claim_codes.c.made_ms))
    return [
        {
            "kind": row.kind,
            "device": row.device.hex(),
            "tenant": row.tenant,
            "made_ms": row.made_ms,
            "expires_ms": row.expires_ms,
            "by": row.by,
            "used_ms": row.used_ms,
            "used_by": row.used_by,
        }
        for row in rows
    ]


def read(code: str) -> str | None:
    """A code as somebody types it: any case, O for 0, I and L for 1, with or without the dash, or as its label's QR says it; None
    where it is none."""
    text = code.strip().upper().removeprefix(QR).replace("-", "").replace(" ", "").translate(_ALIKE)
    return text if len(text) == SIZE and not set(text) - set(LETTERS) else None


def _digest(seal_key: bytes, text: str) -> bytes:
    key = hashlib.sha256(b"stallmark/label-code/1\0" + seal_key).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
