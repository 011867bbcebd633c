"""Power fails inside every flash operation of a ratchet, a new link key and a rental step: both ends always go on."""

import sys

import vectors
from linkpair import BRICK, K_CTL, KEY, Pair
from ramflash import PowerCut, RamFlash
from stallmark import control, keys, keystore

CPYTHON = sys.implementation.name == "cpython"
STEP = 4 if CPYTHON else 64  # bytes between two cuts inside one program; test_keystore has every byte
ROOT = bytes(range(64, 96))
REKEY = 1 << 20


class Sizes(RamFlash):
    """Notes how many bytes each operation has."""

    def __init__(self, other):
        super().__init__(other.size)
        self.data = bytearray(other.data)
        self.sizes = []

    def program(self, offset, data):
        super().program(offset, data)
        self.sizes.append(len(data))

    def erase(self, offset):
        super().erase(offset)
        self.sizes.append(4096)


class Kept(Pair):
    """A pair whose brick has its keys in the real key partition."""

    def __init__(self, flash):
        self.flash = flash
        Pair.__init__(self)
        self.host_keys[BRICK] = {3: KEY}

    def start_brick(self):
        self.store = keystore.KeyStore(self.flash)
        self.fields = self.store.load()
        assert self.fields is not None, "unpaired"
        self.brick_key = (self.fields[keystore.LINK_EPOCH], self.fields[keystore.LINK_KEY])
        super().start_brick()

    def save(self, changes):
        fields = dict(self.fields)
        fields.update(changes)
        self.store.save(fields)
        self.fields = fields

    def _advance(self, epoch, key):
        self.save({keystore.LINK_EPOCH: epoch, keystore.LINK_KEY: key})
        self.brick_key = (epoch, key)


def _flash():
    flash = RamFlash(8192)
    fields = vectors.value(vectors.load("provision.json")["fields"])
    fields[keystore.ROOT] = ROOT
    fields[keystore.LINK_EPOCH] = 3
    fields[keystore.LINK_KEY] = KEY
    store = keystore.KeyStore(flash)
    store.save(fields)
    store.save(fields)
    return flash


def _ratchet(pair):
    """A handshake."""
    pair.bring_up()


def _new_key(pair):
    """The controller orders another link key."""
    pair.rekey(REKEY)
    pair.until(lambda: pair.up() and pair.brick_key[0] > REKEY)


def _rental(pair):
    """The keys of the next rental, for which the controller gives the host the link key."""
    root = keys.next_root(ROOT, 2)
    pair.host_keys[BRICK][9] = keys.link_key0(root)
    pair.save({
        keystore.ROOT: root, keystore.RENTAL: 2, keystore.LINK_EPOCH: 9, keystore.LINK_KEY: keys.link_key0(root),
        keystore.RECORD_EPOCH: 1, keystore.RECORD_CHAIN: keys.record_chain0(root),
    })  # fmt: skip
    pair.start_brick()
    pair.bring_up()


def _sweep(step):
    """The step with a cut at every operation, at many bytes of each; how many cuts."""
    whole = Sizes(_flash())
    step(Kept(whole))
    cuts = 0
    for operation, size in enumerate(whole.sizes):
        for byte in list(range(0, size, STEP if size <= 256 else 16 * STEP)) + [size - 1, size]:
            flash = _flash()
            flash.operations = 0
            flash.cut_at(operation, byte)
            pair = Kept(flash)
            try:
                step(pair)
            except PowerCut:
                cuts += 1
            before = pair.brick_key[0]
            pair.flash = flash.copy()
            pair.start_brick()
            assert pair.brick_key[0] >= before, "a key that was in use went back"
            step(pair)
            pair.brick.send(1, "on")
            pair.run(300)
            assert pair.up() and pair.messages(pair.host_events) == ["on"]
            data = bytes(pair.flash.data)
            assert data.find(KEY) < 0, "the key of before stayed on the flash"
            assert data.find(pair.fields[keystore.LINK_KEY]) >= 0
    print(step.__name__, len(whole.sizes), "operations,", cuts, "cuts")
    return cuts


def test_a_cut_inside_a_ratchet_never_unpairs():
    assert _sweep(_ratchet) > (150 if CPYTHON else 10)


def test_a_cut_while_a_new_link_key_is_taken_never_unpairs():
    assert _sweep(_new_key) > (300 if CPYTHON else 20)


def test_a_cut_inside_a_rental_step_leaves_one_rental_or_the_other():
    assert _sweep(_rental) > (300 if CPYTHON else 20)


def test_after_a_rental_step_the_brick_holds_nothing_of_the_rental_before():
    """A thief has the whole flash: no key of the last rental is in it, or follows from what is."""
    pair = Kept(_flash())
    _rental(pair)
    data = bytes(pair.flash.data)
    old = (
        ROOT,
        KEY,
        keys.link_key0(ROOT),
        keys.record_chain0(ROOT),
        keys.control_key(ROOT),
        keys.next_link(KEY),
    )
    for secret in old:
        assert data.find(secret) < 0
    held = [pair.fields[keystore.ROOT], pair.fields[keystore.LINK_KEY], pair.fields[keystore.RECORD_CHAIN]]
    reached = set()
    for secret in held:  # everything that the schedule makes of what is there
        for made in (keys.link_key0, keys.record_chain0, keys.control_key, keys.next_link, keys.next_chain):
            reached.add(made(secret))
        reached.add(keys.record_mac_key(secret))
        reached.add(keys.next_root(secret, 1))
        reached.add(keys.next_root(secret, 2))
        reached.add(control.rekeyed(keys.control_key(secret), REKEY))
    assert not reached & set(old)
    assert control.rekeyed(K_CTL, REKEY) not in reached
