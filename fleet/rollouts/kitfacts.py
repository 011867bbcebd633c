"""Between rollouts and desired state: directives say what a rollout wants of each kit; what kits prove comes back as facts."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import replace

from fleet.core import reg
from fleet.desired import rows
from fleet.desired.desired import Desired, Wish
from fleet.desired.facts import Boot, Facts
from fleet.desired.orders import SECURITY_CRITICAL, Item
from fleet.desired.report import BrickSaid
from fleet.desired.rows import Head
from fleet.hostos.steps import HostSteps
from fleet.rollouts import engine, facts, hoststep, rentals
from fleet.rollouts.facts import Command, Fact
from fleet.rollouts.plan import HOST, Release
from fleet.rollouts.state import (
    COMPLETE,
    FLYING,
    GOING_BACK,
    ROLLED_BACK,
    RUNNING,
    SHADOWING,
    SUPERSEDED,
    WHOLE,
    Kit,
    State,
)

RULES = reg.ARTEFACT_RULESET
DONE = (reg.INSTALL_OK, reg.INSTALL_ALREADY)
BROKE = (
    reg.INSTALL_DIGEST,
    reg.INSTALL_VECTOR,
    reg.INSTALL_FLASH,
    reg.INSTALL_RETURNED,
)  # it was tried; all others: it was refused
# Another attempt may end otherwise, and is made by itself.
NOT_YET = (
    reg.INSTALL_OTHER_RENTAL, reg.INSTALL_ROOT_WANTED, reg.INSTALL_ROOT_EXPIRED, reg.INSTALL_NOT_NAMED, reg.INSTALL_HALTED,
    reg.INSTALL_ON_TRIAL,
)  # fmt: skip
SLACK_MS = 60_000  # by which a host's clock may be behind the controller's
GATE_MS = 60_000
FOLLOWED = "the rules folder has newer rules, and it follows them"
BATCH = 200  # directives of one transaction
WHOLE_MS = 5_000  # between looks at all kits

Looks = Callable[[State, int, int], list[facts.Gate]]  # state, now, number of the look


class KitFacts:
    """Target of fleet.rollouts.leading over fleet.desired."""

    def __init__(
        self,
        desired: Desired,
        looks: Looks = lambda state, now_ms, number: [],
        hosts: HostSteps | None = None,
        out: Callable[[], set[str]] = set,
        shadows: Callable[[State], None] = lambda state: None,
    ) -> None:
        """`out()`: kits that are with a renter, in hex; `shadows(state)` sees to what canary bricks try."""
        self._shadows = shadows
        self._desired = desired
        self._out = out
        self._hosts = hosts
        self._ended: Container[bytes] = ()  # bricks that were revoked, as of the newest orders
        self._looks = looks
        self._looked: dict[str, int] = {}
        # By rollout: its kits' facts, the number of the newest news among them, when all were read.
        self._known: dict[str, tuple[dict[str, Facts], int, int]] = {}

    # --- orders

    def obey(self, state: State, commands: Iterable[Command]) -> None:
        """Directives that say something else than before are made, many in a transaction."""
        wishes: list[Wish] = []
        commands = list(commands)
        if commands:
            self._ended = self._desired.ended()
        for one in commands:
            self._host_step(state, one)
            wish = self._wish(state, one)
            if wish is not None:
                wishes.append(wish)
            if len(wishes) == BATCH:
                self._desired.set_all(wishes)
                wishes = []
        if wishes:
            self._desired.set_all(wishes)

    def _host_step(self, state: State, one: Command) -> None:
        """Pins the kit's device where it is the host's turn, unless a person stopped the kit."""
        if self._hosts is None or not isinstance(one, facts.Deliver) or not one.host:
            return
        release, kit = state.plan.rollback if one.back else state.plan.release, bytes.fromhex(one.kit)
        head = self._desired.head(kit)
        if release is not None and release.host and not (head is not None and head.order.halted):
            self._hosts.want(kit, release.host, f"rollout {state.rollout}")

    def _wish(self, state: State, one: Command) -> Wish | None:
        if not isinstance(one, facts.Deliver | facts.Withdraw):
            return None
        kit = bytes.fromhex(one.kit)
        head = self._desired.head(kit)
        if head is not None and head.order.halted:
            return None  # stopped by a person; when that is lifted, the next look sets right what it holds
        kind = state.plan.release.kind
        kept = () if head is None else tuple(item for item in head.order.items if item.kind != kind)
        items, flags, word = kept, 0, "taken back"
        if isinstance(one, facts.Deliver):
            release = state.plan.rollback if one.back else state.plan.release
            if release is None:
                return None
            items = (*kept, *self._items(state, one, release, kit))
            flags = SECURITY_CRITICAL if state.plan.security_critical else 0
            word = f"{'back to' if one.back else 'release'} {release.name}".rstrip()
        on_service = bool(state.plan.release.host) and self._hosts is not None and self._hosts.has(kit)
        host = None if on_service else hoststep.order(state.plan, one, head, lambda: self._desired.facts(kit))
        same = host is None or (head is not None and (head.order.host_release or "") == host)
        if head is not None and same and set(head.order.items) == set(items) and (head.origin != rows.RULES or kind != RULES):
            return None
        reason = f"rollout {state.rollout}: {word}"
        origin = rows.KEPT
        if kind != RULES and head is not None and head.origin == rows.RULES:
            origin = rows.RULES  # rules go on to be the folder's
        if kind == HOST:
            return _beside(head, Wish(kit, items, reason, origin=rows.RULES, host=host))
        return Wish(kit, items, reason, None, flags, origin, host=host)

    def _items(self, state: State, one: facts.Deliver, release: Release, kit: bytes) -> list[Item]:
        """All that the kit has, or those that are named; the host's lane goes with the last of them."""
        if release.kind == HOST:
            return []  # bricks have nothing to do with it
        units = state.kits[one.kit].units
        every = self._desired.living(kit, self._ended, release.kind == RULES)  # the lane is the host's own program
        named = [bytes.fromhex(brick) for brick in one.bricks]
        if not named or (units != WHOLE and set(one.bricks) == set(units)):
            named = every
        artefact, envelope = bytes.fromhex(release.digest), bytes.fromhex(release.bundle)
        return [
            Item(brick, release.kind, artefact, release.length, release.rev, release.hardware, envelope)
            for brick in named
            if brick in every
        ]

    # --- facts

    def heard(self, state: State, now_ms: int) -> list[Fact]:
        """Who is there, who took what, what bricks proved to run and what they could not install; gates, once a minute."""
        known, fresh = self._look(state, now_ms)
        found = rentals.changed(state, self._out())
        tied = self._hosts.tied() if self._hosts is not None and state.plan.release.host else set[bytes]()
        for name in fresh:
            kit = state.kits[name]
            found += _of(state, name, kit, known[name])
            if kit.status != SUPERSEDED and bytes.fromhex(name) not in tied:
                found += hoststep.heard(state, name, kit, known[name])
        found += self._host_facts(state)
        found += engine.sights(state, lambda name: known[name].seen_ms or 0, now_ms)
        self._shadows(state)
        found += self._followers(state, known)
        if state.phase in (RUNNING, COMPLETE, SHADOWING) and now_ms - self._looked.get(state.rollout, 0) >= GATE_MS:
            self._looked[state.rollout] = now_ms
            found += self._looks(state, now_ms, now_ms // GATE_MS)
        return found

    def _look(self, state: State, now_ms: int) -> tuple[dict[str, Facts], Iterable[str]]:
        """Facts of all kits, and those of which there may be anything new: all of them now and then, else those that are at it
        and those of which this controller heard. Kits of others and passing time have the whole look."""
        kept, news, last_ms = self._known.get(state.rollout, ({}, 0, 0))
        if kept.keys() != state.kits.keys() or not 0 <= now_ms - last_ms < WHOLE_MS:
            _, news = self._desired.news(news)  # first: what comes while it reads is read again
            kept = {one.kit.hex(): one for one in self._desired.all_facts([bytes.fromhex(kit) for kit in state.kits])}
            self._known[state.rollout] = kept, news, now_ms
            return kept, state.kits
        touched, news = self._desired.news(news)
        mine = [kit for kit in touched if kit.hex() in kept]
        if mine:
            kept |= {one.kit.hex(): one for one in self._desired.all_facts(mine)}
        self._known[state.rollout] = kept, news, last_ms
        return kept, dict.fromkeys([*(kit.hex() for kit in mine), *state.flying])

    def _followers(self, state: State, known: dict[str, Facts]) -> list[Fact]:
        """Kits of a rollout that is through, for which the rules folder has newer rules: where its people said so, they are the
        folder's again. First the log says that they are not the rollout's any more, then the directive changes."""
        found: list[Fact] = []
        if not (state.follows or state.plan.follow) or state.phase not in (COMPLETE, ROLLED_BACK):
            return found
        kind = state.plan.release.kind
        for name, kit in state.kits.items():
            head, kit8 = known[name].head, bytes.fromhex(name)
            if head is None or head.origin != rows.KEPT or not head.order.reason.startswith(f"rollout {state.rollout}:"):
                continue
            offer = self._desired.in_folder(kit8)
            own = max((item.rev for item in head.order.items if item.kind == kind), default=state.plan.release.rev)
            if offer is None or offer.kind != kind or offer.rev <= own:
                continue
            if kit.status != SUPERSEDED:
                found.append(facts.Superseded(name, FOLLOWED))
            elif kit.why == FOLLOWED:
                self._desired.follow(kit8)
        return found

    def _host_facts(self, state: State) -> list[Fact]:
        """Devices that run the host's release, by the host OS service."""
        found: list[Fact] = []
        for release in (state.plan.release, state.plan.rollback):
            if self._hosts is None or release is None or not release.host:
                continue
            for kit8, at_ms in self._hosts.done(release.host).items():
                kit = state.kits.get(kit8.hex())
                going_back = kit is not None and kit.status == GOING_BACK
                if kit is None or kit.status not in FLYING or going_back != (release is state.plan.rollback):
                    continue
                if (0, at_ms) > kit.heard[len(kit.units)]:
                    found.append(facts.Reported(kit8.hex(), facts.OK, release.digest, at_ms, 0, facts.HOST))
        return found


def _beside(head: Head | None, wish: Wish) -> Wish:
    """The host's release alone changes: all else stands as it was, and what follows from its reason, too."""
    if head is None:
        return wish
    until = head.order.expires_ms if head.origin == rows.SET else None
    reason = head.order.reason if head.origin == rows.KEPT and head.order.reason.startswith("rollout ") else wish.reason
    return replace(wish, reason=reason, expires_ms=until, flags=head.order.flags, origin=head.origin)


def _of(state: State, name: str, kit: Kit, known: Facts) -> list[Fact]:
    plan, found = state.plan, list[Fact]()
    if kit.status == SUPERSEDED:
        return found
    release = plan.rollback if kit.status == GOING_BACK and plan.rollback is not None else plan.release
    if kit.status in FLYING and not kit.taken and known.fetched and _names(known, release):
        found.append(facts.Fetched(name, release.digest, known.seen_ms or known.now_ms))
    both = [plan.release] if plan.rollback is None else [plan.rollback, plan.release]
    digests = {one.digest for one in both}
    proofs = {one.program: one.digest for one in both}
    for at, unit in enumerate(kit.units):
        if unit == "":
            continue  # a kit without bricks proves nothing
        brick = bytes.fromhex(unit)
        boot = known.boots.get(brick)
        digest = None if boot is None else _proven(plan.release.kind, boot, proofs)
        if boot is not None and digest is not None and (digest in digests or kit.marks[at] == "o"):
            at_ms = boot.received_ms
            if kit.status == GOING_BACK and kit.taken and kit.marks[at] == "-" and digest == release.digest:
                # A brick that did not take the release, or went back by itself, proved before that it runs the old one.
                at_ms = max(at_ms, kit.heard[at][1] + 1)
            if (0, at_ms) > kit.heard[at]:
                found.append(facts.Reported(name, facts.OK, digest, at_ms, 0, unit))
        said = known.said(brick)
        if said is not None and kit.status in FLYING:
            found += _trouble(name, kit, at, said, release, known)
    return found


def _proven(kind: int, boot: Boot, proofs: dict[str, str]) -> str | None:
    """What a boot record says of this kind, as the digest of a release; None where it says nothing."""
    if kind != reg.ARTEFACT_APPLICATION:
        return None if boot.ruleset is None else boot.ruleset.hex()
    # Programs on trial prove nothing yet.
    return None if boot.program is None else proofs.get(boot.program.hex(), boot.program.hex())


def _names(known: Facts, release: Release) -> bool:
    head = known.head
    if release.kind == HOST:
        return head is not None and head.order.host_release == release.host_digest
    return head is not None and any(item.artefact.hex() == release.digest for item in head.order.items)


def _trouble(name: str, kit: Kit, at: int, said: BrickSaid, release: Release, known: Facts) -> list[Fact]:
    """What a host says of an installation that did not happen."""
    result, of, words, at_ms = said.result, said.result_bundle, said.result_text, said.result_ms
    if release.kind == reg.ARTEFACT_APPLICATION:
        told = said.application
        result, of, words, at_ms = (None, None, "", None) if told is None else (told.result, told.bundle, told.text, told.ms)
    if result is None or result in (*DONE, *NOT_YET) or of != release.bundle[:16] or kit.marks[at] != "-":
        return []
    if (at_ms or 0) < kit.since_ms - SLACK_MS or known.report_ms is None:
        return []
    outcome = facts.FAILED if result in BROKE else facts.REJECTED
    words = words or f"install result {result}"
    return [facts.Reported(name, outcome, release.digest, known.report_ms, 0, kit.units[at], words)]
