"""A controller behind its real web server, in this process, for tests."""

import threading
import time
from contextlib import contextmanager

import httpx

from fleet.app import create
from fleet.server import Server

PATIENCE_S = 60.0


def wait_for(what, condition):
    """Waits until the condition is true and returns its value; fails with what was waited for."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


class Served:
    """The running program: `url`, `client` and its controller."""

    def __init__(self, stall, url, controller):
        self.stall = stall
        self.url = url
        self.controller = controller
        self.client = httpx.Client(base_url=url, timeout=PATIENCE_S)

    def token(self, host=None):
        """The header of a host."""
        return {"Authorization": f"Bearer {(host or self.stall.world.host).token}"}

    def post(self, body, host=None):
        """Delivers a batch."""
        return self.client.post("/v1/batches", content=body, headers=self.token(host))

    def deliver(self, n=5):
        """n good receipts; returns their records."""
        records = []
        answer = self.post(self.stall.world.batch(self.stall.world.receipts(n, records=records)))
        assert answer.status_code == 200, answer.text
        return records

    def health(self):
        """/healthz."""
        return self.client.get("/healthz").json()

    def published(self, size=None):
        """Waits until everything that is durable (or `size` leaves) is published."""
        wanted = size or self.health()["ledger_size"]
        return wait_for(f"a checkpoint of {wanted}", lambda: self.health()["published_size"] >= wanted)


@contextmanager
def served(stall, **more):
    """Runs the web server over a stall's folder; the stall's own controller is closed for it. `more` is for
    fleet.server.Server."""
    stall.controller.close()
    app = create(stall.config, stall.clock)
    server = Server(app, **more)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for("the server", lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Served(stall, f"http://127.0.0.1:{port}", app.state.controller)
    running.app = app
    try:
        yield running
    finally:
        running.client.close()
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
