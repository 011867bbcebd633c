"""`stallmark demo`: the stall in real time in a terminal, until Ctrl-C; the next start resumes."""

import asyncio
import datetime as dt
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from virtualkit.brick import BrickOff
from virtualkit.brick_process import BrickCrashed
from virtualkit.campaign import renew_campaign
from virtualkit.cards import Card
from virtualkit.demo.children import ChildFailed
from virtualkit.demo.feed import Leaf
from virtualkit.demo.once import present
from virtualkit.demo.scene import BrickScene, BudgetScene, EventScene, Scene
from virtualkit.demo.stall import Stall, unready
from virtualkit.demo.till import TillHour, TillRefused, VirtualTill
from virtualkit.demo.view import render
from virtualkit.folder import KitFolder
from virtualkit.kitplan import KitPlan, with_links
from virtualkit.market import Crowd
from virtualkit.newkit import event_key, new_kit, tag_keys, usual_ports
from virtualkit.pins import GRANTED, Edge
from virtualkit.slots import turn_on

REFRESH_PER_SECOND = 4
WORDS = {
    "pass": "a pass",
    "issued": "an issued tag",
    "proved": "a tag that proves itself",
    "blank": "a blank tag",
    "phone": "a phone",
    "text": "another code",
}


class LiveStall:
    """One terminal's market. `mean_ms` between two customers."""

    def __init__(
        self,
        path: Path,
        console: Console,
        timing: str,
        mean_ms: int,
        seed: int | None,
        links: tuple[str, ...] = ("serial",),
        slots: bool = False,
    ) -> None:
        self._links = links
        self._slots = slots
        self._path = path
        self._console = console
        self._timing = timing
        self._mean_ms = mean_ms
        self._seed = random.randrange(2**31) if seed is None else seed
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Makes the kit if there is none, starts everything, and lets customers come until Ctrl-C."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        folder = await self._kit()
        if self._slots:
            turn_on(folder)
        kit = folder.load()
        operator = json.loads(folder.operator.read_text())
        scene = Scene(
            kit["name"],
            f"http://127.0.0.1:{kit['fleet_port']}",
            f"http://127.0.0.1:{kit['host_port']}",
            str(self._path / "cards"),
            operator["name"],
            operator["pin"],
        )
        for brick in kit["bricks"]:
            scene.bricks[brick["name"]] = BrickScene(brick["name"], " and ".join(brick["parts"]).upper())
        self._identities = {brick["brick"]: brick["name"] for brick in kit["bricks"]}
        self._identities[kit["lane"]] = "till-1"
        self._scene = scene
        self._seen: dict[str | None, str] = {}  # by brick: the sentence of its newest decision that lit a light
        self._currency = kit["currency"]
        self._stall = stall = Stall(folder, self._timing, self._seed, self._leaf)
        try:
            with self._console.status("controller, host and three bricks start …") as status:
                await stall.start()
                await stall.armed(lambda text: status.update(f"{text} …"))
            scene.fleet_state = scene.host_state = "up"
            for brick in stall.kit.bricks:
                brick.light.listeners.append(lambda edge, name=brick.name: self._edge(name, edge))
            await self._show(Crowd(self._seed, event_key(folder), tag_keys(folder)))
        finally:
            with self._console.status("closing in order: bricks, host, controller …"):
                await stall.stop()
        self._console.print(
            f"Closed. {scene.ledger_size} leaves in the ledger; everything lies in {self._path}. The next start resumes."
        )

    async def _kit(self) -> KitFolder:
        folder = KitFolder(self._path.resolve())
        now = time.time_ns() // 1_000_000
        if folder.exists():
            has = {kind for brick in folder.load()["bricks"] for kind in brick.get("links", ("serial",))}
            if self._links != ("serial",) and has != set(self._links):
                self._console.print(
                    f"{self._path} holds a kit with {' and '.join(sorted(has))} links: --links is for new kits."
                )
            if renew_campaign(folder, now):
                self._console.print(
                    "A new market day: today's campaign is compiled and signed by two of three authors."
                )
            return folder
        fleet_port, host_port = usual_ports()
        bricks = with_links(self._links)
        plan = KitPlan(start_ms=now, fleet_port=fleet_port, host_port=host_port, bricks=bricks)
        with self._console.status("making a kit …") as status:
            made = await asyncio.to_thread(
                new_kit, self._path, plan, lambda text: status.update(f"making a kit: {text} …")
            )
        self._console.print(
            f"A new kit in {self._path}, with DEVELOPMENT keys: three bricks, provisioned over their links."
        )
        return made.folder

    async def _show(self, crowd: Crowd) -> None:
        screen = self._console.is_terminal
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._customers(crowd), name="customers"),
            asyncio.create_task(self._till(crowd), name="till"),
            asyncio.create_task(self._watch_host(), name="host status"),
            asyncio.create_task(self._over.wait(), name="Ctrl-C"),
        ]
        try:
            with Live(console=self._console, refresh_per_second=REFRESH_PER_SECOND, screen=screen) as live:
                while not any(task.done() for task in tasks):
                    if screen:
                        live.update(render(self._scene))
                    await asyncio.wait(
                        tasks, timeout=1 / REFRESH_PER_SECOND, return_when=asyncio.FIRST_COMPLETED
                    )
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    # --- what happens

    async def _customers(self, crowd: Crowd) -> None:
        rng = random.Random(self._seed + 1)
        while True:
            await asyncio.sleep(crowd.pause_ms(self._mean_ms) / 1000)
            brick = rng.choice(self._stall.kit.bricks)
            await self._customer(crowd.card_for(brick.spec.parts[0]), brick.name, rng)

    async def _till(self, crowd: Crowd) -> None:
        """The till sells about half as often as customers come to the bricks."""
        till = VirtualTill(self._stall.folder, self._seed, self._stall.http)
        hour = TillHour(self._seed + 2, crowd)
        shown = self._scene.till
        while True:
            await asyncio.sleep(crowd.pause_ms(2 * self._mean_ms) / 1000)
            (sale,) = hour.events(1)
            try:
                answer = await till.ask(sale)
            except (TillRefused, TimeoutError) as failed:
                self._note(f"the till was not answered: {failed or 'no answer in a minute'}")
                continue
            shown.asked += 1
            shown.outcome = answer["outcome"]
            shown.milliseconds = till.answer_ms[-1]
            shown.credit_minor = till.credit_minor
            number = answer["decisions"][0]["number"] if answer["decisions"] else None
            clock = dt.datetime.now().astimezone().strftime("%H:%M:%S")
            self._scene.events.append(
                EventScene(clock, "till-1", number, answer["outcome"], f"{sale.kind}: {answer['sentence']}")
            )
            if not self._console.is_terminal:
                self._console.print(f"{clock} till-1, {sale.kind}: {answer['sentence']}")

    async def _customer(self, card: Card, name: str, rng: random.Random) -> None:
        brick = self._stall.kit.brick(name)
        try:
            shown = await present(brick, card, rng)
        except BrickOff:
            self._note(f"{name} is switched off: a customer with {WORDS[card.kind]} walks on")
            return
        self._stall.evidence.shown(shown)
        scene = self._scene.bricks[name]
        if shown.outcome is None:
            scene.outcome = "no light"
            self._note(f"{name} showed no light to {WORDS[card.kind]}")
        elif shown.ms is not None:
            scene.milliseconds = shown.ms
            self._scene.latencies.append(shown.ms)

    def _edge(self, name: str, edge: Edge) -> None:
        """Also for taps from other terminals."""
        if edge.outcome is None:
            return
        brick = self._scene.bricks[name]
        brick.outcome = edge.outcome
        seq = self._stall.evidence.watches[name].last_decision
        events = self._scene.events
        if any(event.brick == name and event.seq == seq for event in events):
            return
        brick.taps += 1
        clock = dt.datetime.now().astimezone().strftime("%H:%M:%S")
        events.append(
            EventScene(clock, name, seq or None, edge.outcome, "decided; its receipt is on the way")
        )
        if not self._console.is_terminal:
            self._console.print(f"{clock} {name}: {edge.outcome}")

    def _leaf(self, leaf: Leaf) -> None:
        self._scene.ledger_size = max(self._scene.ledger_size, leaf.index + 1)
        name = self._identities.get(leaf.brick)
        seen = leaf.outcome and leaf.kind != "ghost"
        if seen:
            self._seen[name] = leaf.sentence
        for event in self._scene.events:
            if event.brick == name and event.seq == leaf.seq:
                event.leaf = leaf.index
                if name == "till-1":  # whose sentence says more: the till heard the rule's own words
                    continue
                # A comparison group's receipt comes last, behind that of the rule which lit the light.
                other = not seen and event.outcome == GRANTED
                event.sentence = self._seen.get(name, leaf.sentence) if other else leaf.sentence

    def _note(self, text: str) -> None:
        self._scene.notes.append(text)
        if not self._console.is_terminal:
            self._console.print(text)

    async def _watch_host(self) -> None:
        """Once a second: links, what waits, the newest look-up link; and whether anything ended by itself."""
        while True:
            try:
                self._stall.check()
            except (ChildFailed, BrickCrashed) as ended:
                self._note(str(ended))
                raise
            status = await self._stall.host_status()
            self._scene.host_state = "up" if status else "does not answer"
            if status:
                self._scene.outbox = status["outbox"]["receipts"]
                self._scene.budgets = [budget_of(one, self._currency) for one in status["budgets"]]
                for brick in status["bricks"]:
                    shown = self._scene.bricks.get(brick["name"])
                    if shown:
                        shown.link = unready(brick) or "up"
                self._scene.last_link = await self._stall.newest_link() or self._scene.last_link
            await asyncio.sleep(1)


def budget_of(figures: dict[str, Any], currency: str) -> BudgetScene:
    """One rule's figures (docs/rights.md) as a line: what of its budget is not spent, wherever it is."""
    budget = int(figures["budget"])
    left = budget - int(figures["spent"])
    if figures["unit"] == 1:
        words = f"{left // 100}.{left % 100:02} {currency}"
    else:
        words = f"{left} {'people' if figures['unit'] == 3 else 'pieces'}"
    return BudgetScene(str(figures["rule"]), words, left / budget if budget else 0.0)
