"""Ledger ingest at the controller, database and checkpoints included, against Ed25519 verifications on one
core."""

import tempfile
import threading
import time
from pathlib import Path

from nacl.bindings import crypto_sign_open
from stallmark import receipt

from fleet.app import COALESCE_S
from tests.bench import Figure
from tests.stall import Stall

RECEIPTS = 256  # of a full batch


def run(quick: bool = False) -> list[Figure]:
    """Receipts per second through `Controller.take` (checks, findings, database commit), alone and with the
    publishing thread beside it; and the share that is signature verification."""
    batches = 8 if quick else 40
    with tempfile.TemporaryDirectory() as folder:
        stall = Stall(Path(folder))
        bodies, messages = _market(stall, 2 * batches + 1)
        stall.take(bodies[0])
        public = stall.world.host.public
        verifying, taking = _alone(stall, bodies[1 : batches + 1], messages, public)
        near, beside = _published(stall, bodies[batches + 1 :], messages, public)
        stall.publish()
        stall.fsck()
        stall.close()
    count = batches * RECEIPTS
    limit = count / verifying
    return [
        Figure("Ed25519 verifications, one core", limit, "1/s", "PyNaCl, a receipt's size"),
        Figure(
            "ledger ingest, database included",
            count / taking,
            "receipts/s",
            "verifications per second",
            verifying / taking,
            0.35,
        ),
        Figure(
            "ledger ingest up to the signed checkpoint",
            count / beside,
            "receipts/s",
            "verifications per second",
            near / beside,
            0.35,
        ),
        Figure("one receipt, ingest", taking / count * 1e6, "µs", "its signature", taking / verifying),
    ]


def _market(stall: Stall, batches: int) -> tuple[list[bytes], list[bytes]]:
    """Bodies with private sections, and the signed messages of one batch."""
    bodies: list[bytes] = []
    messages: list[bytes] = []
    for _ in range(batches):
        records = []
        receipts = stall.world.receipts(RECEIPTS, records=records)
        bodies.append(
            stall.world.batch(receipts, private=[stall.world.private_entry(item) for item in records])
        )
        if not messages:
            for cose in receipts:
                parsed = receipt.parse(cose)
                messages.append(parsed.signature + receipt.to_be_signed(parsed.protected, parsed.payload))
    return bodies, messages


def _verify(messages: list[bytes], public: bytes) -> float:
    started = time.perf_counter()
    for message in messages:
        crypto_sign_open(message, public)
    return time.perf_counter() - started


def _alone(stall: Stall, bodies: list[bytes], messages: list[bytes], public: bytes) -> tuple[float, float]:
    """(seconds of verifying, seconds of taking) the same number of receipts, turn by turn: a busy machine slows
    both."""
    verifying = taking = 0.0
    for body in bodies:
        verifying += _verify(messages, public)
        started = time.perf_counter()
        stall.take(body)
        taking += time.perf_counter() - started
    return verifying, taking


def _published(stall: Stall, bodies: list[bytes], messages: list[bytes], public: bytes) -> tuple[float, float]:
    """(seconds of verifying as many, seconds until everything is in a signed checkpoint), with checkpoints made
    meanwhile as the program does."""
    before = _verify(messages * (len(bodies) // 2), public)
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(COALESCE_S):
            stall.controller.publish()

    thread = threading.Thread(target=publish)
    started = time.perf_counter()
    thread.start()
    for body in bodies:
        stall.take(body)
    ended.set()
    thread.join()
    stall.publish()
    seconds = time.perf_counter() - started
    return before + _verify(messages * (len(bodies) - len(bodies) // 2), public), seconds
