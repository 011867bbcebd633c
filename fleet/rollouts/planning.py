"""Making a plan from what an admin has at hand: a bundle, a few sizes, limits; kits and bricks as they are now."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from fleet import enrolled, packs
from fleet.config import Config
from fleet.core import FormatError, reg
from fleet.desired import folder, rows
from fleet.hostos.model import RELEASE
from fleet.rollouts.gates import Replayed
from fleet.rollouts.plan import GATES, Gate, Plan, PlanError, Release, Shadow, Wave

OF_PROGRAMS = ("errors", "uncertain")  # gates that compare bricks with themselves, whatever their rules
_TIME = re.compile(r"^(\d{1,6})(s|min|h|d)$")
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
MAX_BUNDLE = 4 << 20
Fleet = dict[str, tuple[dict[str, str], list[str]]]  # kit → its facts for queries, and its bricks
SAMPLES = {"battery": 1, "heap": 1, "latency": 50}  # that a gate asks for where it is not 20
# What a gate may worsen by where nothing is said: parts of 10,000, percent of a pack, ms, kB
WORSE = {"errors": 50, "uncertain": 200, "battery": 15, "latency": 50, "budget": 500, "heap": 8}


@dataclass(slots=True)
class Draft:
    """A plan with what belongs to it. `notes`: what an admin should know before the start."""

    plan: Plan
    bundles: list[folder.Release]
    notes: list[str] = field(default_factory=list[str])


def seconds(text: str) -> int:
    """ "90s", "15min", "2h", "1d". Raises PlanError."""
    found = _TIME.match(text.strip())
    if found is None:
        raise PlanError(f'{text!r} is no time: expected a number with s, min, h or d, such as "2h"')
    return int(found[1]) * _SECONDS[found[2]]


def read_bundle(path: Path) -> folder.Release:
    """A bundle file. Raises PlanError."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_BUNDLE:
            raise PlanError(f"{path} has {len(data)} bytes: more than a bundle may have")
        return folder.read(data)
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}") from None
    except FormatError as error:
        raise PlanError(
            f"{path} is no bundle: {error}. `stallmark rules compile --sign` makes one of rules, `stallmark fleet release "
            "application` one of programs"
        ) from None


def chosen(rules: Path | None, application: Path | None) -> tuple[Path, folder.Release]:
    """The one bundle that bricks get by a plan. Raises PlanError."""
    if (rules is None) == (application is None):
        raise PlanError(
            "name one release: --bundle FILE for rules, or --application FILE for the bricks' programs; --host-release FILE goes"
            " beside it, or alone"
        )
    path = rules or application
    assert path is not None
    found = read_bundle(path)
    if found.kind == reg.ARTEFACT_HOST:
        raise PlanError(f"{path} carries a host's release: name it with --host-release")
    if (found.kind == reg.ARTEFACT_APPLICATION) != (application is not None):
        wanted = "--application" if found.kind == reg.ARTEFACT_APPLICATION else "--bundle"
        raise PlanError(f"{path} carries {'programs' if wanted == '--application' else 'rules'}: name it with {wanted}")
    return path, found


def shadow(text: str, flipped: int) -> Shadow:
    """ "30" (minutes) or "2h": for how long canary bricks try it before the first wave. Raises PlanError."""
    time = seconds(f"{text}min" if text.isdecimal() else text)
    if not 60 <= time <= 604_800:
        raise PlanError(f"--shadow {text}: between a minute and a week")
    return Shadow(seconds=time, flipped_bps=flipped)


def fits(new: folder.Release, gates: Sequence[str], events: Path | None, tried: str | None = None) -> None:
    """Whether what is asked for can be measured of this release. Raises PlanError."""
    if new.kind == reg.ARTEFACT_HOST and (gates or events or tried):
        raise PlanError("gates, --events and --shadow look at bricks: a release of the host alone goes without them")
    if new.kind != reg.ARTEFACT_APPLICATION:
        return
    if tried is not None:
        raise PlanError("the shadow compares decisions by rules: programs have none. Leave --shadow out")
    if events is not None:
        raise PlanError("gate 0 replays events by rules: programs have no replay. Leave --events out")
    for one in gates:
        if (name := one.partition(":")[0]) not in OF_PROGRAMS:
            raise PlanError(f"gate {name} compares rules with rules: for programs there are {', '.join(OF_PROGRAMS)}")


def release_of(bundle: folder.Release, host: str = "", own: folder.Release | None = None) -> Release:
    """As a plan names it; beside it `host`, a release of the host OS service, and `own`, one that hosts install by themselves.
    Raises PlanError where `host` is none that the service can be told."""
    if host and not RELEASE.fullmatch(host):
        raise PlanError("a host's release is named by its commit in full, or id:NUMBER")
    program = ""
    if bundle.kind == reg.ARTEFACT_APPLICATION:
        try:
            program = packs.digest(bundle.data).hex()
        except FormatError as wrong:
            raise PlanError(f"{bundle.name}: {wrong}") from None
    return Release(
        digest=bundle.artefact.hex(), bundle=bundle.digest.hex(), rev=bundle.rev, length=bundle.length, kind=bundle.kind,
        program=program, name=bundle.name, host=host, host_release="" if own is None else own.digest.hex(),
    )  # fmt: skip


