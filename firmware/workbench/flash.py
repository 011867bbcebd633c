"""One board from bare to brick: look, write, start MicroPython, close the door, test, make keys, register, label.

Every step may be repeated from the start: nothing on the board is needed from an earlier try. The log has a line before a
board may have keys, so that one which fails later is simply flashed again, and one when it is done.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boards.models import MODELS
from boards.partitions import find

from workbench import application, image, label, register, selftest
from workbench.application import Application, Progress
from workbench.batch import DONE, KEYED, Book, write_private
from workbench.errors import BadFlash, BenchError, HasKeys, Refused, WrongBoard
from workbench.esptool import BAUD, Esptool, Found
from workbench.job import Job
from workbench.mpremote import Mpremote
from workbench.provision import Bench, Provisioned, provision_brick

# What is erased besides what is written: everything of ours that a new brick must find blank.
BLANK = ("keys", "rules_a", "rules_b", "journal")
_CHIPS = {"ESP32-S3": "esp32s3", "ESP32": "esp32"}
_PROOF_SECONDS = 60.0
_KEY_MAGIC = b"SMKY\x01"
_VERIFY = (
    "import esp32, sys; sys.path.insert(0, '/'); import {loader}; "
    "p = esp32.Partition.find(esp32.Partition.TYPE_DATA, label='{label}')[0]; "
    "k = {loader}.Pack(lambda a, b: p.readblocks(a // 4096, b, a % 4096)); print(k.intact(), k.digest.hex())"
)


@dataclass
class Settings:
    """How this bench works. `board` names a pin map; None: the first that fits chip, flash and `parts`. `image` is a file,
    or with `image_name` ("" the one that the pin map names) the folder whose table says file and digest."""

    image: Path
    image_digest: str | None = None
    board: str | None = None
    parts: tuple[str, ...] = ("nfc",)
    baud: int = BAUD
    before: str = "default-reset"
    after: str = "hard-reset"
    replace: bool = False
    link_port: str | None = None
    image_name: str | None = None
    say: Callable[[str], None] = lambda _: None
    look: Callable[[str], bool] | None = None
    transcript: Callable[[str], None] = lambda _: None


@dataclass
class Outcome:
    """A finished board."""

    found: Found
    board: str
    made: Provisioned
    code: str
    tests: list[selftest.Result]
    registered: bool
    words: str
    seconds: dict[str, float] = field(default_factory=dict[str, float])


def board_for(found: Found, settings: Settings) -> str:
    """The pin map for what is on the port. Raises WrongBoard with what was found and what would do."""
    chip = _CHIPS.get(found.chip)
    if chip is None:
        raise WrongBoard(
            f"this is an {found.chip}: Stallmark runs on ESP32-S3 (8 MB) and classic ESP32 (4 MB); nothing was written"
        )
    megabytes = found.flash_bytes >> 20
    fitting = [
        name
        for name, model in MODELS.items()
        if model["chip"] == chip
        and model["flash_mib"] <= megabytes
        and tuple(sorted(model["parts"])) == tuple(sorted(settings.parts))
    ]
    if settings.board is not None:
        model = MODELS.get(settings.board)
        if model is None:
            raise WrongBoard(f"there is no board {settings.board}; known are {', '.join(sorted(MODELS))}")
        if model["chip"] != chip or model["flash_mib"] > megabytes:
            raise WrongBoard(
                f"{settings.board} has an {model['chip']} and {model['flash_mib']} MB of flash; this board has an {found.chip} "
                f"and {megabytes} MB; nothing was written"
            )
        return settings.board
    if not fitting:
        raise WrongBoard(
            f"no pin map fits an {found.chip} with {megabytes} MB of flash and {' and '.join(settings.parts)}: "
            "see docs/boards.md; nothing was written"
        )
    return fitting[0]


def flash_board(
    port: str,
    job: Job,
    book: Book,
    settings: Settings,
    programs: Application,
    told: Progress,
    batch: str = "",
) -> Outcome:
    """Everything, for one board. Raises errors.BenchError; the log has no line of it then (the caller writes that)."""
    clock = _Clock()
    told("looking at the board", 0, 1)
    esp = Esptool(port, settings.baud, settings.before, settings.after, settings.transcript)
    found = esp.identify()
    board = board_for(found, settings)
    model = MODELS[board]
    flash_bytes = model["flash_mib"] << 20
    interpreter = _interpreter(settings, model)
    with tempfile.TemporaryDirectory(prefix="stallmark-bench-") as name:
        folder = Path(name)
        if not settings.replace and book.unfinished(found.mac) is None and has_keys(esp, folder, flash_bytes):
            raise HasKeys(
                "this board is a brick with keys: records that no host has fetched would be lost. Let its host fetch "
                "them, then flash it with --replace; its old identity is revoked"
            )
        clock.lap("look")
        esp.write(_parts(folder, interpreter, programs, flash_bytes), flash_bytes, told)
        clock.lap("write")
        told("MicroPython starts", 0, 1)
        if settings.after == "no-reset":
            settings.say(
                "Written. Let go of BOOT and press RESET on the board now: MicroPython is awaited for 20 seconds."
            )
        _first_files(Mpremote(port, settings.transcript), folder, programs, board)
        clock.lap("first files")
    link = settings.link_port or port
    bench = Bench(link)
    try:
        who = selftest.identity(bench)
        selftest.same_board(who, board, flash_bytes, programs.digest)
        tests = selftest.run(
            bench, job.fixture, settings.look, lambda part, n, of: told(f"self-test: {part}", n, of)
        )
    finally:
        bench.close()
    selftest.judge(tests)
    clock.lap("self-test")
    told("keys", 0, 1)
    old = book.board(found.mac)

    def about_to(brick: bytes) -> None:
        book.note(outcome=KEYED, batch=batch, board=found.mac, brick=brick.hex())

    made = provision_brick(
        link, job.rental, os.urandom(32), time.time_ns() // 1_000_000, _PROOF_SECONDS, about_to
    )
    clock.lap("keys")
    registered, words = hand_on(job, book, made, found, told)
    code = label.short_code(made.brick)
    clock.lap("register")
    book.note(
        outcome=DONE,
        batch=batch,
        board=found.mac,
        brick=made.brick.hex(),
        label=code,
        hardware=board,
        chip=found.chip,
        flash_bytes=found.flash_bytes,
        image=interpreter.digest,
        firmware=programs.digest.hex(),
        kit=job.rental.kit.hex(),
        kit_name=job.kit_name,
        rental=job.rental.rental,
        registered=registered,
        replaces=None if old is None else old.get("brick"),
        tests={one.part: [one.outcome, one.words] for one in tests},
        seconds=clock.laps,
    )
    # After the line: a label can be drawn again, a brick cannot be made again.
    draw_label(book, made.brick, job.kit_name, board)
    return Outcome(found, board, made, code, tests, registered, words, clock.laps)


def draw_label(book: Book, brick: bytes, kit_name: str, board: str) -> Path:
    """The label's file. Raises ToolMissing, BenchError."""
    path = book.folder / "labels" / f"{label.short_code(brick)}.png"
    try:
        label.write(path, brick, kit_name, board, time.strftime("%Y-%m-%d"))
    except OSError as error:
        raise BenchError(
            f"brick {brick.hex()} is done, its label {path} cannot be written: {error.strerror}. Put that right, then "
            f"`stallmark brick label {brick.hex()}`"
        ) from error
    return path


