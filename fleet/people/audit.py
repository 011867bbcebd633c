"""The audit log: a line for every change that a person made, each naming the hash of the line before it.

A line is canonical JSON (RFC 8785) of `{"n", "at_ms", "actor", "how", "verb", "thing", "before", "after", "prev"}`, of commands
also `"user"`, the machine's name of whoever typed them; its hash is SHA-256 over `stallmark/audit/1`, a zero byte and the line.
A chain shows every change in the middle; whether its end was cut off shows only against a head that was noted elsewhere
(fleet.people.heads), so every export and check prints it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

import rfc8785
from sqlalchemy import Connection, insert, select, text

from fleet.db import tables_people as t
from fleet.people.actors import Actor

DOMAIN = b"stallmark/audit/1\0"
FIRST = "0" * 64  # what the first line names as before it
MAX_VALUE = 4096  # bytes of before and of after, as JSON
MAX_LINE = 16_384
PAGE = 500
SECRET_WORDS = ("password", "token", "secret", "code", "seed", "private", "cookie")
KEPT = (bool, int, dict, type(None))  # of such a name all the same: it says that there is one, not which


def wall_ms() -> int:
    """The machine's clock, ms since 1970: instants of the log are of no market."""
    return time.time_ns() // 1_000_000


def line_hash(line: str) -> str:
    """64 hex characters: what the next line names."""
    return hashlib.sha256(DOMAIN + line.encode()).hexdigest()


def record(
    connection: Connection,
    actor: Actor,
    verb: str,
    thing: str,
    before: object,
    after: object,
    at_ms: int,
) -> tuple[int, str]:
    """Notes a change in the transaction that makes it; returns the line's number and hash.

    `before` and `after` are JSON values, at most MAX_VALUE bytes each (longer ones are noted by their digest); values under
    names such as password or token are left out whatever a caller hands over."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(7305521)"))
    last = connection.execute(
        select(t.audit.c.number, t.audit.c.hash).order_by(t.audit.c.number.desc()).limit(1)
    ).first()
    number, prev = (last.number + 1, last.hash.hex()) if last else (1, FIRST)
    line = rfc8785.dumps(
        {
            **({"user": _user()} if actor.how == "command" else {}),
            "n": number,
            "at_ms": at_ms,
            "actor": actor.name,
            "how": actor.how,
            "verb": verb,
            "thing": _clean(thing[:256]),
            "before": _bounded(before),
            "after": _bounded(after),
            "prev": prev,
        }
    ).decode()
    digest = line_hash(line)
    connection.execute(insert(t.audit).values(number=number, hash=bytes.fromhex(digest), line=line))
    return number, digest


def _user() -> str:
    """Who sat at the command line, as the machine names them: no account, and nothing that was proven."""
    try:
        return _clean(getpass.getuser()[:64])
    except (OSError, KeyError, ImportError):  # a container without a list of users
        return f"user {os.getuid()}"


def head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last line; (0, FIRST) where there is none."""
    last = connection.execute(
        select(t.audit.c.number, t.audit.c.hash).order_by(t.audit.c.number.desc()).limit(1)
    ).first()
    return (last.number, last.hash.hex()) if last else (0, FIRST)


def page(connection: Connection, after: int = 0, limit: int = PAGE) -> list[dict[str, Any]]:
    """At most `limit` lines behind number `after`, read, with their hashes."""
    rows = connection.execute(
        select(t.audit).where(t.audit.c.number > after).order_by(t.audit.c.number).limit(min(limit, PAGE))
    )
    return [{**json.loads(row.line), "hash": row.hash.hex()} for row in rows]


def export(connection: Connection) -> Iterator[str]:
    """The lines of an export: each is its hash, a space, and the line as it was hashed."""
    after = 0
    while part := rows(connection, after):
        yield from (line for _, line in part)
        after = part[-1][0]


def rows(connection: Connection, after: int) -> list[tuple[int, str]]:
    """At most PAGE lines of an export behind number `after`, each with its number."""
    query = select(t.audit).where(t.audit.c.number > after).order_by(t.audit.c.number).limit(PAGE)
    return [(row.number, f"{row.hash.hex()} {row.line}\n") for row in connection.execute(query)]


def verify(lines: Iterable[str], noted: tuple[int, str] | None = None) -> tuple[int, str, list[str]]:
    """(lines, head, what is wrong) of an export; nothing wrong is an empty list. `noted` is a head that was kept elsewhere:
    only with it a cut end, or a log that was written anew from the beginning, can be told. At most 20 faults are named."""
    expected, prev, faults = 1, FIRST, list[str]()
    met = noted is None or noted == (0, FIRST)
    for at, raw in enumerate(lines, 1):
        stated, _, line = raw.rstrip("\n").partition(" ")
        found = _read(line)
        if found is None or len(raw) > MAX_LINE:
            faults.append(f"line {at} is no line of an audit log")
        else:
            number, names = found
            if line_hash(line) != stated:
                faults.append(f"line {at} (entry {number}) was changed: its hash is another")
            if number > expected:
                faults.append(f"line {at}: entries {expected} to {number - 1} were removed")
            elif number < expected:
                faults.append(f"line {at}: entry {number} was inserted or stands in another place")
            elif names != prev:
                faults.append(f"line {at}: entry {number} does not follow the entry before it")
            expected, prev = max(expected, number + 1), stated
            if noted is not None and number == noted[0]:
                met = stated == noted[1]
                if not met:
                    faults.append(f"entry {number} is another than the one that was noted: written anew")
        if len(faults) >= 20:
            return expected - 1, prev, [*faults, "and more"]
    if noted is not None and not met and expected <= noted[0]:
        faults.append(f"the end was cut off: entry {noted[0]} was noted, the last one here is {expected - 1}")
    return expected - 1, prev, faults


def _read(line: str) -> tuple[int, str] | None:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    number, prev = fields.get("n"), fields.get("prev")
    return (number, prev) if type(number) is int and isinstance(prev, str) else None


def _bounded(value: object) -> Any:
    """The value without what is secret; its digest where it is too long to be kept."""
    clean = _clean(value)
    data = json.dumps(clean, sort_keys=True).encode()
    if len(data) <= MAX_VALUE:
        return clean
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _secret(name: str, value: object) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS) and not isinstance(value, KEPT)


def _clean(value: object) -> Any:
    if isinstance(value, dict):
        found = cast("dict[object, object]", value)
        return {
            str(name): "(not kept)" if _secret(str(name), one) else _clean(one) for name, one in found.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(one) for one in cast("Iterable[object]", value)]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):  # half of a surrogate pair is no UTF-8
        return value.encode(errors="replace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # RFC 8785 numbers are doubles: what they cannot hold is text
        return value if abs(value) < 1 << 53 else str(value)
    return str(value)
