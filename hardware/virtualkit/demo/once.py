"""`stallmark demo --once`: a market hour as fast as it can, then the audit; one JSON object."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from virtualkit import dumps
from virtualkit.brick import BrickOff, Shown, VirtualBrick
from virtualkit.campaign import load_ruleset
from virtualkit.cards import Card
from virtualkit.demo import till
from virtualkit.demo.chaos import Chaos
from virtualkit.demo.durable import StoreWatch
from virtualkit.demo.stall import Stall, public_keys
from virtualkit.demo.till import TillHour, VirtualTill
from virtualkit.demo.trouble import Trouble
from virtualkit.folder import KitFolder
from virtualkit.kitplan import KitPlan, with_links
from virtualkit.market import Crowd, Visit
from virtualkit.newkit import free_ports, new_kit, tag_keys
from virtualkit.reference import audit
from virtualkit.reference.judge import Exhibits, judge
from virtualkit.stats import spread

# Saturday 3 October 2026, 09:00 in Berlin: the market's own clock begins here, whatever the wall says.
MARKET_OPENS_MS = 1_790_924_400_000
OPENING_MS = 60_000
DRAIN_SECONDS = 120.0
ATTEMPTS = 20
COOLDOWN_SECONDS = 2.2
CLOSE = 13  # docs/formats/registry.md, record kinds


@dataclass(frozen=True)
class Hour:
    """What kind of hour. `kill`: any of chaos.TARGETS; `faults`: any of trouble.PARTS; `source`: other firmware than
    what is installed, see BrickProcess; `sales`: events at the till, None: one for every four taps;
    `links`: see kitplan.with_links."""

    taps: int
    seed: int
    kill: tuple[str, ...] = ()
    timing: str = "real"
    source: Path | None = None
    sales: int | None = None
    faults: tuple[str, ...] = ()
    links: tuple[str, ...] = ("serial",)


class MarketHour:
    """One run from a blank kit to the audit's verdict."""

    def __init__(self, folder: Path, hour: Hour, progress: Callable[[str], None]) -> None:
        self._hour = hour
        self._progress = progress
        self._rng = random.Random(hour.seed)
        self._findings = audit.Findings()
        self._done = 0
        self._host_status = b""
        fleet_port, host_port = free_ports()
        plan = KitPlan(
            name=f"once-{hour.seed}",
            start_ms=MARKET_OPENS_MS,
            market_clock=True,
            fleet_port=fleet_port,
            host_port=host_port,
            card_seed=hour.seed,
            bricks=with_links(hour.links),
        )
        self._plan = plan
        self._path = folder

    async def run(self) -> dict[str, Any]:
        """The whole hour. Raises StallmarkError, BrickCrashed where something ended that nobody killed."""
        started = time.monotonic()
        secret = await asyncio.to_thread(new_kit, self._path, self._plan, self._progress)
        self.folder, event_key = secret.folder, secret.event_key
        stall = Stall(self.folder, self._hour.timing, self._hour.seed, source=self._hour.source)
        assert stall.clock is not None
        stall.clock.set(MARKET_OPENS_MS)
        store = StoreWatch(self.folder.host, stall.evidence.durable_at_host)
        try:
            self._progress("controller, host and bricks start")
            await stall.start()
            await stall.armed(self._progress)
            if not self._hour.kill:  # killed programs are to find their files as they left them
                await store.start()
            await self._market(stall, event_key)
            await self._drain(stall)
        finally:
            await store.stop()
            await stall.stop()
        self._progress("audit")
        return await asyncio.to_thread(self._verdict, stall, time.monotonic() - started)

    # --- the hour

    async def _market(self, stall: Stall, event_key: bytes) -> None:
        parts = [(brick.name, brick.spec.parts[0]) for brick in stall.kit.bricks]
        crowd = Crowd(self._hour.seed, event_key, tag_keys(self.folder))
        visits = crowd.hour(self._hour.taps, parts)
        count = self._hour.taps // 4 if self._hour.sales is None else self._hour.sales
        sales = TillHour(self._hour.seed + 2, crowd).events(count)
        self.till = VirtualTill(self.folder, self._hour.seed, stall.http)
        over = asyncio.Event()
        chaos = (
            Chaos(stall, self._hour.kill, self._hour.seed + 1, self._findings) if self._hour.kill else None
        )
        self.chaos = chaos
        self.trouble = Trouble(stall, self._hour.faults, self._hour.seed + 3) if self._hour.faults else None
        async with asyncio.TaskGroup() as group:
            raging = [
                group.create_task(one.rage(over), name=type(one).__name__)
                for one in (chaos, self.trouble)
                if one
            ]
            queues = [
                group.create_task(
                    self._customers(stall, brick, [v for v in visits if v.brick == brick.name]),
                    name=brick.name,
                )
                for brick in stall.kit.bricks
            ]
            queues.append(
                group.create_task(
                    till.queue(
                        self.till, sales, lambda at_ms: self._reach(stall, at_ms), stall.evidence.secret
                    ),
                    name="till",
                )
            )
            await asyncio.wait(queues)
            over.set()
            await asyncio.gather(*raging)

    async def _customers(self, stall: Stall, brick: VirtualBrick, visits: Sequence[Visit]) -> None:
        """The queue at one brick. The clock only ever moves forward to the next customer's time."""
        for visit in visits:
            self._reach(stall, visit.at_ms)
            stall.evidence.held(visit.card)
            await self._visit(stall, brick, visit.card)
            self._done += 1
            if self._done % 50 == 0:
                self._progress(f"{self._done} of {self._hour.taps} taps")

    @staticmethod
    def _reach(stall: Stall, at_ms: int) -> None:
        assert stall.clock is not None
        at = MARKET_OPENS_MS + OPENING_MS + at_ms
        if at > stall.clock.now():
            stall.clock.set(at)

    async def _visit(self, stall: Stall, brick: VirtualBrick, card: Card) -> None:
        """A customer who saw no light, because the brick was off, tries again."""
        for _ in range(ATTEMPTS):
            try:
                shown = await present(brick, card, self._rng)
            except BrickOff:
                await asyncio.sleep(0.05)
                continue
            stall.evidence.shown(shown)
            if shown.outcome is not None:
                return
            # Off again, or taken for the card before (any phone looks like any other): after the cooldown they try again.
            await asyncio.sleep(COOLDOWN_SECONDS)
        self._findings.breach(3, f"{brick.name}: a customer with a {card.kind} never saw a light")

    async def _drain(self, stall: Stall) -> None:
        """Closes the day and waits until the last record of every brick is in a published checkpoint."""
        self._progress("the day is closed; the last receipts reach the ledger")
        await self._until(stall, stall.drained, "every record in the ledger")
        closed = {
            watch.identity.hex(): max(watch.image.records()) for watch in stall.evidence.watches.values()
        }
        await stall.close_day("demo")
        await self._until(
            stall,
            lambda: (
                stall.drained()
                and all(
                    any(
                        seq > closed[watch.identity.hex()] and record.fields[10] == CLOSE
                        for seq, record in watch.image.records().items()
                    )
                    for watch in stall.evidence.watches.values()
                )
            ),
            "every brick's close record in the ledger",
        )
        await self._until(stall, self._disclosed, "every ended record key disclosed")
        await stall.feed.look_once()
        answer = await stall.http.get(f"{stall.host_url}/v1/status")
        self._host_status = answer.content

    def _disclosed(self) -> bool:
        path = self.folder.controller / "ledger"
        findings = audit.Findings()
        audit.read_ledger(path, public_keys(self.folder), (), findings)
        return findings.leaves.get("disclosure", 0) >= len(self._plan.bricks) + 1  # and the host's own lane

    async def _until(self, stall: Stall, condition: Callable[[], bool], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while not condition():
            stall.check()
            if asyncio.get_running_loop().time() > deadline:
                self._findings.breach(3, f"after {DRAIN_SECONDS:.0f} s still waiting for {what}")
                return
            await asyncio.sleep(0.2)

    # --- the verdict

    def _verdict(self, stall: Stall, seconds: float) -> dict[str, Any]:
        findings, evidence = self._findings, stall.evidence
        findings.violations += evidence.violations
        watches = list(evidence.watches.values())
        self.exhibits = self._exhibits(stall)
        counts = judge(self.exhibits, findings)
        checkpoint = findings.checkpoint
        return {
            "taps": evidence.taps,
            # Three places, each counted by itself: the bricks' flash, the host's store, the ledger.
            "decisions": counts.decisions,
            "receipts": counts.receipts,
            "ledger_size": checkpoint.size if checkpoint else 0,
            "leaves": dict(sorted(findings.leaves.items())),
            "checkpoint": (self.folder.controller / "ledger" / "checkpoint").read_text()
            if checkpoint
            else None,
            "outcomes": dict(sorted(findings.outcomes.items())),
            "violations": [asdict(violation) for violation in findings.violations],
            "tap_to_light_ms": spread(evidence.tap_to_light_ms),
            "light_to_host_ms": spread(evidence.light_to_host_ms),
            "light_to_ledger_ms": spread(evidence.light_to_ledger_ms),
            "till": {
                "events": len(self.till.answer_ms),
                "outcomes": dict(sorted(self.till.outcomes.items())),
                "credit_minor": self.till.credit_minor,
                "repeats": self.till.repeats,
                "answer_ms": spread(self.till.answer_ms),
            },
            "seconds": round(seconds, 1),
            "unanswered": evidence.unanswered,
            "seed": self._hour.seed,
            "timing": self._hour.timing,
            "killed": self.chaos.kills if self.chaos else {},
            "faults": dict(sorted(self.trouble.done.items())) if self.trouble else {},
            "links": self._links(),
            "torn_operations": self.chaos.torn if self.chaos else 0,
            "checked": {
                "greens": sum(len(watch.greens) for watch in watches),
                "granted_taps": audit.granted_taps(findings),
                "replayed_decisions": counts.replayed.compared,
                "skipped_decisions": counts.replayed.skipped,
                "unreplayed_decisions": counts.replayed.unreplayed,
                "brick_macs": counts.macs,
                "heads_named": counts.replayed.named,
                "heads_known": counts.replayed.known,
                "checkpoints": len(stall.feed.checkpoints),
                "token_numbers": len(evidence.secrets),
            },
        }

    def _links(self) -> dict[str, Any]:
        """By what the host reached each brick, and how many of its records came that way."""
        if not self._host_status:
            return {}
        found: list[dict[str, Any]] = json.loads(self._host_status)["bricks"]
        return {
            one["name"]: {
                "by": [port["kind"] for port in one["ports"]],
                "records": one["records"]["durable_seq"],
                "sessions": one["counters"].get("sessions", 0),
            }
            for one in found
        }

    def _exhibits(self, stall: Stall) -> Exhibits:
        watches = list(stall.evidence.watches.values())
        places = {f"the log {log.name}": log.read_bytes() for log in sorted(self.folder.run.glob("*.log"))}
        return Exhibits(
            keys=public_keys(self.folder),
            ledger=self.folder.controller / "ledger",
            checkpoints=stall.feed.checkpoints,
            images={watch.identity: watch.image for watch in watches},
            greens={watch.identity: watch.greens for watch in watches},
            host=self.folder.host,
            controller=self.folder.controller,
            ruleset=load_ruleset(self.folder),
            secrets=stall.evidence.secrets,
            places=places | {"the host's status": self._host_status},
        )


async def present(brick: VirtualBrick, card: Card, rng: random.Random) -> Shown:
    """A card at its brick's reader."""
    if card.kind == "phone":
        return await brick.tap(dumps.from_uid(card.uid, rng))
    if card.image:
        return await brick.tap(card.tag or dumps.parse(card.image))
    return await brick.scan(card.text.encode())


def to_json(result: dict[str, Any]) -> str:
    """As `--json` prints it."""
    return json.dumps(result, indent=1, ensure_ascii=False)


def in_words(result: dict[str, Any]) -> str:
    """As it is told to a person."""
    light = result["tap_to_light_ms"]
    lines = [
        f"{result['taps']} taps, {result['decisions']} decisions, {result['receipts']} receipts in {result['seconds']} s",
        "outcomes: " + ", ".join(f"{count} {name}" for name, count in result["outcomes"].items()),
        f"tap → light {light['p50']} ms in the middle, {light['p95']} ms at the 95th percentile",
        "killed: "
        + (", ".join(f"{name} {count} times" for name, count in result["killed"].items()) or "nothing"),
    ]
    if result["faults"]:
        lines.append("faults: " + ", ".join(f"{name} ({count})" for name, count in result["faults"].items()))
    lines += [
        f"BREACH of invariant {breach['invariant']}: {breach['text']}" for breach in result["violations"]
    ]
    if not result["violations"]:
        checked = result["checked"]
        lines.append(
            f"no violations: {checked['replayed_decisions']} decisions replayed, {checked['brick_macs']} brick MACs, "
            f"{checked['greens']} green lights and {checked['checkpoints']} checkpoints checked"
        )
    return "\n".join(lines)


def folder_of(path: Path) -> KitFolder:
    """For tests that look at what a run left behind."""
    return KitFolder(path)