def _interpreter(settings: Settings, model: Any) -> image.Image:
    if settings.image_name is None:
        return image.load(settings.image, model["chip"], settings.image_digest)
    path, digest, _ = image.pinned(settings.image, settings.image_name or model["image"])
    return image.load(path, model["chip"], digest)


def hand_on(job: Job, book: Book, made: Provisioned, found: Found, told: Progress) -> tuple[bool, str]:
    """Queues the registration and the host's key, then tries the controller once. The queue is on disk before anything is
    sent: nothing is lost if this machine stops here. (True: the controller has confirmed; what it said against it.)

    The board's earlier identity ends with the registration. Raises Refused where this brick will never be taken."""
    told("registering", 0, 1)
    write_private(
        book.folder / "handover" / f"{made.brick.hex()}.json",
        {"brick": made.brick.hex(), "epoch": 0, "key": made.link_key.hex(), "hardware": made.hardware},
    )
    code = label.short_code(made.brick)
    name = f"{time.time_ns()}-{made.brick.hex()}"
    path = book.queue(name, register.registration(job, made, found.mac, code, found.chip))
    said = register.reconcile(book, job)
    told("registering", 1, 1)
    words = said.refused.get(name) or next(iter(said.refused.values()), "")
    if path.with_suffix(".refused").exists():
        raise Refused(f"the controller refused this brick: {words}. Put that right and flash the board again")
    if made.brick.hex() in said.answers.get(name, {}).get("revoked", ()):
        raise Refused(
            "the controller knows a brick of this board that was made later: set this computer's clock, then flash the "
            "board again"
        )
    return not path.exists(), words


