"""Production lock: with boot.py and main.py there, no byte on the console opens a prompt; the real files, on a terminal."""

import os
import select
import signal
import subprocess
import time
import tty

import pytest
from virtualkit import interpreter
from workbench.application import FIRMWARE

PATIENCE_S = 60.0
# What a board has and the unix port has not. The appliance echoes what it reads in hex, and ends on "q".
MODULES = {
    "machine.py": (
        "import time\n"
        "def reset():\n    print('RESET')\n    while True:\n        time.sleep(1)\n"
        "def reset_cause():\n    return 3\n"
        "def WDT(timeout):\n    print('WATCHED', timeout)\n"
    ),
    "esp32.py": (
        "class Partition:\n"
        "    TYPE_DATA = 1\n"
        "    @staticmethod\n"
        "    def find(_type, label):\n"
        "        return [Partition()]\n"
        "    def info(self):\n"
        "        return 1, 0x44, 0, 4096, 'app_a', False\n"
    ),
    "startslot.py": (
        "class Pack:\n"
        "    digest = b'digest'\n"
        "    def mount(self, *_): pass\n"
        "    def stat(self, path): raise OSError(2)\n"
        "    def chdir(self, path): pass\n"
        "class Slot:\n"
        "    pack, trial = Pack(), True\n"
        "class Start:\n"
        "    slot, returned = Slot(), False\n"
        "def choose(flashes, reason):\n"
        "    print('SLOTS', len(flashes), reason)\n"
        "    return Start()\n"
    ),
    "brick/__init__.py": "",
    "brick/ports/__init__.py": "",
    "brick/config.py": "BAD_BOOTS = 3\n",
    "brick/boots.py": (
        "def counted(flash, reason, limit, anew):\n"
        "    print('COUNTED', flash, reason, limit)\n"
        "    return 'boots'\n"
    ),
    "brick/ports/esp32flash.py": "Flash = 'flash'\n",
    "brick/ports/esp32.py": "class Port:\n    def __init__(self, board, boots):\n        self.board = board, boots\n",
    "brick/appliance.py": (
        "import sys\n"
        "def run(port):\n"
        "    print('UP', *port.board)\n"
        "    while True:\n"
        "        byte = sys.stdin.buffer.read(1)\n"
        "        print('GOT', byte[0])\n"
        "        if byte == b'q':\n"
        "            raise ValueError('the appliance fails')\n"
    ),
}


class Board:
    """A process that runs boot.py as MicroPython's start does, on a terminal of its own. `other`: more files, or None for
    one that is not there."""

    def __init__(self, folder, **other):
        main = (FIRMWARE / "brick" / "main.py").read_text().replace('"/board.txt"', f'"{folder}/board.txt"')
        for name, text in (MODULES | {"main.py": main, "board.txt": "a-board\n"} | other).items():
            if text is None:
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        start = folder / "boot.py"
        start.write_text((FIRMWARE / "brick" / "boot.py").read_text())
        self.master, slave = os.openpty()
        tty.setraw(slave)
        # -i: where the files end in anything but a reset, the prompt that must not be would be there.
        self.process = subprocess.Popen(
            [interpreter.find(), "-i", str(start)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"MICROPYPATH": f"{folder}:.frozen"},
            start_new_session=True,
        )
        os.close(slave)
        self.said = b""

    def until(self, words):
        end = time.monotonic() + PATIENCE_S
        while words not in self.said:
            assert time.monotonic() < end, self.said
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self.master, 4096)
                except OSError:
                    break
        assert words in self.said, self.said

    def send(self, data):
        os.write(self.master, data)

    def close(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def board(tmp_path):
    made = Board(tmp_path)
    yield made
    made.close()


def test_no_byte_opens_a_prompt(board):
    board.until(b"UP a-board boots")
    for byte in (0x03, 0x04, 0x01, 0x02, 0x05, 0x0D):
        board.send(bytes((byte,)) * 2)
        board.until(b"GOT %d" % byte)
    board.send(b"\r\x03\x03\r\x01")  # what mpremote begins with
    board.send(b"\x7f")
    board.until(b"GOT 127")
    assert b">>>" not in board.said and b"raw REPL" not in board.said
    assert board.process.poll() is None


def test_an_appliance_that_fails_resets_and_leaves_no_prompt(board):
    board.until(b"UP")
    board.send(b"q")
    board.until(b"RESET")
    assert b"the appliance fails" in board.said
    assert b">>>" not in board.said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main.py": None}, b"no module named 'main'"),
        ({"main.py": "def half(:\n"}, b"SyntaxError"),
        ({"startslot.py": None}, b"no module named 'startslot'"),
        ({"board.txt": None}, b"no board.txt"),
    ],
)
def test_a_board_that_lost_a_file_resets_touches_no_pin_and_opens_no_prompt(tmp_path, files, words):
    made = Board(tmp_path, **files)
    try:
        made.until(b"RESET")
        made.send(b"\x03\x03\r")
        assert words in made.said and b">>>" not in made.said and b"UP" not in made.said
        assert made.process.poll() is None
    finally:
        made.close()


def test_a_start_that_a_part_of_the_board_ends_was_counted_before(tmp_path):
    """Pins, radio, memory: whatever the port fails with, three such starts are known as failed ones."""
    made = Board(tmp_path, **{"brick/ports/esp32.py": "raise MemoryError('no room for the radio')\n"})
    try:
        made.until(b"RESET")
        assert made.said.index(b"COUNTED flash 3 3") < made.said.index(b"no room for the radio")
    finally:
        made.close()


def test_an_interrupt_at_the_very_start_ends_in_a_reset_or_in_the_appliance(tmp_path):
    """03 from the first instant on, as fast as it goes: it never leads to a prompt."""
    made = Board(tmp_path)
    try:
        end = time.monotonic() + PATIENCE_S
        while b"GOT 3" not in made.said and b"RESET" not in made.said:
            assert time.monotonic() < end, made.said
            made.send(b"\x03" * 8)
            if select.select([made.master], [], [], 0.005)[0]:
                made.said += os.read(made.master, 4096)
        assert b">>>" not in made.said
    finally:
        made.close()
