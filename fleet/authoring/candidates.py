"""A ruleset as people have it at hand: a campaign, compiled bytes, or a signed bundle; with the rights minted for it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from stallmark.errors import StallmarkError

from fleet.authoring.compile import check_campaign
from fleet.authoring.engine import FormatError, bundle, rules
from fleet.authoring.replay import Candidate, Share

MAX_FILE = 1_048_576


class CandidateError(StallmarkError):
    """A file that gives no ruleset; the message says what is wrong and what to do."""


def instant(text: str) -> int:
    """Milliseconds of "2026-10-03T09:00:00+02:00". Raises CandidateError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CandidateError(
            f'{text!r} is not a time with its offset from UTC, such as "2026-10-03T09:00:00+02:00"'
        )
    return int(found.timestamp()) * 1000


def read_candidate(path: Path, start_ms: int | None) -> Candidate:
    """The ruleset of a file; `start_ms`: the market's start, for campaigns. Rights are those that a campaign mints;
    compiled bytes do not say any, so theirs never run out. Raises CandidateError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CandidateError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise CandidateError(f"{path} has {len(data)} bytes: expected at most {MAX_FILE}")
    if data.lstrip()[:1] == b"{":
        return _campaign(path, data, start_ms)
    return _compiled(path, data)


def _campaign(path: Path, data: bytes, start_ms: int | None) -> Candidate:
    if start_ms is None:
        raise CandidateError(
            f"the stream does not say when its market began: name it with --start for {path}"
        )
    try:
        campaign = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CandidateError(f"{path} is not JSON: {error}") from None
    report = check_campaign(campaign, start_ms)
    if report.errors:
        more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
        raise CandidateError(
            f"{path}: {report.errors[0]}{more}; `stallmark rules check {path}` says everything"
        )
    rights = tuple(Share(one.rule, one.unit, one.slice, one.count) for one in report.rights)
    return Candidate(f"{report.id} revision {report.rev} ({path.name})", report.ruleset, rights)


def _compiled(path: Path, data: bytes) -> Candidate:
    try:
        if data[:2] == b"\0\0":  # a bundle begins with the length of its envelope
            data = bundle.split(data)[1]
        found = rules.Ruleset(data)
    except (FormatError, IndexError, ValueError) as error:
        raise CandidateError(f"{path} is no campaign, no ruleset and no bundle: {error}") from None
    return Candidate(f"{found.id} revision {found.rev} ({path.name})", data)