def revoke(job: Job, book: Book, brick: str, reason: str) -> bool:
    """Ends an identity at the controller, now (True) or when it is back. Raises Refused where the controller says no, and
    BenchError where this is no brick's id: then nothing waits."""
    path = book.queue(f"{time.time_ns()}-revoke-{brick[:16]}", register.revocation(job, brick, reason))
    said = register.reconcile(book, job)
    if path.stem in said.refused:
        path.unlink(missing_ok=True)
        path.with_suffix(".refused").unlink(missing_ok=True)
        raise Refused(f"brick {brick} was not revoked: {said.refused[path.stem]}")
    return not path.exists()


def _parts(
    folder: Path, interpreter: image.Image, programs: Application, flash_bytes: int
) -> list[tuple[int, str]]:
    """(offset, file) of everything that is written: esptool lets the chip check each by MD5, the blank ones too."""
    blank_from = find(flash_bytes, BLANK[0])[0]
    last, size = find(flash_bytes, BLANK[-1])
    vfs, vfs_size = find(flash_bytes, "vfs")
    parts = (
        (
            image.LOADER_OFFSET[interpreter.chip],
            "interpreter",
            image.with_our_table(interpreter, flash_bytes),
        ),
        (blank_from, "blank", b"\xff" * (last + size - blank_from)),
        (
            find(flash_bytes, application.PARTITION)[0],
            "programs",
            application.for_partition(programs, flash_bytes),
        ),
        # One that was installed there would be newer than what this bench writes.
        (find(flash_bytes, "app_b")[0], "other slot", b"\xff" * 4096),
        (vfs, "files", b"\xff" * vfs_size),
    )
    written: list[tuple[int, str]] = []
    for offset, name, data in parts:
        (folder / name).write_bytes(data)
        written.append((offset, str(folder / name)))
    return written


def _first_files(board: Mpremote, folder: Path, programs: Application, name: str) -> None:
    """The loader, checked by having it read the pack on the board; then the files that close the door, and a reset."""
    board.wait_for_prompt()
    (folder / f"{application.LOADER}.mpy").write_bytes(programs.loader)
    (folder / "board.txt").write_text(name + "\n")
    for path, content in programs.starters.items():
        (folder / path.strip("/")).write_bytes(content)
    door = ("main.py", "boot.py")
    board.copy([folder / f"{application.LOADER}.mpy", folder / "board.txt"])
    said = board.evaluate(_VERIFY.format(loader=application.LOADER, label=application.PARTITION))
    if said != f"True {programs.digest.hex()}":
        raise BadFlash(
            f"MicroPython reads other programs than were written ({said[:80]}): flash this board again"
        )
    # boot.py last: with both there the next start has no prompt any more.
    board.copy([folder / path.strip("/") for path in programs.starters if path.strip("/") not in door])
    board.copy([folder / name for name in door])
    sums = board.evaluate(
        f"import hashlib; print(*[hashlib.sha256(open(n,'rb').read()).digest().hex() for n in {tuple(programs.starters)!r}])"
    )
    if sums.split() != [hashlib.sha256(content).hexdigest() for content in programs.starters.values()]:
        raise BadFlash("the first files read back changed: flash this board again")
    board.reset()


def has_keys(esp: Esptool, folder: Path, flash_bytes: int) -> bool:
    """Whether the board is a brick with keys, which may hold records that no host has fetched."""
    offset, size = find(flash_bytes, "keys")
    blank = folder / "no-keys"
    blank.write_bytes(b"\xff" * size)
    if esp.holds(offset, str(blank)):
        return False
    return any(
        esp.read(offset + sector, len(_KEY_MAGIC), folder / "magic") == _KEY_MAGIC
        for sector in range(0, size, 4096)
    )


def table_size(found: Found) -> int | None:
    """The flash size whose partition table a brick on this chip has; None for a chip that no brick is made of."""
    sizes = [model["flash_mib"] for model in MODELS.values() if model["chip"] == _CHIPS.get(found.chip)]
    return sizes[0] << 20 if sizes and sizes[0] << 20 <= found.flash_bytes else None


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._at = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._at, 2)
        self._at = now


def summary(line: dict[str, Any]) -> str:
    """One line of the log for a screen."""
    if line.get("outcome") == DONE:
        state = "registered" if line.get("registered") else "waits for the controller"
        return f"{line['label']}  {line['hardware']}  brick {line['brick']}  board {line['board']}  {state}"
    return "  ".join(
        str(line[key]) for key in ("outcome", "board", "brick", "request", "words") if line.get(key)
    )
