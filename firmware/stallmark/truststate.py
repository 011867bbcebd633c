"""What a brick or host keeps of whom it trusts: one map, replaced whole. docs/formats/directive.md, *State*"""

from stallmark import form
from stallmark.constant import const

ALARM_DIRECTIVE = 1  # two directives of one number were seen
ALARM_ROOT = 2  # two roots of one version

# Fields of a state; 0 is its version, 1.
ROOT_VERSION = const(1)
ROOT_DIGEST = const(2)  # SHA-256 of the root's payload
FLOOR = const(3)  # ms: the latest `issued` of a root, never falls
ROOT_EXPIRES = const(4)
ROOTS = const(5)
ROOT_THRESHOLD = const(6)
DIRECTORS = const(7)
DIRECTOR_THRESHOLD = const(8)
AUTHORS = const(9)
AUTHOR_THRESHOLD = const(10)
SINCE = const(11)  # ms: directives issued before were by other directors
NUMBER = const(12)  # of the directive in force, 0: none
DIGEST = const(13)  # SHA-256 of its payload, or null
ISSUED = const(14)  # ms: the latest `issued` of a directive under these directors
EXPIRES = const(15)
FLAGS = const(16)
ITEMS = const(17)  # own ones: [[kind, artefact32, length, rev, hardware, bundle32] … ≤ 3]
RENTAL = const(18)
ALARM = const(19)

_HALTED = const(2)  # a flag of directives


def check_state(f):
    """The map of a state as it came from storage. Raises FormatError."""
    form.fields(f, "trust state", range(20))
    form.version1(f, "trust state")
    return f


class Me:
    """Who judges: `kit8`, `brick8` (None: a host, no item is its own), `rental`, `hardware` text,
    `installed` {artefact kind: (artefact digest32, rev, [fallback digest32 …])}."""

    def __init__(self, kit8, brick8, rental, hardware="", installed=None):
        self.kit8 = kit8
        self.brick8 = brick8
        self.rental = rental
        self.hardware = hardware
        self.installed = installed or {}


def named(fields, kind):
    """The own item of this artefact kind, or None."""
    for item in fields[ITEMS]:
        if item[0] == kind:
            return item
    return None


def summary(f):
    """What a brick says of a state: ((root version, digest8), directive number, its digest8 or None, flags)."""
    order8 = None if f[DIGEST] is None else f[DIGEST][:8]
    return (f[ROOT_VERSION], f[ROOT_DIGEST][:8]), f[NUMBER], order8, f[FLAGS]


def parties(f):
    """([(kind, digest8 of the envelope) …] ordered for this brick, [public key of a director …])."""
    return [(item[0], item[5][:8]) for item in f[ITEMS]], [public for _, public in f[DIRECTORS]]


def alarmed(old, bit):
    """The state with an alarm, or None where it is known already: written once, however often it is tried."""
    if old[ALARM] & bit:
        return None
    new = dict(old)
    new[ALARM] = old[ALARM] | bit
    return new


def with_root(old, f, digest):
    """The state under a new root. Other directors begin anew: what a thief of the keys before had counted up is void. A stop
    holds until one of them lifts it."""
    new = {
        0: 1,
        ROOT_VERSION: f[1],
        ROOT_DIGEST: digest,
        ROOT_EXPIRES: f[3],
        ROOTS: f[4],
        ROOT_THRESHOLD: f[5],
    }
    new[DIRECTORS], new[DIRECTOR_THRESHOLD], new[AUTHORS], new[AUTHOR_THRESHOLD] = f[6], f[7], f[8], f[9]
    new[FLOOR] = f[2] if old is None else max(old[FLOOR], f[2])
    if old is not None and _same_directors(old, f):
        for key in (SINCE, NUMBER, DIGEST, ISSUED, EXPIRES, FLAGS, ITEMS, RENTAL):
            new[key] = old[key]
        new[ALARM] = old[ALARM]
    else:
        new[SINCE] = 0 if old is None else f[2]
        for key in (NUMBER, ISSUED, EXPIRES, RENTAL, ALARM):
            new[key] = 0
        new[FLAGS] = 0 if old is None else old[FLAGS] & _HALTED
        new[DIGEST] = None
        new[ITEMS] = []
    return new


def _same_directors(old, f):
    before = set([public for _, public in old[DIRECTORS]])
    return before == set([public for _, public in f[6]]) and old[DIRECTOR_THRESHOLD] == f[7]
