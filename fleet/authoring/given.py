"""campaign/2, grants: compiled to the wire, with the most that each can cost and how it is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.authoring.engine import reg, rules
from fleet.authoring.model_grants import DEFAULT_REVERSAL, GRANTS
from fleet.authoring.reader import Node
from fleet.authoring.schedule import milliseconds

DAY_MS = 86_400_000
_SHARES: dict[str, int] = {
    "percent_now": reg.GRANT_PERCENT_NOW, "percent_next": reg.GRANT_PERCENT_NEXT, "tip_match": reg.GRANT_TIP_MATCH,
    "donate": reg.GRANT_DONATION, "split": reg.GRANT_SPLIT,
}  # fmt: skip

MAX_SERIES = 59_999  # those above are of credits for the next visit
_LATER = ("percent_next", "money_next", "tokens", "voucher")


@dataclass(frozen=True, slots=True)
class OpenValue:
    """An open value as compiled: unit 1 bps, 2 minor, 3 pieces, 4 ms."""

    name: str
    index: int
    unit: int
    lowest: int
    highest: int
    default: int


@dataclass(frozen=True, slots=True)
class Given:
    """One grant: wire form, most money, pieces and tokens of it, name in the authoring form, how it is undone."""

    code: list[Any]
    minor: int
    pieces: int
    tokens: int
    name: str
    reversal: str
    of: str | None = None

    @property
    def own_value(self) -> bool:
        """Whether it gives the voucher's own value, which was covered when the voucher was issued."""
        return self.code[0] in (reg.GRANT_FIXED_NOW, reg.GRANT_PERCENT_NOW) and self.code[2] == 0


class Grants:
    """Compiles the grants of a campaign's rules."""

    def __init__(self, currency: str, open_values: Mapping[str, OpenValue]) -> None:
        self._currency = currency
        self._open = open_values

    def read(self, node: Node, redeems: bool, first: bool) -> Given:
        """One entry of a rule's `grants`; `redeems`: of a rule that pays vouchers; `first`: the first of them."""
        name = next(name for name in GRANTS if node.has(name))
        if redeems and name in _LATER:
            raise node.get(name).wrong(
                "gives something for later, and this rule pays a voucher: let another rule give it"
            )
        reversal = node.get("reversal").value or DEFAULT_REVERSAL[name]
        code, minor, pieces, tokens = self._code(name, node, redeems and first)
        of = (
            node.get("of").value
            if name == "sample"
            else node.get("upgrade").value
            if name == "upgrade"
            else None
        )
        return Given(code, minor, pieces, tokens, name, reversal, of)

    def _code(self, name: str, node: Node, own: bool) -> tuple[list[Any], int, int, int]:
        """(wire form, most minor, most pieces, most tokens)"""
        if name in _SHARES:
            bps, _ = self._share(node.get(name), 100_000 if name == "tip_match" else 10_000)
            cap, most = self._money(node.get("at_most"), 1)
            code = [_SHARES[name], bps, cap]
            if name == "percent_next":
                code.append(self._days(node))
            elif name != "percent_now":
                code.append(node.get("to").text(24))
            # A split passes on what the customer paid: nobody's budget is spent by it.
            return code, 0 if name == "split" else most, 0, 0
        if name == "money_now":
            minor, most = self._money(node.get(name), 0 if own else 1)
            return [reg.GRANT_FIXED_NOW, 1, minor], most, 0, 0
        if name == "money_next":
            minor, most = self._money(node.get(name), 1)
            return [reg.GRANT_FIXED_NEXT, 1, minor, self._days(node)], most, 0, 0
        if name == "voucher":
            minor, most = self._money(node.get(name), 1)
            return (
                [reg.GRANT_VOUCHER, node.get("series").whole(0, MAX_SERIES), minor, self._days(node)],
                most,
                0,
                0,
            )
        if name == "sample":
            pieces, most = self._pieces(node.get(name), 1000)
            return [reg.GRANT_SAMPLE, pieces, 0], 0, most, 0
        if name == "upgrade":
            pieces, most = self._pieces(node.get("pieces"), 1000)
            return [reg.GRANT_UPGRADE, pieces, 0, node.get(name).text(24)], 0, most, 0
        if name == "tokens":
            tokens, most = self._pieces(node.get(name), 1_000_000)
            return [reg.GRANT_TOKENS, tokens, 0, self._days(node)], 0, 0, most
        return [reg.GRANT_UNLOCK, 1, 0, node.get(name).text(32)], 0, 0, 0

    # --- numbers that may be open

    def _opened(self, node: Node, unit: int, what: str, least: int, most: int) -> OpenValue | None:
        if not isinstance(node.value, dict):
            return None
        inner = node.get("open")
        found = self._open.get(str(inner.value))
        if found is None:
            raise inner.wrong(
                f'found "{inner.value}": expected one of open_values: {", ".join(self._open) or "none yet"}'
            )
        if found.unit != unit:
            raise inner.wrong(f'found the open value "{found.name}": expected one whose unit is "{what}"')
        if found.lowest < least or found.highest > most:
            raise inner.wrong(f'the bounds of the open value "{found.name}" allow what no grant may be')
        return found

    def _share(self, node: Node, most: int) -> tuple[Any, int]:
        found = self._opened(node, 1, "percent", 1, most)
        if found is not None:
            return [40, found.index], found.highest
        bps = basis_points(node)
        if not 0 < bps <= most:
            raise node.wrong(f'found "{node.value}": expected more than 0 and at most {most // 100} percent')
        return bps, bps

    def _money(self, node: Node, least: int) -> tuple[Any, int]:
        found = self._opened(node, 2, "money", least, rules.MAX_AMOUNT)
        if found is not None:
            return [40, found.index], found.highest
        minor = node.amount(self._currency)
        if not least <= minor <= rules.MAX_AMOUNT:
            raise node.wrong(
                f'found "{node.value}": expected more than nothing, and at most 10^9 minor units'
            )
        return minor, minor

    def _pieces(self, node: Node, most: int) -> tuple[Any, int]:
        found = self._opened(node, 3, "pieces", 1, most)
        if found is not None:
            return [40, found.index], found.highest
        number = node.whole(1, most)
        return number, number

    def _days(self, node: Node) -> int:
        at = node.get("valid")
        found = milliseconds(str(at.value))
        if found is None or found % DAY_MS or not DAY_MS <= found <= 3660 * DAY_MS:
            raise at.wrong(f'found "{at.value}": expected whole days, such as "P30D", at most 3,660')
        return found // DAY_MS


def basis_points(node: Node) -> int:
    """Basis points of a percentage as text, 0 and more than 100 percent too."""
    whole, _, part = str(node.value).partition(".")
    if not whole.isdecimal() or (part and not part.isdecimal()) or len(part) > 2 or len(whole) > 4:
        raise node.wrong(f'found "{node.value}": expected a percentage as text, such as "15" or "12.5"')
    return int(whole) * 100 + int(part.ljust(2, "0") or "0")
