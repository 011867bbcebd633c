"""A rollout's plan: what is to be released, to whom in which waves, and what stops it. Checked once, then frozen."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fleet.errors import FleetError

MAX_WAVES = 64
MAX_LISTED = 20_000  # kits that one wave names
MAX_TEXT = 96  # of names and reasons: as much as a directive carries
APPLICATION, HOST = 2, 4  # artefact kinds (docs/formats/bundle.md)
GATES = ("errors", "uncertain", "latency", "budget", "heap", "battery")

Hex8 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Percent = Annotated[int, Field(ge=0, le=100)]
_SIZE = re.compile(r"^[1-9][0-9]{0,6}%?$")
_PAIR = re.compile(r"^[a-z_]{1,24}=[^\s=]{1,64}$")


class PlanError(FleetError):
    """A plan that cannot be carried out; the message says which part and what to change."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Release(_Frozen):
    """What kits are to run. `digest`: SHA-256 of the artefact, `bundle` of the signed file it travels in; `program`: of an
    application (kind 2), what bricks that run it report; what the host gets with it, as the last step of a kit: `host`, a release
    of the host OS service, and `host_release`, the envelope's SHA-256 of one that hosts install by themselves."""

    digest: Hex32
    bundle: Hex32
    rev: int = Field(ge=0, lt=1 << 32)
    length: int = Field(gt=0, lt=1 << 32)
    kind: int = Field(default=1, ge=1, le=255)
    program: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    hardware: Text = ""
    name: Text = ""
    host: Text = ""
    host_release: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def host_step(self) -> bool:
        """Whether the host has a step of its own after the bricks."""
        return bool(self.host or self.host_release)

    @property
    def host_digest(self) -> str:
        """What directives name as the host's release, "" for nothing: with bricks, or where the host alone gets something."""
        return self.bundle if self.kind == HOST else self.host_release

    @property
    def parts(self) -> frozenset[int]:
        """What of a kit it is about, as artefact kinds: two rollouts with a part in common are in each other's way."""
        return frozenset((self.kind, HOST)) if self.host_step else frozenset((self.kind,))


class Wave(_Frozen):
    """One wave. Of the whole rollout `size` is cumulative: "5" or "25%" of all its kits are in once this wave began. With
    `kits` or `query` the wave takes those, or `size` of those. Times in seconds."""

    size: str = ""
    kits: tuple[Hex8, ...] = Field(default=(), max_length=MAX_LISTED)
    query: Annotated[str, Field(max_length=256)] = ""
    soak_s: int = Field(default=3_600, ge=0, le=2_592_000)
    deadline_s: int = Field(default=86_400, ge=60, le=7_776_000)
    min_sample: int = Field(default=1, ge=1)
    coverage_percent: Percent = 0

    @field_validator("size")
    @classmethod
    def _size(cls, size: str) -> str:
        if size and (not _SIZE.match(size) or (size.endswith("%") and int(size[:-1]) > 100)):
            raise ValueError(
                f'{size!r} is no size: expected a number of kits such as "5", or a part such as "25%"'
            )
        return size

    @field_validator("query")
    @classmethod
    def _query(cls, query: str) -> str:
        for pair in query.split():
            if not _PAIR.match(pair):
                raise ValueError(f'{pair!r} is no condition: expected name=value, such as "hub=north"')
        return query

    @model_validator(mode="after")
    def _selects(self) -> Wave:
        if not (self.size or self.kits or self.query):
            raise ValueError("a wave needs a size, a list of kits or a query: an empty wave is no success")
        if self.kits and self.query:
            raise ValueError("a wave takes a list of kits or a query, not both")
        return self


