"""`stallmark kit new`: a kit with its own development keys, provisioned by the same messages as a real brick's bench sends."""

import asyncio
import base64
import hashlib
import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.secret import SecretBox
from nacl.signing import SigningKey
from stallmark.errors import StallmarkError
from workbench.provision import Provisioned, Rental, provision_brick

from fleet.clock import open_clock
from fleet.config import load as load_config
from fleet.controller import initialise
from fleet.ledger.note import Signer
from virtualkit import campaign, cards, interpreter
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.clockfile import MarketClock
from virtualkit.core import bundle, rules
from virtualkit.folder import KitFolder, write_json
from virtualkit.kit import new_flash

FLASH_BYTES = 8 * 1024 * 1024
THRESHOLD = 2
ORIGIN = "localhost/dev/2026"
NOTICE = """These are DEVELOPMENT keys, made by `stallmark kit new` on one machine, all in one folder.
Nobody may trust what they sign: a real kit's author keys never share a machine with its controller.
"""


@dataclass(frozen=True)
class BrickPlan:
    """One brick to make: its name and its readers ("nfc", "qr")."""

    name: str
    parts: tuple[str, ...]


DEFAULT_BRICKS = (
    BrickPlan("brick-1", ("nfc",)),
    BrickPlan("brick-2", ("nfc",)),
    BrickPlan("brick-3", ("qr",)),
)


class KitExists(StallmarkError):
    """The folder already holds a kit: nothing is overwritten."""


@dataclass(frozen=True)
class KitPlan:
    """What kind of kit to make. `start_ms`: when its market day begins; `clock_file`: the market's own clock, or real time."""

    name: str = "demo-kit"
    bricks: Sequence[BrickPlan] = DEFAULT_BRICKS
    rental: int = 1
    currency: str = "EUR"
    fleet_port: int = 8780
    host_port: int = 8781
    start_ms: int = 0
    market_clock: bool = False
    card_seed: int = 1


Progress = Callable[[str], None]


@dataclass(frozen=True)
class NewKit:
    """A kit that was just made, with the event key that its cards are issued under."""

    folder: KitFolder
    event_key: bytes


def new_kit(path: Path, plan: KitPlan, progress: Progress) -> NewKit:
    """Makes the folder, starts every blank brick once, provisions it over its link, and hands out the keys.

    Raises KitExists, workbench.provision.ProvisionError, interpreter.InterpreterMissing.
    """
    folder = KitFolder(path.resolve())
    if folder.exists():
        raise KitExists(f"{path} already holds a kit; nothing was changed")
    if folder.path.exists() and any(folder.path.iterdir()):
        raise KitExists(
            f"{path} is not empty and holds no finished kit: choose another folder, or remove it yourself"
        )
    # Flash images and databases hold keys too: the whole folder is its owner's alone.
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.path.chmod(0o700)
    folder.run.mkdir()
    interpreter.find()
    secrets = _Secrets()
    progress("author, director, checkpoint and host keys")
    provisioned = asyncio.run(_provision_all(folder, plan, secrets, progress))
    progress("the campaign, compiled and signed by two of three authors")
    published = write_bundle(folder, plan.start_ms, 1, secrets.authors)
    progress("configuration of controller and host")
    _write_authors(folder, secrets)
    _write_controller(folder, plan, secrets, provisioned, published.rights)
    _write_host(folder, plan, secrets, provisioned, published.terms16)
    _write_public(folder, secrets)
    cards.write_samples(folder.cards, secrets.event_key, plan.card_seed)
    (folder.path / "DEVELOPMENT-KEYS.txt").write_text(NOTICE)
    progress("an empty ledger, signed")
    if plan.market_clock:
        MarketClock(folder.clock, plan.start_ms).close()
    config = load_config(folder.controller / "config.json")
    initialise(config, open_clock(config.clock_file))
    write_json(
        folder.kit_json,
        {
            "format": 1,
            "development": True,
            "name": plan.name,
            "kit": secrets.kit.hex(),
            "hub": secrets.hub.hex(),
            "event": secrets.event.hex(),
            "rental": plan.rental,
            "currency": plan.currency,
            "fleet_port": plan.fleet_port,
            "host_port": plan.host_port,
            "market_clock": plan.market_clock,
            "bricks": [
                {
                    "name": brick.name,
                    "brick": made.brick.hex(),
                    "parts": list(brick.parts),
                    "flash_bytes": FLASH_BYTES,
                    "hardware": made.hardware,
                }
                for brick, made in zip(plan.bricks, provisioned, strict=True)
            ],
        },
    )
    return NewKit(folder, secrets.event_key)


