"""One schedule: a hub of two kits, and everything that can go wrong between taps; then the healing, then the books."""

from collections import Counter
from random import Random

from stallmark import registry as reg

from fleet.returns import GRACE_MS
from fleet.settlement import SET_ASIDE
from tests.campaigns.bricks import (
    FIRST,
    HUB_VOUCHER,
    KIT_VOUCHER,
    LAN,
    MONEY,
    NAMES,
    RULESETS,
    SAMPLE,
    START,
    STRICT,
    Brick,
    Cut,
    piece_of,
)
from tests.campaigns.hosts import Host
from tests.campaigns.market import MINUTE, Controller
from tests.campaigns.rogue import FOUND, Rogue
from tests.campaigns.stall import Stall

GIVES_BACK = (reg.KIND_VOID, reg.KIND_REFUND)
ALLOWED = {reg.FINDING_GAP, reg.FINDING_VOUCHER_TWICE}
RULES = {piece_of(1, name, 1, 1, bytes(8), 1).rule: name for name in NAMES}


class Broken(AssertionError):
    """A property does not hold."""


class World(Stall, Rogue):
    """Everything of one schedule. `say` gets a line for each step where it is wanted; `rogue`: with a kit that cheats,
    by the seed where None; `copies`: it also pays vouchers by bricks that go on from old copies."""

    def __init__(self, seed, say=None, rogue=None, copies=False):
        self.seed, self.say, self.copies = seed, say, copies
        self.random = random = Random(seed)
        self.now = START + random.randint(0, 60) * MINUTE
        self.calm = True
        self.told = Counter()  # what happened, for the campaign's figures
        self.physical, self.owner, self.granted = Counter(), {}, Counter()
        self.paid = {}
        self.lossy, self.lost_store = set(), set()
        self.slips, self.slips_paid, self.answered = [], Counter(), set()
        self.links, self.set_back_bricks = {}, set()
        self.alone = {}  # (brick, ruleset, rule) → seqs that it granted; for the exposure limits
        self.controller = None
        ids = iter(bytes([n]) * 8 for n in range(1, 99))
        kits = {b"kit-aaaa": random.randint(1, 3), b"kit-bbbb": random.randint(1, 2)}
        cheats = seed % 5 == 4 if rogue is None else rogue
        self.rogue = random.choice(list(kits)) if cheats else None
        self.hosts, self.bricks = {}, []
        made = {}
        for kit, count in kits.items():
            bricks = [Brick(self, next(ids), kit) for _ in range(count)]
            lane = Brick(self, next(ids), kit, lane=True) if random.random() < 0.5 else None
            self.bricks += bricks
            self.hosts[kit] = Host(self, kit, bricks, lane)
            made[kit] = [brick.brick8 for brick in [*bricks, *([lane] if lane else [])]]
        self.controller = Controller(self, made)
        self.totals = {
            (kit, rental, right.rule): right.total
            for kit, found in self.controller.rights.items() for rental in (1, 2) for right in found
        }  # fmt: skip
        self.serials = [random.randbytes(8) for _ in range(4)]
        self.late = []  # answers of the controller that are still on their way: (host, offer)
        self.calm = False

    # --- what the parts ask and tell

    def power(self, brick):
        """May fail at any moment."""
        if not self.calm and self.random.random() < 0.004:
            raise Cut(brick.brick8)

    def written(self, brick, item):
        """A record is durable: what it gives away is gone. Checks every budget and limit, at every record."""
        fields = item.fields
        kind = fields[10]
        self.links[item.public] = brick.prev
        if fields[0] & reg.FLAG_TRAINING:
            self.told["practice records"] += 1
            self.check(not fields.get(13), "practice spent rights")
            return
        if kind == reg.KIND_REDEEM:
            self.paid.setdefault(fields[24][0], []).append(brick)
        if kind in (reg.KIND_GRANT, reg.KIND_REDEEM) and not brick.lane:
            self._exposed(brick, fields)
        sign = -1 if kind == reg.KIND_RELEASE else 1
        if kind == reg.KIND_RIGHTS or kind in GIVES_BACK:
            return
        for number, amount in fields.get(13) or ():
            piece = self.controller.pieces[number]
            self.physical[number] += sign * amount
            key = (piece.kit, piece.rental, RULES[piece.rule])
            self.granted[key] += sign * amount
            self.told["spends" if sign > 0 else "releases"] += 1
            if piece.kit == self.rogue:
                continue  # what cannot be prevented there is found and charged
            self.check(piece.rental == brick.rental, f"slice {number} of another rental")
            self.check(
                self.owner.setdefault(number, brick.brick8) == brick.brick8, f"slice {number} at two bricks"
            )
            self.check(0 <= self.physical[number] <= piece.amount, f"slice {number} overspent")
            self.check(
                self.granted[key] <= self.totals[key], f"budget of {key[2]} overspent: {self.granted[key]}"
            )

    def _exposed(self, brick, fields):
        """Without a host's yes a brick grants only within the rule's exposure limit: of one ruleset, what its host does
        not have on its disk (so a lower count than the brick's own, which knows what the host said)."""
        rule = brick.ruleset.rules[fields[9]]
        mine = self.alone.setdefault((brick.brick8, fields[8], fields[9]), [])
        mine.append(fields[2])
        if (
            brick.yes
            or rule.mode == 1
            or brick.kit in self.lost_store
            or brick.brick8 in self.set_back_bricks
        ):
            return
        held = self.hosts[brick.kit].disk.next_seq.get(brick.brick8, 1)
        open_ = sum(seq >= held for seq in mine)
        most = rule.upper if rule.mode == 2 else 0
        self.told["grants alone under an exposure limit"] += 1
        self.told["grants alone at the limit"] += open_ == most
        self.check(
            open_ <= most, f"{rule.id}: {open_} grants that the host does not know of, at most {most} alone"
        )

    def check(self, holds, what):
        """A property."""
        if not holds:
            raise Broken(f"seed {self.seed}: {what}")

    # --- steps

    def run(self, steps):
        """Random steps, then healing, then the books."""
        actions = [
            (self.tap, 38), (self.crowd, 2), (self.redeem, 5), (self.pump, 40), (self.post, 16), (self.pull, 6), (self.plug, 10),
            (self.cut, 2), (self.crash, 2), (self.lose, 0.25), (self.jump, 2), (self.night, 2), (self.erase, 2),
            (self.install, 1), (self.time_out, 2), (self.print_slips, 3), (self.pay_slip, 3), (self.return_slips, 1),
            (self.person, 3), (self.take_back, 2), (self.practise, 2), (self.hire, 0.4), (self.step, 2),
        ]  # fmt: skip
        if self.rogue:
            actions += [(self.assign_twice, 6), (self.redeem_twice, 2), (self.set_back, 2)]
        if self.rogue and self.copies:
            actions += [(self.pay_from_copy, 4)]
        names, weights = zip(*actions, strict=True)
        if self.random.random() < 0.7:  # a good morning
            self.calm = True
            self.flow(1)
            self.calm = False
        for action in self.random.choices(names, weights, k=steps):
            self.now += self.random.randint(0, 4000)
            self.guarded(action)
        self.books()
        self.heal()
        return self

    def guarded(self, action, *given):
        """An action, and what a power cut in it does."""
        if self.say:
            self.say(f"{(self.now - START) / 1000:9.1f} s  {action.__name__} {given or ''}")
        try:
            action(*given)
        except Cut as cut:
            self.told["cuts"] += 1
            for host in self.hosts.values():
                if host.lane and host.lane.brick8 == cut.args[0]:
                    host.start()
                    return
                if cut.args[0] in host.bricks:
                    brick = host.bricks[cut.args[0]]
                    host.disconnect(brick)
                    brick.start()

    def all_bricks(self):
        """With the lanes that there are."""
        return [brick for host in self.hosts.values() for brick in host.bricks.values()]

    def tap(self):
        """Somebody at some brick, for some bonus."""
        brick = self.random.choice(self.all_bricks())
        brick.tap(self.random.randint(MONEY, STRICT), self.random.randbytes(8))

    def crowd(self):
        """Many at one brick that nobody answers."""
        brick = self.random.choice(self.bricks)
        for _ in range(6):
            brick.tap(LAN, self.random.randbytes(8))
            self.time_out()

    def redeem(self):
        """A voucher, good at the first kit or at the whole hub, is shown somewhere."""
        which = self.random.choice((KIT_VOUCHER, HUB_VOUCHER))
        serial = self.serials[self.random.randint(0, 1) + 2 * (which == HUB_VOUCHER)]
        bricks = [b for b in self.all_bricks() if which == HUB_VOUCHER or b.kit == b"kit-aaaa"]
        brick = self.random.choice(bricks)
        if not brick.lane or brick.training or self.hosts[brick.kit].claim(serial, brick.brick8, b"lane"):
            brick.tap(which, serial, serial)

    def pump(self, most=24):
        """Messages of one link go over, some of them."""
        brick = self.random.choice(self.all_bricks())
        host = self.hosts[brick.kit]
        for _ in range(self.random.randint(1, most)):
            if brick.outbox and (not brick.inbox or self.random.random() < 0.5):
                host.hear(brick, brick.outbox.popleft())
            elif brick.inbox:
                brick.hear(brick.inbox.popleft())

    def post(self):
        """A batch to the controller: it may not arrive, and its answer may not come back."""
        host = self.random.choice(list(self.hosts.values()))
        span = host.batch()
        if span is None or self.random.random() < 0.2:
            return
        marks = self.controller.take(host.kit, host.epoch, span, host.disk.receipts)
        self.told["batches"] += 1
        if self.random.random() < 0.2:
            self.controller.renew()
        if self.random.random() < 0.8:
            host.delivered(marks)

    def pull(self):
        """News for a host: at once, late, or after later ones; an answer of another store's time is dropped."""
        host = self.random.choice(list(self.hosts.values()))
        self.controller.renew()
        self.late.append((host, host.epoch, self.controller.offer(host.kit)))
        self.random.shuffle(self.late)
        while self.late and self.random.random() < 0.6:
            to, epoch, offer = self.late.pop()
            if to.epoch == epoch:
                to.pulled(offer)

    def plug(self):
        """A cable goes in or comes out."""
        brick = self.random.choice(self.bricks)
        host = self.hosts[brick.kit]
        if brick.up and self.random.random() < 0.2:
            host.disconnect(brick)
        elif not brick.up:
            host.connect(brick)

    def cut(self):
        """A brick loses power."""
        brick = self.random.choice(self.bricks)
        self.hosts[brick.kit].disconnect(brick)
        brick.start()

    def crash(self):
        """A host starts anew."""
        self.random.choice(list(self.hosts.values())).start()

    def lose(self):
        """A host's store is lost, or read in part."""
        host = self.random.choice(list(self.hosts.values()))
        self.told["stores lost"] += 1
        self.lost_store.add(host.kit)
        if host.lane:
            self.lossy.add(host.kit)
        self.gone_with(host)
        host.lose_store(self.random.random() < 0.5)

    def jump(self):
        """Nothing happens for a while: slices expire."""
        self.now += self.random.randint(5, 60) * MINUTE

    def night(self):
        """Hours pass, some are still on and show their clock, then most are started for the next day."""
        self.now += self.random.randint(1, 4) * 60 * MINUTE
        for brick in self.bricks:
            if self.random.random() < 0.8:
                self.guarded(brick.tap, STRICT, bytes(8))
                self.guarded(self.time_out)
        for brick in self.bricks:
            if self.random.random() < 0.8:
                self.hosts[brick.kit].disconnect(brick)
                brick.start()
        for host in self.hosts.values():
            if host.lane and self.random.random() < 0.5:
                self.guarded(host.lane.tap, STRICT, bytes(8))
                host.start()
        for brick in self.bricks:
            if self.random.random() < 0.8:
                self.hosts[brick.kit].connect(brick)

    def erase(self):
        """A brick frees what the ledger has; now and then, with a full ring, what only the host has."""
        brick = self.random.choice(self.bricks)
        early = self.random.random() < 0.05
        mark = brick.host_seq if early else brick.ledger_seq
        brick.forget(mark + 1)
        if early and mark > brick.ledger_seq:
            self.lossy.add(brick.kit)

    def install(self):
        """Other rules for a brick."""
        self.random.choice(self.all_bricks()).install(self.random.choice(RULESETS))

    def time_out(self):
        """The host did not answer in time."""
        for brick in self.all_bricks():
            if brick.question is not None:
                brick.answer(brick.question[0], None, None)

    # --- afterwards

    def heal(self):
        """Everything comes back: links, hosts, the controller; time goes on until nothing is held any more."""
        self.calm = True
        self.time_out()
        for brick in self.all_bricks():
            brick.train(False)
        for kit in self.hosts:
            if self.controller.rental[kit] == 2:
                self.step(everybody=True)
        self.return_slips(1)
        self.flow()
        self.now += 4 * 60 * MINUTE + GRACE_MS
        for brick in self.all_bricks():
            brick.tap(STRICT, bytes(8))
            self.time_out()
        self.flow()
        for brick in self.bricks:
            self.hosts[brick.kit].disconnect(brick)
            brick.start()
        for host in self.hosts.values():
            host.start()
        self.flow()
        self.controller.renew()
        self.books()
        self.exhaust()
        self.books()
        self.settled()

    def flow(self, rounds=2):
        """All links up, all messages over, all batches in, all news fetched; until nothing moves."""
        for brick in self.bricks:
            if not brick.up:
                self.hosts[brick.kit].connect(brick)
        for _ in range(rounds):
            for host in self.hosts.values():
                moving = True
                while moving:
                    moving = False
                    for brick in list(host.bricks.values()):
                        while brick.outbox:
                            host.hear(brick, brick.outbox.popleft())
                            moving = True
                        while brick.inbox:
                            brick.hear(brick.inbox.popleft())
                            moving = True
                while host.batch() is not None:
                    span = host.batch()
                    host.delivered(self.controller.take(host.kit, host.epoch, span, host.disk.receipts))
                self.controller.renew()
                host.pulled(self.controller.offer(host.kit))

    def exhaust(self):
        """People come until every brick says no: what is left of a stock or a first-N then is nobody's to give."""
        for _ in range(60):
            before = sum(self.granted.values())
            for brick in self.all_bricks():
                brick.train(False)  # a message to practise may have been on its way
                for which in (SAMPLE, FIRST):
                    while brick.tap(which, self.random.randbytes(8)) == reg.KIND_GRANT:
                        pass
            self.flow()
            if sum(self.granted.values()) == before:
                return
        self.check(False, "still granting after sixty rounds")

    def books(self):
        """Minted = spent + returned + stranded, and no budget is out more than once; after healing, usable means used."""
        for (kit, rental, name), total in self.totals.items():
            right = next(right for right in self.controller.rights[kit] if right.rule == name)
            found = self.controller.figures(kit, right, rental)
            sums = found.spent + found.returned + found.stranded
            self.check(found.minted == sums, f"{name}: {found}")
            self.check(found.kept >= 0 and found.minted - found.returned <= total, f"{name}: {found}")
        self.check(
            all(one.left >= 0 for one in self.controller.slices.values()), "a slice has less than nothing"
        )
        for kit in self.hosts:
            found = set(self.controller.codes[kit])
            allowed = ALLOWED | FOUND if kit == self.rogue else ALLOWED
            self.check(found <= allowed, f"findings {sorted(found)}")

    def settled(self):
        """After healing: the ledger knows what was given, nothing usable is left, vouchers paid once or are settled."""
        for kit in self.hosts:
            if kit in self.lossy:
                self.told["kits that lost records"] += 1
                continue
            if kit == self.rogue:
                self.charged()
                continue
            rental = self.controller.rental[kit]
            for number, one in self.controller.slices.items():
                if one.kit == kit:
                    self.check(
                        one.spent == self.physical[number], f"slice {number}: the ledger knows {one.spent}"
                    )
            for which in (SAMPLE, FIRST):
                key = (kit, rental, NAMES[which])
                given, total = self.granted[key], self.totals[key]
                self.check(
                    given == total, f"{NAMES[which]}: {given} of {total} could be given, the rest is nowhere"
                )
        for serial, payers in self.paid.items():
            if not payers:  # of a brick that was set back
                continue
            kits = {brick.kit for brick in payers}
            if len(payers) > 1:
                self.told["vouchers paid twice"] += 1
            if serial in self.serials[:2] and not kits & {*self.lost_store, self.rogue}:
                self.check(len(payers) == 1, f"a voucher of one kit was paid {len(payers)} times")
            if not kits & self.lossy:
                self._paid(serial, payers)
        self._losers_charged()
        self.told["slices minted"] += len(self.controller.slices)
        self.told["came back"] += sum(one.returned > 0 for one in self.controller.slices.values())

    def _paid(self, serial, payers):
        """Every payment is the one that stands, or lost to one; where all records of it were set aside nobody wins."""
        losers = [found.loser for found in self.controller.settled if found.winner.serial == serial]
        waiting = self.controller.aside.get(serial, [])
        if serial in self.controller.redemptions:
            self.check(len(losers) == len(payers) - 1, f"{len(payers)} payments, {len(losers)} settled")
            self.check(not waiting, "payments wait for a winner that there is")
            self.told["vouchers settled"] += bool(losers)
        else:
            self.check(not losers, "a loser without a winner")
            self.check(
                len(waiting) == len(payers), f"{len(payers)} payments, {len(waiting)} set aside, none settled"
            )
            self.told["vouchers whose every payment was set aside"] += 1

    def _losers_charged(self):
        """Whoever did not win is charged what the record gave, once: for the voucher, or for what set it aside."""
        found = self.controller.settled
        charges = Counter(
            (one.brick, one.seq, one.amount, one.code == reg.FINDING_VOUCHER_TWICE)
            for one in self.controller.charges
            if not one.part
        )
        owed = Counter(
            (one.loser.brick, one.loser.seq, one.loser.minor, one.reason != SET_ASIDE) for one in found
        )
        for waiting in self.controller.aside.values():
            owed.update((one.brick, one.seq, one.minor, False) for one in waiting)
        self.check(owed <= charges, f"a loser was not charged: {owed - charges}")
        twice = sum(count for (*_, voucher), count in charges.items() if voucher)
        self.check(twice == sum(one.reason != SET_ASIDE for one in found), "charged without a settlement")
        self.told["payments set aside and settled"] += sum(one.reason == SET_ASIDE for one in found)
