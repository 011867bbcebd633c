"""Open files: each host that waits is a connection here and one in the controller. Checked before anything begins, in words."""

from __future__ import annotations

import resource

from fleet.desired.waiting import MOST
from fleet.errors import FleetError
from fleet.server import CONNECTIONS, OWN_FILES
from fleet.simulate.place import WORK_AT_ONCE

MAX_KITS = min(MOST, CONNECTIONS - WORK_AT_ONCE)


class LiveError(FleetError):
    """The live simulation cannot run here, or could not go on; the message says why and what to do."""


def files_needed(kits: int) -> int:
    """Of this process, and as many of the controller's."""
    return kits + WORK_AT_ONCE + OWN_FILES


def make_room(kits: int) -> None:
    """Raises the soft limit where the hard one lets us; the controller inherits it. Raises LiveError."""
    if kits > MAX_KITS:
        raise LiveError(
            f"--live --kits {kits}: at one controller {MAX_KITS:,} hosts may wait at a time; without --live any number is played"
        )
    needed = files_needed(kits)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        fits = hard - files_needed(0)
        so = f", or --kits {fits}" if fits > 0 else ""
        raise LiveError(
            f"{kits:,} hosts need {needed:,} open files, in this process and in the controller's; this system allows {hard:,}."
            f" Raise it (`ulimit -n {needed}` as root, or `nofile` in /etc/security/limits.conf){so}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
