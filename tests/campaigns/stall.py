"""What people at a stall do in a schedule: slips, answers to questions, voids and refunds, practice, another rental."""

from stallmark import byperson, decide, event
from stallmark import registry as reg

from tests.campaigns.bricks import FIRST, LAN, MONEY, NAMES, SAMPLE, STRICT

WHO = "label"
ASKED = (reg.KIND_DENY, reg.KIND_UNCERTAIN)
GIVEN = (reg.KIND_GRANT, reg.KIND_REDEEM)
MOST_OPEN = 8  # slips of a lane at a time


class Stall:
    """Actions of a World (tests.campaigns.schedule). Everything that a person enters is a record of a kit's lane."""

    def lane(self):
        """Some kit's lane that does not practise, or None."""
        lanes = [host.lane for host in self.hosts.values() if host.lane and host.lane.training is None]
        return self.random.choice(lanes) if lanes else None

    def staff(self, lane, which, question, granted=True):
        """A person's decision for a rule: (event, Decision), as hostagent.lane asks for it."""
        happened = event.make(
            type=reg.EVENT_OPERATOR_ENTRY, trust=reg.TRUST_STAFF, subject=self.random.randbytes(8),
            wall_ms=lane.wall, uptime_ms=0, quality=lane.quality, spread_ms=0, nonce=self.random.randbytes(8),
        )  # fmt: skip
        index = [rule.id for rule in lane.ruleset.rules].index(NAMES[which])
        return happened, byperson.operator(lane.ruleset, lane.state, happened, index, question, WHO, granted)

    # --- paper slips (hostagent/lane/slips.py)

    def print_slips(self):
        """Rights are set aside for some slips."""
        lane = self.lane()
        if lane is None:
            return
        which = self.random.choice((MONEY, SAMPLE, FIRST))
        for _ in range(self.random.randint(1, 3)):
            if len(lane.state.open_reserves()) >= MOST_OPEN:
                return
            happened, found = self.staff(lane, which, (lane.brick8, lane.seq + 1, None))
            if found.kind != reg.KIND_GRANT:
                return
            if found.opens:
                lane.write(reg.KIND_RIGHTS, {13: [[number, 0] for number in found.opens]})
            fields = decide.reserve_fields(lane.ruleset, happened, found)
            fields[24] = [WHO, [list(grant) for grant in found.grants]]
            made = lane.write(reg.KIND_RESERVE, fields)
            self.slips.append((lane.brick8, made.seq, fields))
            self.told["slips printed"] += 1

    def pay_slip(self):
        """Any slip that was ever printed comes back, also twice, also one that was given back."""
        lane = self.lane()
        mine = [slip for slip in self.slips if lane is not None and slip[0] == lane.brick8]
        if not mine:
            return
        _, seq, fields = self.random.choice(mine)
        about = {8: fields[8], 9: fields[9], 11: fields[11], 20: seq, 15: fields[15]}
        if lane.state.reserve(seq) is None:
            lane.write(reg.KIND_DENY, {**about, 14: [reg.REASON_VOUCHER_SPENT, fields[9]]})
            return
        lane.write(reg.KIND_GRANT, {**about, 12: fields[24][1], 14: [reg.REASON_PERSON, fields[9]]})
        self.slips_paid[lane.brick8, seq] += 1
        self.told["slips paid"] += 1
        self.check(self.slips_paid[lane.brick8, seq] == 1, f"slip {seq} was paid twice")

    def return_slips(self, share=0.5):
        """Slips that were not used are given back, at the latest when the day closes."""
        for host in self.hosts.values():
            for seq, _, parts in host.lane.state.open_reserves() if host.lane else ():
                if self.random.random() < share:
                    host.lane.write(reg.KIND_RELEASE, {13: parts, 20: seq})
                    self.told["slips given back"] += 1

    # --- answers, voids and refunds (hostagent/lane)

    def person(self):
        """Somebody answers, afterwards and once, what a brick has left to the stall."""
        lane = self.lane()
        if lane is None:
            return
        host = self.hosts[lane.kit]
        open_ = [
            item for item in host.disk.receipts
            if item.fields[10] in ASKED and not item.fields[0] and item.public not in self.answered
        ]  # fmt: skip
        if not open_:
            return
        item = self.random.choice(open_)
        which = self.random.choice((STRICT, LAN, MONEY, SAMPLE))
        question = (item.fields[1], item.seq, item.fields[5])
        happened, found = self.staff(lane, which, question, self.random.random() < 0.8)
        self.answered.add(item.public)
        if found.opens:
            lane.write(reg.KIND_RIGHTS, {13: [[number, 0] for number in found.opens]})
        fields = decide.record_fields(lane.ruleset, happened, found)
        made = lane.write(found.kind, fields, happened.subject)
        self.told["answers of people that grant"] += made.fields[10] == reg.KIND_GRANT

    def take_back(self):
        """A void or a refund of what the host knows was given: the ledger's affair, no budget gets anything."""
        lane = self.lane()
        given = [
            item for item in (self.hosts[lane.kit].disk.receipts if lane else ())
            if item.fields[10] in GIVEN and not item.fields[0] & reg.FLAG_TRAINING
        ]  # fmt: skip
        if not given:
            return
        item = self.random.choice(given)
        own = item.fields[1] == lane.brick8
        about = {
            9: item.fields.get(9),
            12: item.fields.get(12),
            24: [item.fields[1], item.seq, None, WHO, None],
        }
        if item.fields.get(13):
            about[13] = item.fields[13]
        if own:
            about[20] = item.seq
        lane.write(self.random.choice((reg.KIND_VOID, reg.KIND_REFUND)), about)
        self.told["voids and refunds"] += 1

    # --- practice (brick/training.py)

    def practise(self):
        """Somewhere practice begins or ends; the host says it over the link, its lane hears it at once."""
        brick = self.random.choice(self.all_bricks())
        on = self.random.random() < 0.6
        if brick.lane:
            brick.train(on)
        elif brick.up:
            brick.inbox.append(("training", on))

    # --- another rental

    def hire(self, kit=None):
        """The controller's configuration names another rental for a kit; budgets begin anew."""
        kit = kit or self.random.choice(list(self.hosts))
        if self.controller.rental[kit] == 1:
            self.controller.rental[kit] = 2
            self.controller.mint()
            self.told["rentals changed"] += 1

    def step(self, everybody=False):
        """A brick, or the host with its lane, moves to the rental of its kit."""
        for kit, host in self.hosts.items():
            rental = self.controller.rental[kit]
            for brick in host.bricks.values():
                if brick.rental < rental and (everybody or self.random.random() < 0.4):
                    host.disconnect(brick)
                    if brick.lane:
                        host.connect(brick)
                    brick.new_rental(rental)
                    if brick.lane:
                        host.connect(brick)
            if host.rental < rental and (everybody or self.random.random() < 0.4):
                host.rental = rental
                host.start()