class _Secrets:
    """Every secret of a development kit, fresh from the machine's random source."""

    def __init__(self) -> None:
        self.authors = [os.urandom(32) for _ in range(3)]
        self.director = SigningKey.generate()
        self.checkpoint = SigningKey.generate()
        self.host = SigningKey.generate()
        self.seal = os.urandom(SecretBox.KEY_SIZE)
        self.event_key = os.urandom(32)
        self.token = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.kit, self.hub, self.event = os.urandom(8), os.urandom(8), os.urandom(8)
        self.host_id = kid8(bytes(self.host.verify_key))

    def author_publics(self) -> list[tuple[bytes, bytes]]:
        publics = [bytes(SigningKey(seed).verify_key) for seed in self.authors]
        return [(kid8(public), public) for public in publics]

    def sealed(self, secret: bytes) -> str:
        return bytes(SecretBox(self.seal).encrypt(secret)).hex()


def free_ports() -> tuple[int, int]:
    """Two TCP ports that nobody listens on now."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def usual_ports() -> tuple[int, int]:
    """Controller's and host's usual ports if nobody listens there, else two free ones."""
    for port in (KitPlan.fleet_port, KitPlan.host_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return free_ports()
    return KitPlan.fleet_port, KitPlan.host_port


def event_key(folder: KitFolder) -> bytes:
    """The event key of an existing development kit, opened with its controller's seal key."""
    secret = json.loads((folder.controller / "keys.json").read_text())
    box = SecretBox(bytes.fromhex(secret["seal_key"]))
    return bytes(box.decrypt(bytes.fromhex(secret["event_keys"][0]["key"])))


def kid8(public: bytes) -> bytes:
    """The key identifier of docs/formats/receipt.md."""
    return hashlib.sha256(public).digest()[:8]


async def _provision_all(
    folder: KitFolder, plan: KitPlan, secrets: _Secrets, progress: Progress
) -> list[Provisioned]:
    rental = Rental(
        plan.rental,
        secrets.event_key,
        secrets.event,
        secrets.author_publics(),
        2,
        secrets.kit,
        secrets.hub,
        bytes(secrets.director.verify_key),
        secrets.host_id,
        plan.currency,
    )
    made: list[Provisioned] = []
    for brick in plan.bricks:
        progress(f"{brick.name}: blank flash, first start, provisioning over its link")
        made.append(await _provision_one(folder, brick, rental, plan.start_ms))
    return made


async def _provision_one(folder: KitFolder, brick: BrickPlan, rental: Rental, wall_ms: int) -> Provisioned:
    """One blank brick on a wire of its own: started, provisioned from a thread as any serial port is, switched off."""
    flash = folder.flash(brick.name)
    new_flash(flash, FLASH_BYTES)
    flash.chmod(0o600)
    virtual = VirtualBrick(BrickSpec(brick.name, brick.parts, flash, timing="fast"), folder.run)
    try:
        await virtual.start()
        return await asyncio.to_thread(provision_brick, str(virtual.link), rental, os.urandom(32), wall_ms)
    finally:
        await virtual.close()


# --- the campaign


def write_bundle(folder: KitFolder, start_ms: int, rev: int, authors: Sequence[bytes]) -> campaign.Published:
    """Compiles the demo campaign for a market day beginning at `start_ms`, signs it with two of the authors' seeds, and puts
    bundle and terms where the controller offers them; earlier bundles stay for the sentences of their records."""
    made = campaign.demo_bundle(start_ms, rev, list(authors[:THRESHOLD]))
    rules = folder.controller / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    active = rules / "active.smbundle"
    if active.exists():
        active.rename(rules / f"rev-{rev - 1}.smbundle")
    fresh = active.with_suffix(".new")
    fresh.write_bytes(made.bundle)
    fresh.replace(active)
    terms = folder.controller / "terms"
    terms.mkdir(exist_ok=True)
    (terms / f"{made.terms16.hex()}.txt").write_text(made.terms)
    return made


def load_ruleset(folder: KitFolder) -> bytes:
    """The compiled ruleset on offer."""
    return bytes(bundle.split((folder.controller / "rules" / "active.smbundle").read_bytes())[1])


def renew_campaign(folder: KitFolder, now_ms: int) -> bool:
    """A kit that was made on another day gets today's campaign, a revision up, when yesterday's slot is over. True if it did."""
    ruleset = rules.Ruleset(load_ruleset(folder))
    if now_ms < max(end for _, end in ruleset.slots):
        return False
    seeds = [json.loads(path.read_text())["seed"] for path in sorted(folder.authors.glob("author-*.json"))]
    write_bundle(folder, now_ms, ruleset.rev + 1, [bytes.fromhex(seed) for seed in seeds])
    return True


