"""The three handshake messages of the link and the keys that come out of them (docs/formats/link.md)."""

from collections import namedtuple

from stallmark.constant import const
from stallmark.crypt import equal, hkdf_expand, hmac, sha256
from stallmark.errors import FormatError

M1_SIZE = const(52)
M2_SIZE = const(46)
M3_SIZE = const(16)

M1 = namedtuple("M1", ("brick8", "epoch", "boot", "attempt"))
M2 = namedtuple("M2", ("host8", "epoch", "features"))
# session4, and per direction an AES-128 key and a 32-byte MAC key; b2h is brick to host.
SessionKeys = namedtuple("SessionKeys", ("session", "b2h_enc", "b2h_mac", "h2b_enc", "h2b_mac"))


def make_m1(key, brick8, epoch, boot, attempt, nonce16):
    """M1 under the link key of this epoch."""
    m1 = (
        brick8 + epoch.to_bytes(4, "big") + boot.to_bytes(4, "big") + attempt.to_bytes(4, "big") + nonce16
    )
    return m1 + _tag1(key, m1)


def parse_m1(m1):
    """The M1 fields, not yet authenticated. Raises FormatError when it has not 52 bytes."""
    if len(m1) != M1_SIZE:
        raise FormatError("M1 of {} bytes, expected 52".format(len(m1)))
    return M1(m1[:8], _u32(m1, 8), _u32(m1, 12), _u32(m1, 16))


def check_m1(key, m1):
    """Whether an M1 of 52 bytes was made with this key."""
    return equal(_tag1(key, m1[:36]), m1[36:])


def make_m2(key, m1, host8, nonce16, epoch, features=0):
    """M2 in answer to a whole M1."""
    m2 = host8 + nonce16 + epoch.to_bytes(4, "big") + features.to_bytes(2, "big")
    return m2 + _tag2(key, m1, m2)


def parse_m2(m2):
    """The M2 fields, not yet authenticated. Raises FormatError when it has not 46 bytes."""
    if len(m2) != M2_SIZE:
        raise FormatError("M2 of {} bytes, expected 46".format(len(m2)))
    return M2(m2[:8], _u32(m2, 24), m2[28] << 8 | m2[29])


def check_m2(key, m1, m2):
    """Whether an M2 of 46 bytes answers this M1 and was made with this key."""
    return equal(_tag2(key, m1, m2[:30]), m2[30:])


def make_m3(key, m1, m2):
    """M3, which ends the handshake."""
    return hmac(_auth_key(key), b"stallmark/link/m3/1\x00" + m1 + m2)[:16]


def check_m3(key, m1, m2, m3):
    """Whether M3 ends this handshake."""
    return equal(make_m3(key, m1, m2), m3)


def session_keys(key, m1, m2):
    """The SessionKeys of the handshake with these two messages."""
    prk = hmac(sha256(m1, m2), key)
    okm = hkdf_expand(prk, b"stallmark/link/keys/1\x00" + m1[:8] + m2[:8], 96)
    session = sha256(b"stallmark/link/session/1\x00", m1, m2)[:4]
    return SessionKeys(session, okm[:16], okm[16:48], okm[48:64], okm[64:])


def _auth_key(key):
    return hkdf_expand(key, b"stallmark/link/auth/1", 32)


def _tag1(key, m1):
    return hmac(_auth_key(key), b"stallmark/link/m1/1\x00" + m1)[:16]


def _tag2(key, m1, m2):
    return hmac(_auth_key(key), b"stallmark/link/m2/1\x00" + m1 + m2)[:16]


def _u32(data, at):
    return int.from_bytes(data[at : at + 4], "big")
