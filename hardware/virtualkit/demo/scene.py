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
class Scene:
    """The whole screen."""

    title: str
    fleet_url: str
    host_url: str
    cards: str
    bricks: dict[str, BrickScene] = field(default_factory=dict[str, BrickScene])
    events: deque[EventScene] = field(default_factory=lambda: deque[EventScene](maxlen=EVENTS_SHOWN))
    latencies: deque[float] = field(default_factory=lambda: deque[float](maxlen=500))
    ledger_size: int = 0
    outbox: int | None = None
    host_state: str = "starting"
    fleet_state: str = "starting"
    last_link: str = ""
    notes: deque[str] = field(default_factory=lambda: deque[str](maxlen=3))