# --- files


def _write_authors(folder: KitFolder, secrets: _Secrets) -> None:
    for number, seed in enumerate(secrets.authors, 1):
        write_json(
            folder.authors / f"author-{number}.json",
            {"development": True, "seed": seed.hex(), "public": bytes(SigningKey(seed).verify_key).hex()},
            secret=True,
        )


def _authors_json(secrets: _Secrets) -> dict[str, Any]:
    return {
        "threshold": THRESHOLD,
        "keys": [
            {"kid": kid.hex(), "public": base64.b64encode(public).decode()}
            for kid, public in secrets.author_publics()
        ],
    }


def _clock(plan: KitPlan) -> str | None:
    return "../run/clock" if plan.market_clock else None


def _write_controller(
    folder: KitFolder,
    plan: KitPlan,
    secrets: _Secrets,
    made: Sequence[Provisioned],
    rights: Sequence[dict[str, Any]],
) -> None:
    kit = secrets.kit.hex()
    write_json(
        folder.controller / "config.json",
        {
            "development": True,
            "name": "development controller",
            "origin": ORIGIN,
            "database": "stallmark.db",
            "ledger": "ledger",
            "address": "127.0.0.1",
            "port": plan.fleet_port,
            "public_url": f"http://127.0.0.1:{plan.fleet_port}",
            "clock_file": _clock(plan),
            "kits": [{"kit": kit, "name": plan.name, "rental": plan.rental}],
            "rights": list(rights),
            "authors": _authors_json(secrets),
        },
    )
    write_json(
        folder.controller / "keys.json",
        {
            "development": True,
            "checkpoint_seed": bytes(secrets.checkpoint).hex(),
            "director_seed": bytes(secrets.director).hex(),
            "seal_key": secrets.seal.hex(),
            "hosts": [
                {
                    "host": secrets.host_id.hex(),
                    "public": bytes(secrets.host.verify_key).hex(),
                    "name": "host-1",
                    "token_sha256": hashlib.sha256(secrets.token.encode()).hexdigest(),
                    "kit": kit,
                }
            ],
            "bricks": [
                {
                    "brick": one.brick.hex(),
                    "root": secrets.sealed(one.root),
                    "rental": plan.rental,
                    "kit": kit,
                }
                for one in made
            ],
            "event_keys": [{"event": secrets.event.hex(), "key": secrets.sealed(secrets.event_key)}],
        },
        secret=True,
    )


def _write_host(
    folder: KitFolder, plan: KitPlan, secrets: _Secrets, made: Sequence[Provisioned], terms: bytes
) -> None:
    write_json(
        folder.host / "config.json",
        {
            "development": True,
            "name": "host-1",
            "host": secrets.host_id.hex(),
            "kit": secrets.kit.hex(),
            "event": secrets.event.hex(),
            "rental": plan.rental,
            "hub": secrets.hub.hex(),
            "store": "host.db",
            "controller": f"http://127.0.0.1:{plan.fleet_port}",
            "port": plan.host_port,
            "clock_file": _clock(plan),
            "terms": terms.hex(),
            "authors": _authors_json(secrets),
            "director": base64.b64encode(bytes(secrets.director.verify_key)).decode(),
            "bricks": [
                {"brick": one.brick.hex(), "name": brick.name, "port": f"../run/{brick.name}.link"}
                for brick, one in zip(plan.bricks, made, strict=True)
            ],
        },
    )
    write_json(
        folder.host / "keys.json",
        {
            "development": True,
            "signing_seed": bytes(secrets.host).hex(),
            "store_key": os.urandom(32).hex(),
            "handle_key": os.urandom(32).hex(),
            "api_token": secrets.token,
            "links": [{"brick": one.brick.hex(), "epoch": 0, "key": one.link_key.hex()} for one in made],
        },
        secret=True,
    )


def _write_public(folder: KitFolder, secrets: _Secrets) -> None:
    """All that a stranger needs: docs/formats/ledger.md, public keys file."""

    def public(key: SigningKey) -> dict[str, str]:
        raw = bytes(key.verify_key)
        return {"kid": kid8(raw).hex(), "public": base64.b64encode(raw).decode()}

    write_json(
        folder.public_keys,
        {
            "format": "stallmark-public-keys/1",
            "development": True,
            "log": {"origin": ORIGIN, "vkey": Signer(ORIGIN, bytes(secrets.checkpoint)).verifier.vkey},
            "hosts": [{"host": secrets.host_id.hex(), "name": "host-1", **public(secrets.host)}],
            "authors": _authors_json(secrets),
            "director": public(secrets.director),
            "witnesses": [],
        },
    )
