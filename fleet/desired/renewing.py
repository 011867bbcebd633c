"""What the rules folder and the calendar ask for: rules that changed, directives that grow old or are by another director."""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from dataclasses import replace

from fleet.config import Config, Kit
from fleet.desired import folder, rows, wishes
from fleet.desired.folder import Release, RulesFolder
from fleet.desired.rows import Head
from fleet.desired.wishes import LIFE_MS, Wish

RENEW_MS = 3 * 86_400_000  # after so long it is made anew, so that a kit that leaves has eleven days or more
SPREAD = 0.1  # part of that by which renewals of kits are apart


def wanted(
    config: Config,
    ended: Container[bytes],
    heads: dict[bytes, Head],
    foreign: set[bytes],
    rules: RulesFolder,
    keep: Callable[[Release], None],
    now_ms: int,
) -> list[Wish]:
    """A wish for each kit of the configuration that needs another directive. `ended`: bricks that were revoked; `foreign`: kits
    whose directive another director signed; `keep(release)`: called once for each bundle that is new."""
    bricks: dict[bytes, list[bytes]] = {}
    for one in config.bricks:
        if one.brick not in ended:
            bricks.setdefault(one.kit, []).append(one.brick)
    made: list[Wish] = []
    kept: set[bytes] = set()
    for kit in config.kits:
        head = heads.get(kit.kit)
        found = _by_folder(kit, head, bricks.get(kit.kit, []), rules)
        if found is not None:
            wish, release = found
            if release.digest not in kept:
                kept.add(release.digest)
                keep(release)
        elif head is not None and (again := _again(head, head.kit in foreign, now_ms)) is not None:
            wish = again
        else:
            continue
        made.append(replace(wish, instead_of=0 if head is None else head.number))
    return made


def _again(head: Head, foreign: bool, now_ms: int) -> Wish | None:
    """The same once more, where it grows old, or its director's key is no longer this controller's."""
    order, expires_ms = head.order, None
    if head.origin == rows.SET:
        expires_ms = order.expires_ms
        if not foreign or expires_ms <= now_ms:
            return None
    elif not foreign and not _old(head, now_ms):
        return None
    return Wish(head.kit, order.items, order.reason, expires_ms, order.flags, head.origin)


def _by_folder(
    kit: Kit, head: Head | None, bricks: list[bytes], rules: RulesFolder
) -> tuple[Wish, Release] | None:
    if head is not None and head.origin != rows.RULES:
        return None
    release = rules.of(kit.kit)
    if release is None:
        return None
    items = wishes.of_rules(head, release, bricks)
    if head is not None and head.order.items == items and head.order.rental == kit.rental:
        return None
    return Wish(kit.kit, items, folder.REASON, origin=rows.RULES), release


def _old(head: Head, now_ms: int) -> bool:
    """Whether it is time to make it anew; kits of one start do not all come at once."""
    late = random.Random(head.kit).random() * SPREAD * RENEW_MS
    return now_ms - head.made_ms >= RENEW_MS - late or now_ms < head.made_ms - LIFE_MS
