"""What is wished for a kit, before it is a directive: held against limits, and against a stop that stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from fleet.desired import folder, rows
from fleet.desired.folder import Release
from fleet.desired.orders import HALTED, Item
from fleet.desired.rows import Head
from fleet.errors import FleetError

# Of a directive: as long as a kit may be away from its controller and still install.
LIFE_MS = 14 * 86_400_000


class DesiredError(FleetError):
    """A directive that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a kit is to get. `expires_ms` None: after the life of a directive, and renewed before. `lifts`: ends a stop.
    `instead_of`: of this directive's number (0: of none); where another stands by then, nothing is to be done. `host`: the
    host's release from now on, "" for none; None leaves it."""

    kit: bytes
    items: tuple[Item, ...]
    reason: str
    expires_ms: int | None = None
    flags: int = 0
    origin: str = rows.SET
    lifts: bool = False
    instead_of: int | None = None
    host: str | None = None

    @property
    def halts(self) -> bool:
        """Whether it is a stop."""
        return bool(self.flags & HALTED)


def under_stop(wish: Wish, head: Head | None) -> Wish:
    """What is ordered for a stopped kit waits in its directive: only `lift` ends a stop."""
    if wish.lifts or head is None or not head.order.halted or wish.halts:
        return wish
    return replace(
        wish, reason=head.order.reason, expires_ms=None, flags=wish.flags | HALTED, origin=rows.STOPPED
    )


def check(connection: Connection, wish: Wish, there: set[bytes]) -> None:
    """Raises DesiredError for too many items, and for a bundle that is not here; `there`: digests that were found."""
    if len(wish.items) > folder.MAX_ITEMS:
        raise DesiredError(f"{len(wish.items)} items: a directive has at most {folder.MAX_ITEMS}")
    for item in wish.items:
        for digest in (item.bundle, item.artefact):
            if digest not in there and not rows.has_target(connection, digest):
                raise DesiredError(f"{digest.hex()} is not here: give its bundle to this controller first")
            there.add(digest)


def keep(connection: Connection, release: Release, now_ms: int) -> None:
    """Keeps a bundle's envelope and artefact."""
    rows.put_target(connection, release.envelope, now_ms)
    rows.put_target(connection, release.data, now_ms)


def of_rules(head: Head | None, release: Release, bricks: Sequence[bytes]) -> tuple[Item, ...]:
    """Items for rules of the folder, and what stands beside them: programs that a rollout ordered for bricks that are still
    there."""
    items = release.items(bricks)
    if head is None:
        return items
    room = max(0, folder.MAX_ITEMS - len(bricks))
    return (
        items
        + tuple(one for one in head.order.items if one.kind != release.kind and one.brick in bricks)[:room]
    )


def host_of(wish: Wish, head: Head | None) -> str | None:
    """The host's release that the next directive names: what stood before, unless the wish says otherwise."""
    if wish.host is not None:
        return wish.host or None
    return None if head is None else head.order.host_release
