"""Why a kit's host does not run the release that its directive names. All of it is the host's word."""

from __future__ import annotations

import re

from fleet.core import reg
from fleet.desired.facts import Facts
from fleet.desired.reason import Reason

DIGEST = re.compile(r"[0-9a-f]{64}")  # what hosts install by themselves; other names are the host OS service's


def reasons(facts: Facts) -> list[Reason]:
    """At most one."""
    head, said = facts.head, facts.report
    wanted = None if head is None else head.order.host_release
    if head is None or wanted is None or facts.halted or not DIGEST.fullmatch(wanted):
        return []
    name = f"release {wanted[:8]}"
    host = None if said is None else said.host
    if host is None:
        return [Reason("host-release", f"its host is to run {name}: it has not said what it runs", head.made_ms)]
    if host.release == wanted:
        if host.phase == "trial":
            return [Reason("host-release", f"its host has {name} on trial", host.since_ms)]
        return []
    if host.returned is not None and host.returned.release == wanted:
        return [Reason("host-release", f"its host tried {name} and went back: {host.returned.why}", host.returned.at_ms)]
    if not host.installs:
        do = "start it with `stallmark host run --releases FOLDER`, or install it there"
        return [Reason("host-release", f"its host does not install {name} by itself", head.made_ms, do=do)]
    if host.result == reg.INSTALL_OLDER:
        do = "let its authors sign it with a higher revision, or name it as fallback of the next one"
        return [Reason("host-release", f"its host refuses {name}: {host.trouble}", facts.report_ms, do=do)]
    if host.trouble:
        return [Reason("host-release", f"its host could not install {name}: {host.trouble}", facts.report_ms)]
    if host.waits:
        return [Reason("host-release", f"its host has {name}, which waits: {host.waits}", host.waits_ms)]
    return [Reason("host-release", f"its host has not taken up {name} yet", head.made_ms)]
