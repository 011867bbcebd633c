"""The two servers of the till's bench: `host`, with lane and till; `bare`, one FastAPI endpoint that commits one row."""

import asyncio
import sys
import threading
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from stallmark import batch

from hostagent.store import database


def bare(folder: Path) -> None:
    """A row for every call, durable before the answer: what anybody would write first."""
    folder.mkdir()
    sql = database.connect(folder / "rows.db", bytes(range(32)))
    sql.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body TEXT)")
    turn = threading.Lock()
    app = FastAPI()

    @app.post("/rows")
    def rows(body: dict[str, str]) -> dict[str, int]:
        with turn, sql:
            sql.execute("INSERT INTO rows (body) VALUES (?)", (str(body),))
            return {"number": int(sql.last_insert_rowid())}  # type: ignore[attr-defined]

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    threading.Thread(target=_until_closed, args=(server,), daemon=True).start()

    async def serve() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], "/rows", "-", flush=True)
        await task

    asyncio.run(serve())


def _until_closed(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


async def host(folder: Path) -> None:
    """A host whose lane grants for every sale, with rights enough."""
    from lanekit import LaneWorld

    kit = LaneWorld(901, folder)
    kit.slice("fifteen", 1, 4_000_000_000)
    # The controller is elsewhere: what it does with a batch is not this host's time.
    kit.controller._take = lambda body: (200, kit.controller._marked(batch.parse(body).head.fields[2]))
    async with kit.up(till={"per_second": 10_000, "burst": 10_000}, poll_s=5) as agent:
        agent.forwarder.close_s = 5.0
        print(agent.address[1], "/v1/events", kit.tokens["till-1"], flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await kit.controller.stop()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        bare(Path(sys.argv[2]))
    else:
        asyncio.run(host(Path(sys.argv[2])))
