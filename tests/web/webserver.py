"""The pages over a store, on a port of this machine: for browsers, and for the in-process client."""

import json
import socket
import threading
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from stallmark import base32
from stallmark.errors import FormatError

from fleet.web.pages import install


def application(store, extra=None):
    """The public half of a controller: what the pages fetch, then the pages. `extra` maps paths to more."""
    app = FastAPI()

    def found(handle):
        try:
            return store.receipt_by_handle(base32.decode(handle.upper()))
        except FormatError:
            return None

    @app.get("/r/{handle}.cose")
    def cose(handle: str):
        one = found(handle)
        return Response(one.cose, media_type="application/cose") if one else Response(status_code=404)

    @app.get("/r/{handle}.tlog-proof")
    def proof(handle: str):
        one = found(handle)
        return PlainTextResponse(one.proof) if one and one.proof else Response(status_code=404)

    @app.get("/keys.json")
    def keys():
        return JSONResponse(store.keys())

    @app.get("/ledger/checkpoint")
    def checkpoint():
        return PlainTextResponse(store.checkpoint().decode())

    @app.get("/ledger/{path:path}")
    def tile(path: str):
        return Response(store.file(path) or b"", 200 if store.file(path) else 404)

    @app.get("/v1/live")
    async def live():
        async def stream():
            yield ": hello\n\n"
            async for event in store.subscribe():
                yield f"data: {json.dumps(event)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    for path, body in (extra or {}).items():
        kind = JSONResponse if isinstance(body, (dict, list)) else HTMLResponse
        app.add_api_route(path, lambda kind=kind, body=body: kind(body))
    install(app, store)
    return app


class Server(uvicorn.Server):
    """uvicorn on a thread of its own."""

    def install_signal_handlers(self):
        """The test run keeps its own."""


@contextmanager
def serving(app, port=0):
    """The port on which `app` answers; ended on leaving."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    started = threading.Event()

    class Started(Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    server = Started(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="pages")
    thread.start()
    try:
        assert started.wait(30), "the server did not start"
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
