"""A made-up town for the live simulator: a controller's folder with so many kits, their hosts' and bricks' keys, and releases.

All keys are made here, on one machine, from the seed: development keys that nobody may trust."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from nacl.secret import SecretBox
from nacl.signing import SigningKey
from sqlalchemy import insert

from fleet.authoring.compile import compile_campaign
from fleet.authoring.signing import make_bundle
from fleet.clock import RealClock
from fleet.config import Config, kid8, load
from fleet.controller import initialise
from fleet.core import keyschedule
from fleet.db.engine import outside
from fleet.db.tables_people import host_credentials
from fleet.desired import folder as rules

RENTAL = 1
AUTHORS = 3
THRESHOLD = 2
COPIES = 12  # of the campaign's rules: a ruleset of a few kB, as real ones are
SLOT_MS = 3_600_000  # by which the made-up market began before now


@dataclass(frozen=True, slots=True, repr=False)
class KitKeys:
    """One kit: its host's signing key, and for each brick its id and the root of its keys (32 bytes)."""

    kit: bytes
    name: str
    host: SigningKey
    bricks: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Town:
    """What was made. `folder` holds config.json, keys.json and an empty ledger."""

    folder: Path
    config: Config
    kits: tuple[KitKeys, ...]
    authors: tuple[bytes, ...]
    start_ms: int

    def release(self, rev: int, fallback: tuple[bytes, ...] = ()) -> bytes:
        """A bundle of this revision, signed by two authors. `fallback`: digests of artefacts that bricks may go back to."""
        ruleset, report = compile_campaign(_campaign(), self.start_ms, rev)
        return make_bundle(
            ruleset,
            rev,
            self.authors[:THRESHOLD],
            f"release {rev}",
            golden=report.golden,
            terms16=report.terms16,
            fallback=fallback,
            authoring_hash=report.authoring_hash,
        )

    def offer(self, bundle: bytes) -> rules.Release:
        """Puts a bundle into the rules folder, at once: from now on it is what every kit is to run."""
        fresh = self.config.rules / "new"
        fresh.write_bytes(bundle)
        os.replace(fresh, self.config.rules / "active.smbundle")
        return rules.read(bundle)


def make(folder: Path, kits: int, bricks: int, seed: int) -> Town:
    """Writes everything, the accepted hosts' credentials too. Raises OSError, ConfigError, LedgerConflict."""
    chance = random.Random(seed)
    made = [_kit(chance, number, bricks) for number in range(1, kits + 1)]
    authors = tuple(chance.randbytes(32) for _ in range(AUTHORS))
    seal = chance.randbytes(32)
    box = SecretBox(seal)
    (folder / "rules").mkdir(parents=True)
    (folder / "terms").mkdir()
    (folder / "config.json").write_text(json.dumps(_config(made, authors)))
    secret: dict[str, Any] = {
        "checkpoint_seed": chance.randbytes(32).hex(),
        "director_seed": chance.randbytes(32).hex(),
        "seal_key": seal.hex(),
        "hosts": [],
        "bricks": [
            {
                "brick": brick.hex(),
                "root": bytes(box.encrypt(root, chance.randbytes(24))).hex(),
                "rental": RENTAL,
                "kit": one.kit.hex(),
            }
            for one in made
            for brick, root in one.bricks
        ],
        "event_keys": [],
    }
    handle = os.open(folder / "keys.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(secret, out)
    config = load(folder / "config.json")
    clock = RealClock()
    initialise(config, clock)
    _accept(config, made, clock.now_ms())
    return Town(folder, config, tuple(made), authors, time.time_ns() // 1_000_000 - SLOT_MS)


def _kit(chance: random.Random, number: int, bricks: int) -> KitKeys:
    roots = [
        keyschedule.next_root(keyschedule.root0(chance.randbytes(32), chance.randbytes(32)), RENTAL)
        for _ in range(bricks)
    ]
    ids = [chance.randbytes(8) for _ in roots]
    return KitKeys(
        chance.randbytes(8),
        f"kit-{number}",
        SigningKey(chance.randbytes(32)),
        tuple(zip(ids, roots, strict=True)),
    )


def _config(kits: list[KitKeys], authors: tuple[bytes, ...]) -> dict[str, Any]:
    public = [bytes(SigningKey(seed).verify_key) for seed in authors]
    return {
        "development": True,
        "name": "Simulated fleet",
        "origin": "localhost/simulate/live",
        "database": "stallmark.db",
        "ledger": "ledger",
        "port": 0,
        "public_url": "http://127.0.0.1",
        "kits": [{"kit": one.kit.hex(), "name": one.name, "rental": RENTAL} for one in kits],
        "authors": {
            "threshold": THRESHOLD,
            "keys": [{"kid": kid8(one).hex(), "public": one.hex()} for one in public],
        },
    }


def _accept(config: Config, kits: list[KitKeys], now_ms: int) -> None:
    """Every host as if a person had accepted it: two thousand would not wait for that one after the other."""
    rows = [
        {
            "host": kid8(bytes(one.host.verify_key)),
            "public": bytes(one.host.verify_key),
            "name": f"host of {one.name}",
            "kit": one.kit,
            "rental": RENTAL,
            "made_ms": now_ms,
            "by": "simulator",
        }
        for one in kits
    ]
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            connection.execute(insert(host_credentials), rows)
    finally:
        engine.dispose()


def _campaign() -> dict[str, Any]:
    text = resources.files("fleet.authoring").joinpath("campaigns/market_hour.json").read_text()
    campaign: dict[str, Any] = json.loads(text)
    del campaign["golden"]  # they name rules, and each is here several times
    campaign["rules"] = [
        {**rule, "id": f"{rule['id']}-{copy}"} for rule in campaign["rules"] for copy in range(COPIES)
    ]
    return campaign
