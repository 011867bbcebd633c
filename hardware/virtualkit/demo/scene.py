"""What the demo's terminal shows: one value that the tasks write and the view draws."""

from collections import deque
from dataclasses import dataclass, field

EVENTS_SHOWN = 14


@dataclass
class BrickScene:
    """One brick's line."""

    name: str
    reader: str
    taps: int = 0
    outcome: str = ""
    milliseconds: float | None = None
    link: str = "starting"
    waiting: int | None = None


@dataclass
class EventScene:
    """One decision as it happened. `leaf`: its index in the ledger once it stands there."""

    clock: str
    brick: str
    seq: int | None
    outcome: str
    sentence: str
    leaf: int | None = None


@dataclass
class TillScene:
    """The till's line: how often it asked, what the host said last, how long that took, what was taken off in all."""

    asked: int = 0
    outcome: str = ""
    milliseconds: float | None = None
    credit_minor: int = 0


@dataclass
class BudgetScene:
    """What is left of one rule's rights, as the ledger knows it, in words."""

    rule: str
    left: str
    share: float


@dataclass
class Scene:
    """The whole screen."""

    title: str
    fleet_url: str
    host_url: str
    cards: str
    operator: str
    pin: str
    bricks: dict[str, BrickScene] = field(default_factory=dict[str, BrickScene])
    events: deque[EventScene] = field(default_factory=lambda: deque[EventScene](maxlen=EVENTS_SHOWN))
    till: TillScene = field(default_factory=TillScene)
    budgets: list[BudgetScene] = field(default_factory=list[BudgetScene])
    latencies: deque[float] = field(default_factory=lambda: deque[float](maxlen=500))
    ledger_size: int = 0
    outbox: int | None = None
    host_state: str = "starting"
    fleet_state: str = "starting"
    last_link: str = ""
    notes: deque[str] = field(default_factory=lambda: deque[str](maxlen=3))
