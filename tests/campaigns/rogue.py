"""A kit whose host or brick cheats: a slice for two bricks, a voucher promised twice, a brick set back to an old copy.

What cannot be prevented must be found: after healing, everything that was given away is either in the budget's books or
charged to the kit's rental, and no other kit notices."""

from stallmark import record
from stallmark import registry as reg

from tests.campaigns.bricks import FIRST, HUB_VOUCHER, KIT_VOUCHER, MONEY, SAMPLE

FOUND = {
    reg.FINDING_SLICE_TWICE, reg.FINDING_SLICE_OVERSPENT, reg.FINDING_EQUIVOCATION, reg.FINDING_CHAIN_BROKEN,
    reg.FINDING_RESERVE, reg.FINDING_SLICE_FOREIGN, reg.FINDING_EPOCH_ORDER,
}  # fmt: skip


class Rogue:
    """Actions of a World against its `rogue` kit; and what must hold of it."""

    def assign_twice(self):
        """The host hands a slice that it has given to one brick to others, too."""
        host = self.hosts.get(self.rogue)
        if host is None:
            return
        given = [
            row for row in host.disk.rows.values() if row[2] is not None and row[1].rental == host.rental
        ]
        for row in self.random.sample(given, min(3, len(given))):
            for brick in host.bricks.values():
                if brick.brick8 != row[2] and brick.up:
                    brick.hear(("slice", row[1]))
                    self.told["slices given twice"] += 1
        for brick in list(host.bricks.values()):
            for which in (MONEY, SAMPLE, FIRST) if brick.up else ():
                self.guarded(brick.tap, which, self.random.randbytes(8))

    def redeem_twice(self):
        """The host says yes to the same voucher at all of its bricks."""
        at_hub = self.rogue != b"kit-aaaa" or self.random.random() < 0.5
        serial = self.serials[self.random.randint(0, 1) + 2 * at_hub]
        for brick in self.bricks:
            if brick.kit == self.rogue and brick.up:
                self.guarded(self._redeem_at, brick, HUB_VOUCHER if at_hub else KIT_VOUCHER, serial)

    def _redeem_at(self, brick, which, serial):
        brick.tap(which, serial, serial)
        if brick.question is not None:
            brick.answer(brick.question[0], reg.ANSWER_YES, None)
            self.told["yes of a rogue to any voucher"] += 1

    def set_back(self):
        """A brick goes on from a copy of its flash that is some records old; its host passes on what that writes."""
        host = self.hosts.get(self.rogue)
        bricks = [b for b in self.bricks if host and b.kit == self.rogue and len(b.journal) > 4]
        if not bricks:
            return
        brick = self.random.choice(bricks)
        host.disconnect(brick)
        keep = self.random.randint(len(brick.journal) // 2, len(brick.journal) - 1)
        newest = brick.journal[keep - 1]
        if newest.fields[3] != brick.epoch:
            return  # the keys of that time are gone
        held = {item.public for item in host.disk.receipts}
        for item in brick.journal[keep:]:
            if item.public not in held:
                self.unwrite(brick, item)
        brick.journal = brick.journal[:keep]
        brick.seq, brick.prev = newest.seq, self.links[newest.public]
        brick.host_seq = min(brick.host_seq, brick.seq)
        brick.ledger_seq = min(brick.ledger_seq, brick.seq)
        host.disk.next_seq[brick.brick8] = min(host.disk.next_seq.get(brick.brick8, 1), brick.seq + 1)
        self.set_back_bricks.add(brick.brick8)
        self.told["bricks set back"] += 1
        brick.start()

    def pay_from_copy(self):
        """A brick goes on from an old copy, and every one that ever did pays a voucher of the hub."""
        self.set_back()
        for brick in self.bricks:
            if brick.brick8 in self.set_back_bricks:
                if not brick.up:
                    self.hosts[self.rogue].connect(brick)
                    brick.hear(brick.inbox.popleft())  # the clock, without which no voucher is paid
                self.guarded(self._redeem_at, brick, HUB_VOUCHER, self.random.choice(self.serials[2:]))

    def gone_with(self, host):
        """A store is lost: of a brick that was set back, what it alone had is nowhere any more."""
        place = self.controller.places.get((host.kit, host.epoch), 0)
        for item in host.disk.receipts[place:]:
            brick = host.bricks.get(item.fields[1])
            if brick is None or brick.brick8 not in self.set_back_bricks:
                continue
            link = record.link(item.public, item.mac)
            known = self.controller.held.get((brick.brick8, item.seq), ())
            if all(mine.public != item.public for mine in brick.journal) and all(
                one.link != link for one in known
            ):
                self.unwrite(brick, item)

    def unwrite(self, brick, item):
        """A record that no host has is gone for good: nobody can find it, and nobody can claim money for it. What it gave
        away is counted as such: no bound of this campaign is about it."""
        fields = item.fields
        if fields[10] in (reg.KIND_GRANT, reg.KIND_REDEEM) and not fields[0] & reg.FLAG_TRAINING:
            amount = sum(amount for _, amount in fields.get(13) or ())
            self.told["given and unfindable: records"] += 1
            self.told["given and unfindable: units of slices"] += amount
        if fields[10] == reg.KIND_REDEEM and not fields[0] & reg.FLAG_TRAINING:
            self.paid[fields[24][0]].remove(brick)
        if fields[10] in (reg.KIND_GRANT, reg.KIND_REDEEM, reg.KIND_RESERVE, reg.KIND_RELEASE):
            for number, amount in fields.get(13) or ():
                self.physical[number] += amount if fields[10] == reg.KIND_RELEASE else -amount

    def charged(self):
        """After healing: of every slice of the rogue kit, what was given is known or charged, and the bound holds."""
        if self.rogue in self.lossy | self.lost_store:
            return
        sums = {}
        for charge in self.controller.charges:
            if charge.kit == self.rogue and charge.part:
                sums[charge.part] = sums.get(charge.part, 0) + charge.amount
        host = self.hosts[self.rogue]
        copies = len(host.bricks) + self.told["bricks set back"]
        for number, one in self.controller.slices.items():
            if one.kit != self.rogue:
                continue
            given, known = self.physical[number], one.spent + sums.get(number, 0)
            self.check(
                given <= known, f"slice {number}: {given} given, {one.spent} spent, {known} with charges"
            )
            self.check(given <= one.amount * copies, f"slice {number}: {given} given of {one.amount}")
            if given > one.amount:
                self.told["slices overspent by rogues, all charged"] += 1
                self.check(number in sums, f"slice {number} overspent and nobody charged")
