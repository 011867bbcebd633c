"""From facts to alerts, pure. What runs out stands first: it is the one that stops a whole fleet in silence."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.amounts import amount

NOW, SOON, LOOK = "now", "soon", "look"
_ORDER = {NOW: 0, SOON: 1, LOOK: 2}
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SILENT_MS = 26 * HOUR_MS  # a stall is closed at night; a whole day without a word is not usual
LOST_MS = 72 * HOUR_MS  # what a directive and a week's slices outlive, but not by much
BURNT_BPS = 8000
STRANDED_BPS = 3000
WAITS_MS = HOUR_MS  # a device or a decision


@dataclass(frozen=True, slots=True)
class Expiring:
    """Something signed that runs out. `warn_ms`: so long before its end it matters."""

    what: str
    expires_ms: int
    warn_ms: int
    remedy: str


@dataclass(frozen=True, slots=True)
class Kit:
    """When a kit's host asked last; None: never since its directive or budget began."""

    kit: str
    name: str
    seen_ms: int | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one kit, rule and unit, in that unit. `name`: the kit's; `currency`: of money, None where nobody knows it."""

    kit: str
    rule: str
    unit: int
    budget: int
    kept: int
    spent: int
    stranded: int
    name: str = ""
    currency: str | None = None

    def part(self, some: int) -> str:
        """So much of it, in words."""
        at = f" at {self.name}" if self.name else ""
        return f"{self.rule}{at}: {amount(self.unit, some, self.currency)} of {amount(self.unit, self.budget, self.currency)}"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One that stands still. `phase`: halted or paused."""

    name: str
    phase: str
    reason: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Devices or decisions that wait for a person; `oldest_ms`: since when the first of them."""

    what: str
    count: int
    oldest_ms: int
    owner: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Rental:
    """A booking that needs somebody. `state`: OVERDUE, RETURNED or RESERVED; `flag`: what threatens it."""

    booking: str
    kit: str
    state: str
    since_ms: int
    flag: str = ""
    flag_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Failing:
    """A sender of alerts that does not get through; `tries` of one change, `since_ms` of the last one."""

    sender: str
    tries: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is judged."""

    expiring: tuple[Expiring, ...] = ()
    kits: tuple[Kit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    rentals: tuple[Rental, ...] = ()
    failing: tuple[Failing, ...] = ()
    trust: tuple[Alert, ...] = ()  # of keys, clocks and directives that do not arrive: fleet.alerts.trusted


@dataclass(frozen=True, slots=True)
class Alert:
    """`key` is the same as long as it is about the same thing. `since_ms`: since when it is so, None where nobody knows;
    `owner`: the role whose work it is; `kit`: hex, empty where it is about none."""

    key: str
    urgency: str
    sentence: str
    remedy: str
    owner: str
    since_ms: int | None
    kit: str = ""

    def as_json(self, now_ms: int) -> dict[str, object]:
        """For programs; `age_s` of how long it is so."""
        age_s = None if self.since_ms is None else max(0, now_ms - self.since_ms) // 1000
        return {
            "key": self.key,
            "urgency": self.urgency,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "owner": self.owner,
            "since_ms": self.since_ms,
            "age_s": age_s,
            "kit": self.kit,
        }


def judge(facts: Facts, now_ms: int) -> list[Alert]:
    """Every alert: what expires first, then by urgency, then what is so for the longest."""
    found = [
        *(alert for one in facts.expiring if (alert := _expiring(one, now_ms)) is not None),
        *map(_rollout, facts.rollouts),
        *(alert for one in facts.kits if (alert := _silent(one, now_ms)) is not None),
        *(alert for one in facts.budgets for alert in _budget(one)),
        *(alert for one in facts.rentals if (alert := _rental(one, now_ms)) is not None),
        *map(_failing, facts.failing),
        *facts.trust,
        *(alert for one in facts.waiting if (alert := _waiting(one, now_ms)) is not None),
    ]
    first = {id(one) for one in found if one.key.startswith("expires:")}
    return sorted(
        found,
        key=lambda one: (
            _ORDER[one.urgency],
            id(one) not in first,
            one.since_ms if one.since_ms is not None else now_ms,
            one.key,
        ),
    )


def _expiring(one: Expiring, now_ms: int) -> Alert | None:
    left = one.expires_ms - now_ms
    if left > one.warn_ms:
        return None
    urgency = NOW if left <= one.warn_ms // 3 else SOON
    words = f"{one.what} runs out in {span(left)}" if left > 0 else f"{one.what} ran out {span(-left)} ago"
    since_ms = one.expires_ms - one.warn_ms if left > 0 else one.expires_ms
    return Alert(f"expires:{one.what}", urgency, words, one.remedy, "fleet-admin", since_ms)


def _rollout(one: Rollout) -> Alert:
    why = f": {one.reason}" if one.reason else ""
    return Alert(
        f"rollout:{one.name}",
        NOW if one.phase == "halted" else SOON,
        f"the rollout {one.name} is {one.phase}{why}",
        f"`stallmark fleet rollout why {one.name}`",
        "rule-author",
        one.since_ms,
    )


def _silent(one: Kit, now_ms: int) -> Alert | None:
    if one.seen_ms is None or now_ms - one.seen_ms < SILENT_MS:
        return None  # one that never called was never started: that is no silence
    lost = now_ms - one.seen_ms >= LOST_MS
    return Alert(
        f"silent:{one.kit}",
        SOON if lost else LOOK,
        f"kit {one.name or one.kit} has not called for {span(now_ms - one.seen_ms)}",
        f"is it switched off, or without a network? `stallmark fleet why {one.name or one.kit}`",
        "hub-staff",
        one.seen_ms,
        one.kit,
    )


def _budget(one: Budget) -> list[Alert]:
    found: list[Alert] = []
    if not one.budget:
        return found
    rest = one.budget - one.spent
    if one.spent * 10_000 >= one.budget * BURNT_BPS:
        found.append(
            Alert(
                f"burning:{one.kit}:{one.rule}:{one.unit}",
                SOON if rest else NOW,
                f"{one.part(one.spent)} are spent" + ("" if rest else ": it gives nothing more"),
                "raise the budget in config.json, or let it end; `stallmark fleet rights`",
                "rule-author",
                None,
                one.kit,
            )
        )
    # Early on, what lies at bricks is how it works. Once half is spent and little is left to mint, some bricks run dry while
    # others sit on the rest.
    late = one.kept * 10 < one.budget and one.spent * 2 >= one.budget
    if late and one.stranded * 10_000 >= one.budget * STRANDED_BPS:
        found.append(
            Alert(
                f"stranded:{one.kit}:{one.rule}:{one.unit}",
                LOOK,
                f"{one.part(one.stranded)} lie where nobody may spend them",
                "they come back when their slices expire; a smaller slice strands less; `stallmark fleet rights`",
                "operator",
                None,
                one.kit,
            )
        )
    return found


def _rental(one: Rental, now_ms: int) -> Alert | None:
    remedy = f"`stallmark fleet rentals why {one.booking}`"
    if one.flag:
        words = f"booking {one.booking} may have no kit: {one.flag}"
        return Alert(f"threatened:{one.booking}", NOW, words, remedy, "hub-staff", one.flag_ms, one.kit)
    if one.state == "OVERDUE":
        words = f"booking {one.booking} is overdue for {span(now_ms - one.since_ms)}"
        return Alert(f"overdue:{one.booking}", SOON, words, remedy, "hub-staff", one.since_ms, one.kit)
    if one.state == "RETURNED" and now_ms - one.since_ms >= DAY_MS:
        words = f"booking {one.booking} came back {span(now_ms - one.since_ms)} ago and is not closed"
        return Alert(f"open:{one.booking}", LOOK, words, remedy, "hub-staff", one.since_ms, one.kit)
    return None


def _failing(one: Failing) -> Alert:
    words = f"alerts do not reach {one.sender}: {one.tries} tries failed"
    return Alert(
        f"sender:{one.sender}",
        SOON,
        words,
        "alerts.json, and the log of the controller",
        "fleet-admin",
        one.since_ms,
    )


def _waiting(one: Waiting, now_ms: int) -> Alert | None:
    if not one.count or now_ms - one.oldest_ms < WAITS_MS:
        return None
    words = f"{one.what}: {one.count}, the first for {span(now_ms - one.oldest_ms)}"
    return Alert(f"waits:{one.what}", LOOK, words, one.remedy, one.owner, one.oldest_ms)


def span(ms: int) -> str:
    """A length of time in the largest unit that says enough."""
    minutes = ms // 60_000
    if minutes < 120:
        return f"{max(1, minutes)} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
