"""What can go wrong on the bench, as one tree; every message says what happened and what to do."""

from stallmark.errors import StallmarkError


class BenchError(StallmarkError):
    """Root. `kind` is one word for logs and scripts; `again` tells whether trying the same board once more may help."""

    kind = "failed"
    again = False


class ToolMissing(BenchError):
    """A program or package of the extra [bench] is not installed."""

    kind = "tool missing"


class NoPort(BenchError):
    """No serial port, or more than one and none was chosen."""

    kind = "no port"


class NoPermission(BenchError):
    """The port is there and this user may not open it."""

    kind = "no permission"


class PortBusy(BenchError):
    """Another program has the port open."""

    kind = "port busy"


class Unplugged(BenchError):
    """The port went away while it was in use."""

    kind = "unplugged"
    again = True


class Silent(BenchError):
    """Nobody answers on the port."""

    kind = "silent"
    again = True


class WrongBoard(BenchError):
    """The chip or its flash is not what was asked for."""

    kind = "wrong board"


class BadImage(BenchError):
    """The interpreter's image is not the one that was named, or not for this board."""

    kind = "bad image"


class BadFlash(BenchError):
    """What was written reads back changed."""

    kind = "bad flash"


class SelfTestFailed(BenchError):
    """A part of the board does not work; `parts` names them."""

    kind = "self-test"
    again = True

    def __init__(self, message: str, parts: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.parts = parts


class HasKeys(BenchError):
    """The brick has an identity, and what was asked for is for blank ones."""

    kind = "has keys"


class Refused(BenchError):
    """The controller said no. `final`: to this very request, and another try says the same; else to this bench's file."""

    kind = "refused"

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.final = status in (409, 413, 422)


class Away(BenchError):
    """The controller cannot be reached now."""

    kind = "controller away"
    again = True
