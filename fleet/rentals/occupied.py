"""Time of kits and bricks: taken, widened, kept while late, given back. What overlaps is refused by the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from fleet.db.tables_rentals import BOOKED, bookings, rental_occupied
from fleet.errors import Refused
from fleet.rentals.words import ago, when

table = rental_occupied


def thing_of_kit(kit: bytes) -> str:
    """A kit as a thing that is occupied."""
    return f"kit:{kit.hex()}"


def thing_of_brick(brick: bytes) -> str:
    """The same for a brick: one in two kits' bookings at once is refused, too."""
    return f"brick:{brick.hex()}"


def take(
    connection: Connection, booking: str, things: Iterable[str], from_ms: int, until_ms: int, now_ms: int
) -> None:
    """Occupies things for a booking. Raises Refused 409 that names who has one then; nothing is changed in that case."""
    for thing in things:
        row = insert(table).values(thing=thing, booking=booking, from_ms=from_ms, until_ms=until_ms)
        _or_refused(
            connection, lambda row=row: connection.execute(row), thing, booking, from_ms, until_ms, now_ms
        )  # type: ignore[misc]


def move(connection: Connection, booking: str, from_ms: int, until_ms: int, now_ms: int) -> None:
    """Another interval for all things of a booking; it is not late any more. Raises Refused 409."""
    for thing in of(connection, booking):
        mine = (table.c.booking == booking) & (table.c.thing == thing)
        change = update(table).where(mine).values(from_ms=from_ms, until_ms=until_ms, late_ms=None)
        _or_refused(
            connection,
            lambda change=change: connection.execute(change),
            thing,
            booking,
            from_ms,
            until_ms,
            now_ms,  # type: ignore[misc]
        )


def late(connection: Connection, booking: str, until_ms: int) -> None:
    """A booking whose kit is away keeps its things at least so long: others that were booked then are not refused by it, they
    are flagged by whoever calls this."""
    change = update(table).where(table.c.booking == booking, table.c.until_ms < until_ms)
    connection.execute(change.values(late_ms=until_ms))


def give_back(connection: Connection, booking: str, thing: str | None = None) -> None:
    """All things of a booking, or one."""
    mine = table.c.booking == booking
    connection.execute(delete(table).where(mine if thing is None else mine & (table.c.thing == thing)))


def of(connection: Connection, booking: str) -> list[str]:
    """The things of a booking, in order."""
    rows = connection.execute(select(table.c.thing).where(table.c.booking == booking).order_by(table.c.thing))
    return [row.thing for row in rows]


def meets(
    connection: Connection, booking: str, things: Iterable[str], from_ms: int, until_ms: int
) -> list[str]:
    """Other bookings that have one of these things in [from, until), the first ones first."""
    until = func.max(table.c.until_ms)
    rows = connection.execute(
        select(table.c.booking, func.min(table.c.from_ms).label("first"), until)
        .where(
            table.c.thing.in_(list(things)),
            table.c.booking != booking,
            table.c.from_ms < until_ms,
            or_(table.c.until_ms > from_ms, table.c.late_ms > from_ms),
        )
        .group_by(table.c.booking)
        .order_by("first", table.c.booking)
    )
    return [row.booking for row in rows]


def _or_refused(
    connection: Connection,
    work: Callable[[], object],
    thing: str,
    booking: str,
    from_ms: int,
    until_ms: int,
    now_ms: int,
) -> None:
    try:
        with connection.begin_nested():
            work()
    except IntegrityError as failed:
        if BOOKED not in str(failed.orig):
            raise
        others = meets(connection, booking, [thing], from_ms, until_ms)
        raise Refused(409, _words(connection, thing, others, now_ms)) from None


def _words(connection: Connection, thing: str, others: list[str], now_ms: int) -> str:
    what = "the kit" if thing.startswith("kit:") else thing.replace(":", " ")
    row = connection.execute(
        select(bookings).where(bookings.c.id.in_(others)).order_by(bookings.c.from_ms)
    ).first()
    if row is None:
        return f"{what} is occupied then"
    minutes = row.buffer_ms // 60_000
    late_ms = connection.execute(
        select(table.c.late_ms).where(table.c.booking == row.id, table.c.thing == thing)
    ).scalar_one_or_none()
    more = f" and is late: it keeps the kit until {when(late_ms)} at least" if late_ms else ""
    return (
        f"{what} is booked from {when(row.from_ms)} to {when(row.to_ms)} and {minutes} min for what comes after: "
        f"{row.id}, {row.state} {ago(row.since_ms, now_ms)}{more}. Choose another time or another kit"
    )
