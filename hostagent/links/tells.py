"""What a session needs of the exchange, open values and questions; and one that has nothing of them."""

from typing import Any, Protocol

from hostagent.bricks import Brick
from hostagent.core import Fields

Message = tuple[int, Any]


class Tells(Protocol):
    """Messages for a brick by urgency, and what it said. hostagent.telling.Telling is the real one."""

    def link_up(self, brick: Brick) -> None: ...

    def link_down(self, brick: Brick) -> None: ...

    def status(self, brick: Brick) -> None: ...

    def message(self, brick: Brick, kind: int, value: Fields) -> bool: ...

    def urgent(self, brick: Brick) -> Message | None: ...

    def soon(self, brick: Brick) -> Message | None: ...

    def idle(self, brick: Brick) -> Message | None: ...


class Silent:
    """Nothing to tell, nothing understood."""

    def link_up(self, brick: Brick) -> None: ...

    def link_down(self, brick: Brick) -> None: ...

    def status(self, brick: Brick) -> None: ...

    def message(self, brick: Brick, kind: int, value: Fields) -> bool:
        return False

    def urgent(self, brick: Brick) -> Message | None:
        return None

    def soon(self, brick: Brick) -> Message | None:
        return None

    def idle(self, brick: Brick) -> Message | None:
        return None
