"""Who can be told something now: bricks by their links, and the host's own lane, by one set of words."""

from collections.abc import Callable

from hostagent.bricks import Brick
from hostagent.lane.lane import Lane
from hostagent.links.line import Line
from hostagent.links.session import Session


class Reach:
    """Over the lines of a host, which come and go. Nothing here waits: who has no link is not told."""

    def __init__(self, lines: list[Line], bricks: dict[bytes, Brick], lane: Callable[[], Lane | None]) -> None:
        self._lines, self._bricks, self._lane = lines, bricks, lane

    def session_of(self, brick: bytes) -> Session | None:
        """The session in which a brick's link is up."""
        for line in self._lines:
            if line.brick == brick:
                return line.session
        return None

    def lane_of(self, brick: bytes) -> Lane | None:
        """The host's own lane, where this is it."""
        lane = self._lane()
        return lane if lane is not None and brick == lane.brick8 else None

    def connected(self, brick: bytes) -> bool:
        """Whether it takes part."""
        lane = self.lane_of(brick)
        if lane is not None:
            return lane.trouble is None
        if brick in self._bricks and self._bricks[brick].ended:
            return False  # it is read out, and gets nothing
        return self.session_of(brick) is not None

    def every(self, call: Callable[[Session], object]) -> None:
        """Of every line."""
        for line in self._lines:
            if line.session is not None:
                call(line.session)

    def look_for_offer(self) -> None:
        """Something else may be on offer."""
        self.every(Session.look_for_offer)
        lane = self._lane()
        if lane is not None:
            lane.look_for_offer()

    def acknowledge(self, bricks: list[Brick]) -> None:
        """What of theirs is durable."""
        for brick in bricks:
            session = self.session_of(brick.brick)
            if session is not None:
                session.acknowledge()

    def restart(self, brick: bytes) -> bool:
        """Has it start anew; False without a link."""
        session = self.session_of(brick)
        if session is not None:
            session.restart(False)
        return session is not None

    def give(self, brick: bytes, slices: list[tuple[bytes, bytes]]) -> None:
        """Slices with their tags."""
        lane = self.lane_of(brick)
        if lane is not None:
            lane.give(slices)
            return
        session = self.session_of(brick)
        if session is not None:
            session.give(slices)

    def flush(self, brick: bytes) -> None:
        """Sends what waits for it."""
        session = self.session_of(brick)
        if session is not None:
            session.flush()
