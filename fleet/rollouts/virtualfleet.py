"""A fleet of virtual kits for the simulator: they come and go, take directives, install brick by brick, and fail as they like.

Distributions: times here and away are exponential (a market day, a night in the stock), an installation's time is log-normal,
some kits are twenty times slower, some fall silent, some say everything twice."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from fleet.rollouts import facts
from fleet.rollouts.plan import PlanError

HERE_H = 7.0  # hours that a kit is switched on at a time, on average
INSTALL_S = 25.0  # median of one brick's step: bundle over the wire, check, switch, boot, report
SLOW = 20.0
EVENTS_PER_H = 20  # decisions of a kit
UNSURE_BEFORE = 0.02


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, in percent. `away`: of the time that a kit is off; `fail`, `reject`: of bricks; `silent`: of kits that
    take a directive and never answer; `slow`: of kits; `twice`: of reports; `rented`: of kits, at the start; `uncertain`: points
    by which the release raises the share of uncertain decisions; `flap`: of gate looks that see the opposite."""

    away: float = 0.0
    fail: float = 0.0
    reject: float = 0.0
    silent: float = 0.0
    slow: float = 0.0
    twice: float = 0.0
    rented: float = 0.0
    uncertain: float = 0.0
    flap: float = 0.0


PRESETS = {
    "none": Faults(),
    "market": Faults(away=35, fail=0.2, reject=0.05, silent=0.1, slow=2, twice=3, rented=10),
    "bad": Faults(away=35, fail=30, silent=1, slow=2, twice=3, rented=10),
    "uncertain": Faults(away=35, fail=0.2, silent=0.1, slow=2, twice=3, rented=10, uncertain=15),
    "flapping": Faults(away=35, fail=0.2, slow=2, twice=3, rented=10, flap=50),
}


def read_faults(text: str) -> Faults:
    """ "market", "away=30,fail=2", or both: "market,fail=2". Raises PlanError."""
    made: dict[str, float] = {}
    known = {one.name for one in fields(Faults)}
    for part in filter(None, text.split(",")):
        name, _, value = part.strip().partition("=")
        if not value and name in PRESETS:
            made |= {one: getattr(PRESETS[name], one) for one in known}
            continue
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in known or not 0 <= number <= 100:
            raise PlanError(
                f"--faults {part}: expected {', '.join(PRESETS)}, or a percentage such as fail=2 of {', '.join(sorted(known))}"
            )
        made[name] = number
    if made.get("away", 0) > 95:
        raise PlanError("--faults: kits that are away for more than 95 % of the time are no fleet")
    return Faults(**made)


class Luck:
    """Chance by a seed: the distributions that both forms of the simulator draw from."""

    def __init__(self, random_: random.Random, faults: Faults) -> None:
        self.random = random_
        self._faults = faults

    def chance(self, percent: float) -> bool:
        """Whether it happens; nothing is drawn where it cannot."""
        return percent > 0 and self.random.random() * 100 < percent

    def stay_s(self, here: bool) -> float:
        """How long a kit stays switched on, or away."""
        away = self._faults.away / 100
        if not away:
            return 365 * 86_400.0
        hours = HERE_H if here else HERE_H * away / (1 - away)
        return self.random.expovariate(1 / (hours * 3_600))

    def install_s(self, slow: float) -> float:
        """How long a brick takes for its step."""
        return INSTALL_S * slow * math.exp(self.random.gauss(0, 0.5))


