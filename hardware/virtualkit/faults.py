"""Faults of the parts as parameters: what a test or a trainer can switch on."""

from dataclasses import dataclass


@dataclass
class ReaderFaults:
    """What is wrong with a PN532 or its cable."""

    silent: bool = False
    """Nothing comes back, not even an ACK: a loose wire, or a chip that died."""
    stuck: bool = False
    """Commands are acknowledged and never answered."""
    slow_ms: int = 0
    """Every response comes this much later."""
    slow_card_ms: int = 0
    """What a card answers comes this much later: it computes, or asks for more time again and again."""
    corrupt_every: int = 0
    """Each n-th frame from the chip has one bit wrong; 0: none."""
    lost_on_wake: int = 1
    """Bytes not heard while the chip wakes."""
    deaf_after_abort_ms: float = -1
    """The chip does not listen for this long after an abort; -1: 1 ms with real timing, else not at all."""
    hang_after: int = 0
    """After this many further commands the chip stops answering until it is reset; 0: never."""
    unplugged: bool = False
    """The cable is off: nothing passes, in either direction."""
    brown_out_after: int = 0
    """At this further command the supply sags: the chip starts anew and forgets its mode; 0: never."""


@dataclass
class ScannerFaults:
    """What is wrong with a QR module or its cable."""

    silent: bool = False
    """Nothing comes back."""
    unplugged: bool = False
    """Nothing comes back, nothing arrives, and once it is plugged in again it starts anew."""
    slow_ms: int = 0
    """Every answer comes this much later."""
    corrupt_answers: int = 0
    """Each n-th answer has one bit wrong; 0: none."""
    stuck: bool = False
    """The trigger is stuck: what is in view is read again and again, ten times a second, whatever the settings say."""
    stuck_baud: int = 0
    """The module talks at this rate whatever its settings say; 0: as set."""
    garbage: int = 0
    """So many random bytes go before every output."""
    corrupt_every: int = 0
    """Each n-th output has one bit wrong; 0: none."""
    repeat: int = 0
    """Every code is output so many times more than it should be."""


@dataclass
class WireFaults:
    """What is wrong with one direction of a link's cable. Shares are of bytes, or of chunks as written."""

    flipped: float = 0.0
    """Share of bytes with one bit wrong."""
    dropped: float = 0.0
    """Share of bytes that vanish."""
    inserted: float = 0.0
    """Share of bytes followed by a random one."""
    lost: float = 0.0
    """Share of chunks that vanish."""
    doubled: float = 0.0
    """Share of chunks that come twice."""
    delay_ms: int = 0
    """Everything arrives this much later."""
    cut: bool = False
    """Nothing passes."""
