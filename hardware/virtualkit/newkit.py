"""`stallmark kit new`: a kit with its own development keys, provisioned by the same messages as a real brick's bench sends."""

import asyncio
import json
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl.secret import SecretBox
from stallmark.errors import StallmarkError
from workbench import tagmaster
from workbench.provision import Provisioned, Rental, provision_brick
from workbench.tagexport import brick_part

from fleet import tagkeys as fleet_tagkeys
from fleet.clock import open_clock
from fleet.config import Config
from fleet.config import load as load_config
from fleet.controller import initialise
from fleet.db.engine import outside
from fleet.keys import Seal
from virtualkit import campaign, cards, interpreter, kitfiles
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.clockfile import MarketClock
from virtualkit.folder import KitFolder, write_json
from virtualkit.kit import new_flash
from virtualkit.kitplan import FLASH_BYTES, BrickPlan, KitPlan
from virtualkit.kitsecrets import Secrets

_CHOSEN_PORTS = range(20_000, 30_000)
_PORT_TRIES = 200

NOTICE = """These are DEVELOPMENT keys, made by `stallmark kit new` on one machine, all in one folder.
Nobody may trust what they sign: a real kit's author keys never share a machine with its controller.
"""


class KitExists(StallmarkError):
    """The folder already holds a kit: nothing is overwritten."""


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
    secrets = Secrets(plan.rental)
    progress("author, director, checkpoint and host keys")
    provisioned = asyncio.run(_provision_all(folder, plan, secrets, progress))
    progress("the campaign, compiled and signed by two of three authors")
    issuer = bytes(secrets.voucher.verify_key)
    published = campaign.write_bundle(folder, plan.campaign, plan.start_ms, 1, secrets.authors, [issuer])
    progress("configuration of controller and host")
    kitfiles.write_authors(folder, secrets)
    kitfiles.write_controller(folder, plan, secrets, provisioned, published.rights)
    kitfiles.write_host(folder, plan, secrets, provisioned, published.terms16)
    kitfiles.write_tags(folder, plan, secrets, provisioned)
    kitfiles.write_public(folder, secrets)
    tag_keys = tagmaster.event_keys(secrets.tag_master, secrets.event)
    cards.write_samples(folder.cards, secrets.event_key, plan.card_seed, tag_keys)
    (folder.path / "DEVELOPMENT-KEYS.txt").write_text(NOTICE)
    progress("an empty ledger, signed")
    if plan.market_clock:
        MarketClock(folder.clock, plan.start_ms).close()
    config = load_config(folder.controller / "config.json")
    initialise(config, open_clock(config.clock_file))
    _give_tag_keys(config, secrets, tag_keys)
    progress("a root that says INSECURE: whom the bricks trust")
    _begin_trust(folder)
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
            "campaign": plan.campaign,
            "voucher_issuer": issuer.hex(),
            "lane": secrets.lane.brick.hex(),
            "bricks": [
                {
                    "name": brick.name,
                    "brick": made.brick.hex(),
                    "parts": list(brick.parts),
                    "links": list(brick.links),
                    "flash_bytes": FLASH_BYTES,
                    "hardware": made.hardware,
                    "nfc_bus": plan.nfc_bus,
                }
                for brick, made in zip(plan.bricks, provisioned, strict=True)
            ],
        },
    )
    return NewKit(folder, secrets.event_key)


def _begin_trust(folder: KitFolder) -> None:
    """Root 1 of development keys: with it the bricks install what the controller's directives name, and nothing else; the host
    has it from the start, and passes on what is on the authors' list."""
    from fleet.trust.acts import begin_development  # late: only a new kit needs tuf

    begin_development(folder.controller / "config.json")
    root = folder.controller / "trust" / "metadata" / "1.root.json"
    (folder.host / "root.json").write_bytes(root.read_bytes())


def free_ports() -> tuple[int, int]:
    """Two TCP ports that nobody listens on now, and that no system hands out to whoever asks for any port.

    Between this choice and a program that listens lie seconds: ports of the system's own range (RFC 6335, section 6, and
    Linux from 32,768 on) are taken in the meantime by any connection. Raises OSError where nothing is free.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(_CHOSEN_PORTS, _PORT_TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 2:
            return found[0], found[1]
    raise OSError(f"none of {_PORT_TRIES} ports from {_CHOSEN_PORTS.start} on is free on 127.0.0.1")


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


def tag_keys(folder: KitFolder) -> tagmaster.EventKeys | None:
    """The event's tag keys of a development kit, from its desk; None for a kit that has no desk."""
    if not folder.tag_desk.exists():
        return None
    desk = json.loads(folder.tag_desk.read_text())
    return tagmaster.event_keys(bytes.fromhex(desk["master"]), bytes.fromhex(desk["event"]))


def _give_tag_keys(config: Config, secrets: Secrets, made: tagmaster.EventKeys) -> None:
    """The controller's part of the event's tag keys, of the version that host/tag-keys.json has."""
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            seal = Seal(config.secrets.seal_key)
            fleet_tagkeys.keep(
                connection, seal, secrets.event, brick_part(made), time.time_ns() // 1_000_000, 1
            )
    finally:
        engine.dispose()


async def _provision_all(
    folder: KitFolder, plan: KitPlan, secrets: Secrets, progress: Progress
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
