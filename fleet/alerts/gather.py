"""The facts behind alerts, from the controller's database and its folder of signed lists. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, select
from stallmark.errors import StallmarkError

from fleet import rights
from fleet.alerts import trusted
from fleet.alerts.judge import Budget, Expiring, Facts, Failing, Kit, Rental, Rollout, Waiting
from fleet.campaigns import Campaigns
from fleet.config import Config
from fleet.db import tables_desired, tables_people, tables_rentals
from fleet.enrolment import pending
from fleet.people import approvals
from fleet.rollouts import book
from fleet.trust import status
from fleet.trust.repository import Repository

STANDS = ("halted", "paused")
DAY_MS = 86_400_000
FAILING = 3  # tries


def gather(connection: Connection, config: Config, now_ms: int, wall_ms: int) -> Facts:
    """Everything. `now_ms` is market time, `wall_ms` the machine's: what people's things end by."""
    names = {one.kit.hex(): one.name for one in config.kits}
    currency = Campaigns(config.rules).currency()
    return Facts(
        (*_lists(config), *_tokens(connection, now_ms, wall_ms)),
        _kits(connection, config),
        tuple(
            Budget(
                one.kit,
                one.rule,
                one.unit,
                one.budget,
                one.kept,
                one.spent,
                one.stranded,
                names.get(one.kit, ""),
                currency,
            )
            for one in rights.figures_in(connection, config, now_ms)
        ),
        _rollouts(connection),
        _waiting(connection, now_ms, wall_ms),
        _rentals(connection),
        _failing(connection, now_ms, wall_ms),
        trusted.alerts(connection, config, now_ms),
    )


def _lists(config: Config) -> list[Expiring]:
    """The signed lists. A repository that cannot be read is the first thing to look at."""
    repository = Repository(config.trust)
    if not repository.exists():
        return []
    try:
        found = status.standings(repository)
    except (StallmarkError, OSError) as failed:
        return [
            Expiring(
                f"the folder of signed lists cannot be read ({failed}), so it",
                0,
                1,
                "`stallmark fleet keys status`",
            )
        ]
    return [
        Expiring(
            f"the signed list {one.role} {one.version}",
            one.expires_ms,
            status.WARN_MS[one.role],
            status.REMEDY[one.role],
        )
        for one in found
    ]


def _tokens(connection: Connection, now_ms: int, wall_ms: int) -> list[Expiring]:
    """API tokens that are in use and end within two weeks; in market time, as all facts are."""
    table = tables_people.api_tokens
    rows = connection.execute(
        select(table).where(
            table.c.ended_ms.is_(None), table.c.last_ms.is_not(None), table.c.expires_ms > wall_ms
        )
    )
    return [
        Expiring(
            f"the token {row.number} of {row.account} ({row.what})",
            row.expires_ms - wall_ms + now_ms,
            14 * DAY_MS,
            "`stallmark fleet people token`",
        )
        for row in rows
    ]


def _kits(connection: Connection, config: Config) -> tuple[Kit, ...]:
    table = tables_desired.kit_states
    seen = {row.kit: row.seen_ms for row in connection.execute(select(table.c.kit, table.c.seen_ms))}
    return tuple(Kit(one.kit.hex(), one.name, seen.get(one.kit)) for one in config.kits)


def _rollouts(connection: Connection) -> tuple[Rollout, ...]:
    found: list[Rollout] = []
    for name in book.names(connection):
        state, _ = book.load(connection, name)
        if state.phase in STANDS:
            found.append(Rollout(name, state.phase, state.reason, state.phase_ms))
    return tuple(found)


def _rentals(connection: Connection) -> tuple[Rental, ...]:
    table = tables_rentals.bookings
    wanted = table.c.state.in_(("OVERDUE", "RETURNED")) | (table.c.flag != "")
    return tuple(
        Rental(
            row.id,
            row.kit.hex(),
            row.state,
            row.to_ms if row.state == "OVERDUE" else row.since_ms,
            row.flag,
            row.flag_ms,
        )
        for row in connection.execute(select(table).where(wanted).order_by(table.c.id))
    )


def _failing(connection: Connection, now_ms: int, wall_ms: int) -> tuple[Failing, ...]:
    table = tables_rentals.alert_sent
    worst: dict[str, Failing] = {}
    for row in connection.execute(select(table).where(table.c.tries >= FAILING).order_by(table.c.key)):
        if row.sender not in worst or worst[row.sender].tries < row.tries:
            worst[row.sender] = Failing(row.sender, row.tries, row.at_ms - wall_ms + now_ms)
    return tuple(worst.values())


def _waiting(connection: Connection, now_ms: int, wall_ms: int) -> tuple[Waiting, ...]:
    devices = [one for one in pending.every(connection) if one["proven"]]
    open_now = approvals.waiting(connection, wall_ms)
    return (
        Waiting(
            "devices wait to be accepted",
            len(devices),
            min((int(one["first_ms"]) for one in devices), default=now_ms),
            "technician",
            "`stallmark fleet enrol list`",
        ),
        Waiting(
            "decisions wait for a second person",
            len(open_now),
            min((one.made_ms for one in open_now), default=wall_ms) - wall_ms + now_ms,
            "approver",
            "GET /v1/admin/approvals",
        ),
    )
