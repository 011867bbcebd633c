"""Bricks that decide by the real engine at the other end of a pseudo-terminal, and rules for them."""

import os
from pathlib import Path
from typing import Any

from hostkit import PtyBrick
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, cbor, event, receipt
from stallmark import decide as engine
from stallmark import registry as reg
from stallmark.rules import Ruleset
from stallmark.state import State

from tests.world import World

DAY = 86_400_000
CROWD = [10, [20, 0, DAY, 0], 20]


def rule(name: str, when: list[Any], grants: list[Any], need: list[int], **f: Any) -> dict[int, Any]:
    """A compiled rule of version 2 for taps and mentions, in slot 0, once for each person; `f`: fields as fN."""
    fields = {
        0: name, 1: [reg.EVENT_NFC_TAP, reg.EVENT_SOCIAL_MENTION], 2: 2, 3: [0], 4: when, 5: False, 6: grants, 7: need,
        8: [[0, 1]], 9: [reg.KIND_DENY, 1, 0, 0], 10: [[None, None, None]], 11: 3, 12: 3, 13: None, 14: None, 15: [],
        16: None, 17: None, 18: 0, 19: None, 20: None, 21: None,
    }  # fmt: skip
    return fields | {int(name[1:]): value for name, value in f.items()}


def ruleset(world: World, *rules: dict[int, Any], rev: int = 1, **f: Any) -> bytes:
    """A compiled ruleset with one slot around the world's time; `f`: fields as fN."""
    slots = [[world.now_ms - DAY // 2, world.now_ms + DAY // 2]]
    fields = {
        0: 2, 1: "market", 2: rev, 3: "EUR", 4: slots, 5: list(rules), 6: None, 7: 500, 8: "Market",
        9: ["en"], 10: [], 11: None, 12: [], 13: [["mentions", reg.EVENT_SOCIAL_MENTION, 3600]],
        14: [[3, 1, 9, 4, "cups"]], 15: [], 16: 0,
    }  # fmt: skip
    return bytes(cbor.encode(fields | {int(name[1:]): value for name, value in f.items()}))


UNLOCK = [[reg.GRANT_UNLOCK, 1, 0, "chat"]]


def crowd(world: World, **f: Any) -> bytes:
    """More than 20 different people open it; it gives what needs no rights."""
    return ruleset(world, rule("crowd", CROWD, UNLOCK, [], f5=True), **f)


def signed(world: World, artefact: bytes, rev: int = 1) -> bytes:
    """A bundle that two authors signed."""
    payload = bundle.manifest(artefact, rev, name=f"rules {rev}")
    signatures = []
    for seed in world.author_seeds[:2]:
        public, secret = crypto_sign_seed_keypair(seed)
        signatures.append((receipt.kid(public), crypto_sign(bundle.pae(bundle.TYPE, payload), secret)[:64]))
    return bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact))


class Thinking(PtyBrick):
    """Decides by the engine; its state lives from power_on to power_on, its journal for ever."""

    def __init__(self, world: World, number: int, folder: Path, rules: bytes) -> None:
        self.rules = Ruleset(rules)
        self.state = State(self.rules)
        super().__init__(world, number, folder)
        self.ruleset = self.rules.digest

    def power_on(self) -> None:
        self.state = State(self.rules)
        for entry in self.journal.values():
            self.state.apply(entry)
        self.brick.boot += bool(self.journal)
        if self._master >= 0 or self.link is None:
            super().power_on()
        else:
            self.link = None  # starts when its cable is in

    def use(self, rules: bytes) -> None:
        """Other rules from now on."""
        self.rules = Ruleset(rules)
        self.ruleset = self.rules.digest
        self.state = State(self.rules)
        for entry in self.journal.values():
            self.state.apply(entry)
        self.status()
        self._turn()

    def tap(self, person: int) -> list[Any]:
        """Somebody comes; the records of it."""
        made = event.make(
            type=reg.EVENT_NFC_TAP, trust=3, subject=subject(person), wall_ms=self.world.now_ms + 1000, uptime_ms=1,
            quality=2, spread_ms=50, nonce=os.urandom(8),
        )  # fmt: skip
        records = []
        for decision in engine.decide(self.rules, self.state, made):
            for index, until in zip(decision.latches, decision.until, strict=True):
                f = {"f8": self.rules.digest8, "f9": index, "f24": [until], "f21": decision.evidence}
                records.append(self.note(self.world.record(reg.KIND_LATCH, self.brick, **f)))
            fields = engine.record_fields(self.rules, made, decision)
            more = {f"f{key}": value for key, value in fields.items() if key not in (5, 6, 7, 10)}
            for key in (9, 12, 23):
                more.setdefault(f"f{key}", None)
            records.append(
                self.note(self.world.record(decision.kind, self.brick, subject=subject(person), **more))
            )
        self._turn()
        return records

    def note(self, made: Any) -> Any:
        """A record is durable here."""
        self.add(made)
        self.state.apply(made)
        return made

    def _message(self, kind: int, value: dict) -> None:
        super()._message(kind, value)
        if kind == reg.MSG_PEOPLE and value[0] == self.rules.digest8:
            self.state.remote(value[1], value[2], value[3], self.world.now_ms)
        elif kind == reg.MSG_REVOKED:
            self.state.revoke(value[0], value[1])
        elif kind == reg.MSG_SIGNALS and value[1] == self.rules.digest8:
            for index, amount, wall in value[0]:
                self.state.signals(index, amount, wall)

    def heads(self) -> dict[bytes, int]:
        """What it knows of others."""
        return dict(self.state.heads())

    def count(self) -> int:
        """People of the first counter, this brick's and others'."""
        return self.state.count(0, 0, self.world.now_ms)


def subject(person: int) -> bytes:
    """A pseudonym."""
    return b"%06dxx" % person
