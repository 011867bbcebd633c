"""What a host says of its kit: bounded, typed, and the host's word alone. docs/desired-state.md, *Status*"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleet.errors import Refused

MAX_BODY = 32_768
MAX_BRICKS = 64
Instant = Field(default=None, ge=0, le=1 << 53)
Hex8 = Field(pattern="^[0-9a-f]{16}$")
Hex32 = Field(default=None, pattern="^[0-9a-f]{64}$")
Tag = Field(default=None, max_length=80)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Trouble(_Part):
    """What does not go on: a code of docs/desired-state.md, words, and since when (market ms)."""

    code: str = Field(pattern="^[a-z][a-z0-9-]{0,39}$")
    text: str = Field(max_length=200)
    since_ms: int | None = Instant


class FiguresSaid(_Part):
    """What one diagnostics message of a brick says of its start-up and rules (8 bytes of their digest): `lights`, how many came
    within each of 16 times (docs/formats/link.md, message 6); bytes of heap that are free, and the largest block of it."""

    boot: int = Field(ge=0, le=0xFFFFFFFF)
    ruleset: str = Hex8
    lights: list[Annotated[int, Field(ge=0, le=0xFFFFFFFF)]] = Field(min_length=16, max_length=16)
    free: int | None = Field(default=None, ge=0, le=1 << 40)
    block: int | None = Field(default=None, ge=0, le=1 << 40)


class ApplicationSaid(_Part):
    """A brick's programs where they lie in slots: `state` of what runs; how the last installation of `bundle` ended, since
    when; of one that comes, the bytes that are `there` of the `whole`, and why it `waits`."""

    state: Literal["", "steady", "trial"] = ""
    result: int | None = Field(default=None, ge=0, le=255)
    bundle: str | None = Field(default=None, pattern="^[0-9a-f]{16}$")
    text: str = Field(default="", max_length=200)
    ms: int | None = Instant
    there: int = Field(default=0, ge=0, le=0xFFFFFFFF)
    whole: int = Field(default=0, ge=0, le=0xFFFFFFFF)
    waits: str = Field(default="", max_length=80)
    waits_ms: int | None = Instant


class ShadowSaid(_Part):
    """What a brick says of rules that it tries, in its own bytes: docs/formats/shadow.md."""

    summary: str = Field(pattern="^([0-9a-f]{2}){1,440}$")
    tag: str = Field(pattern="^[0-9a-f]{32}$")


class BrickSaid(_Part):
    """One brick as the host knows it. `left`: what slices at it can still spend by its own last word, by slice number.
    `result`: how its last installation ended (install results of the registry)."""

    brick: str = Hex8
    name: str = Field(default="", max_length=64)
    connected: bool = False
    heard_ms: int | None = Instant
    ruleset: str | None = Hex32
    program: str | None = Hex32
    boot_seq: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)
    result: int | None = Field(default=None, ge=0, le=255)
    result_bundle: str | None = Field(default=None, pattern="^[0-9a-f]{16}$")
    result_text: str = Field(default="", max_length=200)
    result_ms: int | None = Instant
    application: ApplicationSaid | None = None
    figures: FiguresSaid | None = None
    shadow: ShadowSaid | None = None
    battery: int | None = Field(default=None, ge=0, le=100)
    last_seq: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)  # the newest record that it says it wrote
    left: list[tuple[int, int]] = Field(default=[], max_length=64)


class ReturnedSaid(_Part):
    """A release of the host that was tried and given up; `order`: number of the directive under which it was."""

    release: str = Field(pattern="^[0-9a-f]{64}$")
    why: str = Field(default="", max_length=200)
    at_ms: int | None = Instant
    order: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)


class HostSaid(_Part):
    """What the host runs itself: `release` by its digest, None for what was installed there by hand or by its host OS;
    `installs`: whether it can install one by itself; `result`: install result 4 where it refuses `wanted` as older."""

    release: str | None = Hex32
    version: str = Field(default="", max_length=64)
    wanted: str | None = Field(default=None, max_length=64)
    phase: Literal["steady", "fetched", "trial"] = "steady"
    since_ms: int | None = Instant
    installs: bool = False
    trouble: str = Field(default="", max_length=400)
    waits: str = Field(default="", max_length=80)
    waits_ms: int | None = Instant
    result: int | None = Field(default=None, ge=0, le=255)
    returned: ReturnedSaid | None = None


class Report(_Part):
    """The whole of it."""

    etag: str | None = Tag  # of the newest directive that the host has on its disk
    number: int | None = Field(default=None, ge=0, le=0xFFFFFFFF)
    active: str | None = Tag  # of the newest that all its bricks run
    last_request_ms: int | None = Instant
    last_success_ms: int | None = Instant
    last_download_ms: int | None = Instant
    last_activation_ms: int | None = Instant
    halted: bool = False
    trouble: Trouble | None = None
    holds: list[Trouble] = Field(default=[], max_length=16)
    bricks: list[BrickSaid] = Field(default=[], max_length=MAX_BRICKS)
    release: str = Field(default="", max_length=64)
    host: HostSaid | None = None
    newest: str | None = Field(
        default=None, max_length=6000
    )  # base64 of a newer directive than it is offered


@dataclass(frozen=True, slots=True)
class Said:
    """A report as it came, of a kit by its host. `newest`: the newer directive that the host showed."""

    kit: bytes
    host: bytes
    report: Report
    newest: bytes | None = None


def read(data: bytes) -> Report:
    """Raises Refused 422 with the first thing that is wrong."""
    try:
        return Report.model_validate_json(data)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(422, f"status report: {place or 'the body'}: {first['msg']}") from None


def newest(report: Report) -> bytes | None:
    """The directive that a host presents because it is newer than what it was offered. Raises Refused 422."""
    if report.newest is None:
        return None
    try:
        return base64.b64decode(report.newest, validate=True)
    except (ValueError, binascii.Error):
        raise Refused(422, "status report: newest: expected base64") from None
