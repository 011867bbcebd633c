"""A host of the campaign: the real allotment over a store that survives crashes, and may be lost."""

from dataclasses import dataclass, field

from stallmark import registry as reg

from hostagent.allotment import Allotment, Held
from hostagent.store.slices import Slice
from tests.campaigns.bricks import KIT_VOUCHER, NAMES, RENTAL

BATCH = 12


@dataclass
class Stored:
    """What is on the disk. `rows`: slice number → [Slice, piece, brick or None, withheld, hint]; `spent`: serial →
    (brick, nonce or None)."""

    rows: dict = field(default_factory=dict)
    next_seq: dict = field(default_factory=dict)
    ledger: dict = field(default_factory=dict)
    receipts: list = field(default_factory=list)
    accepted: int = 0
    sending: tuple | None = None
    spent: dict = field(default_factory=dict)
    floor: int = 0
    successor: bool = False


class Host:
    """One kit's. `skew`: its clock against the market's."""

    def __init__(self, world, kit, bricks, lane):
        self.world, self.kit, self.lane = world, kit, lane
        self.bricks = {brick.brick8: brick for brick in [*bricks, *([lane] if lane else [])]}
        self.disk = Stored()
        self.rental = RENTAL  # of its configuration
        self.skew = world.random.randint(-1000, 1000)
        self.epoch = 0  # of its store: the controller's place for its receipts
        self.start()

    @property
    def now(self):
        """Its clock."""
        return self.world.now + self.skew

    def start(self):
        """After a crash: memory is new, links are down, the lane starts anew with its host."""
        self.left = {}
        self.late = []
        self.allotment = Allotment(
            lambda: self.bricks, lambda b: b in self.left, lambda b: self.left.get(b, {})
        )
        for number, (one, piece, brick, withheld, hint) in self.disk.rows.items():
            if piece.rental != self.rental or piece.expires <= self.now:
                continue
            self.allotment.slices[number] = Held(one, brick, None, withheld, hint=hint)
        for brick in self.bricks.values():
            brick.up = False
            brick.inbox.clear()
            brick.outbox.clear()
        if self.lane:
            self.lane.start()
            self.connect(self.lane)

    def lose_store(self, rescued):
        """The store is damaged: what still reads of the assignments goes into the next one, at most."""
        old, self.disk = self.disk, Stored(successor=True)
        if rescued:
            self.disk.rows, self.disk.spent = old.rows, old.spent
        self.epoch += 1
        if self.lane:  # its journal was in that store
            del self.bricks[self.lane.brick8]
            self.lane = None
        self.start()

    # --- the link

    def connect(self, brick):
        """A handshake: the clock, what is to be sent again, the brick's own slices."""
        brick.inbox.clear()
        brick.outbox.clear()
        brick.up = True
        self.left.pop(brick.brick8, None)
        self._tell(brick, "clock")
        self._tell(brick, "resend", self.disk.next_seq.get(brick.brick8, 1))
        for held in self.allotment.own(brick.brick8, self.now):
            self._give(brick, held)

    def disconnect(self, brick):
        """The cable is out: what was on its way is gone."""
        brick.up = False
        brick.inbox.clear()
        brick.outbox.clear()
        self.left.pop(brick.brick8, None)

    def _tell(self, brick, *message):
        brick.inbox.append(message)

    def _give(self, brick, held):
        self._tell(brick, "slice", self.disk.rows[held.slice.id][1])

    def hear(self, brick, message):
        """One message of a brick."""
        kind, *rest = message
        name = brick.brick8
        if kind == "record":
            self._record(brick, rest[0])
        elif kind == "status":
            self.left[name] = rest[0]
            self.allotment.heard_status(name)
            self.assign(brick)
        elif kind == "result":
            self.allotment.heard_result(name, *rest)
        elif kind == "ask":
            self._asked(brick, *rest)

    def _record(self, brick, item):
        disk, name = self.disk, brick.brick8
        expected = disk.next_seq.get(name, 1)
        if item.seq > expected and item.seq == brick.journal[0].seq:
            expected = item.seq  # the brick keeps nothing older
        if item.seq == expected:
            disk.next_seq[name] = item.seq + 1
            disk.receipts.append(item)
            fields = item.fields
            if fields[10] == reg.KIND_REDEEM and not fields[0] & reg.FLAG_TRAINING:
                disk.spent.setdefault(fields[24][0], (name, None))
            elif fields[10] == reg.KIND_RELEASE and fields.get(15) is not None:
                for serial, claim in list(disk.spent.items()):
                    if claim == (name, fields[15]):
                        del disk.spent[serial]
        self._acknowledge(brick)

    def _acknowledge(self, brick):
        seq = self.disk.next_seq.get(brick.brick8, 1) - 1
        if brick.up:
            self._tell(brick, "ack", seq, self.disk.ledger.get(brick.brick8, 0))

    def _asked(self, brick, nonce, rule, serial):
        """Yes only where it holds: a voucher is promised to one question, on the disk, before the yes."""
        yes = self.world.random.random() < 0.8
        if serial is not None and yes:
            yes = self.claim(serial, brick.brick8, nonce)
        if (
            serial is not None
            and self.disk.successor
            and NAMES.index(brick.ruleset.rules[rule].id) == KIT_VOUCHER
        ):
            yes = False  # the list of what was spent is not back from the controller yet
        said = (reg.ANSWER_YES, None) if yes else (reg.ANSWER_NO, reg.REASON_HOST_REFUSED)
        self._tell(brick, "answer", nonce, *said)

    def claim(self, serial, brick8, nonce):
        """Promises a voucher for good to one question: of a brick, or of the lane before it decides."""
        return self.disk.spent.setdefault(serial, (brick8, nonce)) == (brick8, nonce)

    # --- slices

    def assign(self, brick):
        """Durable first, then sent; the host may crash in between."""
        while (held := self.allotment.next_for(brick.brick8, self.now)) is not None:
            held.brick, held.unconfirmed = brick.brick8, True
            if (
                not self.world.calm and self.world.random.random() < 0.02
            ):  # the disk did not say; it may have it
                if self.world.random.random() < 0.5:
                    self.disk.rows[held.slice.id][2] = brick.brick8
                return
            self.disk.rows[held.slice.id][2] = brick.brick8
            held.unconfirmed, held.answered = False, None
            if not self.world.calm and self.world.random.random() < 0.03:
                self.start()
                return
            self._give(brick, held)

    def confirm(self):
        """What the disk did not confirm is tried again, for the same brick."""
        for held in self.allotment.slices.values():
            if held.unconfirmed:
                self.disk.rows[held.slice.id][2] = held.brick
                held.unconfirmed, held.answered = False, None
                brick = self.bricks.get(held.brick)
                if brick is not None and brick.up and held.slice.expires > self.now:
                    self._give(brick, held)

    def pulled(self, offer):
        """An answer of the controller: (pieces with hints, last number, serials spent anywhere)."""
        pieces, last, serials = offer
        disk = self.disk
        for piece, hint in pieces:
            if piece.id in disk.rows or piece.rental != self.rental:
                continue
            withheld = "doubtful" if disk.successor or piece.id <= disk.floor else None
            one = Slice(piece.id, piece.rule, piece.unit, piece.amount, piece.expires, b"", b"")
            disk.rows[piece.id] = [one, piece, None, withheld, hint]
            self.allotment.slices[piece.id] = Held(one, None, None, withheld, hint=hint)
        if disk.successor:
            disk.floor, disk.successor = last, False
        for serial in serials:
            disk.spent.setdefault(serial, (b"", None))
        self.confirm()
        for brick in list(self.bricks.values()):
            if brick.up:
                self.assign(brick)

    # --- the controller

    def batch(self):
        """What is to be delivered next: the same until it was answered."""
        disk = self.disk
        if disk.sending is None and disk.accepted < len(disk.receipts):
            disk.sending = (disk.accepted, min(len(disk.receipts), disk.accepted + BATCH))
        return disk.sending

    def delivered(self, marks):
        """The controller's answer."""
        disk = self.disk
        disk.accepted, disk.sending = disk.sending[1], None
        for name, mark in marks.items():
            disk.ledger[name] = max(mark, disk.ledger.get(name, 0))
            if name in self.bricks:
                self._acknowledge(self.bricks[name])
