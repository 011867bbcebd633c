"""campaign/2, the tables around the rules: slots, experiments, holdout, groups, signals, open values, terms.

A table is taken in the order of its names, slots in the order of time: the same campaign gives the same bytes,
however its members stand."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from fleet.authoring import opcodes as expr
from fleet.authoring.engine import rules
from fleet.authoring.given import OpenValue, basis_points
from fleet.authoring.model import MAX_SLOTS
from fleet.authoring.model_base import EVENTS
from fleet.authoring.reader import Attempt, Node, Problem
from fleet.authoring.report import Report
from fleet.authoring.schedule import duration, expand, zone_of

_UNITS = {"percent": 1, "money": 2, "pieces": 3, "time": 4}
_MODES = {"first": 1, "best": 2, "all": 3}
_SALT = b"stallmark/salt/1\0"
BETWEEN_TERMS = "\n\n* * *\n\n"


def named(node: Node) -> list[tuple[str, Node]]:
    """The members of a table, by name."""
    return sorted(node.members(64))


class Tables:
    """What rules refer to by name, with its place on the wire."""

    def __init__(self, root: Node, report: Report, start_ms: int) -> None:
        self.root, self.report, self.start_ms = root, report, start_ms
        self.languages: list[str] = [entry.text(8) for entry in root.get("languages").items(1, 4)]
        self.zone: ZoneInfo | None = None
        self.slots: list[list[int]] = []
        self.slots_of: dict[str, list[int]] = {}
        self.experiments: dict[str, list[str]] = {}
        self.controls: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self.signals: dict[str, int] = {}
        self.open_values: dict[str, OpenValue] = {}
        self._salts: dict[bytes, str] = {}

    def read(self, fields: dict[int, Any]) -> None:
        """Fills the ruleset's fields 4, 6 and 9 to 16, and the tables; notes what is wrong."""
        root = self.root
        for key, part in (
            (4, self._slots), (6, self._terms), (9, self._languages), (10, self._experiments), (11, self._holdout),
            (12, self._groups), (13, self._signals), (14, self._open_values), (16, self._basket_cap),
        ):  # fmt: skip
            with Attempt():
                fields[key] = part()
        issuers = [bytes.fromhex(entry.text(64)) for entry in root.get("voucher_issuers").items(0, 4)]
        fields[15] = issuers

    def _slots(self) -> list[list[int]]:
        self.zone = zone_of(self.root.get("timezone"))
        self.report.zone = None if self.zone is None else self.zone.key
        found: dict[str, list[tuple[int, int]]] = {}
        for name, node in named(self.root.get("slots")):
            found[name] = []  # a rule that names it is not wrong too
            with Attempt():
                found[name], notices = expand(name, node, self.zone, self.start_ms)
                self.report.notices += notices
        every = sorted({slot for slots in found.values() for slot in slots})
        if len(every) > MAX_SLOTS:
            text = f"{len(every)} slots after repeating ones were written out: expected at most {MAX_SLOTS}"
            raise self.root.get("slots").wrong(text)
        place = {slot: at for at, slot in enumerate(every)}
        self.slots_of = {name: [place[slot] for slot in slots] for name, slots in found.items()}
        self.slots = [list(slot) for slot in every]
        return self.slots

    def _terms(self) -> bytes | None:
        node = self.root.get("terms")
        if not node.value:
            text = "no terms: customers cannot read under what conditions they get something"
            self.report.notes.append(Problem("/terms", text, "missing terms", write='"terms": {"en": "…"}'))
            return None
        for language, text_node in named(node):
            if language not in self.languages:
                raise text_node.wrong(f'found the language "{language}": write it into languages too')
        for language in self.languages:
            if not node.has(language):
                self.report.notes.append(Problem("/terms", f'no terms in "{language}"', "missing terms"))
            else:
                self.report.terms_in[language] = node.get(language).text(8192)
        self.report.terms = BETWEEN_TERMS.join(self.report.terms_in.values())
        self.report.terms16 = sha256(self.report.terms.encode()).digest()[:16]
        return self.report.terms16

    def _languages(self) -> list[str]:
        if len(set(self.languages)) < len(self.languages):
            raise self.root.get("languages").wrong("a language stands twice")
        return self.languages

    # --- experiments

    def _salt(self, node: Node, what: str) -> bytes:
        """Eight bytes, written or made of the campaign's id and the name; each its own."""
        given = node.get("salt").value
        if given is None:
            campaign = str(self.root.get("id").value)
            salt = sha256(_SALT + campaign.encode() + b"\0" + what.encode()).digest()[:8]
        else:
            salt = bytes.fromhex(given)
        if salt in self._salts:
            text = f"the same salt as {self._salts[salt]}: who is in one would be in the other; write another"
            raise node.get("salt").wrong(text)
        self._salts[salt] = what
        return salt

    def _experiments(self) -> list[list[Any]]:
        out: list[list[Any]] = []
        for name, node in named(self.root.get("experiments")):
            arms = named(node.get("arms"))
            shares = [basis_points(share) for _, share in arms]
            if sum(shares) != 10_000:
                raise node.get("arms").wrong(f"the shares sum to {sum(shares) / 100:g}: expected 100")
            names = [arm for arm, _ in arms]
            self.experiments[name] = self.report.arms[name] = names
            control = node.get("control").choice({arm: at for at, arm in enumerate(names)})
            self.controls[name] = control
            out.append([name, self._salt(node, f"experiment {name}"), shares, control])
        return out

    def _holdout(self) -> list[Any] | None:
        node = self.root.get("holdout")
        if node.value is None:
            return None
        share = basis_points(node.get("share"))
        if not 0 < share <= 5000:
            raise node.get("share").wrong(
                f'found "{node.get("share").value}": expected more than 0, at most 50 percent'
            )
        return [self._salt(node, "holdout"), share]

    # --- the rest

    def _groups(self) -> list[list[Any]]:
        out: list[list[Any]] = []
        for name, node in named(self.root.get("groups")):
            self.groups[name] = len(out)
            self.report.groups.append(name)
            out.append(
                [node.get("mode").choice(_MODES), node.get("exclusive").yes(), self._cap(node.get("cap"))]
            )
        return out

    def _cap(self, node: Node) -> int:
        if node.value is None:
            return 0
        cap = node.amount(self.report.currency)
        if not 0 < cap <= rules.MAX_AMOUNT:
            raise node.wrong("expected more than nothing; leave it out for no cap")
        return cap

    def _basket_cap(self) -> int:
        return self._cap(self.root.get("basket_cap"))

    def _signals(self) -> list[list[Any]]:
        out: list[list[Any]] = []
        for name, node in named(self.root.get("signals")):
            self.signals[name] = len(out)
            age = duration(node.get("max_age"), 1000, 31 * 86_400_000) // 1000
            out.append([name, node.get("event").choice(EVENTS), age])
        return out

    def _open_values(self) -> list[list[Any]]:
        out: list[list[Any]] = []
        for name, node in named(self.root.get("open_values")):
            unit = node.get("unit").choice(_UNITS)
            lowest, highest, default = (
                self._bound(node.get(key), unit) for key in ("lowest", "highest", "default")
            )
            most = (10_000, rules.MAX_AMOUNT, rules.MAX_AMOUNT, expr.MAX_SLOT_MS)[unit - 1]
            if not lowest <= default <= highest <= most:
                raise node.wrong("expected lowest ≤ default ≤ highest, within what the unit allows")
            found = OpenValue(name, len(out), unit, lowest, highest, default)
            self.open_values[name] = found
            self.report.open_values.append(found)
            out.append([unit, lowest, highest, default, name])
        return out

    def _bound(self, node: Node, unit: int) -> int:
        if unit == 3:
            return node.whole(0, rules.MAX_AMOUNT)
        if not isinstance(node.value, str):
            raise node.wrong(
                f"found {node.value}: expected text, such as " + ('"15"', '"5.00"', "", '"PT1H"')[unit - 1]
            )
        if unit == 1:
            return basis_points(node)
        return node.amount(self.report.currency) if unit == 2 else duration(node, 0)
