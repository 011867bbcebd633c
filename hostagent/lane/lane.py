"""The lane: decides an event as a brick does, and answers when its records are durable on this host."""

import asyncio
import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from hostagent import signer
from hostagent.bricks import Brick, Status
from hostagent.chain import Chain
from hostagent.clock import Clock
from hostagent.config import Config, LaneKey
from hostagent.core import Fields, FormatError, decide, reg, rights, state
from hostagent.core import receipt as receipts
from hostagent.errors import BundleRefused, HostError
from hostagent.intake import Intake, Receipted, Statements
from hostagent.lane import answers, reversal, ruleset, slips, taken
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.book import Book
from hostagent.lane.draft import Also, Draft, LaneUnready, Pending, cut
from hostagent.store import spent
from hostagent.store.records import Records, Stored
from hostagent.store.store import Store
from hostagent.updater import Updater

# Item codes kept in a private part: more would not fit a record beside long rules.
CODE_BYTES = 128
LOST = "lane_lost"
log = logging.getLogger("hostagent.lane")


class Lane:
    """One for a host. `load` inside the event loop, then `run` beside everything else.

    `give_result(slice id, result)` is told what became of a slice; `changed()` that slices or rules changed.
    """

    def __init__(
        self,
        key: LaneKey,
        config: Config,
        store: Store,
        intake: Intake,
        chain: Chain,
        clock: Clock,
        brick: Brick,
        updater: Updater,
    ) -> None:
        self._key = key
        self._config = config
        self._store = store
        self._intake = intake
        self._chain = chain
        self._clock = clock
        self._updater = updater
        self._records = Records(store)
        self._installed: ruleset.Installed | None = None
        self._lost = False
        self._catching: list[Any] | None = None
        self._last: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        # The first attempt to start is over.
        self.started = asyncio.Event()
        self.brick = brick
        self.brick8 = brick.brick
        self.book: Book
        self.state: Any = state.State(None)
        self.given: dict[tuple[bytes, int], taken.Given] = {}
        # What was taken back of other bricks' grants: (grants, basket so far) by brick8 and seq.
        self._foreign: dict[tuple[bytes, int], list[tuple[list[list[Any]], int | None]]] = {}
        # Reserves of paper slips, by seq: public fields.
        self.reserves: dict[int, Fields] = {}
        self.training = False
        # What keeps it from deciding, in a sentence; None: nothing.
        self.trouble: str | None = "the lane has not started yet"
        self.give_result: Callable[[int, int], None] = lambda slice_id, result: None
        self.changed: Callable[[], None] = lambda: None
        # Told of every event that is decided here: the kit's bricks learn its signal.
        self.seen: Callable[[Any], None] = lambda event: None
        self.slices: Callable[[], list[tuple[bytes, bytes]]] = list

    # --- start

    @property
    def ruleset(self) -> Any:
        """The Ruleset in use, or None."""
        return None if self._installed is None else self._installed.ruleset

    async def load(self) -> None:
        """Rebuilds everything from the store, then writes the record of this start. `run` calls it."""
        lost = self._store.meta.get(LOST)
        if lost is None and "recovered" in self._store.meta:
            # Its journal was the damaged store: nobody knows which numbers it has used.
            lost = self.brick8.hex()
            await asyncio.wrap_future(self._store.set_meta({LOST: lost}))
        if lost == self.brick8.hex():
            self._lost = True
            self.trouble = (
                "the records of this host's own lane went with the damaged store, so its identity is not used any "
                "more: give the host a new lane key (docs/till.md) and start it again"
            )
            return
        stored = await asyncio.wrap_future(self._records.of(self.brick8))
        data = await asyncio.wrap_future(ruleset.kept(self._store))
        if data is not None:
            try:
                self._installed = ruleset.check(data, self._config.authors, None)
            except BundleRefused as refused:
                log.warning("the rules in use before this start are not taken up: %s", refused)
        self.book = Book(self._key, self._config.rental, self._clock, self.brick, [s.record for s in stored])
        self.state = self._rebuilt(self.ruleset, stored)
        for item in stored:
            self._note(item.brick, item.record, item.receipt16)
        first = [] if self.brick.next_seq > 1 else [Draft(reg.KIND_START, {24: []})]
        await self._write([*first, self._boot()])[1]
        self.trouble = None
        self._take_slices()

    def _rebuilt(self, rules: Any, stored: Sequence[Stored]) -> Any:
        made: Any = state.State(rules)
        for item in stored:
            made.apply(item.record)
        return made

    def _boot(self) -> Draft:
        digest = None if self.ruleset is None else self._installed_digest()
        program = hashlib.sha256(b"stallmark/host/1\0" + version("stallmark").encode()).digest()
        return Draft(reg.KIND_BOOT, {24: [digest, program, 0, 0, 0]})

    def _installed_digest(self) -> bytes:
        assert self._installed is not None
        return self._installed.manifest.fields[2]

    # --- rules and rights

    async def run(self) -> None:
        """Starts, as soon as the disk and the chain's place allow it, and takes up new rules as the controller
        confirms them."""
        while True:
            try:
                if self._lost or not self._intake.ready:
                    pass
                elif self.trouble is None:
                    await self._look_for_rules()
                else:
                    await self.load()
            except (HostError, FormatError) as failed:
                self.trouble = f"the lane could not start: {failed}"
                log.error("%s", self.trouble)
            self.started.set()
            try:
                async with asyncio.timeout(self._config.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def look_for_offer(self) -> None:
        """There may be new rules."""
        self._wake.set()

    async def _look_for_rules(self) -> None:
        offer = self._updater.offer_for(self.brick)
        current = self._updater.current
        if offer is None or current is None:
            return
        digest8 = offer[0]
        try:
            installed = await asyncio.to_thread(
                ruleset.check, current.data, self._config.authors, self._installed
            )
        except BundleRefused as refused:
            log.warning("rules not taken up: %s", refused)
            self._updater.on_result(self.brick, digest8, reg.INSTALL_VECTOR, str(refused))
            return
        # Records made while the store is read are caught, so that the new state misses none.
        self._catching = []
        if self._last is not None:
            await asyncio.shield(self._last)
        stored = await asyncio.wrap_future(self._records.of(self.brick8))
        fresh = self._rebuilt(installed.ruleset, stored)
        for item in self._catching:
            fresh.apply(item)
        self._catching = None
        self._installed, self.state = installed, fresh
        await self._write([self._boot()], lambda _, __: [(ruleset.KEEP, (installed.data,))])[1]
        self._updater.on_result(self.brick, digest8, reg.INSTALL_OK, "")
        self._take_slices()

    def _take_slices(self) -> None:
        self._say()
        self.give(self.slices())
        self.changed()

    def give(self, slices: Sequence[tuple[bytes, bytes]]) -> None:
        """Takes in signed slices, as a brick does over its link."""
        director = self._config.director
        for payload, signature in slices:
            try:
                piece: Any = rights.decode_slice(payload)
            except FormatError:
                continue
            if piece.kit != self._config.kit or piece.rental != self._config.rental:
                result = reg.SLICE_OTHER_KIT
            elif director is None or not signer.verify(director, rights.slice_message(payload), signature):
                result = reg.SLICE_SIGNATURE
            else:
                floor = self._clock.now_ms() if self._clock.known() else 0
                result = self.state.add_slice(piece, floor)
            self.give_result(piece.id, result)
        self._say()

    def _say(self) -> None:
        """The lane's own status, as a brick would send it."""
        whole = None if self._installed is None else self._installed_digest()
        self.brick.status = Status(
            boot=self.book.boot,
            next_seq=self.brick.next_seq,
            oldest_seq=1,
            free_pages=None,
            clock_quality=self.book.now()[2][0],
            state=0,
            slices=dict(self.state.slices_left()),
            reader=0,
            scanner=0,
            ruleset=whole,
            ruleset8=None if whole is None else whole[:8],
            firmware=None,
        )

    # --- deciding

    async def decide(self, event: Any, also: Also | None = None) -> LaneAnswer:
        """Decides an event (a stallmark Event; time and nonce are the lane's own) and returns when that is durable.

        Raises LaneUnready, StoreUnavailable."""
        pending = self.begin(event, also)
        await asyncio.shield(pending.durable)
        return pending.answer

    def begin(self, event: Any, also: Also | None = None) -> Pending:
        """Decides at once; the answer may be given when `durable` is done. `also` gives statements that belong to
        the answer: they are in the transaction of its records. Raises LaneUnready."""
        event = self.stamp(event)
        return self.record(event, self.decisions(event), also)

    def check(self) -> None:
        """Raises LaneUnready where nothing can be written now."""
        if self.trouble is not None:
            raise LaneUnready(self.trouble)
        if self._intake.busy:
            raise LaneUnready("too much waits for the disk: ask again in a moment")

    def stamp(self, event: Any) -> Any:
        """The event with this host's time, its uptime and a nonce. Raises LaneUnready where the lane cannot decide."""
        self.check()
        wall, uptime, (quality, spread) = self.book.now()
        return event._replace(
            wall_ms=wall,
            uptime_ms=uptime,
            quality=quality,
            spread_ms=spread,
            nonce=event.nonce or os.urandom(8),
            boot=None,
            seq=None,
        )

    def decisions(self, event: Any) -> list[Any]:
        """What the rules say of a stamped event; the state is read, not changed."""
        decided: list[Any] = decide.decide(self.ruleset, self.state, event, lane=True)
        return decided

    def record(
        self, event: Any, decided: list[Any], also: Also | None = None, reference: str | None = None
    ) -> Pending:
        """Writes decisions on a stamped event; `reference`: the till's own, for the receipts."""
        self.seen(event)
        drafts: list[Draft] = []
        for decision in decided:
            drafts += self._drafts(event, decision, reference)
        return self.answer(drafts, decided, event.basket_minor, event.nonce, also)

    def _drafts(self, event: Any, decision: Any, reference: str | None) -> list[Draft]:
        fields: Fields = decide.record_fields(self.ruleset, event, decision)
        drafts: list[Draft] = []
        if self.training:
            fields[0] = fields.get(0, 0) | reg.FLAG_TRAINING
            fields.pop(13, None)
        else:
            for index, until in zip(decision.latches, decision.until, strict=True):
                same = {name: fields[name] for name in (5, 6, 7, 8)}
                drafts.append(Draft(reg.KIND_LATCH, {**same, 9: index, 24: [until]}))
            if decision.opens:
                drafts.append(Draft(reg.KIND_RIGHTS, {13: [[number, 0] for number in decision.opens]}))
        drafts.append(Draft(decision.kind, fields, private_of(event), reference))
        return drafts

    # --- writing

    def answer(
        self,
        drafts: list[Draft],
        decided: list[Any],
        basket: int | None,
        nonce: bytes,
        also: Also | None = None,
        outcome: str | None = None,
    ) -> Pending:
        """Writes drafts as one transaction and puts them into an answer. Raises LaneUnready for what is no record."""
        built: list[LaneAnswer] = []

        def build(made: list[Any], written: Receipted) -> Statements:
            built.append(self._answered(made, written, decided, basket, nonce, outcome))
            paid = [
                statement
                for item in made
                for statement in spent.statements(item.fields[10], item.public, self._clock.now_ms())
            ]
            return [*paid, *(() if also is None else also(built[0]))]

        try:
            durable = self._write(drafts, build)[1]
        except FormatError as wrong:
            raise LaneUnready(f"this event does not fit a record: {wrong}") from wrong
        return Pending(built[0], durable)

    def _answered(
        self,
        made: list[Any],
        written: Receipted,
        decided: list[Any],
        basket: int | None,
        nonce: bytes,
        outcome: str | None,
    ) -> LaneAnswer:
        public = [item.fields for item in made]
        shown = [fields for fields in public if fields[10] in answers.DECISIONS] or public
        main = shown[answers.leading(shown)]
        index = public.index(main)
        handle = self._chain.handle(self.brick8, made[index].seq, made[index].mac)
        currency = next((fields[23] for fields in shown if 23 in fields), None)
        return LaneAnswer(
            decided,
            [(item.seq, item.fields[10]) for item in made],
            outcome or answers.outcome(main[10]),
            answers.credit(shown, basket),
            currency or (None if self.ruleset is None else self.ruleset.currency),
            answers.sentence(shown, self.ruleset),
            receipts.link_text(self._config.public_url, handle),
            written[index][0],
            answers.others(shown),
            (main.get(14) or [None])[0],
            nonce,
            shown,
        )

    def _write(
        self, drafts: Sequence[Draft], also: Callable[[list[Any], Receipted], Statements] | None = None
    ) -> tuple[list[Any], "asyncio.Future[None]"]:
        """Records of these drafts, on their way to the disk and known to the state. Raises FormatError: then there
        are none."""
        place = self.book.place
        try:
            made = [self.book.make(*draft) for draft in drafts]
            written = self._intake.write(
                self.brick,
                [parts for parts, _ in made],
                None if also is None else lambda found: also([record for _, record in made], found),
            )
        except FormatError:
            self.book.back_to(place)
            raise
        for (_, item), (_, receipt16) in zip(made, written.receipts, strict=True):
            self.state.apply(item)
            if self._catching is not None:
                self._catching.append(item)
            self._note(self.brick8, item, receipt16)
        self._last = written.durable
        if self.brick.status is not None:
            self._say()
            if any(13 in item.fields for _, item in made):
                self.changed()
        return [item for _, item in made], written.durable

    def _note(self, brick: bytes, item: Any, receipt16: bytes) -> None:
        """Remembers what was granted, and what of it was taken back."""
        fields: Fields = item.fields
        if fields[10] in taken.GRANTED:
            self.given[brick, item.seq] = taken.Given(
                brick, item.seq, receipt16, fields, item.private_fields or {}
            )
        elif fields[10] == reg.KIND_RESERVE and fields.get(24):
            self.reserves[item.seq] = fields
        elif fields[10] in taken.REVERSALS and fields.get(24):
            detail = fields[24]
            given = self.given.get((detail[taken.BRICK], detail[taken.SEQ]))
            if given is not None:
                given.took(fields.get(12) or [], detail[taken.BASKET])
            if detail[taken.BRICK] != self.brick8:
                key = detail[taken.BRICK], detail[taken.SEQ]
                self._foreign.setdefault(key, []).append((fields.get(12) or [], detail[taken.BASKET]))

    # --- the day's end and the operator's acts

    async def closing(self, who: str) -> LaneAnswer:
        """The close record of the day; the record key advances after it. `who`: at most 24 bytes."""
        return await self.act([Draft(reg.KIND_CLOSE, {24: [who]})], "closed")

    async def act(self, drafts: list[Draft], outcome: str) -> LaneAnswer:
        """Writes records that answer no customer."""
        self.check()
        return await self._done(self.answer(drafts, [], None, bytes(8), None, outcome))

    async def _done(self, pending: Pending) -> LaneAnswer:
        await asyncio.shield(pending.durable)
        return pending.answer

    async def operator(
        self,
        event: Any,
        rule_index: int | None,
        question: tuple[bytes, int],
        who: str,
        reason: str,
        granted: bool,
    ) -> LaneAnswer:
        """A person's answer to a question (brick8, seq): conditions are waived, rights and limits hold."""
        if self.ruleset is None or rule_index is None:
            raise LaneUnready("no rule of those in use here asked this")
        event = self.stamp(event)
        decided: Any = decide.operator(
            self.ruleset, self.state, event, rule_index, question, cut(who, 24), cut(reason, 60), granted
        )
        return await self._done(self.record(event, [decided]))

    async def parameters(self, values: dict[int, int], who: str) -> LaneAnswer:
        """Sets open values by index, within the authors' bounds. Raises LaneUnready for one that is out of them."""
        if self.ruleset is None:
            raise LaneUnready("no rules are in use here yet")
        known = self.ruleset.open_values
        for index, value in values.items():
            if not 0 <= index < len(known) or not known[index][1] <= value <= known[index][2]:
                raise LaneUnready(f"open value {index}: {value} is not within what the authors signed")
        pairs = [[index, value] for index, value in sorted(values.items())]
        fields: Fields = {8: self.ruleset.digest8, 24: [pairs, cut(who, 24)]}
        return await self.act([Draft(reg.KIND_PARAMETERS, fields)], "set")

    async def reverse(
        self, seq_or_link: int | str, kind: int, minor: int | None, who: str, reason: str
    ) -> LaneAnswer:
        """Takes back what the lane's record `seq`, or the event of a receipt link, granted (reversal.begin).

        Raises LaneUnready, NothingGiven."""
        if isinstance(seq_or_link, str):
            given = await reversal.by_link(self, self._records, seq_or_link)
        else:
            found = self.given.get((self.brick8, seq_or_link))
            if found is None:
                raise reversal.NothingGiven(
                    "nothing was granted under this number: there is nothing to take back"
                )
            given = [found]
        return await self._done(reversal.begin(self, given, kind, minor, who, reason))

    def remember(self, item: Stored) -> None:
        """A grant of another brick that is to be taken back, as far as it was not before."""
        self.given[item.brick, item.record.seq] = made = taken.Given(
            item.brick, item.record.seq, item.receipt16, item.record.fields, item.record.private_fields or {}
        )
        for parts, so_far in self._foreign.get((item.brick, item.record.seq), ()):
            made.took(parts, so_far)

    # --- slips

    async def reserve_slips(self, rule_index: int, count: int, who: str) -> list[slips.Slip]:
        """Sets rights aside for numbered paper slips. Raises NoSlip where they do not go round."""
        made, pending = slips.reserve(self, rule_index, count, who)
        await self._done(pending)
        return made

    async def release_slips(self, numbers: Sequence[int]) -> LaneAnswer:
        """Gives back what unused slips set aside."""
        return await self._done(slips.give_back(self, numbers))

    async def pay_slip(self, text: str, who: str) -> LaneAnswer:
        """A slip comes back: granted once."""
        return await self._done(slips.pay(self, text, who))

    def slip_code(self, number: int) -> str:
        """What a slip of this number says."""
        return slips.code(self._config.keys.handle_key, self.brick8, number)

    def pseudonym(self, nonce: bytes) -> bytes:
        """Of whoever holds a slip: nobody that is known from elsewhere."""
        return hmac.digest(self._config.keys.handle_key, b"stallmark/slip-subject/1\0" + nonce, "sha256")[:8]

    def words(self, fields: Fields) -> str:
        """The sentence of a record of the rules in use."""
        return answers.words(fields, self.ruleset)

    def currency_of(self, grants: list[list[Any]]) -> str | None:
        """The currency, where a grant is money."""
        money = any(taken.reg_money(grant[0]) for grant in grants)
        return self.ruleset.currency if money and self.ruleset is not None else None


def private_of(event: Any) -> Fields | None:
    """The private part without its salt, or None where nothing is known of a person or a basket."""
    private: Fields = {}
    if event.subject is not None:
        private[1] = event.subject
    if event.basket_minor is not None or event.items is not None:
        private[2] = [event.basket_minor, event.items]
    if event.tip_minor is not None:
        private[3] = event.tip_minor
    codes: list[int | str] = []
    size = 0
    for line in event.lines or ():
        size += len(str(line[0]).encode()) + 2
        if size > CODE_BYTES:
            break
        codes.append(line[0])
    if codes:
        private[4] = codes
    if event.token_counter is not None:
        private[5] = event.token_counter
    if event.staff is not None:
        private[6] = event.staff
    return private or None
