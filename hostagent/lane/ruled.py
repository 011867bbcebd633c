"""Rules and rights of the lane: rebuilt from the store at the start, taken up as the controller confirms them."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from hostagent import signer
from hostagent.core import Fields, FormatError, reg, rental, rights
from hostagent.errors import BundleRefused, HostError
from hostagent.lane import fold, ruleset
from hostagent.lane.book import Book
from hostagent.lane.draft import Draft
from hostagent.lane.fold import Fold
from hostagent.lane.writing import Writing
from hostagent.store import reversals

LOST = "lane_lost"
log = logging.getLogger("hostagent.lane")


class Ruled(Writing):
    """Start, rules and slices. `run` beside everything else."""

    # --- start

    async def load(self) -> None:
        """Takes everything up from the store: what is kept of its records, and those that came after it. Then it writes
        the record of this start. `run` calls it."""
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
        data = await asyncio.wrap_future(ruleset.kept(self._store))
        if data is not None:
            try:
                self._installed = ruleset.check(data, self._config.authors, None)
            except BundleRefused as refused:
                log.warning("the rules in use before this start are not taken up: %s", refused)
        if self.promised is not None:
            self.promised.learn(self.ruleset)
        kept = await asyncio.wrap_future(fold.kept(self._store))
        found = await self._follow(fold.unfolded(kept, self.brick8, self.ruleset), fold.PAGE)
        self.book = Book(self._key, self._config.rental, self._clock, self.brick, found.place)
        self.state, self.slipbook = found.state, found.slips
        for item in found.recent:
            self._note(item.brick, item.record, item.receipt16)
        first = [] if self.brick.next_seq > 1 else [Draft(reg.KIND_START, {24: []})]
        await self._write([*first, self._boot()])[1]
        self.trouble = None
        self._take_slices()

    async def _follow(self, found: Fold, most: int, rest_s: float = 0.0) -> Fold:
        """Reads what is in the store behind a fold, `most` records at a time, and keeps it where that was much."""
        first = self._kept_seq = found.seq
        while page := await asyncio.wrap_future(found.page(self._store, most)):
            back = [(item.record.seq, item.record.fields) for item in page if item.record.fields[10] in reversals.KINDS]
            if back:
                await asyncio.wrap_future(reversals.keep(self._store, back))
            for item in page:
                found.add(item)
            # Whoever waits for an answer meanwhile gets it.
            await asyncio.sleep(rest_s)
        if found.seq - first >= fold.KEEP_AFTER:
            keeping = found.keep(self._store)
            if keeping is not None:
                await asyncio.wrap_future(keeping)
            self._kept_seq = found.seq
        return found

    async def _keep(self) -> None:
        """Beside the work: what came since a fold was kept is folded into it."""
        if self.brick.durable_seq - self._kept_seq >= fold.KEEP_RUNNING:
            kept = await asyncio.wrap_future(fold.kept(self._store))
            await self._follow(fold.unfolded(kept, self.brick8, self.ruleset), fold.FEW, fold.REST_S)

    def _boot(self) -> Draft:
        digest = None if self.ruleset is None else self._installed_digest()
        program = hashlib.sha256(b"stallmark/host/1\0" + version("stallmark").encode()).digest()
        return Draft(reg.KIND_BOOT, {24: [digest, program, 0, 0, 0]})

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
                    await self._keep()
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
        current = None if offer is None else self._updater.offered(offer[0])
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
        try:
            if self._last is not None:
                await asyncio.shield(self._last)
            fresh = (await self._follow(Fold(self.brick8, installed.ruleset), fold.PAGE)).state
            for item in self._catching:
                fresh.apply(item)
        finally:
            self._catching = None
        self._installed, self.state = installed, fresh
        await self._write([self._boot()], lambda _, __: [(ruleset.KEEP, (installed.data,))])[1]
        self._updater.on_result(self.brick, digest8, reg.INSTALL_OK, "")
        self._take_slices()

    async def step(self, here: int, following: int, epoch: int, tag: bytes) -> Fields | None:
        """The controller's order to step to another rental, as a brick follows it (docs/formats/control.md): its answer, None
        while the lane has not started. Its people, slices, reserves and slips end with the record. Raises StoreUnavailable."""
        if self.trouble is not None:
            return None
        book = self.book
        book.settle()
        value = rental.order(here, following, epoch, tag)
        # A lane has no link: any epoch will do.
        result: int = rental.judge(value, book.control_key, self.brick8, book.rental, epoch - 1)[0]
        if not result:
            if self._intake.busy:
                return None
            _, durable = self._write([Draft(reg.KIND_RENTAL, {24: [following, epoch]}), self._boot()])
            await asyncio.shield(durable)
            self.given.clear()
            self._take_slices()
            result = reg.STEP_DONE
        answer: Fields = rental.answer(
            book.control_key, self.brick8, result, following, book.rental, book.epoch, epoch
        )
        return answer

    def _take_slices(self) -> None:
        self._say()
        self.give(self.slices())
        self.changed()

    def _floor_ms(self) -> int:
        """The latest instant known from signed things, as on a brick: a wrong clock of this host ends no rights."""
        return 0 if self._installed is None else self._installed.manifest.fields[12]

    def give(self, slices: Sequence[tuple[bytes, bytes]]) -> None:
        """Takes in signed slices, as a brick does over its link."""
        own = [] if self._config.director is None else [self._config.director]
        directors = self.directors() or own
        for payload, signature in slices:
            try:
                piece: Any = rights.decode_slice(payload)
            except FormatError:
                continue
            if piece.kit != self._config.kit or piece.rental != self.book.rental:
                result = reg.SLICE_OTHER_KIT
            elif not any(signer.verify(one, rights.slice_message(payload), signature) for one in directors):
                result = reg.SLICE_SIGNATURE
            else:
                result = self.state.add_slice(piece, self._floor_ms())
            self.give_result(piece.id, result)
        self._say()
