"""A controller as a process of its own, for whoever measures it: `python -m fleet.simulate.process FOLDER`.

The same application and web server as `stallmark fleet run`; it prints its port when it serves and ends when its standard
input ends, so that nothing is left behind where whoever started it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

END_S = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """The running process."""

    port: int
    pid: int

    def resident(self) -> int:
        """Bytes of memory that it holds; 0 where the system does not say."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


@contextmanager
def ends_in_order() -> Generator[None]:
    """SIGTERM ends this program as Ctrl-C does: everything that is open is closed, folders are removed, children end. In another
    thread than the first nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows cleans up
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def controller(folder: Path) -> Generator[Program]:
    """Runs one over a folder; its log is `controller.log` there. Raises OSError with the log's end where it does not start."""
    log = folder / "controller.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            start_new_session=True,  # Ctrl-C is for whoever started it: this one ends with its standard input
        )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise OSError(f"the controller did not start: {log.read_text(errors='replace')[-400:].strip()}")
        yield Program(int(line), process.pid)
    finally:
        process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    """Until standard input ends."""
    import logging

    from fleet.app import create
    from fleet.clock import open_clock
    from fleet.config import load
    from fleet.server import Server

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = load(Path(sys.argv[1]) / "config.json")
    server = Server(create(config, open_clock(config.clock_file)), port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            sys.exit("the controller did not start")
        time.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    sys.stdin.read()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
