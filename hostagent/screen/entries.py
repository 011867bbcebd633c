"""Events that a person makes at the screen: an amount typed where there is no till, for a pass or for nobody."""

import os
from typing import Any

from hostagent.core import event, reg

# What fits a keypad: seven digits.
MOST_MINOR = 9_999_999


def amount(kind: int, minor: int, customer: tuple[int, bytes] | None) -> Any:
    """An event of an amount in minor units. `kind`: till sale or operator entry; `customer`: (trust, subject8)."""
    trust, subject = (reg.TRUST_ANONYMOUS, None) if customer is None else customer
    return made(kind, trust, subject, basket_minor=minor)


def made(kind: int, trust: int, subject: bytes | None, **more: Any) -> Any:
    """An event for the lane, which puts its own time on it."""
    return event.make(
        type=kind, trust=trust, subject=subject, nonce=more.pop("nonce", None) or os.urandom(8), **more
    )


class Keypad:
    """Digits as a till takes them: each pushes the amount one place to the left."""

    def __init__(self) -> None:
        self.minor = 0

    def press(self, key: str) -> None:
        """One key: a digit, "00", or "⌫"."""
        if key == "⌫":
            self.minor //= 10
            return
        for digit in key:
            if self.minor * 10 + int(digit) <= MOST_MINOR:
                self.minor = self.minor * 10 + int(digit)
