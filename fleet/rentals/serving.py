"""Orders to step to another rental, as a running controller gives them to hosts, and what bricks answer."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from fleet import enrolled, rekeys
from fleet.config import Host
from fleet.controller import Controller
from fleet.db.tables_rentals import rental_steps
from fleet.errors import Refused
from fleet.rentals import handback, steps


def orders(controller: Controller, host: Host) -> dict[str, Any]:
    """The rental of a host's kit and the orders that its bricks have not followed, each with its link key sealed for the host."""
    with controller.database.read() as connection:
        waiting = steps.opened(connection, controller.config, host.kit)
        wipe = handback.ordered(connection, host)
    found: list[dict[str, Any]] = []
    with controller.keys() as keys:
        for one in waiting:
            if not keys.knows(one.brick) or keys.newest_rental(one.brick) != one.rental:
                continue  # its record came a moment ago
            tag, key = keys.rental_order(one.brick, one.following, one.epoch)
            found.append(
                {
                    "brick": one.brick.hex(), "rental": one.rental, "following": one.following, "epoch": one.epoch,
                    "tag": _text(tag), "key": _text(rekeys.box(host, key)), "lane": one.lane,
                }
            )  # fmt: skip
    return {"rental": controller.rental_of(host.kit), "steps": found, "wipe": wipe}


def handed_back(controller: Controller, host: Host, text: str, signature: bytes) -> dict[str, Any]:
    """Keeps what a host signed; durable when it returns. Raises Refused 409, 422."""
    with controller.database.write() as connection:
        return handback.take(connection, host, text, signature, controller.clock.now_ms())


def said(
    controller: Controller, host: Host, brick: bytes, numbers: tuple[int, int, int, int, int], tag: bytes
) -> dict[str, Any]:
    """Keeps a brick's answer; durable when it returns. Raises Refused 404, 409."""
    with controller.database.read() as connection:
        if brick not in steps.living(connection, controller.config, host.kit):
            raise Refused(404, "this kit has no brick of that name")
        mine = (rental_steps.c.brick == brick) & (rental_steps.c.following == numbers[1])
        if connection.execute(select(rental_steps).where(mine)).first() is None:
            raise Refused(409, "this brick was not ordered to that rental")
    with controller.keys() as keys:
        good = keys.knows(brick) and keys.rental_said(brick, numbers, tag)
    if not good:
        raise Refused(409, "nothing proves that this brick said so: its tag is another one")
    with controller.database.write() as connection:
        steps.answered(connection, brick, numbers, tag, controller.clock.now_ms())
    return {"brick": brick.hex(), "taken": True}


def follow(controller: Controller) -> None:
    """The rentals of kits as the database has them now, and orders for bricks that stepped to one and are behind still: for a
    running controller, beside which commands work. Raises OSError, SQLAlchemyError."""
    with controller.database.read() as connection:
        kits = enrolled.kits(connection, controller.config)
        due = steps.missing(connection, controller.config)
        proofs = handback.due(connection, controller.config)
    if kits != controller.config.kits:
        controller.reconfigure(lambda config: replace(config, kits=kits))
    if proofs:
        with controller.database.write() as connection:
            handback.note_bricks(connection, controller.config, controller.clock.now_ms())
    if due:
        with controller.database.write() as connection:
            for kit in due:
                steps.order(connection, controller.config, kit, "it was behind", controller.clock.now_ms())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
