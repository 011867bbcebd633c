"""Keys of an event's tags as a brick holds them: one tag's key from its number, and how they reach the brick.

docs/formats/tag.md. Masters, and what only a hub's desk derives, are in workbench.tagmaster: no brick loads them."""

from stallmark import cbor, form
from stallmark.constant import const
from stallmark.crypt import cmac, ctr, equal, hkdf_expand, hmac
from stallmark.errors import FormatError

# Keys of an NTAG 424 DNA by number
KEY_OWN = const(0)  # changes keys and settings; made and known at the desk alone
KEY_LIVE = const(1)  # live authentication, and reading the counter
KEY_META = const(2)  # encrypts number and counter in the link: one for all tags of an event
KEY_FILE = const(3)  # MAC of the link
KEY_SPARE = const(4)

UID_BYTES = const(7)
_SEAL = b"stallmark/tag-keys/1\0"


def diversified(make_ecb, base, uid, number):
    """Key `number` of the tag `uid` (7 bytes), from the event's base key: AES-128 diversification of AN10922 §2.2."""
    if len(uid) != UID_BYTES:
        raise FormatError("tag number of {} bytes: expected 7".format(len(uid)))
    return cmac(make_ecb(base), b"\x01" + uid + b"stallmark" + bytes((number,)))


def seal(k_ctl, brick8, make_ecb, nonce12, version, event8, meta16, file16, live16):
    """Message 47 for one brick: `{0 nonce12, 1 ciphertext, 2 tag16}`; made by the controller, carried by the host.

    `version` (u32) grows with every change: a brick takes a higher one only."""
    plain = cbor.encode({0: 1, 1: version, 2: event8, 3: meta16, 4: file16, 5: live16})
    sealed = ctr(make_ecb(hkdf_expand(k_ctl, b"tag keys enc", 16)), nonce12, plain)
    return {0: nonce12, 1: sealed, 2: _tag(k_ctl, brick8, nonce12, sealed)}


def unseal(value, k_ctl, brick8, make_ecb):
    """`(version, event8, meta16, file16, live16)` of message 47. Raises FormatError where it is not the controller's
    own for this brick, before anything in it is looked at."""
    form.fields(value, "tag keys", (0, 1, 2))
    nonce12 = form.octets(value[0], "tag keys nonce (0)", 12)
    sealed = value[1]
    if type(sealed) is not bytes or len(sealed) > 128:
        form.fail("tag keys (1)", "at most 128 bytes")
    if not equal(_tag(k_ctl, brick8, nonce12, sealed), form.octets(value[2], "tag keys tag (2)", 16)):
        raise FormatError("tag keys: not from this brick's controller")
    plain = ctr(make_ecb(hkdf_expand(k_ctl, b"tag keys enc", 16)), nonce12, sealed)
    return _checked(cbor.decode(plain))


def _checked(f):
    form.fields(f, "tag keys", (0, 1, 2, 3, 4, 5))
    form.version1(f, "tag keys")
    return (
        form.uint(f[1], "tag keys version (1)", form.U32),
        form.octets(f[2], "tag keys event (2)", 8),
        form.octets(f[3], "tag keys meta (3)", 16),
        form.octets(f[4], "tag keys file (4)", 16),
        form.octets(f[5], "tag keys live (5)", 16),
    )


def _tag(k_ctl, brick8, nonce12, sealed):
    return hmac(hkdf_expand(k_ctl, b"tag keys mac", 32), _SEAL + brick8 + nonce12 + sealed)[:16]
