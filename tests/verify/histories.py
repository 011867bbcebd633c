"""Whole ledgers and what they say about one receipt: for the command and for the page, from one table.

    for scene in scenes(): …  scene.cose, scene.proof, scene.keys, scene.files, scene.expect

`files` is the ledger's folder as {path: bytes}. `expect` maps each check to (verdict, code).
"""

from dataclasses import dataclass

from stallmark import leaf, receipt, record, registry
from stallmark.registry import KIND_DENY, KIND_GRANT, KIND_REFUND, KIND_VOID

from tests.verify.paperlog import PaperLog
from tests.world import World

GOOD = {
    "signed": ("ok", "signed"),
    "mac": ("unknown", "not-published"),
    "ledger": ("ok", "included"),
    "reversed": ("ok", "not-reversed"),
}
BAD_LEDGER = {"mac": ("unknown", "not-published"), "reversed": ("unknown", "no-ledger")}


@dataclass(frozen=True)
class Scene:
    """A receipt, a ledger, and what must be said."""

    name: str
    cose: bytes
    proof: str | None
    keys: dict
    files: dict
    expect: dict


class Market:
    """One brick, a handful of receipts, and a log that a scene adds to."""

    def __init__(self, seed=21, receipts=5):
        self.world = World(seed)
        self.brick = self.world.brick()
        self.records = []
        self.coses = self.world.receipts(receipts, KIND_GRANT, records=self.records)
        self.log = PaperLog(self.world.checkpoint_seed)
        self.log.receipts(self.coses)

    def add(self, item, **more):
        """A further record and its receipt, logged; the receipt."""
        cose = self.world.receipt(item, **more)
        self.log.receipts([cose])
        return cose

    def finding(self, code):
        """The controller finds something wrong with record 2."""
        item = self.records[2]
        payload = leaf.encode_finding(code, self.brick.brick8, item.seq, self.world.host.host8, 3)
        self.log.append(registry.LEAF_FINDING, payload)

    def revoke(self, until):
        """The host's key is trusted up to its number `until` only. Receipt 2 is number 3."""
        host = self.world.host
        payload = leaf.encode_key_event(
            registry.ACTION_REVOKE, registry.ROLE_HOST, host.host8, host.public, 0, host.host8, until, True
        )
        self.log.append(registry.LEAF_KEY_EVENT, payload)

    def scene(self, name, expect, cose=None, proof=None, files=None):
        """What is now there, asked about receipt 2 or `cose`."""
        files = self.log.files() if files is None else files
        keys = self.log.keys(*self.world.hosts)
        return Scene(name, cose or self.coses[2], proof, keys, files, {**GOOD, **expect})


def scenes():
    """Every scene."""
    yield Market().scene("a good receipt", {})
    yield from _keys_of_the_brick()
    yield from _taken_back()
    yield from _set_aside()
    yield from _with_proof()
    yield from _ledgers_that_lie()


def _keys_of_the_brick():
    market = Market()
    market.log.disclose(market.brick)
    yield market.scene("record key published later", {"mac": ("ok", "brick-made")})
    late = market.add(market.world.record(KIND_GRANT, market.brick))
    yield market.scene("record under a key that was public", {"mac": ("failed", "after-publication")}, late)

    market = Market()
    market.log.disclose(market.brick, below=2)  # receipt 2 stands at index 2: not below
    market.log.disclose(market.brick)
    yield market.scene("only the first publication counts", {"mac": ("failed", "after-publication")})

    market = Market()
    market.log.disclose(market.brick, below=99)
    yield market.scene("a publication that claims the future is none", {})

    for until, answer in (
        (3, ("ok", "signed")),
        (2, ("failed", "key-revoked")),
        (None, ("failed", "key-revoked")),
    ):
        market = Market()
        market.revoke(until)
        yield market.scene(f"host key trusted up to number {until}", {"signed": answer})


def _taken_back():
    for kind in (KIND_VOID, KIND_REFUND):
        market = Market()
        market.add(market.world.record(kind, market.brick, f20=market.records[2].seq))
        yield market.scene(f"taken back by kind {kind}", {"reversed": ("failed", "reversed")})

    market = Market()
    back = market.world.record(KIND_REFUND, market.world.brick())
    market.add(back, f18=receipt.short(market.coses[2]))
    yield market.scene("refunded by name at another brick", {"reversed": ("failed", "reversed")})

    market = Market()
    market.add(market.world.record(KIND_VOID, market.brick, f20=1))
    market.add(market.world.record(KIND_VOID, market.world.brick(), f20=market.records[2].seq))
    market.add(market.world.record(KIND_DENY, market.brick, f20=3))
    yield market.scene("voids of other records", {})


