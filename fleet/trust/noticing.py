"""The running controller notices what key holders published beside it: each root and list has its line in the audit log, and a
director that a root names is followed without a restart."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from fleet.db.tables_trust import trust_seen
from fleet.desired import rows
from fleet.looking import look_again
from fleet.people import audit
from fleet.people.actors import EVERY, Actor
from fleet.trust import metadata
from fleet.trust.metadata import extra
from fleet.trust.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleet.controller import Controller

EVERY_S = 2.0
MOST_LINES = 64  # of one look: a controller that begins with an old folder notes its newest ones
KINDS = {"root": "trust.root", "targets": "trust.release"}
HOLDERS = Actor("key holders", EVERY, how="signatures")

log = logging.getLogger(__name__)


class Noticing:
    """One for a controller that serves. `now_ms`: people's clock, as the audit log has it."""

    def __init__(self, controller: Controller, repository: Repository, now_ms: Callable[[], int]) -> None:
        self._controller = controller
        self._repository = repository
        self._now_ms = now_ms
        self._seen: tuple[int, int] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_again(self.once, log, "what was published is not noted", EVERY_S, EVERY_S)

    def once(self) -> None:
        """One look; cheap where nothing was published. Raises TrustError, OSError, SQLAlchemyError."""
        newest = self._repository.newest("root"), self._repository.newest("targets")
        if newest == self._seen or not newest[0]:
            return
        self._follow()
        with self._controller.database.write() as connection:
            for role, number in zip(KINDS, newest, strict=True):
                self._note(connection, role, number)
        self._seen = newest

    def _follow(self) -> None:
        """Takes the director that the newest root names, where its key is here and not in use yet."""
        directors = self._repository.keys().directors
        mine = self._controller.config.secrets.director_public
        if any(one.public == mine for one in directors):
            return
        key = self._repository.online.seed_of(directors)
        if key is not None:
            self._controller.direct_by(key.seed)
            log.warning("another director: %s signs what stands and all that comes", key.holder.kid.hex())

    def _note(self, connection: Connection, role: str, newest: int) -> None:
        row = connection.execute(select(trust_seen).where(trust_seen.c.what == role)).one_or_none()
        first = max(1 if row is None else row.version + 1, newest - MOST_LINES + 1)
        digest = ""
        for number in range(first, newest + 1):
            data = self._repository.file(f"{number}.{role}.json")
            if data is None:
                continue
            digest = sha256(data).hexdigest()
            before, after = self._words(role, number)
            what = f"root {number}" if role == "root" else f"list of releases {number}"
            audit.record(
                connection, HOLDERS, KINDS[role], what, before, {**after, "sha256": digest}, self._now_ms()
            )
        if digest:
            found = {"what": role, "version": newest, "digest": digest}
            rows.put(connection, trust_seen, "what", [found])

    def _words(self, role: str, number: int) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """What was before, and what is now and who signed it."""
        if role == "root":
            found = self._repository.root(number)
            before = self._repository.root(number - 1) if number > 1 else None
            signed = _signers(found, "root", found)
            why = extra(found.signed).get("why", "")
            return _holders(before), {**(_holders(found) or {}), "signed_by": signed, "why": str(why)[:200]}
        listed = self._repository.targets(number)
        if listed is None:
            return None, {}
        signed = _signers(self._repository.root(), "targets", listed)
        return None, {"releases": len(listed.signed.targets), "signed_by": signed}


def _holders(root: Any) -> dict[str, Any] | None:
    if root is None:
        return None
    roles = metadata.keys_of(root.signed).roles
    return {role: [f"{one.name} {one.kid.hex()}" for one in holders] for role, holders, _ in roles}


def _signers(root: Any, role: str, found: Any) -> list[str]:
    """Names of those of the role's holders whose signature is good."""
    keyids, _ = metadata.good(root.signed, role, found)
    holders = {one.keyid: one for _, some, _ in metadata.keys_of(root.signed).roles for one in some}
    return sorted(holders[keyid].name if keyid in holders else keyid[:16] for keyid in keyids)