class VirtualFleet:
    """Kits as a queue of what happens when (virtual ms). Orders go in, facts come out."""

    def __init__(
        self, kits: int, bricks: int, faults: Faults, seed: int, start_ms: int, new: str, old: str
    ) -> None:
        self._random = random.Random(seed)
        self._luck = Luck(self._random, faults)
        self._faults = faults
        self._digests = (new, old)
        self.kits = [f"{n:016x}" for n in range(1, kits + 1)]
        names = [f"{at:02x}" * 8 for at in range(1, bricks + 1)]
        self.bricks = {kit: names for kit in self.kits}
        self.here: dict[str, bool] = {}
        self._slow = {kit: SLOW if self._chance(faults.slow) else 1.0 for kit in self.kits}
        self._silent = {kit for kit in self.kits if self._chance(faults.silent)}
        self.rented = {kit for kit in self.kits if self._chance(faults.rented)}
        self._orders: dict[str, tuple[int, facts.Deliver]] = {}  # number, order
        self._runs: dict[tuple[str, str], str] = {}
        self._said: dict[str, list[facts.Fact]] = {}  # of kits that are away: told when they are back
        self._number = self._carrying = 0
        self._resting: set[str] = set()
        self._still: dict[str, None] = {}
        self._queue: list[tuple[int, int, str, str, Any]] = []
        self._count = 0
        for kit in self.kits:
            self.here[kit] = not self._chance(faults.away)
            self._later(start_ms, self._stay(kit), "turn", kit)
            if self.here[kit]:
                self._later(start_ms, self._random.uniform(0, 60), "look", kit)
            if kit in self.rented:
                self._later(start_ms, self._random.expovariate(1 / (2 * 86_400)), "return", kit)

    def next_ms(self) -> int | None:
        """When something happens next."""
        return self._queue[0][0] if self._queue else None

    def until(self, now_ms: int) -> list[facts.Fact]:
        """What happened up to now."""
        found: list[facts.Fact] = []
        while self._queue and self._queue[0][0] <= now_ms:
            at_ms, _, what, kit, more = heapq.heappop(self._queue)
            found += getattr(self, f"_{what}")(at_ms, kit, more)
        return found

    def obey(self, commands: Iterable[facts.Command], now_ms: int) -> None:
        """Orders that stand from now on."""
        for one in commands:
            if isinstance(one, facts.Withdraw):
                self._orders.pop(one.kit, None)
            elif isinstance(one, facts.Deliver):
                self._number += 1
                self._orders[one.kit] = (self._number, one)
                if self.here[one.kit]:
                    self._later(now_ms, self._random.uniform(0.2, 3), "take", one.kit, self._number)

    def rest(self, kits: Iterable[str]) -> None:
        """These are through: their comings and goings need not be played until `wake`."""
        self._resting.update(kits)

    def wake(self, now_ms: int) -> None:
        """All matter again."""
        for kit in self._still:
            self._later(now_ms, self._stay(kit), "turn", kit)
        self._resting.clear()
        self._still.clear()

    def carriers(self) -> int:
        """Bricks that run the release."""
        return self._carrying

    def _through(self, kit: str) -> bool:
        order = self._orders[kit][1]
        digest = self._digests[order.back]
        return all(self._runs.get((kit, brick)) == digest for brick in order.bricks or self.bricks[kit])

    # --- what happens

    def _turn(self, at_ms: int, kit: str, _: Any) -> list[facts.Fact]:
        if kit in self._resting:
            self._still[kit] = None
            return []
        self.here[kit] = not self.here[kit]
        self._later(at_ms, self._stay(kit), "turn", kit)
        if not self.here[kit]:
            return []
        self._later(at_ms, self._random.uniform(1, 40), "look", kit)
        return []

    def _look(self, at_ms: int, kit: str, _: Any) -> list[facts.Fact]:
        """The host asks after it came back: it says what is open, and takes what waits."""
        if not self.here[kit]:
            return []
        if kit in self._orders and not self._through(kit):
            self._later(at_ms, self._random.uniform(0.2, 3), "take", kit, self._orders[kit][0])
        return [facts.Seen(kit, at_ms), *self._said.pop(kit, [])]

    def _return(self, at_ms: int, kit: str, _: Any) -> list[facts.Fact]:
        self.rented.discard(kit)
        return [facts.Rented(kit, False)]

    def _take(self, at_ms: int, kit: str, number: int) -> list[facts.Fact]:
        known = self._orders.get(kit)
        if known is None or known[0] != number or not self.here[kit]:
            return []
        order = known[1]
        digest = self._digests[order.back]
        if kit not in self._silent:
            for brick in order.bricks or self.bricks[kit]:
                if self._runs.get((kit, brick)) != digest or order.back:
                    self._later(at_ms, self._install_s(kit), "install", kit, (number, brick))
        return [facts.Fetched(kit, digest, at_ms)]

    def _install(self, at_ms: int, kit: str, more: tuple[int, str]) -> list[facts.Fact]:
        number, brick = more
        known = self._orders.get(kit)
        if known is None or known[0] != number:
            return []  # taken back before it was begun
        order = known[1]
        digest = self._digests[order.back]
        outcome = facts.OK
        if not order.back and self._runs.get((kit, brick)) != digest:
            if self._chance(self._faults.fail):
                outcome = facts.FAILED
            elif self._chance(self._faults.reject):
                outcome = facts.REJECTED
        if outcome == facts.OK:
            new = self._digests[0]
            self._carrying += (digest == new) - (self._runs.get((kit, brick)) == new)
            self._runs[kit, brick] = digest
        self._number += 1
        report = facts.Reported(kit, outcome, digest, at_ms, self._number, brick)
        said: list[facts.Fact] = [report, report] if self._chance(self._faults.twice) else [report]
        if self.here[kit]:
            return said
        self._said.setdefault(kit, []).extend(said)
        return []

    # --- chance

    def _chance(self, percent: float) -> bool:
        return self._luck.chance(percent)

    def _stay(self, kit: str) -> float:
        return self._luck.stay_s(self.here[kit])

    def _install_s(self, kit: str) -> float:
        return self._luck.install_s(self._slow[kit])

    def _later(self, now_ms: int, seconds: float, what: str, kit: str, more: Any = None) -> None:
        self._count += 1
        heapq.heappush(self._queue, (now_ms + int(seconds * 1000), self._count, what, kit, more))
