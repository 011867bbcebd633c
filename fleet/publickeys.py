"""Public keys: as leaves of the ledger when they begin to count, and as the file that a stranger verifies
with."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from fleet.config import Config, kid8
from fleet.core import leaf, reg
from fleet.db import tables
from fleet.ledger.log import Log
from fleet.ledger.note import Verifier

FORMAT = "stallmark-public-keys/1"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key in its role; `subject` is whose it is (host8 of a host, else its own kid)."""

    role: int
    subject: bytes
    public: bytes

    @property
    def kid(self) -> bytes:
        """Eight bytes."""
        return kid8(self.public)


def of_config(config: Config, log_key: Verifier) -> list[PublicKey]:
    """Every public key that the configuration stands for."""
    director = config.secrets.director_public
    return [
        PublicKey(reg.ROLE_CHECKPOINT, kid8(log_key.public), log_key.public),
        PublicKey(reg.ROLE_DIRECTOR, kid8(director), director),
        *(PublicKey(reg.ROLE_AUTHOR, kid, public) for kid, public in config.authors.keys),
        *(PublicKey(reg.ROLE_HOST, host.host, host.public) for host in config.hosts),
    ]


def log_keys(log: Log, config: Config, now_ms: int) -> int:
    """Appends a key event (leaf 4, *add*) for each key that has none yet; returns how many."""
    events = tables.key_events
    added = 0
    with log.writing() as tx:
        known = {(row.role, row.kid) for row in tx.connection.execute(select(events.c.role, events.c.kid))}
        for key in of_config(config, log.verifier):
            if (key.role, key.kid) in known:
                continue
            payload = leaf.encode_key_event(
                reg.ACTION_ADD,
                key.role,
                key.kid,
                key.public,
                now_ms,
                key.subject,
                None,
                config.development,
            )
            index = tx.add([leaf.entry(reg.LEAF_KEY_EVENT, payload)])
            tx.connection.execute(
                insert(events).values(
                    role=key.role, kid=key.kid, subject=key.subject, public=key.public, leaf=index
                )
            )
            added += 1
    return added


def public_file(config: Config, log_key: Verifier) -> dict[str, Any]:
    """The public keys file of docs/formats/ledger.md: all that a stranger needs."""
    director = config.secrets.director_public
    return {
        "format": FORMAT,
        "development": config.development,
        "log": {"origin": log_key.name, "vkey": log_key.vkey},
        "hosts": [
            {
                "host": host.host.hex(),
                "kid": host.kid.hex(),
                "public": _text(host.public),
                "name": host.name,
            }
            for host in config.hosts
        ],
        "authors": {
            "threshold": config.authors.threshold,
            "keys": [{"kid": kid.hex(), "public": _text(public)} for kid, public in config.authors.keys],
        },
        "director": {"kid": kid8(director).hex(), "public": _text(director)},
        "witnesses": list(config.witnesses),
    }


def _text(public: bytes) -> str:
    return base64.b64encode(public).decode()
