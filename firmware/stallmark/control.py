"""What the controller says to one brick under K_ctl. docs/formats/link.md"""

from stallmark.crypt import equal, hmac


def ack_tag(k_ctl, brick8, ledger_seq):
    """Tag of the ledger mark in an acknowledgement, 16 bytes: records up to `ledger_seq` stand in the
    ledger."""
    return hmac(k_ctl, b"stallmark/ack/1\0" + brick8 + ledger_seq.to_bytes(4, "big"))[:16]


def ack_good(k_ctl, brick8, ledger_seq, tag):
    """True where `tag` is the controller's own for this brick and mark."""
    return 0 <= ledger_seq <= 0xFFFFFFFF and len(tag) == 16 and equal(ack_tag(k_ctl, brick8, ledger_seq), tag)
