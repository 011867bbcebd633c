"""The configuration files of a new kit: what each program is told, and which secrets it holds. docs/kit-folder.md"""

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import Any

from nacl.signing import SigningKey
from workbench import tagmaster
from workbench.provision import Provisioned

from fleet.enrolled import sealing_key
from fleet.ledger.note import Signer
from hostagent.screen.pin import hash_pin
from virtualkit.core import keys
from virtualkit.folder import KitFolder, write_json
from virtualkit.kitplan import ORIGIN, THRESHOLD, KitPlan
from virtualkit.kitsecrets import Secrets, kid8

TILL = "till-1"
OPERATOR = "Ana"


def write_authors(folder: KitFolder, secrets: Secrets) -> None:
    """author/author-N.json."""
    for number, seed in enumerate(secrets.authors, 1):
        write_json(
            folder.authors / f"author-{number}.json",
            {"development": True, "seed": seed.hex(), "public": bytes(SigningKey(seed).verify_key).hex()},
            secret=True,
        )


def _authors_json(secrets: Secrets) -> dict[str, Any]:
    return {
        "threshold": THRESHOLD,
        "keys": [
            {"kid": kid.hex(), "public": base64.b64encode(public).decode()}
            for kid, public in secrets.author_publics()
        ],
    }


def _clock(plan: KitPlan) -> str | None:
    return "../run/clock" if plan.market_clock else None


def write_controller(
    folder: KitFolder,
    plan: KitPlan,
    secrets: Secrets,
    made: Sequence[Provisioned],
    rights: Sequence[dict[str, Any]],
) -> None:
    """controller/config.json and keys.json: the fleet's side of this kit, the host's own lane among its bricks."""
    kit = secrets.kit.hex()
    lane = secrets.lane
    roots = [(one.brick, one.root, False) for one in made] + [(lane.brick, lane.root, True)]
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
                    "brick": brick.hex(),
                    "root": secrets.sealed(root),
                    "rental": plan.rental,
                    "kit": kit,
                    "lane": is_lane,
                }
                for brick, root, is_lane in roots
            ],
            "event_keys": [{"event": secrets.event.hex(), "key": secrets.sealed(secrets.event_key)}],
            "admin_token_sha256": hashlib.sha256(secrets.admin_token.encode()).hexdigest(),
        },
        secret=True,
    )
    write_json(
        folder.controller / "admin-token.json",
        {
            "development": True,
            "note": "may do everything, from this machine alone, until config.json has a part `people`",
            "token": secrets.admin_token,
        },
        secret=True,
    )


def write_host(
    folder: KitFolder, plan: KitPlan, secrets: Secrets, made: Sequence[Provisioned], terms: bytes
) -> None:
    """host/config.json and keys.json, and what its till and its operator are handed."""
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
                {
                    "brick": one.brick.hex(),
                    "name": brick.name,
                    "port": f"../run/{brick.name}.link",
                    "links": list(brick.links),
                }
                for brick, one in zip(plan.bricks, made, strict=True)
            ],
            "lane": {"brick": secrets.lane.brick.hex()},
            "printer": {"kind": "file", "path": "../run/printer.bin"},
            "trust": {"root": "root.json"},
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
            "lane": {
                "brick": secrets.lane.brick.hex(),
                "root": secrets.lane.root.hex(),
                "only": secrets.lane.only.hex(),
            },
            "event_key": secrets.event_key.hex(),
            "voucher_seed": bytes(secrets.voucher).hex(),
            "tills": [
                {
                    "name": TILL,
                    "token_sha256": hashlib.sha256(secrets.till_token.encode()).hexdigest(),
                    "names_customers": True,
                }
            ],
            "operators": [{"name": OPERATOR, "pin_scrypt": hash_pin(secrets.pin)}],
        },
        secret=True,
    )
    write_json(
        folder.till,
        {
            "development": True,
            "host": f"http://127.0.0.1:{plan.host_port}",
            "name": TILL,
            "token": secrets.till_token,
        },
        secret=True,
    )
    write_json(folder.operator, {"development": True, "name": OPERATOR, "pin": secrets.pin}, secret=True)


def write_tags(folder: KitFolder, plan: KitPlan, secrets: Secrets, made: Sequence[Provisioned]) -> None:
    """desk/tags.json, and host/tag-keys.json: what each brick needs of it, sealed for that brick (docs/formats/tag.md)."""
    write_json(
        folder.tag_desk,
        {
            "development": True,
            "master": secrets.tag_master.hex(),
            "event": secrets.event.hex(),
            "event_key": secrets.event_key.hex(),
            "address": f"https://localhost:{plan.host_port}/t",
            "sealing": bytes(sealing_key(secrets.seal).public_key).hex(),
        },
        secret=True,
    )
    event_keys = tagmaster.event_keys(secrets.tag_master, secrets.event)
    sealed: list[dict[str, str]] = []
    for one in made:
        k_ctl: bytes = keys.control_key(one.root)
        message = tagmaster.seal(k_ctl, one.brick, os.urandom(12), 1, secrets.event, event_keys)
        nonce, cipher, tag = (message[number].hex() for number in range(3))
        sealed.append({"brick": one.brick.hex(), "nonce": nonce, "sealed": cipher, "tag": tag})
    write_json(folder.host / "tag-keys.json", {"development": True, "bricks": sealed})


def write_public(folder: KitFolder, secrets: Secrets) -> None:
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
