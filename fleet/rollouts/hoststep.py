"""The host's step where hosts install by themselves: what a kit's directive says of it, and what the host then says.

The other way to take this step is the host OS service (fleet.hostos.steps); a kit that is tied to a device there goes that way
where the plan names a release of the service. No MAC proves a host's release: its status report is its word."""

from __future__ import annotations

from collections.abc import Callable

from fleet.core import reg
from fleet.desired import hostwhy
from fleet.desired.facts import Facts
from fleet.desired.report import HostSaid
from fleet.desired.rows import Head
from fleet.rollouts import facts
from fleet.rollouts.facts import Command, Deliver, Fact, Withdraw
from fleet.rollouts.plan import HOST, Plan
from fleet.rollouts.state import (
    BACKWARD,
    GO_BACK,
    GOING_BACK,
    HOST_STEP,
    INSTALLING,
    OK,
    PAUSED,
    STUCK,
    Kit,
    State,
)
from fleet.rollouts.why import Reason

SLACK_MS = 60_000  # by which a host's clock may be behind, where it does not say under which directive it went back
NOT_BY_ITSELF = (
    "its host does not install releases by itself: start it with `stallmark host run --releases FOLDER`, or tie it to its device"
    " and name the release there with --host"
)


def order(plan: Plan, one: Command, head: Head | None, known: Callable[[], Facts]) -> str | None:
    """The host's release that the kit's next directive names: a digest, "" for none, None for what stood before. `known()`: the
    kit's facts, which are asked for on the way back alone."""
    new = plan.release.host_digest
    if not new:
        return None
    standing = None if head is None else head.order.host_release
    if isinstance(one, Withdraw):
        return "" if standing == new else None
    if not isinstance(one, Deliver):
        return None
    if not one.back:
        return new if one.host or plan.release.kind == HOST else None
    before = "" if plan.rollback is None else plan.rollback.host_digest
    if standing == new:
        return before
    if standing is not None or not before:
        return None
    report = known().report
    runs = None if report is None or report.host is None else report.host.release
    return before if runs in (new, before) else None  # a host that never had anything to do with it is left alone


def heard(state: State, name: str, kit: Kit, known: Facts) -> list[Fact]:
    """What the host's newest report says of its step; at most one, and none that is known already."""
    new, alone = state.plan.release.host_digest, state.plan.release.kind == HOST
    said = None if known.report is None else known.report.host
    if not new or said is None or known.report_ms is None:
        return []
    slot = 0 if alone else len(kit.units)
    brick = "" if alone else facts.HOST
    if (0, known.report_ms) <= kit.heard[slot]:
        return []

    def reported(outcome: str, digest: str, why: str = "") -> list[Fact]:
        return [facts.Reported(name, outcome, digest, known.report_ms or 0, 0, brick, why[: facts.MAX_WHY])]

    if state.phase in BACKWARD or (state.phase == PAUSED and state.before in BACKWARD):
        back = state.plan.rollback
        there = alone and back is not None and kit.status in (GO_BACK, GOING_BACK, STUCK) and _left(said, new, known)
        return reported(facts.OK, back.digest) if there and back is not None else []
    if said.release == new and said.phase == "steady":
        return [] if kit.marks[slot] == "o" else reported(facts.OK, state.plan.release.digest)
    if not _current(known, new):
        return []
    if kit.status == OK and kit.marks[slot] == "o" and said.phase == "steady":
        return reported(facts.OK, said.release or "")  # it ran the release, and runs something else now
    if kit.status != INSTALLING or kit.marks[slot] != "-" or not (alone or kit.stage == HOST_STEP):
        return []
    if _went_back(said, new, kit, known):
        gone = said.returned.why if said.returned is not None else ""
        return reported(facts.FAILED, state.plan.release.digest, f"its host tried release {new[:8]} and went back: {gone}")
    if not said.installs:
        return reported(facts.REJECTED, state.plan.release.digest, NOT_BY_ITSELF)
    if said.result == reg.INSTALL_OLDER and said.wanted == new:
        return reported(facts.REJECTED, state.plan.release.digest, f"its host refuses release {new[:8]}: {said.trouble}")
    return []


def asks(state: State, kit: Kit) -> bool:
    """Whether it matters for a kit what its host says of a release of its own."""
    return bool(state.plan.release.host_digest) and kit.status in (INSTALLING, GOING_BACK)


def more(state: State, kit: Kit, known: Facts) -> list[Reason]:
    """How far the host is with its step, in its own words: what a rollout's log does not hold."""
    names = {one.host_digest for one in (state.plan.release, state.plan.rollback) if one is not None} - {""}
    if known.head is None or known.head.order.host_release not in names:
        return []
    return [Reason(one.code, one.text, one.since_ms or kit.stage_ms) for one in hostwhy.reasons(known)]


def _current(known: Facts, new: str) -> bool:
    """Whether the host spoke with the directive in hands that names the release."""
    head, report = known.head, known.report
    return head is not None and report is not None and report.etag == head.etag and head.order.host_release == new


def _left(said: HostSaid, new: str, known: Facts) -> bool:
    """Whether the host runs something else and knows that it is not to run this."""
    head, report = known.head, known.report
    told = head is not None and report is not None and report.etag == head.etag and head.order.host_release != new
    return told and said.release != new and said.phase != "trial"


def _went_back(said: HostSaid, new: str, kit: Kit, known: Facts) -> bool:
    """Whether it gave the release up under the directive that stands; under an earlier one it tries again by itself."""
    gone = said.returned
    if gone is None or gone.release != new or said.release == new or known.head is None:
        return False
    if gone.order is not None:
        return gone.order >= known.head.number
    return (gone.at_ms or 0) >= kit.since_ms - SLACK_MS
