"""The kit side of the host: exchange, questions, open values, practice, built together and fed from the store."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from hostagent.asking import Asking, Questions
from hostagent.bricks import Brick
from hostagent.clock import Clock
from hostagent.core import FormatError, bundle, reg, ruleform, rules
from hostagent.exchange import Exchange
from hostagent.moving import Moving
from hostagent.openvalues import OpenValues
from hostagent.store.heads import HeadsTold
from hostagent.store.records import Records
from hostagent.store.spent import Spent
from hostagent.store.store import Store
from hostagent.tagside import TagSide
from hostagent.telling import Telling
from hostagent.updater import Updater

RULESETS = 4
# What happens at a brick itself; a voucher is scanned as any other code.
AT_BRICKS = (reg.EVENT_NFC_TAP, reg.EVENT_QR_SCAN)


class Rulebook:
    """Rules by digest8: those on offer, the lane's, and the last few that were. None where they never were here."""

    def __init__(self, updater: Updater, lane: Callable[[], Any]) -> None:
        self._updater = updater
        self._lane = lane
        self._known: OrderedDict[bytes, Any] = OrderedDict()

    def get(self, digest8: bytes) -> Any:
        """The Ruleset of a short digest, or None."""
        lane = self._lane()
        if lane is not None and lane.ruleset is not None and lane.ruleset.digest8 == digest8:
            return lane.ruleset
        if digest8 not in self._known:
            offered = self._updater.current
            if offered is None or offered.artefact[:8] != digest8:
                return None
            try:
                self._known[digest8] = rules.Ruleset(bundle.split(offered.data)[1])
            except FormatError:
                self._known[digest8] = None
            while len(self._known) > RULESETS:
                self._known.popitem(last=False)
        return self._known[digest8]

    def current(self) -> Any:
        """The rules in use: the lane's, else those on offer."""
        lane = self._lane()
        if lane is not None and lane.ruleset is not None:
            return lane.ruleset
        offered = self._updater.current
        return None if offered is None else self.get(offered.artefact[:8])

    def all(self) -> list[Any]:
        """Every ruleset known here, of which the rules are known."""
        current = self.current()
        offered = self._updater.current
        if offered is not None:
            self.get(offered.artefact[:8])
        known = [ruleset for ruleset in self._known.values() if ruleset is not None]
        return known if current is None or current in known else [current, *known]

    def suits(self, brick8: bytes, rule8: bytes) -> bool:
        """Whether a brick, or the lane, can use rights of a rule: as the rules in use or those on offer say. True where
        neither has the rule."""
        lane, offered = self._lane(), self._updater.current
        at_lane = lane is not None and lane.brick8 == brick8
        known = [None if offered is None else self.get(offered.artefact[:8]), lane and lane.ruleset]
        found = [
            ruleset.rules[index]
            for ruleset in known
            if ruleset is not None
            for index, name in enumerate(ruleset.rule8)
            if name == rule8
        ]
        return not found or any(_at_lane(rule) if at_lane else _at_bricks(rule) for rule in found)


def _at_lane(rule: Any) -> bool:
    # What a brick leaves open a person answers, with rights of the lane.
    return not rule.flags & ruleform.NOT_AT_LANE or rule.policy == reg.KIND_UNCERTAIN


def _at_bricks(rule: Any) -> bool:
    return not rule.flags & ruleform.NOT_AT_BRICKS and any(event in AT_BRICKS for event in rule.events)


class KitSide:
    """All of it. `lane()` is the host's own lane or None; `connected(brick8)` says whether a link is up,
    `flush(brick8)` lets its session send, `label(name)` is what stands for a person in records. `run` beside everything else."""

    def __init__(
        self,
        store: Store,
        bricks: dict[bytes, Brick],
        on_links: list[bytes],
        clock: Clock,
        updater: Updater,
        newest: Callable[[], int],
        lane: Callable[[], Any],
        connected: Callable[[bytes], bool],
        flush: Callable[[bytes], None],
        label: Callable[[str], str],
    ) -> None:
        self.rulebook = Rulebook(updater, lane)
        self._bricks = bricks
        self._connected = connected
        self._flush = flush
        self.exchange = exchange = Exchange(
            Records(store), HeadsTold(store), newest, bricks, clock, self.rulebook.get, lane, connected
        )
        self.asking = Asking(exchange.kitwide, Spent(store).claim, clock)
        self.telling = Telling(store, bricks, clock, exchange, self.asking, lane, flush)
        self.questions = Questions(clock, lane, self.rulebook.get)
        self.openvalues = OpenValues(
            store,
            lambda: [bricks[brick8] for brick8 in on_links],
            self.rulebook.current,
            lane,
            self.telling.tell,
            clock,
        )
        self.telling.openvalues = self.openvalues
        self.telling.rules, self.telling.rulesets = self.rulebook.get, self.rulebook.all
        self.telling.label = self.openvalues.label = self._label = label
        exchange.on_record = [
            self.asking.recorded,
            self.questions.recorded,
            self.openvalues.recorded,
            self.telling.recorded,
        ]
        self.tags: TagSide | None = None
        exchange.on_news = self._news
        exchange.on_ready = flush
        exchange.on_lane = self.telling.lane_anew
        exchange.revoke = self.telling.revoke
        told = self.telling
        self.moving = Moving(store, lane, told.revoke, exchange.whole, told.tokens, told.is_revoked)
        exchange.move = self.moving.move

    def knows_tags(self, tags: TagSide) -> None:
        """Tags prove themselves at this kit's bricks: keys and counters go through here."""
        self.tags = self.telling.tags = tags
        self.exchange.on_record.append(tags.recorded)

    def _news(self) -> None:
        self.telling.news()
        for brick8 in self._bricks:
            if self._connected(brick8):
                self._flush(brick8)

    def report(self) -> dict[str, Any]:
        """Parts of GET /v1/status."""
        return {
            "exchange": self.exchange.report(),
            "tags": None if self.tags is None else self.tags.report(),
            "questions": {
                "open": len(self.questions.open()),
                "asked": dict(sorted(self.asking.counts.items())),
            },
            "open_values": [
                {
                    "index": value.index,
                    "name": value.name,
                    "unit": value.unit,
                    "lowest": value.lowest,
                    "highest": value.highest,
                    "default": value.default,
                    "value": value.value,
                    "who": value.who and self._label(value.who),
                    "elsewhere": value.bricks,
                }
                for value in self.openvalues.current().values()
            ],
            "training": self.telling.practice and self._label(self.telling.practice),
            "revoked": self.telling.revoked,
        }
