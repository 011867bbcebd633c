"""Keys of tags as the hub's desk makes them: from the master, by event, by tag. docs/formats/tag.md

The master stays at the desk. Of what is derived here bricks get the meta key and the bases of file and live keys of
their own event only (stallmark.tagkeys): who takes a brick apart can imitate tags of that event, and change none."""

from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from stallmark import crypt as _crypt
from stallmark import tagkeys as _tagkeys

_core: Any = _tagkeys
_primitives: Any = _crypt
MASTER_BYTES = 32


class EventKeys(NamedTuple):
    """An event's tag keys, 16 bytes each: `meta` as it is, the others bases that each tag's keys come from."""

    own: bytes
    live: bytes
    meta: bytes
    file: bytes
    spare: bytes
    password: bytes


def make_ecb(key: bytes) -> Any:
    """AES-128 ECB encryptor."""
    # Modes are built from block encryptions, as on a brick.
    return Cipher(AES(key), ECB()).encryptor().update


def make_inverse(key: bytes) -> Any:
    """AES-128 ECB decryptor."""
    return Cipher(AES(key), ECB()).decryptor().update


def event_keys(master: bytes, event8: bytes) -> EventKeys:
    """The keys of one event. Raises ValueError for a master or event of another length."""
    if len(master) != MASTER_BYTES or len(event8) != 8:
        raise ValueError("a tag master has 32 bytes and an event 8")
    return EventKeys(
        *(
            _primitives.hkdf_expand(master, b"stallmark/tag-" + name.encode() + b"/1\0" + event8, 16)
            for name in EventKeys._fields
        )
    )


def tag_keys(keys: EventKeys, uid: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """The five keys of one NTAG 424 DNA, by number."""
    bases = (keys.own, keys.live, keys.meta, keys.file, keys.spare)
    return tuple(  # pyright: ignore[reportReturnType] - five of them
        base if number == _core.KEY_META else _core.diversified(make_ecb, base, uid, number)
        for number, base in enumerate(bases)
    )


def password(keys: EventKeys, uid: bytes) -> tuple[bytes, bytes]:
    """`(PWD 4 bytes, PACK 2 bytes)` of one NTAG21x."""
    made: bytes = _core.diversified(make_ecb, keys.password, uid, 0xFF)
    return made[:4], made[4:6]


def seal(
    k_ctl: bytes, brick8: bytes, nonce12: bytes, version: int, event8: bytes, keys: EventKeys
) -> dict[int, bytes]:
    """Message 47 for one brick: what it needs of an event's keys."""
    return _core.seal(
        k_ctl, brick8, make_ecb, nonce12, version, event8, keys.meta, keys.file, keys.live
    )  # fmt: skip
