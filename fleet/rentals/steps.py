"""Which bricks of a kit have stepped to its rental, which have not, since when; orders for those that have not.

A brick has stepped when its record of kind 21 stands in the ledger with a good MAC: then its sealed root is stepped, too. One
order of a brick is open at a time; one that missed a rental is ordered to the one of now after that. docs/formats/control.md"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from fleet import enrolled, rekeys
from fleet.config import Config
from fleet.core import reg
from fleet.db import tables
from fleet.db.tables_rentals import rental_kits, rental_steps
from fleet.rentals.words import ago

WORDS = {
    reg.STEP_DONE: "says that it has stepped; its record has not arrived yet",
    reg.STEP_TAG: "refused the order: it is not under its key",
    reg.STEP_OTHER: "refused the order: it is in another rental than this controller knows",
    reg.STEP_LINK_EPOCH: "refused the order: its link key is newer; the next order has another one",
    reg.INSTALL_FLASH: "has no room in its journal, or its flash fails: it tries again",
}


@dataclass(frozen=True, slots=True)
class Open:
    """An order that its brick has not followed yet. `result`: of its answer, None without one."""

    brick: bytes
    rental: int
    following: int
    number: int
    ordered_ms: int
    why: str
    answered_ms: int | None
    result: int | None
    lane: bool

    @property
    def epoch(self) -> int:
        """The link epoch at which its new key begins."""
        return self.number * rekeys.STEP

    def text(self, now_ms: int) -> str:
        """What is known of it."""
        who = f"{'the host itself' if self.lane else 'brick'} {self.brick.hex()}"
        said = "" if self.result is None else f"; it {WORDS.get(self.result, f'answered {self.result}')}"
        return (
            f"{who} has not stepped to rental {self.following} (ordered {ago(self.ordered_ms, now_ms)}){said}"
        )

    def as_json(self, now_ms: int) -> dict[str, Any]:
        """For an answer."""
        return {
            "brick": self.brick.hex(), "lane": self.lane, "rental": self.rental, "following": self.following,
            "since_ms": self.ordered_ms, "age_s": max(0, now_ms - self.ordered_ms) // 1000, "why": self.why,
            "result": self.result, "text": self.text(now_ms),
        }  # fmt: skip


def living(connection: Connection, config: Config, kit: bytes) -> dict[bytes, bool]:
    """The bricks of a kit that were not revoked, the host's own lane among them: whether each is a lane."""
    ended = enrolled.revoked(enrolled.every(connection).items())
    merged = enrolled.merged(connection, config)
    return {one.brick: one.lane for one in merged.bricks if one.kit == kit and one.brick not in ended}


def rental_of(connection: Connection, config: Config, brick: bytes) -> int:
    """The rental of a brick's newest root."""
    newest = select(tables.roots.c.rental).where(tables.roots.c.brick == brick)
    found = connection.execute(newest.order_by(tables.roots.c.first_epoch.desc())).scalars().first()
    if found is not None:
        return int(found)
    return next((one.rental for one in config.bricks if one.brick == brick), 0)


def opened(connection: Connection, config: Config, kit: bytes) -> list[Open]:
    """Orders that living bricks of a kit have not followed."""
    alive = living(connection, config, kit)
    found: list[Open] = []
    for row in connection.execute(
        select(rental_steps)
        .where(rental_steps.c.kit == kit)
        .order_by(rental_steps.c.brick, rental_steps.c.following)
    ):
        if row.brick in alive and row.following > rental_of(connection, config, row.brick):
            found.append(
                Open(
                    row.brick, int(row.rental), int(row.following), int(row.number), int(row.ordered_ms), row.why,
                    row.answered_ms, row.result, alive[row.brick],
                )
            )  # fmt: skip
    return found


def order(connection: Connection, config: Config, kit: bytes, why: str, now_ms: int) -> list[Open]:
    """Orders every living brick of a kit to step to its rental of now, where none is open for it; those that are open now.
    Raises ConfigError."""
    row = connection.execute(select(rental_kits.c.rental).where(rental_kits.c.kit == kit)).first()
    if row is not None:
        waiting = {one.brick for one in opened(connection, config, kit)}
        for brick in living(connection, config, kit):
            mine = rental_of(connection, config, brick)
            if brick in waiting or mine >= row.rental:
                continue
            connection.execute(
                insert(rental_steps).values(
                    brick=brick, following=row.rental, kit=kit, rental=mine,
                    number=rekeys.next_number(connection, brick), ordered_ms=now_ms, why=why, said="",
                )
            )  # fmt: skip
    return opened(connection, config, kit)


def missing(connection: Connection, config: Config) -> list[bytes]:
    """Kits of which a living brick is behind its rental and has no open order."""
    found: list[bytes] = []
    for row in connection.execute(select(rental_kits)).all():
        behind = {
            brick
            for brick in living(connection, config, row.kit)
            if rental_of(connection, config, brick) < row.rental
        }
        if behind - {one.brick for one in opened(connection, config, row.kit)}:
            found.append(row.kit)
    return found


def answered(
    connection: Connection, brick: bytes, said: tuple[int, int, int, int, int], tag: bytes, now_ms: int
) -> None:
    """An answer whose tag is the brick's. Where its link key is newer than the order's, the order gets the one after."""
    result, asked, _, _, link_epoch = said
    mine = (rental_steps.c.brick == brick) & (rental_steps.c.following == asked)
    proof = json.dumps({"said": said, "tag": tag.hex()})
    changed: dict[str, Any] = {"answered_ms": now_ms, "result": result, "said": proof}
    if result == reg.STEP_LINK_EPOCH:
        changed["number"] = max(rekeys.next_number(connection, brick), link_epoch // rekeys.STEP + 1)
    connection.execute(update(rental_steps).where(mine).values(**changed))


def shown(connection: Connection, config: Config, kit: bytes, now_ms: int) -> list[dict[str, Any]]:
    """Every living brick of a kit: the rental that it is in, and the order that is open for it."""
    waiting = {one.brick: one for one in opened(connection, config, kit)}
    return [
        {
            "brick": brick.hex(), "lane": lane, "rental": rental_of(connection, config, brick),
            "stepped": brick not in waiting,
            "open": waiting[brick].as_json(now_ms) if brick in waiting else None,
        }
        for brick, lane in sorted(living(connection, config, kit).items())
    ]  # fmt: skip
