"""campaign/2, one rule: to the wire, with its rights, its worst case and the causes of its class offline."""

from __future__ import annotations

from typing import Any

from fleet.authoring import companions
from fleet.authoring import opcodes as expr
from fleet.authoring.built import Built, needs
from fleet.authoring.details import funder, messages, odds, once, tax
from fleet.authoring.engine import reg
from fleet.authoring.given import MAX_SERIES, Grants
from fleet.authoring.measures import World
from fleet.authoring.model_base import EVENTS, TRUSTS
from fleet.authoring.reader import Attempt, Node, Problem
from fleet.authoring.report import NEEDS_HOST, REFUSED, SAFE, Cause
from fleet.authoring.schedule import duration
from fleet.authoring.tables import Tables
from fleet.authoring.typed import Typed

INTENTS = {"conversion": 1, "loyalty": 2, "surprise": 3, "tip match": 4}
POLICIES = {"deny": reg.KIND_DENY, "ask": reg.KIND_UNCERTAIN}
MODES = {"local": 1, "lan": 2, "strict": 3}
LANES = {"also": 0, "only": 2, "never": 1}


class Rules:
    """Compiles the rules of a campaign, in their order of priority."""

    def __init__(self, tables: Tables, problems: list[Problem], notes: list[Problem]) -> None:
        self._tables = tables
        self._problems, self._notes = problems, notes
        self.refused: list[Built] = []  # what cannot be decided offline
        currency = tables.report.currency
        self._currency = currency
        self._grants = Grants(currency, tables.open_values)
        opened = {name: (one.index, one.unit) for name, one in tables.open_values.items()}
        self._world = World(currency, tables.signals, tables.experiments, opened)

    def read(self, nodes: list[Node]) -> list[Built]:
        """Every rule that can be read; what is wrong is noted."""
        order = sorted(range(len(nodes)), key=lambda at: (-nodes[at].get("priority").whole(-1000, 1000), at))
        out: list[Built] = []
        # The rules that pay credits for the next visit come first: whoever shows one shall not win another instead.
        for place in order:
            with Attempt():
                if companions.gives_next(nodes[place]):
                    self._world.latching[str(nodes[place].get("id").value) + companions.NEXT] = None
        for place in order:
            node = nodes[place]
            with Attempt():
                name = node.get("id").text(32)
                if name in self._world.latching:
                    raise node.get("id").wrong(f'"{name}" stands twice: slices and receipts name rules by it')
                latches = bool(node.get("latch").value)
                with Attempt():
                    out.append(self._rule(node, name))
                self._world.latching[name] = len(self._world.latching) if latches else None
                # A latch's number is its rule's place; one that could not be read stops the whole anyway.
        return [*companions.made(out, self._tables), *out]

    def _rule(self, node: Node, name: str) -> Built:
        built = Built(node, {0: name})
        code = built.code
        parts = (
            (1, lambda: [event.choice(EVENTS) for event in once(node.get("on"), 8)]),
            (2, lambda: node.get("minimum_trust").choice(TRUSTS)),
            (3, lambda: self._slots(node.get("slots"))),
            (4, lambda: self._when(node, built)),
            (5, lambda: node.get("latch").yes()),
            (6, lambda: self._given(node, built)),
            (8, lambda: self._limits(node.get("limits"))),
            (9, lambda: self._offline(node, built)),
            (10, lambda: messages(node.get("messages"), self._tables.languages)),
            (11, lambda: node.get("intent").choice(INTENTS)),
            (12, lambda: node.get("people_are").choice(TRUSTS)),
            (13, lambda: self._group(node.get("group"))),
            (14, lambda: self._arm(node.get("experiment"))),
            (15, lambda: self._early(node.get("early_access"), built)),
            (16, lambda: tax(node.get("tax"))),
            (17, lambda: funder(node.get("funder"))),
            (18, lambda: self._flags(node, built)),
            (19, lambda: odds(node.get("odds"))),
            (20, lambda: self._redeems(node.get("redeems"), built)),
            (21, lambda: self._stale(node.get("offline").get("stale_max"))),
            (7, lambda: needs(node, built, self._currency)),
        )
        failed = False
        for key, part in parts:
            attempt = Attempt()
            with attempt:
                code[key] = part()
            failed = failed or attempt.failed
        if failed:
            if built.offline == REFUSED:
                self.refused.append(built)
            raise node.unusable()
        built.code = dict(sorted(code.items()))
        return built

    # --- who and when

    def _slots(self, node: Node) -> list[int]:
        table = self._tables.slots_of
        out: list[int] = []
        for entry in once(node, 64):
            if entry.value not in table:
                raise entry.wrong(f'found "{entry.value}": expected one of slots: {", ".join(table)}')
            for index in table[str(entry.value)]:
                if index in out:
                    raise entry.wrong("the same slot comes from another name of this rule: leave one out")
                start, end = self._tables.slots[index]
                for other in out:
                    begin, until = self._tables.slots[other]
                    if begin < end and start < until:
                        raise entry.wrong(
                            "overlaps another slot of this rule: a moment has one slot; make one shorter"
                        )
                out.append(index)
        return sorted(out)

    def _when(self, node: Node, built: Built) -> list[Any]:
        trust = node.get("people_are").choice(TRUSTS)
        strict = node.get("offline").get("mode").value == "strict"
        typed = Typed(self._world, trust, strict)
        try:
            code = typed.condition(node.get("when"))
        finally:
            for seen in typed.asked.seen:
                offline = {"refused": REFUSED, "host": NEEDS_HOST, "late": NEEDS_HOST}.get(seen.what, SAFE)
                built.causes.append(Cause(offline, seen.pointer, seen.text))
                if seen.what == "late" and not strict:
                    text = f'{seen.text}. Write "offline": {{"mode": "strict"}} where that matters'
                    self._notes.append(Problem(seen.pointer, text, "late news"))
        if typed.asked.people_at:
            text = "counts only rise: what a brick has not heard of can delay it, never grant it wrongly"
            if not any(cause.pointer == typed.asked.people_at for cause in built.causes):
                built.causes.append(Cause(SAFE, typed.asked.people_at, text))
        if node.get("latch").value and typed.asked.personal_at:
            text = f"latches what is true for everyone, and {typed.asked.personal_at} is not: put that into a rule with latched"
            raise node.get("latch").wrong(text)
        built.people_needed = typed.people_needed
        built.counts_people = typed.asked.counts_people
        built.arms_at = typed.asked.arms
        return code

    def _limits(self, node: Node) -> list[list[int]]:
        out: dict[int, int] = {}
        for entry in node.items(0, 2):
            window = 0 if entry.get("per").value == "slot" else 1
            if window in out:
                raise entry.get("per").wrong("stands twice: one limit per slot, one per campaign")
            out[window] = entry.get("most").whole(1, 255)
        return [list(limit) for limit in sorted(out.items())]

    def _group(self, node: Node) -> int | None:
        return None if node.value is None else node.choice(self._tables.groups)

    def _arm(self, node: Node) -> list[int] | None:
        if node.value is None:
            return None
        table = self._tables.experiments
        index = node.get("name").choice({name: at for at, name in enumerate(table)})
        arms = table[str(node.get("name").value)]
        arm = node.get("arm").choice({name: at for at, name in enumerate(arms)})
        if arm == self._tables.controls.get(str(node.get("name").value)):
            raise node.get("arm").wrong("the control arm is given nothing: name another arm")
        return [index, arm]

    def _early(self, node: Node, built: Built) -> list[list[int]]:
        out: list[list[int]] = []
        for entry in node.items(0, 4):
            lead = duration(entry.get("lead"), most=expr.MAX_SLOT_MS)
            out.append([entry.get("tokens").whole(1, 10**9), lead])
            text = "who comes early is told by the host's last snapshot of token balances"
            built.causes.append(Cause(SAFE, entry.pointer, text))
        return out

    # --- what and how much

    def _given(self, node: Node, built: Built) -> list[list[Any]]:
        redeems = node.get("redeems").value is not None
        attempt = Attempt()
        for place, entry in enumerate(node.get("grants").items(1, 4)):
            one = Attempt()
            with one:
                built.grants.append(self._grants.read(entry, redeems, not place))
            attempt.failed = attempt.failed or one.failed
        if attempt.failed:
            raise node.unusable()
        if companions.gives_next(node):
            companions.check(node, self._tables)
        return [given.code for given in built.grants]

    def _flags(self, node: Node, built: Built) -> int:
        flags = node.get("gateway").choice(LANES) | (4 if node.get("announced").yes() else 0)
        return flags | sum(8 << place for place, given in enumerate(built.grants) if given.reversal == "keep")

    # --- offline

    def _offline(self, node: Node, built: Built) -> list[int]:
        offline = node.get("offline")
        mode = offline.get("mode").choice(MODES)
        lower, upper = offline.get("lower"), offline.get("upper")
        if mode != MODES["lan"]:
            for limit in (lower, upper):
                if limit.value is not None:
                    raise limit.wrong('is a limit of "mode": "lan": write that mode, or leave it out')
            if mode == MODES["strict"]:
                text = "without the host's yes nothing is granted"
                built.causes.append(Cause(NEEDS_HOST, offline.get("mode").pointer, text))
            return [offline.get("if_unknown").choice(POLICIES), mode, 0, 0]
        least = 0 if lower.value is None else lower.whole(0, 65535)
        most = 65535 if upper.value is None else upper.whole(1, 65535)
        if least > most:
            raise lower.wrong(f"found {least}, above upper, {most}: expected no more than upper")
        return [offline.get("if_unknown").choice(POLICIES), mode, least, most]

    def _stale(self, node: Node) -> int | None:
        return None if node.value is None else duration(node, 1000, 31 * 86_400_000) // 1000

    def _redeems(self, node: Node, built: Built) -> int | None:
        if node.value is None:
            return None
        if not self._tables.root.get("voucher_issuers").value:
            raise node.wrong(
                'whose vouchers count? Write the issuers\' public keys: "voucher_issuers": ["…"]'
            )
        mode = built.node.get("offline").get("mode").value
        if mode != "strict":
            text = "a voucher that another brick has just taken may not be known here: duplicates are found and settled"
            built.causes.append(Cause(NEEDS_HOST, node.pointer, text))
        return node.whole(0, MAX_SERIES)
