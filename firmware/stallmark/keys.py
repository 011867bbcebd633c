"""The key schedule of docs/formats/keys.md: every derived key, one function each. All keys are 32 bytes."""

from stallmark.crypt import hkdf_expand, hkdf_extract, hmac


def root0(brick_entropy, bench_entropy):
    """R_0 of a new brick, from 32 bytes of its own and 32 of the bench's."""
    if len(brick_entropy) != 32 or len(bench_entropy) != 32:
        raise ValueError("a root is made from 32 and 32 bytes of entropy")
    return hkdf_extract(b"stallmark/root/1", brick_entropy + bench_entropy)


def brick_id(root):
    """brick8, from R_0 only."""
    return hmac(root, b"stallmark/brick-id/1")[:8]


def next_root(root, rental):
    """R_{g+1}, for the rental (u32) that begins."""
    return hkdf_expand(root, b"root" + rental.to_bytes(4, "big"), 32)


def link_key0(root):
    """Link key of the first epoch under this root."""
    return hkdf_expand(root, b"link", 32)


def next_link(key):
    """K_{e+1} of the link."""
    return hmac(key, b"ratchet")


def record_chain0(root):
    """CK of the first record epoch under this root."""
    return hkdf_expand(root, b"record", 32)


def record_mac_key(chain):
    """MK_e: the key of the record MACs of one epoch, published afterwards."""
    return hmac(chain, b"mac")


def next_chain(chain):
    """CK_{e+1}."""
    return hmac(chain, b"chain")


def control_key(root):
    """K_ctl: the controller's messages to this brick."""
    return hkdf_expand(root, b"control", 32)


def only_key(entropy):
    """K_only, from 32 bytes of the brick's own entropy; never leaves the brick."""
    return hkdf_extract(b"stallmark/only/1", entropy)


def subject_key(event_key):
    """Key of the pseudonyms of one event."""
    return hkdf_expand(event_key, b"subject", 32)


def token_key(event_key):
    """Key of the issued tags and passes of one event."""
    return hkdf_expand(event_key, b"token", 32)
