"""Which device is which kit's host, what it is to run, and what was seen of it. Over one connection; market time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from fleet.db.tables_hostos import host_devices as t
from fleet.errors import Refused
from fleet.hostos.errors import BUSY, LIMITED, HostOsError
from fleet.hostos.model import DEVICE, RELEASE, Device
from fleet.people import audit
from fleet.people.actors import Actor

FOLLOW = ""  # wanted: what the application gives out
RETRY_MS = 60_000
GROWING = (
    10  # a pin that was refused for long is tried again after a tenth of that time, at most RETRY_MOST_MS
)
RETRY_MOST_MS = 3_600_000


def tie(connection: Connection, actor: Actor, kit: bytes, device: str, now_ms: int) -> dict[str, Any]:
    """This device is the kit's host from now on; what was wanted of another one is forgotten. Raises Refused 409, 422."""
    if not DEVICE.fullmatch(device):
        raise Refused(422, "a device is named by its 32 or 62 hex digits in full")
    before = of_kit(connection, kit)
    if before is not None and before["device"] == device:
        return before
    taken = of_device(connection, device)
    if taken is not None:
        raise Refused(409, f"this device is the host of kit {taken['kit'].hex()}: untie it there first")
    connection.execute(delete(t).where(t.c.kit == kit))
    try:
        connection.execute(insert(t).values(kit=kit, device=device, made_ms=now_ms, by=actor.name[:64]))
    except IntegrityError:
        raise Refused(409, "this device is another kit's host") from None
    old = None if before is None else {"device": before["device"]}
    audit.record(connection, actor, "hosts.tie", f"kit {kit.hex()}", old, {"device": device}, now_ms)
    found = of_kit(connection, kit)
    assert found is not None
    return found


def untie(connection: Connection, actor: Actor, kit: bytes, now_ms: int) -> None:
    """The kit's host is no device of the service any more. Raises Refused 404."""
    before = of_kit(connection, kit)
    if before is None:
        raise Refused(404, "no device is tied to this kit")
    connection.execute(delete(t).where(t.c.kit == kit))
    audit.record(
        connection, actor, "hosts.untie", f"kit {kit.hex()}", {"device": before["device"]}, None, now_ms
    )


def accepted(connection: Connection, actor: Actor, kit: bytes, said: dict[str, Any], now_ms: int) -> None:
    """A host that was accepted said which device it runs on: a person who accepts the host takes its word for it, unless the
    device is another kit's."""
    device = said.get("device")
    if not isinstance(device, str) or not DEVICE.fullmatch(device):
        return
    taken = of_device(connection, device)
    if taken is None or taken["kit"] == kit:
        tie(connection, actor, kit, device, now_ms)


def want(connection: Connection, kit: bytes, release: str, by: str, now_ms: int) -> bool:
    """The kit's device is to run this release (FOLLOW: what its application gives out): a running controller sees to it, also
    if the service is away now. False where no device is tied. Raises Refused 422."""
    if release != FOLLOW and not RELEASE.fullmatch(release):
        raise Refused(422, "a release is named by its commit in full, or id:NUMBER")
    known = of_kit(connection, kit)
    if known is None:
        return False
    if known["wanted"] != release:
        values = {
            "wanted": release, "wanted_ms": now_ms, "wanted_by": by[:64], "told_ms": None,
            "trouble": None, "trouble_ms": None, "tried_ms": None,
        }  # fmt: skip
        connection.execute(update(t).where(t.c.kit == kit).values(**values))
    return True


def due(connection: Connection, now_ms: int) -> list[dict[str, Any]]:
    """Kits whose device was not told yet, and for which it is time to try."""
    rows = every(connection)
    return [
        one for one in rows if one["wanted"] is not None and one["told_ms"] is None and _time(one, now_ms)
    ]


def told(connection: Connection, row: dict[str, Any], now_ms: int) -> None:
    """The service took what was wanted, if that is still wanted."""
    mine = (t.c.kit == row["kit"]) & (t.c.wanted == row["wanted"]) & (t.c.device == row["device"])
    connection.execute(update(t).where(mine).values(told_ms=now_ms, trouble=None, trouble_ms=None))


def failed(connection: Connection, row: dict[str, Any], error: HostOsError, now_ms: int) -> None:
    """It did not: shown, and tried again."""
    mine = (t.c.kit == row["kit"]) & (t.c.wanted == row["wanted"])
    values: dict[str, Any] = {"tried_ms": now_ms}
    if error.code not in (BUSY, LIMITED):
        values |= {"trouble": str(error)[:400], "trouble_ms": row["trouble_ms"] or now_ms}
    connection.execute(update(t).where(mine).values(**values))


def saw(connection: Connection, devices: Iterable[Device], now_ms: int) -> None:
    """What the service shows of the devices that are tied. A pin that somebody changed there is told anew once: only what was
    wanted here counts for a rollout."""
    known = {one.device: one for one in devices}
    for row in every(connection):
        one = known.get(row["device"])
        values: dict[str, Any] = {"looked_ms": now_ms, "found": int(one is not None)}
        if one is not None:
            values |= {"online": int(one.online), "name": one.name, "pinned": one.pinned, "os": one.os}
            if row["online"] != int(one.online):
                values["turned_ms"] = now_ms
            if row["running"] != one.running:
                values |= {"running": one.running, "running_ms": now_ms}
            if (
                row["told_ms"] is not None
                and (one.pinned or FOLLOW) != row["wanted"]
                and _named(row["wanted"])
            ):
                values["told_ms"] = None
        connection.execute(update(t).where(t.c.kit == row["kit"]).values(**values))


def of_kit(connection: Connection, kit: bytes) -> dict[str, Any] | None:
    """All that is known of a kit's device."""
    row = connection.execute(select(t).where(t.c.kit == kit)).mappings().first()
    return None if row is None else dict(row)


def of_device(connection: Connection, device: str) -> dict[str, Any] | None:
    """The same by the device's number."""
    row = connection.execute(select(t).where(t.c.device == device)).mappings().first()
    return None if row is None else dict(row)


def every(connection: Connection) -> list[dict[str, Any]]:
    """All that are tied."""
    return [dict(row) for row in connection.execute(select(t).order_by(t.c.kit)).mappings()]


def _named(wanted: str | None) -> bool:
    """Whether a look can tell that the service holds it: it shows commits, not numbers."""
    return wanted is not None and not wanted.startswith("id:")


def _time(row: dict[str, Any], now_ms: int) -> bool:
    tried = row["tried_ms"]
    if tried is None or now_ms < tried:
        return True
    since = row["trouble_ms"] or tried
    return now_ms - tried >= min(max(RETRY_MS, (tried - since) // GROWING), RETRY_MOST_MS)
