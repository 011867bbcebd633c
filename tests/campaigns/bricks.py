"""A brick of the campaign: real State, real decisions, a journal that survives; the wire and the power are the world's."""

from collections import deque
from typing import NamedTuple

from brick.training import Training
from stallmark import cbor, decide, event, record, rights, rules, state
from stallmark import registry as reg

START = 1_790_000_000_000
DAY = 86_400_000
RENTAL = 1
MAC_KEY = bytes(32)
SERIES = 7
MONEY, SAMPLE, FIRST, LAN, STRICT, KIT_VOUCHER, HUB_VOUCHER = range(7)
NAMES = ("money", "sample", "first", "lan", "strict", "kit-voucher", "hub-voucher")
# Event type of each rule, its unit and what one grant takes of it; vouchers need no rights.
TYPES = (reg.EVENT_NFC_TAP, reg.EVENT_SHARE, reg.EVENT_REVIEW, reg.EVENT_TILL_SALE, reg.EVENT_RSVP, 2, 2)
NEEDS = ((1, 100), (2, 1), (3, 1), (1, 60), (1, 100), None, None)
MODES = ((1, 0, 0), (1, 0, 0), (1, 0, 0), (2, 1, 3), (3, 0, 0), (3, 0, 0), (2, 2, 4))


def _rule(which):
    voucher = which >= KIT_VOUCHER
    grant = [2, 1, 0 if voucher else NEEDS[which][1]]
    if which in (SAMPLE, FIRST):
        grant = [5, 1, 0] if which == SAMPLE else [10, 1, 0, "door"]
    need = [] if voucher else [NEEDS[which][0]]
    return {
        0: NAMES[which], 1: [TYPES[which]], 2: 4 if voucher else 2, 3: [0], 4: [0], 5: False, 6: [grant], 7: need,
        8: [], 9: [14, *MODES[which]], 10: [[None, None, None]], 11: 3, 12: 3, 13: None, 14: None, 15: [], 16: None,
        17: None, 18: 0, 19: None, 20: SERIES + which if voucher else None, 21: None,
    }  # fmt: skip


def ruleset(*order):
    """A Ruleset of version 2 with the rules in this order."""
    return rules.Ruleset(
        cbor.encode({
            0: 2, 1: "campaign", 2: 1, 3: "EUR", 4: [[START, START + 11 * DAY]], 5: [_rule(which) for which in order],
            6: None, 7: 64, 8: "Campaign", 9: ["en"], 10: [], 11: None, 12: [], 13: [], 14: [], 15: [], 16: 0,
        })
    )  # fmt: skip


RULESETS = (ruleset(*range(7)), ruleset(6, 5, 2, 1, 0, 3, 4))


class Rec(NamedTuple):
    """A record as a State and a judge want it."""

    seq: int
    fields: dict
    private_fields: dict | None
    public: bytes
    mac: bytes


class Cut(Exception):
    """The power went."""


