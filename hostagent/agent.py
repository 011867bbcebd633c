"""The host agent's composition root: builds the parts, hands them to each other, runs them, ends them in
order."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hostagent import config as configuration
from hostagent import kitreport, pauses, position, serving
from hostagent.aes import make_ecb
from hostagent.answers import Step
from hostagent.backoff import Backoff
from hostagent.batches import Losses
from hostagent.budgets import Budgets
from hostagent.chain import Chain
from hostagent.clock import open_clock
from hostagent.config import Config
from hostagent.controller import Controller
from hostagent.core import Fields, new_host_link, reg
from hostagent.directing import Directing
from hostagent.ended import Ended
from hostagent.errors import ConfigError, HostError
from hostagent.following import Following
from hostagent.forwarder import Forwarder
from hostagent.handback import Handback
from hostagent.holding import Holding
from hostagent.intake import Durable, Intake
from hostagent.intent import Intent
from hostagent.kitside import KitSide
from hostagent.lane.lane import Lane
from hostagent.lines import TakeUp
from hostagent.links.line import Line
from hostagent.links.session import Session
from hostagent.position import Position
from hostagent.printing.printer import Printer
from hostagent.promised import Promised
from hostagent.puller import Puller
from hostagent.reach import Reach
from hostagent.rekeys import Rekeys
from hostagent.release.updating import Updating
from hostagent.shadows import Shadows
from hostagent.signed import credential
from hostagent.signer import Signer
from hostagent.staff import Staff
from hostagent.steps import Steps
from hostagent.store import open_store
from hostagent.store.intents import Intents
from hostagent.store.outbox import Outbox
from hostagent.store.receipts import Receipts
from hostagent.store.slices import Slices
from hostagent.store.spent import Spent
from hostagent.tagkeys import TagKeys
from hostagent.tagside import TagSide
from hostagent.targets import Targets
from hostagent.till.desk import Till
from hostagent.updatelock import Locking, UpdateLock
from hostagent.updater import Updater
from hostagent.vouchers import Issuer, Payable

if TYPE_CHECKING:
    from hostagent.links.radio import Radio
    from hostagent.trust.listing import Listing

DRAIN_S = 5.0
LANE_S = 2.0
META_ROOTS = "trust_roots"
CALM_S = 30.0  # without a receipt, before this host starts anew with another release
WORKING_S = 120.0  # since the controller was reached
# The exchange reads what became durable so often at most; a link carries it later than that anyway.
EXCHANGE_S = 0.02
log = logging.getLogger("hostagent")


class Agent:
    """One host. Building it opens the store and raises HostError where it cannot start; `run` serves until
    stopped."""

    def __init__(
        self, config: Config, backoff: Callable[[], Backoff] = Backoff, vfs: str | None = None
    ) -> None:
        self.config = config
        self.started = time.monotonic()
        self.signer = Signer(config.keys.signing_seed)
        if self.signer.kid != config.host:
            raise ConfigError(
                f"config.json says host {config.host.hex()}, the signing key is of {self.signer.kid.hex()}"
            )
        self.clock = open_clock(config.clock_file)
        self._socket = serving.listen(config.listen, config.port)
        try:
            opened = open_store(config.store, config.keys.store_key, vfs)
        except BaseException:
            self._socket.close()
            raise
        self.opened = opened
        self.store = store = opened.store
        position.import_links(config, store)
        self.receipts = Receipts(store)
        self.bricks = position.load_bricks(config, self.receipts)
        self.lines: list[Line] = []
        self.lane: Lane | None = None
        self.reach = Reach(self.lines, self.bricks, lambda: self.lane)
        self.chain = Chain(
            config.host,
            self.signer.kid,
            config.hub,
            config.terms,
            config.keys.handle_key,
            store.rulesets,
            self.signer.sign,
        )
        self.counts = self.receipts.counts().result()
        self._busy_at = -CALM_S
        self.intake = Intake(
            self.receipts, self.chain, self.clock, self.counts["quarantined"], self.counts["quarantine_last"]
        )
        self.controller = Controller(config.controller, credential(config), config.host, config.kit)
        self.outbox = Outbox(store)
        self.forwarder = Forwarder(
            self.outbox,
            self.receipts,
            self.controller,
            self.signer,
            self.clock,
            self.bricks,
            config.host,
            config.event,
            self.losses,
            backoff(),
        )
        Position(
            store,
            self.receipts,
            self.chain,
            self.forwarder,
            self.intake,
            lambda: self.reach.acknowledge(list(self.bricks.values())),
        ).find()
        self.steps = Steps(
            store,
            self.controller,
            config.keys.signing_seed,
            config.rental,
            self._tell,
        )
        self.budgets = Budgets(
            Slices(store),
            self.controller,
            self.clock,
            self.bricks,
            config.kit,
            self.steps.rental,
            config.director,
            successor="recovered" in store.meta and "slices_settled" not in store.meta,
        )
        self.vouchers = Payable(Spent(store), self.controller, self.clock)
        seed = config.keys.voucher_seed
        # None where this host was given no voucher seed: then what grants promise is issued by the hub.
        self.issuer = None if seed is None else Issuer(seed, config.kit)
        self.promised = Promised(store, self.issuer, self.vouchers)
        intents = Intents(store)
        self.intent = Intent(intents, self.clock, config.kit, config.director, lambda: self.config.rental)
        self.targets = Targets(intents, self.controller)
        self.updater = Updater(
            store,
            self.controller,
            config.authors,
            self._ruleset,
            self.intent,
            self.targets,
            None if config.keys.lane is None else config.keys.lane.brick,
        )
        self.following = Following(
            self.intent,
            self.targets,
            self.updater,
            self.controller,
            self.clock,
            self.bricks,
            self._intent_changed,
            self._described,
            self.reach.restart,
            backoff,
        )
        self.update_lock = UpdateLock(config.update_lock)
        self._updates = Locking(self.updater, self.update_lock)
        self.listing = self._listing()
        self.updating = Updating(
            self.intent,
            self.targets,
            config.authors,
            self.updater.listed,
            self._working,
            self._no_moment,
            self.stop,
            wall_ms=self.clock.now_ms,
        )
        self.rekeys = Rekeys(store, self.controller, config.keys.signing_seed, self._say_rekeys)
        self.ended = Ended(store, self.controller)
        self.tagkeys = TagKeys(store, self.controller, config.event, self._tell_tag_keys)
        self.puller = Puller(
            self.updater,
            self.budgets,
            config.poll_s,
            self.reach.look_for_offer,
            backoff(),
            self.vouchers,
            self.rekeys,
            self.tagkeys,
            self.following,
        )
        self.staff = Staff(store, config.keys.event_key)
        self.lane = self._lane()
        self.till = None if self.lane is None else Till(self, self.lane)
        self.printer = Printer(config.printer)
        self.on_links = [brick.brick for brick in config.bricks]
        self.kitside = KitSide(
            store,
            self.bricks,
            self.on_links,
            self.clock,
            self.updater,
            lambda: self.chain.host_seq - 1,
            lambda: self.lane,
            lambda brick: self.session_of(brick) is not None,
            self.reach.flush,
            self.staff.label,
        )
        self.kitside.knows_tags(
            TagSide(
                config.folder,
                lambda brick: self.bricks[brick].name if brick in self.bricks else brick.hex(),
                self.tagkeys.message,
            )
        )
        self.directing = Directing(self.controller, self.bricks, self._order, self.reach.flush, self._keep_roots)
        self.directing.load(store.meta.get(META_ROOTS))
        self.intent.judged.root = lambda: self.directing.state
        self.kitside.telling.directing = self.directing
        self.kitside.telling.steps = self.steps
        self.kitside.exchange.rental = lambda: self.steps.rental
        self.steps.leaving = self.kitside.telling.another_rental
        self.steps.moved = self._another_rental
        self.handback = Handback(
            store,
            self.outbox,
            self.controller,
            self.signer,
            self.clock,
            config.kit,
            lambda: self.steps.rental,
            lambda: self.chain.host_seq - 1,
            self._forget_people,
        )
        self.puller.pull_steps = self._pull_rental
        if self.lane is not None:
            self.steps.lane = self._lane_steps
        self.updater.ready = self.directing.ready
        shadows = Shadows(self.targets, self.bricks, self.reach.flush)
        self.kitside.telling.shadows, self.updater.tried, self.following.answered = shadows, shadows.chunk, shadows.answered
        self.puller.pull_roots = self.directing.pull
        self.exchange = self.kitside.exchange
        self._tell_exchange = pauses.Soon(self.exchange.durable, EXCHANGE_S)
        self.questions = self.kitside.questions
        self.openvalues = self.kitside.openvalues
        self.forwarder.lists = self.exchange.lists
        if self.lane is not None:
            self.lane.promised = self.promised
            self.lane.lists = self.exchange.lists
        self.holding = Holding(
            config.updates,
            self.clock,
            self.bricks,
            self.kitside.telling.tell,
            lambda: self.update_lock.taken,
            lambda: self.updating.waits,
        )
        self.radio = self.new_radio() if any("ble" in brick.links for brick in config.bricks) else None
        self.lines.extend(self.new_line(expected) for expected in config.bricks)
        self.takeup = TakeUp(self)
        self.puller.tell_ended = self.ended.tell
        self.budgets.suits = self.kitside.rulebook.suits
        self.budgets.connected = self.reach.connected
        self.budgets.give = self.reach.give
        self._was_halted = False
        self._resuming: asyncio.Task[None] | None = None
        self.budgets.directors = lambda: self.directing.directors
        self.budgets.halted = self.kitside.asking.halted = lambda: self.intent.halted
        if self.lane is not None:
            self.lane.halted = lambda: self.intent.halted
            self.lane.directors = lambda: self.directing.directors
        self.forwarder.during = self.update_lock.during
        self.intake.on_ruleset = lambda digest: self._ruleset(digest, None)
        self.intake.listen(self._durable)
        self.forwarder.on_marks = self.reach.acknowledge
        # Rulesets parsed for sentences, by digest; at most one is kept.
        self.parsed_rulesets: dict[bytes, Any] = {}
        self._stop: asyncio.Event | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where the status API listens."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    @property
    def private(self) -> bool:
        """Whether nobody but this machine can ask the status API."""
        return ipaddress.ip_address(self.address[0].partition("%")[0]).is_loopback

    def session_of(self, brick: bytes) -> Session | None:
        """The session in which a brick's link is up."""
        return self.reach.session_of(brick)

    async def training(self, on: bool, who: str) -> list[str]:
        """Practice on or off everywhere (hostagent.telling); the names of who was reached."""
        return await self.kitside.telling.training(on, who)

    @property
    def training_on(self) -> bool:
        """Whether the stall practises."""
        return self.kitside.telling.practice is not None

    def stop(self) -> None:
        """Ends `run` in order."""
        if self._stop is not None:
            self._stop.set()

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serves until `stop`, SIGTERM or SIGINT. Raises the first error that nobody could handle."""
        self._stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not in a thread other than the main one: there the owner calls stop().
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(number, self.stop)
        try:
            self.intake.start()
            await self.forwarder.load()
            await self.budgets.load()
            await self.vouchers.load(None if self.lane is None else self.lane.brick8)
            await self.promised.load()
            await self.kitside.telling.load()
            await self.intent.load()
            self._was_halted = self.intent.halted
            await self.updater.load()
            if self.till is not None:
                # Before anybody can ask: a key that was answered must not look new.
                await self.till.load()
            server = serving.server(self)
            async with asyncio.TaskGroup() as group:
                status = group.create_task(server.serve(sockets=[self._socket]), name="status API")
                self.takeup.start(group)
                others = [
                    group.create_task(self._watch_intake(), name="intake"),
                    group.create_task(self.forwarder.run(), name="forwarder"),
                    group.create_task(self.puller.run(), name="puller"),
                    group.create_task(self.exchange.run(), name="exchange"),
                    group.create_task(self.takeup.run(), name="configuration"),
                    group.create_task(self.updating.run(), name="host release"),
                    group.create_task(self.holding.run(), name="holding"),
                ]
                if self.config.update_lock is not None:
                    others.append(group.create_task(self.update_lock.run(), name="update lock"))
                if self.listing is not None:
                    others.append(group.create_task(self.listing.run(), name="signed lists"))
                if self.lane is not None:
                    others.append(group.create_task(self.lane.run(), name="lane"))
                    # While the disk refuses, bricks are served without it.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LANE_S):
                            await self.lane.started.wait()
                if self.till is not None:
                    others.append(group.create_task(self.till.run(), name="till"))
                log.info("%s is up, status on http://%s:%d/", self.config.name, *self.address)
                pauses.begin()
                if ready is not None:
                    ready()
                await self._stop.wait()
                log.info("stopping")
                self.takeup.stop()
                with contextlib.suppress(TimeoutError, HostError):
                    async with asyncio.timeout(DRAIN_S):
                        await self.intake.drain()
                for task in others:
                    task.cancel()
                server.should_exit = True
                await asyncio.wait([status])
        finally:
            pauses.end()
            await self.close()

    async def close(self) -> None:
        """Closes network and store; what was taken and not yet durable is sent again by the bricks."""
        self.update_lock.close()
        await self.controller.close()
        self._socket.close()
        await asyncio.to_thread(self.store.close)

    # --- building

    def _listing(self) -> "Listing | None":
        if self.config.trust is None:
            return None
        from hostagent.trust.listing import listing_of  # late: a host without a root does not need tuf

        found = listing_of(self.config, self.clock, self.reach.look_for_offer)
        if found is not None:
            self.updater.listed = found.passes
        return found

    def _say_rekeys(self) -> None:
        self.reach.every(Session.tick)

    def _tell_tag_keys(self, brick: bytes, message: Fields) -> None:
        self.kitside.telling.tell(brick, reg.MSG_TAG_KEYS, message)

    def new_line(self, expected: configuration.BrickConfig) -> Line:
        """A line to a brick, not yet running."""
        line = Line(expected, self.radio)
        link = new_host_link(
            self.config.host,
            self.store.find_link_keys,
            self._commit_link_key,
            self.store.drop_link_keys,
            make_ecb,
            os.urandom,
            self.rekeys.order,
            self.ended.refusal,
        )
        line.session = Session(
            link,
            self.bricks,
            self.intake,
            self.clock,
            self.budgets,
            self._updates,
            line.write,
            self.kitside.telling,
        )
        line.session.link_ms, line.session.admits = line.link_ms, line.admits
        return line

    def _commit_link_key(self, brick: bytes, epoch: int, key: bytes) -> None:
        with self.update_lock.during("a link key moves on"):
            self.store.commit_link_key(brick, epoch, key)

    @staticmethod
    def new_radio() -> "Radio":
        """bleak takes a third of a second to load: only where a brick is reached by it."""
        from hostagent.links.radio import Radio

        return Radio()

    def _lane(self) -> Lane | None:
        """The host's own lane, where the host was given a key for one."""
        key = self.config.keys.lane
        if key is None:
            return None
        brick = self.bricks[key.brick]
        lane = Lane(key, self.config, self.store, self.intake, self.chain, self.clock, brick, self.updater)
        lane.staff = self.staff
        lane.slices = lambda: self.budgets.slices_of(brick.brick)
        lane.give_result = lambda slice_id, result: self.budgets.on_result(brick, slice_id, result)
        lane.changed = lambda: self.budgets.on_status(brick)
        return lane

    # --- what parts tell each other

    def _ruleset(self, digest: bytes, terms: bytes | None) -> None:
        self.promised.learn(self.kitside.rulebook.get(digest[:8]))
        if self.store.put_ruleset(digest, terms) is not None:
            self.chain.forget_rulesets()

    def _described(self) -> dict[str, Any]:
        """What a status report says of bricks, of this host's own release, and of what holds updates back."""
        found = kitreport.describe(self.bricks, self.updater, self.clock, self.reach.connected)
        return {**found, "host": self.updating.report(), "holds": self.holding.report()}

    def _working(self) -> set[str]:
        """What another release of this host is measured by."""
        found = {brick.name for brick in self.bricks.values() if self.reach.connected(brick.brick)}
        reached = self.puller.reached_at
        return found | ({"the controller"} if reached is not None and time.monotonic() - reached < WORKING_S else set[str]())

    def _no_moment(self) -> str:
        """Why this host is not to start anew now; "" where it may."""
        if self.holding.closed_s():
            return "it is not the time of day"
        if self.update_lock.held or self.update_lock.taken:
            return "a brick is being written to"
        if self.questions.open():
            return "a question is open"
        return "customers are there" if time.monotonic() - self._busy_at < CALM_S else ""

    def _durable(self, durable: Durable) -> None:
        if durable.receipts:
            self._busy_at = time.monotonic()
        self.counts["receipts"] += len(durable.receipts)
        self.forwarder.durable(durable)
        self._tell_exchange()
        self.reach.acknowledge(list(durable.bricks))

    def _intent_changed(self) -> None:
        """Another directive, or another bundle that it names."""
        if self._was_halted and not self.intent.halted:
            self._resuming = asyncio.get_running_loop().create_task(self._resume(), name="slices again")
        self._was_halted = self.intent.halted
        self.directing.look()
        self.reach.look_for_offer()

    def _order(self) -> tuple[int, bytes] | None:
        """The newest directive: its number and its bytes."""
        intent = self.intent
        return None if intent.envelope is None else (intent.number, intent.envelope)

    async def _keep_roots(self, data: bytes) -> None:
        await asyncio.wrap_future(self.store.set_meta({META_ROOTS: data}))

    async def _resume(self) -> None:
        try:
            await self.budgets.resume()
        except HostError as failed:
            log.warning("slices are not given again yet: %s", failed)

    def _another_rental(self) -> None:
        """The kit is in another rental: people, balances and slices of the one before are nobody's any more here."""
        self.budgets.renew(self.steps.rental)
        self.exchange.another_rental()

    async def _pull_rental(self) -> None:
        await self.steps.pull()
        await self.handback.pull(self.steps.wipe)

    async def _forget_people(self) -> None:
        await self.kitside.telling.another_rental()
        self.staff.forget()

    async def _lane_steps(self, order: Step) -> Fields | None:
        assert self.lane is not None
        return await self.lane.step(order.rental, order.following, order.epoch, order.tag)

    def _tell(self, brick: bytes, kind: int, value: Any) -> bool:
        return self.kitside.telling.tell(brick, kind, value)

    def losses(self) -> Losses:
        """How many records were ever missed and kept aside here."""
        return Losses(
            self.counts["lost"] + sum(brick.counters["lost"] for brick in self.bricks.values()),
            self.counts["quarantined"] + sum(brick.counters["quarantined"] for brick in self.bricks.values()),
        )

    async def _watch_intake(self) -> None:
        assert self.intake.failed is not None
        await self.intake.failed