class Limits(_Frozen):
    """What stops a rollout, over kits that reported: those that failed, refused or ran out of time; absent kits never count.

    `failures`: so many halt; `failure_percent`: more of the reported halt, from a wave's `min_sample` on;
    `success_percent`: fewer pause; `reach_s`: a kit that was not seen for so long is away, and an order that is not taken in
    this time is taken back; `kit_deadline_s`: for each step of a kit; `host_deadline_s`: for that of a host that installs by
    itself, which waits for a quiet moment; `quorum_percent` of a kit's bricks make it good."""

    in_flight: int = Field(default=50, ge=1, le=100_000)
    failures: int = Field(default=3, ge=1)
    failure_percent: Percent = 5
    success_percent: Percent = 95
    reach_s: int = Field(default=300, ge=10, le=86_400)
    kit_deadline_s: int = Field(default=1_800, ge=10, le=604_800)
    host_deadline_s: int = Field(default=86_400, ge=10, le=2_592_000)
    gate_deadline_s: int = Field(default=7_200, ge=0, le=2_592_000)
    attempts: int = Field(default=2, ge=1, le=10)
    quorum_percent: Percent = 75


class Gate(_Frozen):
    """A figure after the release against the same figure before. `worse` is what it may worsen by, in the gate's unit, `worst`
    what it may never pass; `passes` and `fails` in a row make a verdict; more than `flips` changes in a wave make none."""

    name: Literal["errors", "uncertain", "latency", "budget", "heap", "battery"]
    worse: int = Field(ge=0)
    worst: int | None = None
    min_sample: int = Field(default=20, ge=1)
    passes: int = Field(default=2, ge=1, le=20)
    fails: int = Field(default=1, ge=1, le=20)
    flips: int = Field(default=6, ge=2, le=100)


class Replay(_Frozen):
    """Gate 0: what the replay over recorded events may show. Flipped decisions in parts of 10,000, money in minor units."""

    flipped_bps: int = Field(default=10_000, ge=0, le=10_000)
    more_minor: int | None = Field(default=None, ge=0)
    less_minor: int | None = Field(default=None, ge=0)
    uncertain_bps: int = Field(default=100, ge=0, le=10_000)
    min_events: int = Field(default=1, ge=1)


class Shadow(_Frozen):
    """The step before the first wave: canary bricks try the release beside what they run for so long, and nothing acts by it.
    What may come out in parts of 10,000 events: other lights or grants, and more uncertain ones."""

    seconds: int = Field(ge=60, le=604_800)
    flipped_bps: int = Field(default=500, ge=0, le=10_000)
    uncertain_bps: int = Field(default=100, ge=0, le=10_000)
    min_events: int = Field(default=20, ge=1)


class Plan(_Frozen):
    """The whole. `rollback`: what kits go back to: a digest in the author-signed fallback of the release's own bundle, or a
    release signed anew; `auto_rollback`: after a halt by itself. `security_critical` reaches rented kits, too."""

    name: Text
    release: Release
    waves: tuple[Wave, ...] = Field(min_length=1, max_length=MAX_WAVES)
    limits: Limits = Limits()
    gates: tuple[Gate, ...] = ()
    replay: Replay | None = None
    shadow: Shadow | None = None
    rollback: Release | None = None
    auto_rollback: bool = True
    security_critical: bool = False
    follow: bool = False  # once it is complete, newer rules of the folder take over

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        names = [gate.name for gate in self.gates]
        if len(set(names)) != len(names):
            raise ValueError("a gate is named twice")
        if self.rollback is not None and self.rollback.digest == self.release.digest:
            raise ValueError(
                "the rollback's release is the one that is rolled out: name what kits go back to"
            )
        both = [self.release] if self.rollback is None else [self.release, self.rollback]
        if any(one.kind == APPLICATION and not one.program for one in both):
            raise ValueError("an application without what bricks report of it: nothing would ever prove it")
        if len({one.kind for one in both}) > 1:
            raise ValueError("kits go back to a release of the same kind: rules to rules, an application to an application")
        if any(one.kind == HOST and one.host_step for one in both):
            raise ValueError("a rollout of the host alone has no other host's release beside it")
        if self.release.host_digest and self.rollback and self.rollback.host_digest == self.release.host_digest:
            raise ValueError("the host would go back to the release that it gets")
        listed = [kit for wave in self.waves for kit in wave.kits]
        if len(set(listed)) != len(listed):
            raise ValueError("a kit is listed twice")
        return self


def read(data: str | bytes) -> Plan:
    """A plan from JSON. Raises PlanError."""
    if len(data) > 4 << 20:
        raise PlanError("a plan has at most 4 MiB")
    try:
        return Plan.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the plan"
        raise PlanError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
