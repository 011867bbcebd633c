"""A controller with many kits, as a process of its own: `python -m tests.bench.fanout_server FOLDER`. Prints its port when it
serves; a line on standard input is answered with the bytes of memory that the process holds."""

import sys
import threading
import time
from pathlib import Path

from fleet.app import create
from fleet.clock import RealClock
from fleet.config import load
from fleet.controller import initialise
from fleet.server import Server


def held() -> int:
    """Resident bytes of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Until standard input ends."""
    config = load(Path(sys.argv[1]) / "config.json")
    initialise(config, RealClock())
    server = Server(create(config, RealClock()), port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            sys.exit("the controller did not start")
        time.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(held(), flush=True)
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
