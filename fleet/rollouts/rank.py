"""Who is in which wave: kits by the hash of rollout and kit, cut at exact counts, so that waves only grow and luck moves on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from fleet.rollouts.plan import PlanError, Wave


def rank(rollout: str, things: Iterable[str]) -> list[str]:
    """Kits, or bricks of a kit, in this rollout's order: SHA-256 of "rollout|thing". Experiments use another salt."""
    return sorted(things, key=lambda thing: hashlib.sha256(f"{rollout}|{thing}".encode()).digest())


def membership(
    rollout: str, waves: tuple[Wave, ...], kits: Mapping[str, Mapping[str, str]]
) -> dict[str, int]:
    """Kit → index of its wave, in the order of waves and ranks. `kits`: facts of each, for queries.

    Kits that no wave takes are not in it. Raises PlanError for a wave without kits, or one too small for its sample."""
    left = rank(rollout, kits)
    taken: dict[str, int] = {}
    for index, wave in enumerate(waves):
        wanted = _selected(wave, left, kits, index)
        if wave.kits or wave.query:
            count = _count(wave.size, len(wanted)) if wave.size else len(wanted)
        else:
            count = _count(wave.size, len(kits)) - len(taken)
        chosen = wanted[: max(0, count)]
        if not chosen:
            raise PlanError(
                f"wave {index + 1} has no kits: an empty wave proves nothing. Change its size or who it takes"
            )
        if len(chosen) < wave.min_sample:
            raise PlanError(
                f"wave {index + 1} has {len(chosen)} kits and wants reports of {wave.min_sample}: it could never pass"
            )
        taken |= dict.fromkeys(chosen, index)
        left = [kit for kit in left if kit not in taken]
    return taken


def _selected(wave: Wave, left: list[str], kits: Mapping[str, Mapping[str, str]], index: int) -> list[str]:
    if wave.kits:
        for kit in wave.kits:
            if kit not in kits:
                raise PlanError(f"wave {index + 1} names kit {kit}, which is not in this fleet")
        named = set(wave.kits)
        return [kit for kit in left if kit in named]
    pairs = [pair.split("=", 1) for pair in wave.query.split()]
    return [kit for kit in left if all(kits[kit].get(name) == value for name, value in pairs)]


def _count(size: str, of: int) -> int:
    """Exact: a part is rounded up, so that every wave of a small fleet has somebody."""
    if size.endswith("%"):
        return -(-of * int(size[:-1]) // 100)
    return min(of, int(size))