def _set_aside():
    for code in (
        registry.FINDING_CHAIN_BROKEN,
        registry.FINDING_EQUIVOCATION,
        registry.FINDING_SLICE_TWICE,
        registry.FINDING_SLICE_OVERSPENT,
        registry.FINDING_SLICE_FOREIGN,
    ):
        market = Market()
        market.finding(code)
        yield market.scene(f"finding {code}", {"reversed": ("failed", "set-aside")})
    market = Market()
    market.finding(registry.FINDING_GAP)
    yield market.scene("a gap is not about this record", {})
    market = Market()
    market.finding(registry.FINDING_MAC_WRONG)
    yield market.scene("the controller found the MAC wrong", {"mac": ("failed", "mac-wrong")})

    market = Market()
    item = market.records[2]
    twin = record.encode_public({**item.fields, 6: 1})
    market.add(record.Record(item.seq, twin, record.mac(market.brick.mac_key, twin), b""))
    yield market.scene("two records under one number", {"reversed": ("failed", "equivocation")})

    market = Market()
    again = market.add(market.records[2])
    yield market.scene("the first receipt of a record sent twice", {})
    yield market.scene(
        "the second receipt of a record sent twice", {"reversed": ("failed", "duplicate")}, again
    )

    market = Market()
    stray = market.world.receipt(market.world.record(KIND_GRANT, market.brick))
    missing = {"ledger": ("failed", "not-in-ledger"), "reversed": ("unknown", "not-in-ledger")}
    yield market.scene("not in the ledger", missing, stray)
    unread = {
        "signed": ("failed", "unreadable"),
        "mac": ("unknown", "no-receipt"),
        "ledger": ("failed", "not-in-ledger"),
        "reversed": ("unknown", "no-ledger"),
    }
    yield market.scene("no receipt at all", unread, b"\xd2nonsense")


def _with_proof():
    market = Market()
    yield market.scene("proof from an earlier checkpoint", {}, proof=market.log.proof(2, size=4))
    fork = PaperLog(market.world.checkpoint_seed)
    fork.entries = [*market.log.entries[:3], leaf.entry(registry.LEAF_RECEIPT, b"\xd2another")]
    forked = {"ledger": ("failed", "other-history")}
    yield market.scene("proof from another history", forked, proof=fork.proof(2))
    young = {"reversed": ("unknown", "not-in-ledger")}
    yield market.scene(
        "proof newer than the ledger", young, proof=market.log.proof(2), files=market.log.files(2)
    )
    other = {"ledger": ("failed", "not-included")}
    yield market.scene("proof of another receipt", other, proof=market.log.proof(3))

    market = Market()
    market.log.receipts(market.world.receipts(260))
    files = market.log.files()
    files["checkpoint"] = market.log.checkpoint(200)  # older than the tiles: the partial bundle is gone
    yield market.scene("a full bundle serves an older checkpoint", {}, files=files)
    yield market.scene("more than one bundle", {}, cose=market.coses[4])


def _ledgers_that_lie():
    damaged = {**BAD_LEDGER, "ledger": ("failed", "ledger-damaged")}
    market = Market()
    bundle = "tile/entries/000.p/5"
    files = market.log.files()
    changed = files[bundle][:-1] + bytes(
        [files[bundle][-1] ^ 1]
    )  # in the last receipt, not the one asked about
    yield market.scene("a changed entry elsewhere", damaged, files={**files, bundle: changed})
    yield market.scene("a bundle cut short", damaged, files={**files, bundle: files[bundle][:-9]})
    yield market.scene("a bundle missing", damaged, files={"checkpoint": files["checkpoint"]})

    lying = {**BAD_LEDGER, "ledger": ("failed", "ledger-checkpoint")}
    other = PaperLog(b"\x09" * 32)
    other.entries = market.log.entries
    yield market.scene("another key's checkpoint", lying, files={**files, "checkpoint": other.checkpoint()})
    yield market.scene("a checkpoint that is none", lying, files={**files, "checkpoint": b"hello\n"})
    market.log.disclose(market.brick)
    key = {"mac": ("unknown", "not-published")}
    files = {**market.log.files(), "checkpoint": other.checkpoint()}
    yield market.scene("nothing of a false ledger counts", {**lying, **key}, files=files)
