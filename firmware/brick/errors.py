"""What can go wrong with a part of the brick; every one ends as a counter and a state, none as a reboot."""

from stallmark.errors import StallmarkError


class PartError(StallmarkError):
    """Root of the errors of a reader or scanner."""


class NoAck(PartError):
    """The part did not confirm a command in time: cable, power, speed, or busy with an older command."""


class NoAnswer(PartError):
    """The part confirmed the command, and its answer did not come in time."""


class Damaged(PartError):
    """Bytes came, and they were not an answer to the command."""


class Slow(PartError):
    """A card answers, and takes longer than the next customer waits."""


class ChipStatus(PartError):
    """An exchange with a tag failed; `status` is the chip's code (0x01: the tag did not answer)."""

    def __init__(self, status):
        super().__init__("chip status 0x%02x" % status)
        self.status = status
