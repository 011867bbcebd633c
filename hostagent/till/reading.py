"""A body becomes an event: money to minor units, people to pseudonyms; what is wrong is said in a sentence."""

import hashlib
import re
from datetime import UTC
from typing import Any

from hostagent.core import event, keys, money, reg, token, voucher
from hostagent.errors import HostError
from hostagent.till.models import MOST_MINOR, NUMBERS, Amount, Customer, EventIn, Money

OLD_MS = 10 * 60_000
AHEAD_MS = 5 * 60_000
_TEXT = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,4}))?")


class Unreadable(HostError):
    """The body is not what is expected; answered with 422."""


class Reader:
    """Reads for one event key. `event_key` None: nobody can be told apart."""

    def __init__(self, event_key: bytes | None) -> None:
        self._subject: bytes | None = None if event_key is None else keys.subject_key(event_key)
        self._token: bytes | None = None if event_key is None else keys.token_key(event_key)

    def event(self, body: EventIn, currency: str | None, names_customers: bool, source: bytes) -> Any:
        """The stallmark Event of a body; time and nonce are the lane's. Raises Unreadable."""
        trust, subject = self._who(body.customer, names_customers)
        self._one_currency(body.currency, currency)
        at = body.currency or currency
        signal = None
        if body.value is not None:
            signal = [body.signal or body.type, body.value, body.age_s]
        elif body.signal is not None:
            raise Unreadable("value: a signal needs one")
        lines: list[list[Any]] = [
            [line.code, line.quantity, minor(line.amount, at, "lines")] for line in body.lines
        ]
        items = body.items
        if items is None and lines:
            items = sum(line.quantity for line in body.lines)
        made: Any = event.make(
            type=NUMBERS[body.type],
            trust=trust,
            subject=subject,
            nonce=b"",
            basket_minor=None if body.basket is None else minor(body.basket, at, "basket"),
            items=items,
            tip_minor=None if body.tip is None else minor(body.tip, at, "tip"),
            lines=lines or None,
            signal=signal,
            staff=None if body.staff is None else self.name(body.staff),
            source=source,
        )
        return made

    def name(self, text: str) -> bytes | None:
        """The pseudonym of a reference."""
        if self._subject is None:
            return None
        return token.subject(self._subject, token.TOKEN_TEXT, hashlib.sha256(text.encode()).digest())

    def serial(self, serial8: bytes) -> bytes | None:
        """The pseudonym of a voucher's bearer."""
        return None if self._subject is None else token.subject(self._subject, voucher.TOKEN_TYPE, serial8)

    def _who(self, customer: Customer | None, names_customers: bool) -> tuple[int, bytes | None]:
        if customer is None or self._subject is None:
            return reg.TRUST_ANONYMOUS, None
        if customer.tag is not None:
            payload = customer.tag.payload
            found: tuple[int, bytes | None] = token.from_uid(
                bytes.fromhex(customer.tag.uid),
                None if payload is None else bytes.fromhex(payload),
                self._token,
                self._subject,
            )
            return found
        if customer.pass_text is not None:
            trust, subject, _ = token.from_text(customer.pass_text.encode(), self._token, self._subject)
            if trust is None:
                raise Unreadable("customer.pass: not a text that a pass or code holds")
            return trust, subject
        assert customer.reference is not None
        return (reg.TRUST_STAFF if names_customers else reg.TRUST_TEXT), self.name(customer.reference)

    @staticmethod
    def _one_currency(said: str | None, rules: str | None) -> None:
        if said is not None and rules is not None and said != rules:
            raise Unreadable(f"currency: found {said}, the rules in use are in {rules}")


def minor(amount: Amount, currency: str | None, name: str) -> int:
    """Minor units of an amount. Raises Unreadable."""
    if isinstance(amount, Money):
        if currency is not None and amount.currency != currency:
            raise Unreadable(f"{name}: found {amount.currency}, the rules in use are in {currency}")
        return amount.minor
    match = _TEXT.fullmatch(amount.strip())
    places: int = 2 if currency is None else money.places(currency)
    if match is None or len(match[3] or "") > places:
        raise Unreadable(f"{name}: found {amount!r}, expected an amount like {money.decimal(1600, places)}")
    if match[1]:
        raise Unreadable(f"{name}: an amount is never negative; to take a sale back send a refund or a void")
    units = int(match[2]) * 10**places + int((match[3] or "").ljust(places, "0") or "0")
    if units > MOST_MINOR:
        raise Unreadable(f"{name}: {amount} is more than any basket here holds")
    return units


def check_time(body: EventIn, now_ms: int | None) -> None:
    """An instant bonus is for now. Raises Unreadable for a sale of another time; nothing where the clock is unset."""
    at = body.occurred_at
    if at is None:
        return
    if at.tzinfo is None:
        raise Unreadable("occurred_at: the zone is missing, as in 2026-10-03T17:00:00+02:00")
    if now_ms is None:
        return
    try:
        at_ms = int(at.astimezone(UTC).timestamp() * 1000)
    except OverflowError:
        raise Unreadable("occurred_at: no such time in any calendar; set the till's clock") from None
    if at_ms < now_ms - OLD_MS:
        raise Unreadable(
            "occurred_at: more than ten minutes ago; a bonus is decided at the sale, not afterwards"
        )
    if at_ms > now_ms + AHEAD_MS:
        raise Unreadable(
            "occurred_at: more than five minutes ahead of this host's clock; set the till's clock"
        )
