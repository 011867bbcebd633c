"""The controller of the campaign: the real judge, returns and minting over plain dictionaries."""

from stallmark import registry as reg

from fleet import returns, rights, sizes
from fleet.chains import BrickState, Held, Judge
from fleet.config import Expected, Right
from fleet.ingest import Taken
from fleet.rights import Figures
from fleet.spending import Slice
from tests.campaigns.bricks import MAC_KEY, NAMES, NEEDS, RENTAL, piece_of

MINUTE = 60_000


class Keys:
    """Every brick is known; rental steps are remembered, MAC keys never change."""

    def __init__(self):
        self.steps = {}  # brick → [(first epoch, rental)]

    def knows(self, brick):
        return True

    def mac_key(self, brick, epoch):
        return MAC_KEY

    def rental(self, brick, epoch):
        found = [rental for first, rental in self.steps.get(brick, ()) if first <= epoch]
        return found[-1] if found else RENTAL

    def step(self, brick, first_epoch, rental):
        self.steps.setdefault(brick, []).append((first_epoch, rental))
        return brick, first_epoch, rental

    def forget(self, roots):
        for brick, first_epoch, rental in roots:
            self.steps[brick].remove((first_epoch, rental))


class Controller:
    """`kits`: kit8 → its bricks' ids."""

    def __init__(self, world, kits):
        self.world, self.kits = world, kits
        self.of = {brick: kit for kit, bricks in kits.items() for brick in bricks}
        self.slices, self.pieces, self.hints, self.numbers = {}, {}, {}, {}
        self.states = {brick: BrickState(brick) for brick in self.of}
        self.records = {brick: {} for brick in self.of}
        self.latest = dict.fromkeys(
            self.of, 0
        )  # wall time of any record: what is later need not be looked for
        self.held, self.reserves, self.redemptions, self.aside = {}, {}, {}, {}
        self.keys, self.rental = Keys(), dict.fromkeys(kits, RENTAL)
        self.places, self.settled, self.charges = {}, [], []
        self.codes = {kit: [] for kit in kits}
        self.log = []  # serials in the order in which they were learned
        random = world.random
        self.rights = {kit: self._rights(random) for kit in kits}
        self.forecast = {
            kit: [Expected(b, hour, random.randint(0, 9)) for b in bricks for hour in (9, 10)]
            if random.random() < 0.6
            else []
            for kit, bricks in kits.items()
        }
        self.mint()

    def _rights(self, random):
        found = []
        for which, need in enumerate(NEEDS):
            if need is not None:
                unit, amount = need
                each = amount * random.randint(1, 3)
                life = random.choice((30, 120)) * MINUTE
                reserve = random.choice((0, 0, 3000))
                found.append(Right(NAMES[which], unit, each, random.randint(2, 4), None, life, reserve))
        return found

    # --- batches

    def take(self, host, epoch, span, receipts):
        """Marks of the bricks; a batch that is held already changes nothing."""
        place = self.places.get((host, epoch), 0)
        if span[0] == place:
            self.places[host, epoch] = span[1]
            self._judge(receipts[span[0] : span[1]], host)
        else:
            assert span[1] <= place, "a host's batches follow each other"
        return {name: state.mark for name, state in self.states.items() if self.of[name] == host}

    def _judge(self, items, host):
        judge = Judge(
            self.keys, self.states.__getitem__, lambda brick, seq: self.held.get((brick, seq), []), self.of.get,
            self.slices.get, lambda brick, seq: self.reserves.get((brick, seq)), self.redemptions.get,
            aside=lambda serial: self.aside.get(serial, []),
        )  # fmt: skip
        batch = []
        for at, item in enumerate(items):
            wall = item.fields[5]
            basis = reg.BASIS_BRICK if wall is not None else reg.BASIS_RECEIVED
            ms = self.world.now if wall is None else wall
            batch.append(Taken(b"", b"", b"", at + 1, item.public, item.mac, {8: basis}, item.fields, ms))
        verdict = judge.judge(host, batch)
        self.states.update(verdict.states)
        self.slices.update(verdict.slices)
        self.reserves.update(verdict.reserves)
        self.log += [serial for serial in verdict.redemptions if serial not in self.redemptions]
        self.redemptions.update(verdict.redemptions)
        self.aside.update(verdict.aside)
        self.settled += verdict.settled
        self.charges += verdict.charges
        self.codes[host] += verdict.codes
        for taken in batch:
            if taken.duplicate_of is None and taken.duplicate_at is None:
                brick, seq = taken.record[1], taken.record[2]
                held = Held(len(self.held), taken.link, taken.record[18], lambda: bytes(32))
                self.held.setdefault((brick, seq), []).append(held)
                self.records[brick][seq] = taken.record
                self.latest[brick] = max(self.latest[brick], taken.record[5] or 0)

    # --- budgets

    def renew(self):
        """What came back, and what is minted of it."""
        expires = {number: piece.expires for number, piece in self.pieces.items()}
        for back in returns.due(self.slices, expires, self._holders, self._beyond, self.world.now):
            self.slices[back.number] = returns.took_back(self.slices[back.number])
        self.mint()

    def _holders(self, number, one):
        return [one.owner] if one.owner else self.kits[one.kit]

    def _beyond(self, brick, ended, one):
        mark, records = self.states[brick].mark, self.records[brick]
        if mark in records and records[mark][16] > one.rental:
            return True  # it has stepped to another rental: its slices are lost to it
        if mark not in records or self.latest[brick] < ended:
            return False
        newest = records[mark][4]
        for seq, fields in records.items():
            if fields[4] >= newest or seq > mark:
                continue
            if returns.shows(fields, ended):
                return True
        return False

    def figures(self, kit, right, rental):
        """The budget's books."""
        found = Figures(kit.hex(), rental, right.rule, right.unit, right.total)
        for number in self.numbers.get((kit, rental, right.rule), ()):
            one, piece = self.slices[number], self.pieces[number]
            found.minted += one.amount
            found.spent += one.spent
            found.returned += one.returned
            if piece.expires <= self.world.now:
                found.expired += one.left
            elif one.owner:
                found.assigned += one.left
            else:
                found.unassigned += one.left
        found.kept = right.total - (found.minted - found.returned)
        return found

    def mint(self):
        """By the real plan."""
        for kit, found in self.rights.items():
            rental = self.rental[kit]
            for right in found:
                amount = rights.to_mint(right, self.figures(kit, right, rental), self.world.now)
                for planned in sizes.cut(amount, right.amount, self.forecast[kit], right.least):
                    number = len(self.slices) + 1
                    self.slices[number] = Slice(kit, rental, planned.amount, unit=right.unit)
                    self.pieces[number] = piece_of(
                        number,
                        right.rule,
                        right.unit,
                        planned.amount,
                        kit,
                        right.expires(self.world.now),
                        rental,
                    )
                    self.hints[number] = planned.brick
                    self.numbers.setdefault((kit, rental, right.rule), []).append(number)

    def offer(self, kit):
        """The answer to a host that asks for news."""
        pieces = [
            (piece, self.hints[number])
            for number, piece in self.pieces.items()
            if piece.kit == kit and piece.rental == self.rental[kit] and piece.expires > self.world.now
        ]
        return pieces, len(self.slices), list(self.log)
