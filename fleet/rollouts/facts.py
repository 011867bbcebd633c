"""What the engine hears (facts) and what it wants done (commands): plain values, written down as JSON lists."""

from __future__ import annotations

from typing import Any, NamedTuple

from fleet.errors import FleetError

# Outcomes of a report
OK, FAILED, REJECTED = "ok", "failed", "rejected"
# Verdicts of a gate
PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
HOST = "host"  # in the place of a brick: the host's own step
MAX_WHY = 200


class Reported(NamedTuple):
    """A kit, or one brick of it, says what it runs after its boot. `number` rises with every report of it; `at_ms` is when the
    controller heard it. `digest`: of what runs, or of what could not be installed."""

    kit: str
    outcome: str
    digest: str
    at_ms: int
    number: int = 0
    brick: str = ""
    why: str = ""


class Seen(NamedTuple):
    """The kit's host asked the controller for something."""

    kit: str
    at_ms: int


class Fetched(NamedTuple):
    """The kit's host took the directive with this digest in it."""

    kit: str
    digest: str
    at_ms: int


class Rented(NamedTuple):
    """Whether the kit is out with a renter."""

    kit: str
    rented: bool


class Joined(NamedTuple):
    """A kit that came to the fleet after the start: it is in the last wave."""

    kit: str
    bricks: tuple[str, ...] = ()


class Superseded(NamedTuple):
    """A newer rollout has the kit, or it left the fleet."""

    kit: str
    why: str


class Gate(NamedTuple):
    """A gate was looked at in a wave (-1: before the first, the replay). `number` rises with every look."""

    name: str
    wave: int
    verdict: str
    why: str
    number: int


class Verb(NamedTuple):
    """A person asks for something: start, pause, resume, halt, rollback. `accept`: resume in spite of what failed.
    `refused`: why the leader cannot have it done, from what other rollouts are at."""

    verb: str
    who: str
    reason: str = ""
    accept: bool = False
    refused: str = ""


class Restored(NamedTuple):
    """The database is older than what was ordered: so many events are missing."""

    missing: int


Fact = Reported | Seen | Fetched | Rented | Joined | Superseded | Gate | Verb | Restored


class Deliver(NamedTuple):
    """The kit's directive is to name the release (or what it goes back to, with `back`) for these bricks; no bricks: for all
    that the kit has. `host`: the host's own step, too."""

    kit: str
    back: bool
    bricks: tuple[str, ...]
    host: bool
    why: str


class Withdraw(NamedTuple):
    """The kit's directive is to say that nothing is to be installed."""

    kit: str
    why: str


class Pause(NamedTuple):
    """The rollout waits for a person."""

    reason: str


class Halt(NamedTuple):
    """Nobody gets the release any more."""

    reason: str


class Rollback(NamedTuple):
    """Kits go back, the last wave first."""

    reason: str


class Advance(NamedTuple):
    """A wave begins (index)."""

    wave: int


class Complete(NamedTuple):
    """All waves are through; kits that were away get it when they come."""

    waves: int


Command = Deliver | Withdraw | Pause | Halt | Rollback | Advance | Complete
_FACTS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (Reported, Seen, Fetched, Rented, Joined, Superseded, Gate, Verb, Restored)
}


class LogError(FleetError):
    """A log or state that this version cannot read."""


def fact_to_json(fact: Fact) -> list[Any]:
    """["Seen", "00…", 5]."""
    return [type(fact).__name__, *fact]


def fact_from_json(data: list[Any]) -> Fact:
    """The fact again. Raises LogError."""
    kind = _FACTS.get(data[0]) if data else None
    if kind is None:
        raise LogError(f"the log holds a fact {data[:1]}: it is of a later version")
    fields: list[Any] = [tuple(one) if isinstance(one, list) else one for one in data[1:]]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    try:
        found: Fact = kind(*fields)
    except TypeError as error:
        raise LogError(f"the log holds a fact that cannot be read: {error}") from None
    return found