class Brick:
    """`world` says when the power fails and is told of every record; `lane`: the host's own."""

    def __init__(self, world, brick8, kit, lane=False):
        self.world, self.brick8, self.kit, self.lane = world, brick8, kit, lane
        self.ruleset = RULESETS[0]
        self.journal = []
        self.seq, self.prev, self.boot = 0, bytes(16), 0
        self.rental, self.epoch = RENTAL, 0  # of the key partition
        self.training = None  # brick.training.Training, while it is on
        self.yes = False  # the records being written follow a host's yes
        self.host_seq = self.ledger_seq = 0
        self.skew = world.random.randint(-2000, 2000)
        self.inbox, self.outbox = deque(), deque()
        self.up = False
        self.start()

    # --- power

    def start(self):
        """Memory is new, the journal is not."""
        self.boot += 1
        self.quality = 0
        self.good = {}
        self.question = None
        self.training = None
        self.up = False
        self.inbox.clear()
        self.outbox.clear()
        self._step_keys()
        self._remember()
        try:
            self.write(reg.KIND_BOOT, {})
            if self.lane:
                return  # a lane asks nobody: what it has set aside are paper slips, which outlive it
            for seq, _rule_index, parts in self.state.open_reserves():
                self.write(reg.KIND_RELEASE, {13: parts, 15: self.state.reserve(seq)[3], 20: seq})
        except Cut:
            self.start()

    def _remember(self):
        self.state = state.State(self.ruleset)
        self.state.reconciled(self.host_seq)
        for item in self.journal:
            self.state.apply(item)

    def _step_keys(self):
        """The rental record ends its key's epoch; a cut between the record and the new keys is made good here."""
        last = self.journal[-1].fields if self.journal else None
        if last is not None and last[10] == reg.KIND_RENTAL and last[3] == self.epoch:
            self.rental, self.epoch = last[24][0], self.epoch + 1

    def new_rental(self, rental):
        """The last record under the old keys, the new keys, and a start under them."""
        if rental > self.rental:
            self.write(reg.KIND_RENTAL, {24: [rental]})
            self.start()

    def install(self, found):
        """Other rules: the state is built anew, slices are handed to it again. A question ends under the rules that
        asked it, before (brick.decider.Decider.use): its decision names a rule by its place among them."""
        if self.question is not None:
            self.answer(self.question[0], None, None)
        self.ruleset = found
        self._remember()
        for piece in list(self.good.values()):
            self.say("result", piece.id, self.state.add_slice(piece, 0))
        if self.training is not None:
            self.training.begin(found)
        self.say_status()

    def forget(self, before):
        """The ring's oldest sector is erased: what decisions rest on is said again first."""
        while sums := self.state.carry_forward(before):
            self.write(reg.KIND_RIGHTS, {13: sums})
        self.journal = [item for item in self.journal if item.seq >= before]

    # --- records

    @property
    def wall(self):
        """By this brick's own clock; None where no host has set it since the start."""
        return self.world.now + self.skew if self.quality else None

    def write(self, kind, more, subject=None):
        """One record, durable, or Cut before or after it was."""
        self.world.power(self)
        self.seq += 1
        fields = {
            0: 0, 1: self.brick8, 2: self.seq, 3: self.epoch, 4: self.boot, 5: self.wall, 6: 0, 7: [self.quality, 0],
        }  # fmt: skip
        fields.update(more)
        fields |= {10: kind, 16: self.rental, 18: self.prev}
        public = b"%s%d %d" % (self.brick8, self.seq, self.world.random.getrandbits(32))
        made = Rec(
            self.seq, fields, None if subject is None else {1: subject}, public, record.mac(MAC_KEY, public)
        )
        self.prev = record.link(public, made.mac)
        self.journal.append(made)
        self.world.written(self, made)
        self.state.apply(made)
        self.say("record", made)
        self.world.power(self)
        return made

    def tap(self, which, subject, serial=None):
        """Somebody comes for a rule's bonus; None where the brick is busy with a question."""
        if self.question is not None:
            return None
        more = {}
        if serial is not None:
            more = {"signal": [f"voucher:{SERIES + which}", 200, 0], "reference": serial.hex()}
        happened = event.make(
            type=TYPES[which], trust=3 if serial is None else 4, subject=subject, wall_ms=self.wall, uptime_ms=0,
            quality=self.quality, spread_ms=0, nonce=self.world.random.randbytes(8), **more,
        )  # fmt: skip
        if self.training is not None:
            return self._practise(happened)
        (found,) = decide.decide(self.ruleset, self.state, happened, None, self.lane)
        if found.opens:
            self.write(reg.KIND_RIGHTS, {13: [[number, 0] for number in found.opens]})
        if found.ask:
            reserve = self.write(
                reg.KIND_RESERVE, decide.reserve_fields(self.ruleset, happened, found), subject
            )
            self.question = (happened.nonce, found, reserve.seq, happened)
            if self.up:
                self.say("ask", happened.nonce, found.rule, serial)
                return None
            return self.answer(happened.nonce, None, None)
        made = self.write(found.kind, decide.record_fields(self.ruleset, happened, found), subject)
        if found.rights:
            self.say_status()
        return made.fields[10]

    def train(self, on):
        """Practice on or off (brick.kitwide.Kitwide.training): its state begins with the slices, whole."""
        if not on:
            self.training = None
        elif self.training is None:
            self.training = Training(self.ruleset, self._hand_out)

    def _hand_out(self, trial):
        for piece in self.good.values():
            trial.add_slice(piece, 0)

    def _practise(self, happened):
        """As brick.decider and the lane do it: decided on the trial state, written with a flag and without rights."""
        (found,) = decide.decide(self.ruleset, self.training.state, happened, None, self.lane)
        fields = decide.record_fields(self.ruleset, happened, found)
        rights_ = fields.pop(13, None)
        fields[0] = fields.get(0, 0) | reg.FLAG_TRAINING
        made = self.write(found.kind, fields, happened.subject)
        self.training.note(record.Record(made.seq, b"", b"", b"", made.fields), rights_, found)
        return made.fields[10]

    def answer(self, nonce, said, reason):
        """The host's answer, or that none came: the records that end the question. Its kind."""
        if self.question is None or self.question[0] != nonce:
            return None
        _, found, seq, happened = self.question
        kind = None
        self.yes = said == reg.ANSWER_YES
        for kind, fields in decide.settle(self.ruleset, happened, found, seq, said, reason):
            self.write(kind, fields, happened.subject)
        self.question = None
        self.yes = False
        self.say_status()
        return kind

    # --- the link

    def say(self, *message):
        """To the host, where there is a link."""
        if self.up:
            self.outbox.append(message)

    def say_status(self):
        """What is left."""
        self.say("status", dict(self.state.slices_left()))

    def hear(self, message):
        """One message of the host."""
        kind, *rest = message
        if kind == "clock":
            self.quality = 2
        elif kind == "resend":
            for item in self.journal:
                if item.seq >= rest[0]:
                    self.say("record", item)
            self.say_status()
        elif kind == "ack":
            self.host_seq = max(self.host_seq, rest[0])
            self.ledger_seq = max(self.ledger_seq, rest[1])
            self.state.reconciled(self.host_seq)
        elif kind == "slice" and (rest[0].kit, rest[0].rental) != (self.kit, self.rental):
            self.say("result", rest[0].id, reg.SLICE_OTHER_KIT)
        elif kind == "slice":
            piece = rest[0]
            self.good[piece.id] = piece
            self.say("result", piece.id, self.state.add_slice(piece, 0))
            self.say_status()
        elif kind == "answer":
            self.answer(*rest)
        elif kind == "install":
            self.install(rest[0])
        elif kind == "training":
            self.train(rest[0])


def piece_of(number, rule, unit, amount, kit, expires, rental=RENTAL):
    """A slice as it travels."""
    return rights.Slice(number, rights.rule8(rule), unit, amount, kit, rental, expires)
