"""A bench for tests: a model of a board on a port, a small image, a bench's file, and a folder."""

import hashlib
import os

from nacl.public import PrivateKey
from virtualkit.bootrom import RomFaults
from virtualkit.bootrom_board import BenchBoard, made_up_image
from virtualkit.bootrom_chips import CHIPS
from workbench import batch, flash, job, selftest
from workbench.provision import Rental

from tests.kit.kitloop import LoopThread


def rental(**changes):
    """A rental whose keys nobody trusts."""
    given = {
        "rental": 1,
        "event_key": os.urandom(32),
        "event": os.urandom(8),
        "authors": [(os.urandom(8), os.urandom(32)) for _ in range(3)],
        "threshold": 2,
        "kit": os.urandom(8),
        "hub": os.urandom(8),
        "director": os.urandom(32),
        "host": os.urandom(8),
        "currency": "EUR",
    }
    return Rental(**(given | changes))


class BenchWorld:
    """`board` is the model, `book` the bench's folder, `job` its file; `said` every word of the tools."""

    def __init__(self, folder, chip="ESP32-S3", megabytes=8, faults=None, **more):
        self.folder = folder
        self.loop = LoopThread()
        self.chip = CHIPS[chip]

        def make():
            return BenchBoard(
                folder / "board", self.chip, megabytes << 20, faults=faults or RomFaults(), **more
            )

        self.board = self.loop.call(make)
        self.port = str(self.board.port)
        self.image = folder / "micropython.bin"
        self.give_image(made_up_image(self.chip, kilobytes=64))
        self.book = batch.Book(folder / "bench").open()
        self.said = ""
        self.job = job.Job(
            rental(),
            "kit one",
            "http://127.0.0.1:9",
            "no token",
            bytes(PrivateKey.generate().public_key),
            selftest.Fixture(),
            True,
        )
        self.settings = flash.Settings(self.image, transcript=self._say)

    def give_image(self, data):
        """The interpreter, with its digest beside it."""
        self.image.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        self.image.with_name(self.image.name + ".sha256").write_text(f"{digest}  {self.image.name}\n")

    def _say(self, text):
        self.said += text

    def close(self):
        """Ends every process."""
        self.loop.run(self.board.close())
        self.loop.stop()
