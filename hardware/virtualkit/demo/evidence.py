"""What the kit itself sees while a market runs, stamped by its own clock: the audit's evidence."""

import base64
from dataclasses import dataclass, field

from virtualkit.brick import Shown, VirtualBrick
from virtualkit.cards import Card
from virtualkit.pins import GRANTED, Edge
from virtualkit.reference.audit import Violation
from virtualkit.reference.flashimage import FlashImage
from virtualkit.reference.order import Order


@dataclass
class Watch:
    """One brick, watched: which record was complete on its flash before each light's edge."""

    brick: VirtualBrick
    identity: bytes
    image: FlashImage
    order: Order
    greens: list[int] = field(default_factory=list[int])
    last_decision: int = 0


@dataclass
class Evidence:
    """Lights, latencies and the tokens whose numbers must not appear anywhere."""

    watches: dict[str, Watch] = field(default_factory=dict[str, Watch])
    tap_to_light_ms: list[float] = field(default_factory=list[float])
    light_ns: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    light_to_host_ms: list[float] = field(default_factory=list[float])
    light_to_ledger_ms: list[float] = field(default_factory=list[float])
    secrets: set[bytes] = field(default_factory=set[bytes])
    violations: list[Violation] = field(default_factory=list[Violation])
    taps: int = 0
    unanswered: int = 0

    def watch(self, brick: VirtualBrick, identity: bytes) -> None:
        """Begins to watch a brick that nobody has tapped yet."""
        image = FlashImage(brick.spec.flash)
        image.records()
        watch = self.watches[brick.name] = Watch(brick, identity, image, Order(image))
        brick.writes.follow(watch.order.programmed)
        brick.light.listeners.append(lambda edge: self._edge(watch, edge))

    def held(self, card: Card) -> None:
        """Somebody is about to hold this card to a reader."""
        self.taps += 1
        self.secret(card)

    def secret(self, card: Card) -> None:
        """The number of this card must stand nowhere afterwards."""
        if card.kind != "phone" and card.uid:
            self.secrets.add(card.uid)
        elif card.text:
            self.secrets.add(card.text.encode())
            if card.kind == "pass":
                self.secrets.add(base64.b32decode(card.text.split(".")[1]))

    def shown(self, shown: Shown) -> None:
        """What a customer saw, or did not see."""
        if shown.outcome is None or shown.ms is None:
            self.unanswered += 1
        else:
            self.tap_to_light_ms.append(shown.ms)

    def _edge(self, watch: Watch, edge: Edge) -> None:
        """A light's edge: invariant 1 is judged by the pin lines before it, and by the pages that they name."""
        if edge.outcome is None:
            return
        green = edge.outcome == GRANTED
        judged = watch.order.edge(watch.brick.writes.starts, edge.programs, green)
        for record in judged.decisions:
            self.light_ns[(watch.identity.hex(), record.seq)] = edge.at_ns
            watch.last_decision = record.seq
        if judged.breach:
            self.violations.append(Violation(1, f"{watch.brick.name} {judged.breach}"))
        elif green:
            assert judged.grant is not None  # or it would be a breach
            watch.greens.append(judged.grant.seq)

    def durable_at_host(self, brick: str, seq: int, seen_ns: int) -> None:
        """A receipt committed in the host's store, which is always before it is in the ledger."""
        lit = self.light_ns.get((brick, seq))
        if lit is not None:
            self.light_to_host_ms.append((seen_ns - lit) / 1e6)

    def reached_ledger(self, brick: str, seq: int, seen_ns: int) -> None:
        """A leaf in a published checkpoint."""
        lit = self.light_ns.pop((brick, seq), None)
        if lit is not None:
            self.light_to_ledger_ms.append((seen_ns - lit) / 1e6)
