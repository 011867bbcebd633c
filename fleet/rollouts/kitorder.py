"""The order inside a kit: one canary brick, then the rest behind a barrier and a quorum, then the host. Pure, on letters."""

from __future__ import annotations

from typing import NamedTuple

from fleet.rollouts.state import CANARY, FAILED, HOST_STEP, OK, REJECTED, REST, TIMED_OUT


class Judged(NamedTuple):
    """Where a kit stands: its step, and its outcome, "" while there is none."""

    stage: int
    marks: str
    outcome: str


def judge(marks: str, stage: int, host: bool, quorum_percent: int, expired: bool = False) -> Judged:
    """`marks`: a letter for each brick, then the host's. `expired`: the step's time is over.

    The canary alone first: where it is not good, nobody else is touched. Then all others at once, and everyone is waited for;
    a bad brick among enough good ones is left out (quarantine), fewer good ones make the kit bad. The host's own step is last."""
    if stage == CANARY:
        if marks[0] == "-" and not expired:
            return Judged(CANARY, marks, "")
        if marks[0] != "o":
            marks = ("t" if marks[0] == "-" else marks[0]) + marks[1:]
            return Judged(CANARY, marks, outcome_of(marks[0]))
        stage, expired = REST, False
    units, last = marks[:-1], marks[-1]
    if stage == REST:
        if "-" in units and not expired:
            return Judged(REST, marks, "")
        units = units.replace("-", "t")
        good = units.count("o")
        if not good or good * 100 < quorum_percent * len(units):
            return Judged(REST, units + last, outcome_of(units))
        stage, expired = HOST_STEP, False
    marks = units + last
    if not host or last == "o":
        return Judged(HOST_STEP, marks, OK)
    if last == "-":
        return Judged(HOST_STEP, units + "t", TIMED_OUT) if expired else Judged(HOST_STEP, marks, "")
    return Judged(HOST_STEP, marks, outcome_of(last))


def outcome_of(letters: str) -> str:
    """The worst that these say, good ones aside: failing outweighs refusing, and that being silent."""
    if "f" in letters or "d" in letters:
        return FAILED
    return REJECTED if "r" in letters else TIMED_OUT
