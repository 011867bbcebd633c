"""Writing: the lane's records in order, on their way to the disk, known to the state; what was granted so far."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hostagent.bricks import Brick, Status
from hostagent.chain import Chain
from hostagent.clock import Clock
from hostagent.config import Config, LaneKey
from hostagent.core import Fields, FormatError, reg, state
from hostagent.exchangelog import Lists
from hostagent.intake import Intake, Receipted, Statements
from hostagent.lane import ruleset, taken
from hostagent.lane.book import Book
from hostagent.lane.draft import Draft, LaneUnready
from hostagent.lane.slipbook import SlipBook
from hostagent.lane.unusual import Unusual
from hostagent.promised import Promised
from hostagent.staff import Staff
from hostagent.store import heads, reversals
from hostagent.store.records import Records, Stored
from hostagent.store.store import Store
from hostagent.updater import Updater

# Grants kept in memory; older ones are read from the store when they are to be taken back.
GIVEN_MOST = 4_096


class Writing:
    """The lane's ground: what it is made of, and how a record is written.

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
        self.unusual = Unusual()
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
        self.slipbook = SlipBook()
        # The last record in the fold that is kept (hostagent.lane.fold).
        self._kept_seq = 0
        self.training = False
        # What keeps it from deciding, in a sentence; None: nothing.
        self.trouble: str | None = "the lane has not started yet"
        self.give_result: Callable[[int, int], None] = lambda slice_id, result: None
        self.changed: Callable[[], None] = lambda: None
        # Whether the kit is stopped: then nothing is granted here; what was granted can be taken back.
        self.halted: Callable[[], bool] = lambda: False
        self.slices: Callable[[], list[tuple[bytes, bytes]]] = list
        # Public keys of the directors by the newest root; None without one: then it is the one of config.json.
        self.directors: Callable[[], list[bytes] | None] = lambda: None
        self.reversing = asyncio.Lock()
        # What stands in records for people at the stall.
        self.staff = Staff(store, config.keys.event_key)
        # Lists of heads that its state had, the newest last.
        self.lists = Lists()
        # Where grants that are taken back promised vouchers; None: this host makes none.
        self.promised: Promised | None = None

    @property
    def ruleset(self) -> Any:
        """The Ruleset in use, or None."""
        return None if self._installed is None else self._installed.ruleset

    def _installed_digest(self) -> bytes:
        assert self._installed is not None
        return self._installed.manifest.fields[2]

    def check(self) -> None:
        """Raises LaneUnready where nothing can be written now."""
        if self.trouble is not None:
            raise LaneUnready(self.trouble)
        if self._intake.busy:
            raise LaneUnready("too much waits for the disk: ask again in a moment")

    # --- writing

    def _write(
        self, drafts: Sequence[Draft], also: Callable[[list[Any], Receipted], Statements] | None = None
    ) -> tuple[list[Any], "asyncio.Future[None]"]:
        """Records of these drafts, on their way to the disk and known to the state. Raises FormatError: then there
        are none."""
        mark = self.book.mark
        if self.training:
            drafts = [_practice(draft) for draft in drafts]
        try:
            made = [self.book.make(*draft) for draft in drafts]
            written = self._intake.write(
                self.brick,
                [parts for parts, _ in made],
                lambda found: [
                    *self._evidence(drafts),
                    *([] if also is None else also([record for _, record in made], found)),
                ],
            )
        except FormatError:
            self.book.back_to(mark)
            raise
        for (_, item), (_, receipt16) in zip(made, written.receipts, strict=True):
            self.state.apply(item)
            if self._catching is not None:
                self._catching.append(item)
            self.slipbook.note(item, self.state)
            self._note(self.brick8, item, receipt16)
        self._last = written.durable
        if self.brick.status is not None:
            self._say()
            if any(13 in item.fields for _, item in made):
                self.changed()
        return [item for _, item in made], written.durable

    def _evidence(self, drafts: Sequence[Draft]) -> Statements:
        """Keeps the lists of heads that records name, with the records."""
        named = {draft.fields[21] for draft in drafts if 21 in draft.fields}
        newest = self.lists.newest(self.brick8)
        return [(heads.NOTE, tuple(newest))] if newest is not None and newest.digest in named else []

    def _note(self, brick: bytes, item: Any, receipt16: bytes) -> None:
        """Remembers what was granted, and what of it was taken back."""
        fields: Fields = item.fields
        if fields[10] in taken.GRANTED:
            self.given[brick, item.seq] = taken.Given(
                brick, item.seq, receipt16, fields, item.private_fields or {}, self._kept(fields)
            )
            while len(self.given) > GIVEN_MOST:
                del self.given[next(iter(self.given))]
        elif fields[10] in taken.REVERSALS and fields.get(24):
            detail = fields[24]
            given = self.given.pop((detail[taken.BRICK], detail[taken.SEQ]), None)
            if given is not None:
                given.took(fields.get(12) or [], detail[taken.BASKET])
                # To the end: it stays at least until what took it back is durable, and read where it is forgotten.
                self.given[given.brick, given.seq] = given

    def _kept(self, public: Fields) -> frozenset[int]:
        return frozenset[int]() if self.promised is None else self.promised.keeping.places(public)

    async def remember(self, item: Stored) -> taken.Given:
        """A grant that is to be taken back, as far as it was not before; out of the store where it is not in memory."""
        key = item.brick, item.record.seq
        if key not in self.given:
            before = await asyncio.wrap_future(reversals.of(self._store, *key))
            if key not in self.given:  # nobody else was quicker
                self._remember(item, before)
        return self.given[key]

    def _remember(self, item: Stored, before: Sequence[reversals.Back]) -> None:
        fields = item.record.fields
        private: Fields = item.record.private_fields or {}
        made = taken.Given(item.brick, item.record.seq, item.receipt16, fields, private, self._kept(fields))
        self.given[item.brick, item.record.seq] = made
        for parts, so_far in before:
            made.took(parts, so_far)

    # --- the lane as one brick of the kit

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


# What answers somebody. Rights set aside and given back, starts, open values and the day's end are real in practice too.
PRACTISED = (
    reg.KIND_GRANT,
    reg.KIND_REDEEM,
    reg.KIND_UNCERTAIN,
    reg.KIND_DENY,
    reg.KIND_GHOST,
    reg.KIND_VOID,
    reg.KIND_REFUND,
)


def _practice(draft: Draft) -> Draft:
    """The draft as practice: marked, spending no rights and ending no slip."""
    if draft.kind not in PRACTISED:
        return draft
    fields = {name: value for name, value in draft.fields.items() if name not in (13, 20)}
    fields[0] = fields.get(0, 0) | reg.FLAG_TRAINING
    return draft._replace(fields=fields)
