"""What kind of development kit to make."""

from collections.abc import Sequence
from dataclasses import dataclass

FLASH_BYTES = 8 * 1024 * 1024
THRESHOLD = 2
ORIGIN = "localhost/dev/2026"


@dataclass(frozen=True)
class BrickPlan:
    """One brick to make: its name, its readers ("nfc", "qr") and how its host reaches it ("serial", "ble", preferred first)."""

    name: str
    parts: tuple[str, ...]
    links: tuple[str, ...] = ("serial",)


DEFAULT_BRICKS = (
    BrickPlan("brick-1", ("nfc",)),
    BrickPlan("brick-2", ("nfc",)),
    BrickPlan("brick-3", ("qr",)),
)


def with_links(kinds: Sequence[str], bricks: Sequence[BrickPlan] = DEFAULT_BRICKS) -> tuple[BrickPlan, ...]:
    """These bricks reached by these kinds of links. Of both kinds: the first by radio, the second by cable, the third by
    both, and so on. Raises ValueError for a kind that there is not."""
    chosen = set(kinds)
    if not chosen or chosen - {"serial", "ble"}:
        raise ValueError(f"links are serial and ble, not {', '.join(kinds) or 'nothing'}")
    ways = [("ble",), ("serial",), ("serial", "ble")] if len(chosen) == 2 else [tuple(chosen)]
    return tuple(
        BrickPlan(brick.name, brick.parts, ways[number % len(ways)]) for number, brick in enumerate(bricks)
    )


@dataclass(frozen=True)
class KitPlan:
    """What kind of kit to make. `start_ms`: when its market day begins; `market_clock`: a clock of its own, or real time;
    `nfc_bus`: "hsu" or "spi", how readers are wired; `campaign`: one of virtualkit.campaign.CAMPAIGNS."""

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
    nfc_bus: str = "hsu"
