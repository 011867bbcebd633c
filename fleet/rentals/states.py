"""What a kit and a booking can be, and which verb leads where: two tables, nothing else moves them."""

from __future__ import annotations

IN_STOCK, RESERVED, PACKED, OUT = "IN_STOCK", "RESERVED", "PACKED", "OUT"
RETURNED, INSPECTED, SERVICE, RETIRED, LOST = "RETURNED", "INSPECTED", "SERVICE", "RETIRED", "LOST"
DRAFT, OVERDUE, CLOSED, CANCELLED = "DRAFT", "OVERDUE", "CLOSED", "CANCELLED"

# (state, verb): state. RETIRED and LOST are ends.
KIT: dict[tuple[str, str], str] = {
    (IN_STOCK, "reserve"): RESERVED,
    (IN_STOCK, "service"): SERVICE,
    (IN_STOCK, "retire"): RETIRED,
    (IN_STOCK, "lose"): LOST,
    (RESERVED, "pack"): PACKED,
    (RESERVED, "release"): IN_STOCK,
    (RESERVED, "lose"): LOST,
    (PACKED, "hand-over"): OUT,
    (PACKED, "unpack"): RESERVED,
    (PACKED, "lose"): LOST,
    (OUT, "take-back"): RETURNED,
    (OUT, "lose"): LOST,
    (RETURNED, "inspect"): INSPECTED,
    (RETURNED, "lose"): LOST,
    (INSPECTED, "stock"): IN_STOCK,
    (INSPECTED, "service"): SERVICE,
    (SERVICE, "stock"): IN_STOCK,
    (SERVICE, "retire"): RETIRED,
}

BOOKING: dict[tuple[str, str], str] = {
    (DRAFT, "reserve"): RESERVED,
    (DRAFT, "cancel"): CANCELLED,
    (RESERVED, "cancel"): CANCELLED,
    (RESERVED, "hand-over"): OUT,
    (OUT, "late"): OVERDUE,
    (OVERDUE, "extend"): OUT,
    (OUT, "take-back"): RETURNED,
    (OVERDUE, "take-back"): RETURNED,
    (RETURNED, "close"): CLOSED,
    (OUT, "lose"): CLOSED,
    (OVERDUE, "lose"): CLOSED,
    (RETURNED, "lose"): CLOSED,
}
HOLDS = (RESERVED, OUT, OVERDUE, RETURNED)  # keep others from the same time; a draft does not
AWAY = (OUT, OVERDUE)


def after(table: dict[tuple[str, str], str], state: str, verb: str) -> str | None:
    """The state that a verb leads to; None where it is not for this state."""
    return table.get((state, verb))


def wanted(table: dict[tuple[str, str], str], verb: str) -> list[str]:
    """The states that a verb is for."""
    return [state for state, word in table if word == verb]
