"""Programs and rules in slots that are tried: after every cut the ones before run or the new ones, never what was given up."""

import random
from collections import Counter
from collections.abc import Callable

from brick import appslot, startslot
from stallmark import bundle
from stallmark.crypt import sha256
from stallmark.slot import Slots
from workbench.application import packed

from tests.campaigns.flashchip import SECTOR, Half, Logged, RamFlash, apply, torn

SLOT = 4 * SECTOR
POWER_ON, RESTARTED = 1, 2
_SMALL = 64  # bytes: marks; cut after every byte, as headers are


def halves(chip: RamFlash) -> list[Half]:
    """Slot A and slot B on one chip."""
    return [Half(chip, 0, SLOT), Half(chip, SLOT, SLOT)]


class Programs:
    """Installs, starts and ends of applications on one chip; `runs` is the digest of the pack that a start would run."""

    def __init__(self, chip: RamFlash, rng: random.Random) -> None:
        self.chip = chip
        self._rng = rng

    def factory(self, pack: bytes) -> None:
        """As the bench writes it."""
        self.chip.data[: len(pack)] = pack

    def start(self, reason: int = POWER_ON) -> startslot.Start:
        """A start-up."""
        return startslot.choose(halves(self.chip), reason)

    def install(self, pack: bytes, at_most: int | None = None) -> None:
        """A download into the slot that does not run, by pieces of a link's size; at its end the switch."""
        envelope = bundle.envelope("x", b"envelope of " + sha256(pack), [])
        data = bundle.join(envelope, pack)
        start = startslot.choose(halves(self.chip.copy()), POWER_ON)  # a brick that runs has started before
        flashes = halves(self.chip)
        newest = max(found[0] for flash in flashes if (found := startslot.header(flash)) is not None)
        slot = appslot.AppSlot(flashes[1 - start.slot.index], newest + 1)
        slot.begin(sha256(envelope)[:8], len(data))
        while slot.written < len(data):
            slot.write(slot.written, data[slot.written : slot.written + self._rng.randrange(1, 257)])
        check = slot.check(len(data) - len(pack))
        while not check.step():
            pass
        assert check.digest == sha256(data) and check.artefact == sha256(pack), "what stands there is what was sent"
        slot.finish(check.digest, 4, 1)

    def confirm(self) -> None:
        """A minute has passed."""
        self.start().slot.confirm()

    def fail(self) -> None:
        """Three starts that an error ended, and the one that goes back."""
        self.start(RESTARTED)
        for _ in range(3):
            self.start(RESTARTED)

    def meant(self) -> None:
        """A start that is ended on purpose."""
        self.start().slot.meant()


def program_cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """Five installs with trials, one that fails among them, cut inside every operation."""
    rng = random.Random(f"programs {seed}")
    packs = [packed({"/a": rng.randbytes(rng.randrange(200, 6000)), "/b/c": b"%d" % n}) for n in range(5)]
    digests = [pack[16:48] for pack in packs]
    chip = Logged(2 * SLOT)
    life = Programs(chip, rng)
    life.factory(packs[0])
    # (what happens, packs that may run after a cut in it)
    story: list[tuple[Callable[[], None], tuple[int, ...]]] = [
        (lambda: life.install(packs[1]), (0, 1)),
        (life.meant, (1,)),
        (life.confirm, (1,)),
        (lambda: life.install(packs[2]), (1, 2)),  # over the bench's own pack
        (life.fail, (2, 1)),
        (lambda: life.install(packs[3]), (1, 3)),  # over what was given up: it must not come back
        (life.confirm, (3,)),
        (lambda: life.install(packs[4]), (3, 4)),
        (life.confirm, (4,)),
    ]
    told: Counter = Counter()
    before = chip.copy()
    for step, (act, may) in enumerate(story):
        chip.steps = []
        act()
        goal = digests[may[-1]]
        for number, (offset, data, _) in enumerate(chip.steps):
            small = data is not None and (len(data) <= _SMALL or offset % SLOT == 0)
            each = erase_stride if data is None else 1 if small else stride
            for where, cut in torn(before, offset, data, each, seed):
                name = f"seed {seed} step {step} operation {number} {where}"
                again = cut.copy()
                runs = Programs(cut, rng).start().slot.pack.digest
                assert runs in [digests[one] for one in may], f"{name}: neither the programs before nor the new ones"
                told["images"] += 1
                told["images with the new programs"] += runs == goal and may[0] != may[-1]
                if rng.random() < 0.05 and len(may) > 1 and act != life.fail:
                    later = Programs(again, rng)
                    if later.start().slot.pack.digest != goal:
                        later.install(packs[may[-1]])
                        told["images on which the download went on"] += 1
                    assert later.start().slot.pack.digest == goal, name
            apply(before, offset, data)
        told["operations"] += len(chip.steps)
        assert life.start().slot.pack.digest == goal, f"seed {seed} step {step}"
        before = chip.copy()
    return told


def rule_cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """Rules that lasted, rules that made start-ups fail and went back, rules over those: cut inside every operation."""
    rng = random.Random(f"tried rules {seed}")
    bundles = [rng.randbytes(rng.randrange(300, SECTOR)) for _ in range(3)]
    chip = Logged(2 * SLOT)

    def pair(on: RamFlash) -> Slots:
        return Slots(*halves(on))

    def install(data: bytes) -> None:
        slots = pair(chip)
        slots.begin(len(data))
        while slots.written < len(data):
            slots.write(slots.written, data[slots.written : slots.written + 200])
        slots.finish(sha256(data))

    install(bundles[0])
    story: list[tuple[Callable[[], None], tuple[int, ...]]] = [
        (lambda: pair(chip).lasted(), (0,)),
        (lambda: install(bundles[1]), (0, 1)),
        (lambda: _gives_up(pair(chip)), (1, 0)),
        (lambda: install(bundles[2]), (0, 2)),
        (lambda: pair(chip).lasted(), (2,)),
    ]
    told: Counter = Counter()
    before = chip.copy()
    for step, (act, may) in enumerate(story):
        chip.steps = []
        act()
        for number, (offset, data, _) in enumerate(chip.steps):
            small = data is not None and (len(data) <= _SMALL or offset % SLOT == 0)
            for where, cut in torn(before, offset, data, erase_stride if data is None else 1 if small else stride, seed):
                active = pair(cut).active()
                assert active is not None, f"seed {seed} step {step} operation {number} {where}: no rules"
                found = active[1].bytes()
                assert found in [bundles[one] for one in may], f"seed {seed} step {step} operation {number} {where}"
                told["images"] += 1
                told["images with the new rules"] += found == bundles[may[-1]] and may[0] != may[-1]
            apply(before, offset, data)
        told["operations"] += len(chip.steps)
    assert not pair(chip).give_up(1), "what lasted stays"
    return told


def _gives_up(slots: Slots) -> None:
    assert slots.give_up(7)
    gone = slots.gone()
    assert gone is not None and gone[1] == 7
