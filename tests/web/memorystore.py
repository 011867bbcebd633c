"""A public store in memory over a paper ledger, for the tests of the pages: real keys, real proofs."""

import hashlib
from queue import Empty, Queue

import anyio.to_thread
from stallmark import explain, registry
from stallmark.errors import FormatError
from stallmark.registry import KIND_DENY, KIND_GRANT, KIND_REFUND, KIND_UNCERTAIN

from fleet.public import Disclosure, LiveEvent, PublicReceipt, ReversedBy
from fleet.verify.check import parse
from tests.verify.paperlog import PaperLog
from tests.world import World


class MemoryStore:
    """One market: a world, its log, and every receipt by the holder that its link hashes to."""

    def __init__(self, seed=51, development=True):
        self.world = World(seed)
        self.brick = self.world.brick()
        self.other = self.world.brick()
        self.log = PaperLog(self.world.checkpoint_seed)
        self.development = development
        self.by_holder = {}
        self.events = []
        self.reversals = {}
        self.findings = {}
        self.published = 0  # size of the published checkpoint
        self.disclosures = {}
        self.stall_name = "World market"
        self.extra = {}
        self._queues = []

    # --- what a test does to it

    def tap(self, kind=KIND_GRANT, brick=None, publish=True, **fields):
        """A decision goes all the way. Returns the record and its receipt's handle."""
        item = self.world.record(kind, brick or self.brick, **fields)
        cose = self.world.receipt(item)
        index = self.log.receipts([cose])[0]
        handle = self.world.handle(item)
        self.by_holder[hashlib.sha256(handle).digest()[:16]] = index
        event = LiveEvent(
            index=index,
            brick=item.fields[1].hex(),
            seq=item.seq,
            kind=registry.name(registry.KIND_NAMES, kind),
            sentence=explain.sentence(item.fields),
            outcome=explain.outcome(kind),
            market_ms=self.world.now_ms,
            at_ms=self.world.now_ms + 300,
        )
        self.events.append(event)
        if publish:
            self.publish()
        return item, handle

    def publish(self):
        """A new checkpoint over everything."""
        before, self.published = self.published, len(self.log.entries)
        for event in self.events:
            if before <= event["index"] < self.published:
                for queue in self._queues:
                    queue.put(event)

    def disclose(self, brick=None):
        """Publishes the record key of a brick's present epoch."""
        brick = brick or self.brick
        index = self.log.disclose(brick)
        self.disclosures[brick.brick8, brick.epoch] = index
        self.publish()
        return index

    def refund(self, item):
        """Takes a record back."""
        back, handle = self.tap(KIND_REFUND, f20=item.seq)
        later = ReversedBy(
            self.published - 1, "refund", back.seq, self.world.now_ms, self.log.entries[-1][1:]
        )
        self.reversals[item.fields[1], item.seq] = later
        return handle

    def file(self, path):
        """A file of the published ledger's folder, or None."""
        return self.log.files(self.published).get(path)

    # --- the protocol

    def receipt_by_handle(self, h16):
        index = self.by_holder.get(hashlib.sha256(h16).digest()[:16])
        if index is None:
            return None
        cose = self.log.entries[index][1:]
        event = next(event for event in self.events if event["index"] == index)
        key = bytes.fromhex(event["brick"]), event["seq"]
        return PublicReceipt(
            cose=cose,
            index=index,
            received_ms=event["at_ms"],
            ledger_size=self.published,
            proof=self.log.proof(index, self.published) if index < self.published else None,
            reversed_by=[self.reversals[key]] if key in self.reversals else [],
            findings=self.findings.get(key, []),
            duplicate_of=None,
        )

    def checkpoint(self):
        return self.log.checkpoint(self.published)

    def keys(self):
        return self.log.keys(*self.world.hosts, development=self.development)

    def terms(self, hex16):
        digest = hashlib.sha256(self.world.terms_text.encode()).hexdigest()[:32]
        return self.world.terms_text if hex16 == digest else None

    def sentence(self, cose):
        try:
            return explain.sentence(parse(cose).record)
        except FormatError:
            return ""

    def recent(self, n):
        return [event for event in reversed(self.events) if event["index"] < self.published][:n]

    async def subscribe(self):
        queue = Queue()
        self._queues.append(queue)
        try:
            while True:
                try:
                    yield await anyio.to_thread.run_sync(
                        lambda: queue.get(timeout=0.5), abandon_on_cancel=True
                    )
                except Empty:
                    continue
        finally:
            self._queues.remove(queue)

    def disclosed(self, brick8, epoch):
        found = self.disclosure(brick8, epoch)
        return None if found is None else (found.entry[-40:-8], found.index)

    def disclosure(self, brick8, epoch):
        index = self.disclosures.get((brick8, epoch))
        if index is None or index >= self.published:
            return None
        return Disclosure(self.log.entries[index], index, self.log.proof(index, self.published))

    def stall(self):
        kinds = {}
        for event in self.recent(len(self.events)):
            kinds[event["kind"]] = kinds.get(event["kind"], 0) + 1
        last = {}
        for event in self.recent(len(self.events)):
            last.setdefault(event["brick"], event)
        return {
            "name": self.stall_name,
            "development": self.development,
            "origin": self.log.origin,
            "ledger_size": self.published,
            "checkpoint_ms": self.world.now_ms if self.published else None,
            "now_ms": self.world.now_ms + 5000,
            "receipts": sum(kinds.values()),
            "kinds": kinds,
            "findings": len(self.findings),
            "hosts": [{"host": h.host8.hex(), "name": h.name, "last_ms": None} for h in self.world.hosts],
            "bricks": [
                {
                    "brick": brick,
                    "kit": self.world.kit.hex(),
                    "seq": event["seq"],
                    "last_ms": event["market_ms"],
                }
                for brick, event in last.items()
            ],
            **self.extra,
        }


def busy_market():
    """A market with each outcome in it: the store and {name: (record, handle)}."""
    store = MemoryStore()
    found = {
        "granted": store.tap(KIND_GRANT, f12=[[1, 1500, 500]]),
        "near": store.tap(KIND_DENY),
        "uncertain": store.tap(
            KIND_UNCERTAIN, brick=store.other, f8=bytes(8), f11=19, f14=[registry.REASON_CLOCK_UNSET]
        ),
        "sample": store.tap(KIND_GRANT, brick=store.other, f12=[[5, 1, 120]]),
        "gateway": store.tap(KIND_GRANT, brick=store.world.brick(), f0=registry.FLAG_GATEWAY),
        "refunded": store.tap(KIND_GRANT),
    }
    store.refund(found["refunded"][0])
    store.disclose(store.brick)
    store.extra = {
        "people": 17,
        "currency": "EUR",
        "left": [
            {"what": "Surprise credit", "unit": 1, "left": 37_500, "of": 50_000},
            {"what": "Samples", "unit": 2, "left": 3, "of": 40},
        ],
    }
    return store, found