def waves(
    sizes: str, soak_s: int, deadline_s: int, min_sample: int | None, total: int, query: str = ""
) -> tuple[Wave, ...]:
    """ "1,25%,100%": cumulative sizes. Where nothing is said, reports of a third of a wave are asked for, 20 at most; `query`
    chooses the first wave's kits."""
    made: list[Wave] = []
    before = 0
    for text in sizes.split(","):
        size = text.strip()
        wave = _wave(size, soak_s, deadline_s, query if not made else "")
        until = -(-total * int(size[:-1]) // 100) if size.endswith("%") else int(size)
        own = max(1, min(total, until) - before)
        before = max(before, min(total, until))
        sample = min(own, max(1, min(20, -(-own // 3)))) if min_sample is None else min(own, min_sample)
        made.append(wave.model_copy(update={"min_sample": sample}))
    return tuple(made)


def gate(text: str) -> Gate:
    """ "uncertain", "uncertain:200" (by how much it may worsen) or "latency:50:200" (and what it may never pass). Raises
    PlanError."""
    name, *numbers = text.split(":")
    if name not in GATES:
        raise PlanError(f"gate {name!r}: there are {', '.join(GATES)}")
    if len(numbers) > 2 or not all(one.isdecimal() and len(one) < 10 for one in numbers):
        raise PlanError(f"gate {text!r}: after the name go by how much it may worsen and its worst, whole numbers")
    made: dict[str, Any] = {"name": name, "worse": int(numbers[0]) if numbers else WORSE[name]}
    worst = int(numbers[1]) if len(numbers) > 1 else None
    return Gate(**made, worst=worst, min_sample=SAMPLES.get(name, 20))


def fleet_now(connection: Connection, config: Config) -> Fleet:
    """Kit → its facts for queries, and its bricks that boot by themselves and are not revoked."""
    config = enrolled.merged(connection, config)
    ended = enrolled.revoked(enrolled.every(connection).items())
    bricks: dict[bytes, list[str]] = {}
    for one in config.bricks:
        if one.brick not in ended and not one.lane:
            bricks.setdefault(one.kit, []).append(one.brick.hex())
    return {
        one.kit.hex(): ({"name": one.name.replace(" ", "-"), "kit": one.kit.hex()}, bricks.get(one.kit, []))
        for one in config.kits
    }


def running_now(connection: Connection, kind: int) -> tuple[bytes, bytes] | None:
    """(envelope, artefact) that most kits' directives name for this kind of artefact; where none names one, as after a halt,
    what most bricks proved to run and a directive once named."""
    found: Counter[tuple[bytes, bytes]] = Counter()
    for head in rows.heads(connection):
        found.update({(item.bundle, item.artefact) for item in head.order.items if item.kind == kind})
    if not found:
        once = [item for order in rows.remembered(connection) for item in order.items if item.kind == kind]
        program = kind == reg.ARTEFACT_APPLICATION
        said = rows.programs(connection, {item.artefact for item in once}) if program else {}
        proved = Counter(boot.program if program else boot.ruleset for boot in rows.boots(connection).values())
        for item in once:
            if (runs := said.get(item.artefact) if program else item.artefact) in proved:
                found[item.bundle, item.artefact] = proved[runs]
    if not found:
        return None
    ((envelope, artefact), _) = found.most_common(1)[0]
    data = rows.target(connection, envelope), rows.target(connection, artefact)
    return None if data[0] is None or data[1] is None else (data[0], data[1])


def way_back(
    connection: Connection, new: folder.Release, chosen: Path | None, notes: list[str]
) -> folder.Release | None:
    """What kits go back to: a bundle that is named, or what they run now, where the new one's authors signed it as fallback."""
    if chosen is not None:
        old = read_bundle(chosen)
        if old.kind != new.kind:
            raise PlanError(f"{chosen} is of another kind than the release: rules go back to rules, programs to programs")
    else:
        known = running_now(connection, new.kind)
        if known is None:
            notes.append("No way back: nobody knows what kits run now. Name a bundle with --back-to.")
            return None
        old = folder.read(folder.bundle.join(*known))
    if old.artefact == new.artefact:
        notes.append("No way back: kits run this very release already.")
        return None
    if old.artefact not in new.fallback and old.rev <= new.rev:
        notes.append(
            f"No way back: the new bundle's authors did not sign {old.name or 'the old one'} as its fallback, and its revision"
            f" {old.rev} is not above {new.rev}: bricks would refuse it. A halt stops the release, and nothing more."
        )
        return None
    return old


def replay_files(connection: Connection, old: folder.Release | None, new: Path, events: Path) -> Replayed:
    """Gate 0 over recorded events. Raises PlanError."""
    from fleet.rollouts.gatezero import replayed

    if old is None:
        known = running_now(connection, 1)
        if known is None:
            raise PlanError("gate 0 needs what kits run now: name its bundle with --back-to")
        old = folder.read(folder.bundle.join(*known))
    with tempfile.TemporaryDirectory() as name:
        before = Path(name) / "now.smbundle"
        before.write_bytes(folder.bundle.join(old.envelope, old.data))
        return replayed(before, new, events)


def _wave(size: str, soak_s: int, deadline_s: int, query: str) -> Wave:
    from pydantic import ValidationError

    try:
        return Wave(size=size, soak_s=soak_s, deadline_s=deadline_s, query=query)
    except ValidationError as error:
        raise PlanError(f"--waves {size}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
