"""The cards of a virtual market: issued tags and blank ones as dumps, passes as pictures, for people to tap and scan."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import segno
from workbench import tag424
from workbench.tagmaster import EventKeys

from virtualkit import ntag424, tags
from virtualkit.core import keys, token
from virtualkit.rf import Tag


@dataclass(frozen=True)
class Card:
    """What one customer holds to the brick."""

    kind: str  # "issued", "proved", "blank", "phone", "pass" or "text"
    uid: bytes = b""
    text: str = ""
    image: bytes = b""  # the tag's memory
    tag: Tag | None = field(default=None, compare=False)  # one that changes with every tap


def issued_tag(rng: random.Random, event_key: bytes) -> Card:
    """An NTAG215 that the hub issued: its number, and the MAC over it as an NDEF record."""
    uid = b"\x04" + rng.randbytes(6)
    message = token.ndef_message(token.tag_payload(uid, keys.token_key(event_key)))
    return Card("issued", uid=uid, image=tags.ntag215_image(uid, message))


def proved_tag(rng: random.Random, tag_keys: EventKeys) -> Card:
    """An NTAG 424 DNA that the hub's desk made one of the event's: it proves itself live."""
    uid = b"\x04" + rng.randbytes(6)
    tag = ntag424.Ntag424(uid, rng)
    tag.activate()
    tag424.personalise(tag.apdu, uid, tag_keys, "https://stall.example/t", random=rng.randbytes)
    return Card("proved", uid=uid, image=ntag424.dump(tag), tag=tag)


def blank_tag(rng: random.Random) -> Card:
    """A tag out of the shop: a number and nothing else."""
    uid = b"\x04" + rng.randbytes(6)
    return Card("blank", uid=uid, image=tags.ntag215_image(uid, b""))


def phone(rng: random.Random) -> Card:
    """A phone: another random number at every tap."""
    return Card("phone", uid=b"\x08" + rng.randbytes(3))


def pass_code(rng: random.Random, event_key: bytes) -> Card:
    """A pass that the hub issued, as the text of its QR code."""
    return Card("pass", text=token.pass_text(rng.randbytes(10), keys.token_key(event_key)))


def foreign_code(rng: random.Random) -> Card:
    """Some other QR code: a link, a ticket."""
    return Card("text", text=f"https://example.org/t/{rng.randrange(10**9)}")


def write_samples(folder: Path, event_key: bytes, seed: int, tag_keys: EventKeys | None = None) -> None:
    """A few tags (.bin, .json) and passes (.png) to try `stallmark kit tap --dump` and `kit scan` with."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    for number in range(1, 5):
        path = folder / f"tag-{number}.bin"
        path.write_bytes(issued_tag(rng, event_key).image)
        names[path.name] = "an issued tag"
    for number in range(1, 3):
        if tag_keys is None:
            break
        path = folder / f"ntag424-{number}.json"
        path.write_bytes(proved_tag(rng, tag_keys).image)
        path.chmod(0o600)
        names[path.name] = "an issued NTAG 424 DNA: it proves itself"
    path = folder / "blank-tag.bin"
    path.write_bytes(blank_tag(rng).image)
    names[path.name] = "a blank tag: its number alone does not qualify for money"
    for number in range(1, 4):
        path = folder / f"pass-{number}.png"
        segno.make_qr(pass_code(rng, event_key).text, error="m").save(str(path), scale=8)
        names[path.name] = "a pass"
    (folder / "cards.json").write_text(json.dumps(names, indent=1) + "\n")
