"""The examples of docs/till.md, run as they stand there, against a host."""

import asyncio
import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from lanekit import LaneWorld, play

from hostagent.till import client

PAGE = Path(__file__).parents[2] / "docs" / "till.md"


def example(language):
    """The first example in a language."""
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_examples_of_the_page_work_as_they_stand(tmp_path, monkeypatch):
    async def scenario():
        kit = LaneWorld(731, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent:
            address = "http://{}:{}".format(*agent.address)
            shell = example("bash").replace("http://192.168.7.1:8770", address)
            ran = await asyncio.to_thread(
                subprocess.run, ["bash", "-c", shell], capture_output=True, text=True, timeout=180,
                env={"TILL_TOKEN": kit.tokens["till-1"], "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            assert '"text":"2.40 EUR"' in ran.stdout
            monkeypatch.setitem(sys.modules, "client", client)
            names = {"address": address, "token": kit.tokens["till-1"], "pass_text": kit.pass_text()}
            said = io.StringIO()

            def python():
                with contextlib.redirect_stdout(said):
                    exec(example("python"), names)

            await asyncio.to_thread(python)
            lines = said.getvalue().splitlines()
            assert lines[0].startswith("granted 240 Granted: 15 % off")
            assert lines[1] == "reversed -120"
        await kit.controller.stop()

    play(scenario())


def test_the_client_asks_again_with_the_same_key_and_says_what_is_wrong():
    seen = []

    def host(request):
        seen.append(request.headers["idempotency-key"])
        if len(seen) == 1:
            raise httpx.ConnectError("no")
        if len(seen) == 2:
            return httpx.Response(503, json={"detail": "the disk"})
        if request.headers["authorization"] != "Bearer t":
            return httpx.Response(401, json={"detail": "no till"})
        return httpx.Response(200, json={"outcome": "granted"})

    def with_token(token):
        till = client.Till("http://stall.test", token)
        till._http = httpx.Client(
            base_url="http://stall.test", headers=till._http.headers, transport=httpx.MockTransport(host)
        )
        return till

    assert with_token("t").event("till sale")["outcome"] == "granted"
    assert len(seen) == 3 and len(set(seen)) == 1
    with pytest.raises(client.TillError, match="no till") as refused:
        with_token("x").event("till sale", key="k")
    assert refused.value.status == 401
    seen.clear()
    with pytest.raises(client.TillError, match="is it on"):
        till = client.Till("http://127.0.0.1:9", "t", patience=0.2)
        till.event("till sale")
