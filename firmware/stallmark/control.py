"""What the controller says to one brick under K_ctl. docs/formats/link.md"""

from stallmark.crypt import equal, hkdf_expand, hmac


def ack_tag(k_ctl, brick8, ledger_seq):
    """Tag of the ledger mark in an acknowledgement, 16 bytes: records up to `ledger_seq` stand in the
    ledger."""
    return hmac(k_ctl, b"stallmark/ack/1\0" + brick8 + ledger_seq.to_bytes(4, "big"))[:16]


def ack_good(k_ctl, brick8, ledger_seq, tag):
    """True where `tag` is the controller's own for this brick and mark."""
    return 0 <= ledger_seq <= 0xFFFFFFFF and len(tag) == 16 and equal(ack_tag(k_ctl, brick8, ledger_seq), tag)


def rekey_tag(k_ctl, brick8, epoch):
    """Tag of the order to go on with a new link key at `epoch` (u32), 16 bytes."""
    return hmac(k_ctl, b"stallmark/rekey/1\0" + brick8 + epoch.to_bytes(4, "big"))[:16]


def rekeyed(k_ctl, epoch):
    """The link key that begins at `epoch`: brick and controller make it, no copy of a host can."""
    return hkdf_expand(k_ctl, b"link" + epoch.to_bytes(4, "big"), 32)


def rekey_taken(k_ctl, brick8, epoch, tag):
    """The new link key where `tag` is the controller's own for this brick and epoch, else None."""
    return rekeyed(k_ctl, epoch) if equal(rekey_tag(k_ctl, brick8, epoch), tag) else None


def root_tag(k_ctl, brick8, version, digest32):
    """Tag of the first root that a brick is told (SHA-256 of its payload), 16 bytes. docs/formats/directive.md"""
    return hmac(k_ctl, b"stallmark/root/1\0" + brick8 + version.to_bytes(4, "big") + digest32)[:16]


def root_good(k_ctl, brick8, version, digest32, tag):
    """True where `tag` is the controller's own for this brick and root."""
    return type(tag) is bytes and len(tag) == 16 and equal(root_tag(k_ctl, brick8, version, digest32), tag)
