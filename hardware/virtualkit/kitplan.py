"""What kind of development kit to make."""

from collections.abc import Sequence
from dataclasses import dataclass

FLASH_BYTES = 8 * 1024 * 1024
THRESHOLD = 2
ORIGIN = "localhost/dev/2026"


@dataclass(frozen=True)
class BrickPlan:
    """One brick to make: its name and its readers ("nfc", "qr")."""

    name: str
    parts: tuple[str, ...]


DEFAULT_BRICKS = (
    BrickPlan("brick-1", ("nfc",)),
    BrickPlan("brick-2", ("nfc",)),
    BrickPlan("brick-3", ("qr",)),
)


@dataclass(frozen=True)
class KitPlan:
    """What kind of kit to make. `start_ms`: when its market day begins; `market_clock`: a clock of its own, or real time;
    `campaign`: one of virtualkit.campaign.CAMPAIGNS."""

    name: str = "demo-kit"
    bricks: Sequence[BrickPlan] = DEFAULT_BRICKS
    rental: int = 1
    currency: str = "EUR"
    fleet_port: int = 8780
    host_port: int = 8781
    start_ms: int = 0
    market_clock: bool = False
    card_seed: int = 1
    campaign: str = "market-day"
