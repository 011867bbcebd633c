"""`python -m cli.watched …`: the command `stallmark …`, ended in order when its standard input ends.

Whoever starts programs this way holds the other end of a pipe: when that end closes, by an orderly stop or because the
starter was killed, no controller and no host is left behind.
"""

import os
import signal
import sys
import threading

from cli.main import main

GRACE_SECONDS = 15.0


def watch() -> None:
    """Waits for the end of standard input, then asks this process to end, and ends it if it does not."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=watch, name="parent", daemon=True).start()
    main()
