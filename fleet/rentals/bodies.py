"""Bodies of requests about rentals, bounded and typed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fleet.rentals.bookings import BUFFER_MS, Wanted
from fleet.rentals.custody import MOST_ITEMS, Seen

INSTANT = Field(gt=0, lt=1 << 48)
HEX8 = "^[0-9a-f]{16}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Item(_Body):
    """An item as it was packed or came back."""

    item: str = Field(max_length=40)
    what: str = Field(default="found", max_length=8)
    grade: str = Field(default="", max_length=1)
    photos: list[str] = Field(default=[], max_length=8)
    seals: list[str] = Field(default=[], max_length=8)
    note: str = Field(default="", max_length=200)

    def seen(self) -> Seen:
        """As the verbs take it."""
        return Seen(self.item, self.grade, tuple(self.photos), tuple(self.seals), self.note, self.what)


class Booking(_Body):
    """What is booked. `key`: asking again with it is the same booking."""

    kit: str = Field(max_length=64)
    from_ms: int = INSTANT
    to_ms: int = INSTANT
    renter: str = Field(max_length=80)
    key: str = Field(max_length=64)
    buffer_ms: int = Field(default=BUFFER_MS, ge=0)
    draft: bool = False

    def wanted(self, kit: bytes) -> Wanted:
        """As the verb takes it."""
        return Wanted(kit, self.from_ms, self.to_ms, self.renter, self.key, self.buffer_ms, self.draft)


class Items(_Body):
    """What was packed."""

    items: list[Item] = Field(default=[], max_length=MOST_ITEMS)


class Back(Items):
    """What came back; `force`: why it is closed although something is undrained."""

    force: str = Field(default="", max_length=200)


class Over(_Body):
    """Who takes it, which hosts get the new rental's credentials; `force`: why it goes although a brick has not stepped."""

    holder: str = Field(max_length=80)
    hosts: list[str] = Field(default=[], max_length=8)
    force: str = Field(default="", max_length=200)


class Swap(_Body):
    """Which item goes, which comes."""

    out: str = Field(max_length=40)
    into: Item


class Because(_Body):
    """Why."""

    reason: str = Field(max_length=200)


class Until(_Body):
    """The new end."""

    to_ms: int = INSTANT


class Inspected(_Body):
    """How it is; `service`: why it does not go into stock."""

    grade: str = Field(max_length=1)
    service: str = Field(default="", max_length=200)


class Wiped(_Body):
    """What is gone, ids of its keys, and what reading it gave; without keys: the kit's host is ordered to wipe."""

    what: str = Field(default="", max_length=200)
    keys: list[str] = Field(default=[], max_length=64)
    read: str = Field(default="", max_length=200)
