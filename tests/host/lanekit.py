"""A host with a lane and a till: rules for tills, signed and on offer, slices, and the till's own calls."""

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from hostkit import OnDemand, host_folder, running, until
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import cbor, keys, rights, token
from stallmark import registry as reg
from test_host_updater import as_config

from fleet.authoring.signing import make_bundle
from hostagent.agent import Agent
from tests.world import World

HOUR_MS = 3_600_000
# Version 1 of the form: name, fields 1 to 12 of a rule (docs/formats/ruleset-1.md)
FIFTEEN = ("fifteen", [3], 0, [0], [11, [22], 1000], False, [[1, 1500, 500]], [[1, 500]], 0, 14, {}, 1, 3)
MEMBER_TEA = ("member-tea", [12], 3, [0], [0], False, [[5, 1, 0]], [[2, 1]], 1, 14, {}, 2, 3)


_DAY = int(time.time() * 1000) - 600_000
# Version 2: a rule that always grants, and what it stands in
RULE2 = {
    0: "rule", 1: [3], 2: 0, 3: [0], 4: [0], 5: False, 6: [], 7: [], 8: [], 9: [14, 1, 0, 0], 10: [[None, None, None]],
    11: 2, 12: 3, 13: None, 14: None, 15: [], 16: None, 17: None, 18: 0, 19: None, 20: None, 21: None,
}  # fmt: skip
V2 = {
    0: 2, 1: "till-hour", 2: 1, 3: "EUR", 4: [[_DAY, _DAY + 24 * HOUR_MS]], 5: [], 6: None, 7: 100, 8: "World market",
    9: ["en"], 10: [], 11: None, 12: [], 13: [], 14: [], 15: [], 16: 0,
}  # fmt: skip


def ruleset(*found: tuple, rev: int = 1, people: int = 100) -> bytes:
    """A compiled ruleset of version 1 with one slot, from ten minutes ago for a day."""
    start = int(time.time() * 1000) - 600_000
    rules = [dict(enumerate(rule)) for rule in found]
    slots = [[start, start + 24 * HOUR_MS]]
    fields = {
        0: 1,
        1: "till-hour",
        2: rev,
        3: "EUR",
        4: slots,
        5: rules,
        6: None,
        7: people,
        8: "World market",
    }
    return cbor.encode(fields)


class LaneWorld:
    """A world with a lane, a till and a controller on demand."""

    def __init__(
        self, seed: int, folder: Path, *rules: tuple, tills=("till-1",), data: bytes | None = None
    ) -> None:
        self.world = World(seed, start_ms=int(time.time() * 1000))
        self.world.new_lane()
        self.tokens = {name: self.world.till(name) for name in tills}
        self.controller = OnDemand(self.world)
        self.folder = folder
        self.numbers = itertools.count(1)
        self.offer(data or ruleset(*(rules or (FIFTEEN, MEMBER_TEA))))

    def offer(self, data: bytes, rev: int = 1) -> None:
        """Signs a ruleset and puts it on offer."""
        bundle = make_bundle(data, rev, self.world.author_seeds[:2], "till-hour")
        self.controller.bundle = (f'"{rev}"', bundle)

    def slice(self, rule: str, unit: int, amount: int) -> None:
        """Mints a slice for the kit."""
        number = next(self.numbers)
        expires = int(time.time() * 1000) + 24 * HOUR_MS
        payload = rights.encode_slice(
            number, rights.rule8(rule), unit, amount, self.world.kit, self.world.rental, expires
        )
        secret = crypto_sign_seed_keypair(self.world.director_seed)[1]
        signature = crypto_sign(rights.slice_message(payload), secret)[:64]
        self.controller.slices.append(
            {"payload": base64.b64encode(payload).decode(), "signature": base64.b64encode(signature).decode()}
        )

    def pass_text(self, number: int = 1) -> str:
        """The QR text of a pass of this event."""
        return token.pass_text(number.to_bytes(10), keys.token_key(self.world.event_key))

    @contextlib.asynccontextmanager
    async def up(self, rules: bool = True, **more: object) -> AsyncIterator[Agent]:
        """The host, started; with `rules`, once the lane decides by those on offer and holds its slices."""
        if not self.controller.port:
            await self.controller.start()
        director = crypto_sign_seed_keypair(self.world.director_seed)[0].hex()
        path = self.folder / "host" / "config.json"
        if not path.exists():
            path = host_folder(
                self.world, self.folder / "host", self.controller.address,
                authors=as_config(self.world), director=director, **more,
            )  # fmt: skip
        async with running(path) as agent:
            assert agent.lane is not None
            if rules:
                await until(lambda: agent.lane.ruleset is not None, "the lane has rules")
                if self.controller.slices:
                    await until(lambda: agent.lane.state.slices_left(), "the lane has slices")  # noqa: PLW0108 - a new state comes
            yield agent

    def client(self, agent: Agent, till: str = "till-1") -> httpx.AsyncClient:
        """HTTP as this till."""
        host, port = agent.address
        return httpx.AsyncClient(
            base_url=f"http://{host}:{port}",
            headers={"Authorization": f"Bearer {self.tokens[till]}"},
            trust_env=False,
            timeout=60,
        )


def play(scenario) -> None:
    """Runs a scenario that must not hang."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(bounded())


async def post(client: httpx.AsyncClient, key: str, body: dict | bytes, **headers: str) -> httpx.Response:
    """One call to the till API."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(
        "/v1/events",
        content=data,
        headers={"Idempotency-Key": key, "Content-Type": "application/json", **headers},
    )


def records(agent: Agent) -> list:
    """Every record of the lane, as the store has it."""
    from hostagent.store.records import Records

    return Records(agent.store).of(agent.lane.brick8).result()


__all__ = ["FIFTEEN", "MEMBER_TEA", "LaneWorld", "play", "post", "records", "reg"]
