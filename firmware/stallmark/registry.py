"""Every number of docs/formats/registry.md, with words. Numbers are never reused. Not for bricks: stallmark.numbers."""

from stallmark.constant import const
from stallmark.numbers import *  # noqa: F403  (here is everything, those of bricks included)

# Event types that bricks do not take in themselves
EVENT_TILL_SALE = const(3)
EVENT_WEARABLE_PING = const(4)
EVENT_GEOFENCE_ENTRY = const(5)
EVENT_FOOTFALL_COUNT = const(6)
EVENT_SOCIAL_MENTION = const(7)
EVENT_SHARE = const(8)
EVENT_REVIEW = const(9)
EVENT_REFERRAL_CLAIM = const(10)
EVENT_COMMITMENT = const(11)
EVENT_ATTENDANCE_SCAN = const(12)
EVENT_RSVP = const(13)
EVENT_PRE_ORDER_PICKUP = const(14)
EVENT_TIP = const(15)
EVENT_POSTER_QR = const(16)
EVENT_REFUND = const(17)
EVENT_VOID = const(18)
EVENT_OPERATOR_ENTRY = const(19)
EVENT_SELF_TEST = const(20)

# Time basis of a receipt
BASIS_BRICK = const(1)
BASIS_UPTIME = const(2)
BASIS_RECEIVED = const(3)

# Leaf types
LEAF_RECEIPT = const(1)
LEAF_BATCH = const(2)
LEAF_WINDOW = const(3)
LEAF_KEY_EVENT = const(4)
LEAF_RIGHTS = const(5)
LEAF_DISCLOSURE = const(6)
LEAF_ERASURE = const(7)
LEAF_FINDING = const(8)

# Finding codes
FINDING_MAC_WRONG = const(1)
FINDING_CHAIN_BROKEN = const(2)
FINDING_GAP = const(3)
FINDING_EQUIVOCATION = const(4)
FINDING_SLICE_TWICE = const(5)
FINDING_UNKNOWN_BRICK = const(6)
FINDING_EPOCH_ORDER = const(7)
FINDING_UNREADABLE = const(8)
FINDING_SLICE_OVERSPENT = const(9)
FINDING_SLICE_FOREIGN = const(10)
FINDING_VOUCHER_TWICE = const(11)
FINDING_RESERVE = const(12)

# AEAD algorithms
AEAD_XCHACHA = const(1)

# Bundle artefacts that no brick installs yet
ARTEFACT_APPLICATION = const(2)
ARTEFACT_INTERPRETER = const(3)
ARTEFACT_HOST = const(4)

# Install results that bricks know by number alone (stallmark.trust, brick.directing)
INSTALL_EQUIVOCATION = const(12)
INSTALL_OTHER_KIT = const(13)
INSTALL_OTHER_RENTAL = const(14)
INSTALL_NEWER_FORM = const(15)
INSTALL_ROOT_STEP = const(16)
INSTALL_ROOT_WANTED = const(17)
INSTALL_ROOT_EXPIRED = const(18)
INSTALL_NOT_NAMED = const(19)
INSTALL_HALTED = const(20)
INSTALL_NOT_FIRST_ROOT = const(21)
INSTALL_NAMED_TWICE = const(22)
INSTALL_NO_TRUST_STORE = const(23)
INSTALL_MANY_ROOTS = const(24)

INSTALL_RETURNED = const(25)
INSTALL_NO_SLOTS = const(26)
INSTALL_ON_TRIAL = const(27)

# Results of an order to step to another rental (stallmark.rental)
STEP_DONE = const(28)
STEP_TAG = const(29)
STEP_OTHER = const(30)
STEP_LINK_EPOCH = const(31)

# Messages of rentals
MSG_STEPPED = const(13)
MSG_STEP = const(52)

# Messages of rules in the shadow
MSG_SHADOWED = const(16)
MSG_SHADOW = const(53)

# Messages of slots
MSG_SLOTS = const(14)
MSG_HOLD = const(55)

# Why an application gave its slot up
RETURN_NAMES = (
    (1, "start-ups failed"),
    (2, "too many starts"),
    (3, "damaged"),
    (4, "the reader no longer worked"),
    (5, "the scanner no longer worked"),
    (6, "no host was seen"),
    (7, "the rules could not be read"),
    (8, "decided other than the rules' authors expect"),
)
# Why an application waits
HOLD_NAMES = (
    (1, "customers are there"),
    (2, "the battery is low"),
    (3, "a question is open"),
    (4, "the host holds it"),
)

# What a message of trust (50) carries
TRUST_ROOT = const(1)
TRUST_DIRECTIVE = const(2)

# Key roles
ROLE_HOST = const(1)
ROLE_CHECKPOINT = const(2)
ROLE_AUTHOR = const(3)
ROLE_DIRECTOR = const(4)
ROLE_WITNESS = const(5)
ROLE_BRICK = const(6)

# Key actions
ACTION_ADD = const(1)
ACTION_ROTATE = const(2)
ACTION_REVOKE = const(3)

# Words for screens and answers: number and name, in order of number.
KIND_NAMES = (
    (0, "start"),
    (1, "grant"),
    (2, "deny"),
    (3, "ghost"),
    (4, "redeem"),
    (5, "void"),
    (6, "refund"),
    (8, "heartbeat"),
    (9, "latch"),
    (10, "rights"),
    (11, "outage"),
    (12, "collective"),
    (13, "close"),
    (14, "uncertain"),
    (15, "reserve"),
    (16, "release"),
    (17, "boot"),
    (18, "clock"),
    (19, "annotate"),
    (20, "lost"),
    (21, "rental"),
    (22, "parameters"),
)
EVENT_NAMES = (
    (0, "none"),
    (1, "NFC tap"),
    (2, "QR scan"),
    (3, "till sale"),
    (4, "wearable ping"),
    (5, "geofence entry"),
    (6, "footfall count"),
    (7, "social mention"),
    (8, "share"),
    (9, "review"),
    (10, "referral claim"),
    (11, "commitment"),
    (12, "attendance scan"),
    (13, "RSVP"),
    (14, "pre-order pickup"),
    (15, "tip"),
    (16, "poster QR"),
    (17, "refund"),
    (18, "void"),
    (19, "operator entry"),
    (20, "self-test"),
)
TRUST_NAMES = (
    (0, "anonymous"),
    (1, "text"),
    (2, "bare"),
    (3, "issued"),
    (4, "voucher"),
    (5, "SDM"),
    (6, "live"),
    (7, "staff"),
)
GRANT_NAMES = (
    (1, "percent now"),
    (2, "fixed now"),
    (3, "percent next"),
    (4, "fixed next"),
    (5, "sample"),
    (6, "upgrade"),
    (7, "tip match"),
    (8, "tokens"),
    (9, "voucher"),
    (10, "unlock"),
    (11, "donation"),
    (12, "split"),
)
REASON_NAMES = (
    (1, "granted"),
    (2, "near"),
    (3, "already had"),
    (4, "budget used up"),
    (5, "stock used up"),
    (6, "outside slot"),
    (7, "token kind"),
    (8, "no rule"),
    (9, "clock unset"),
    (10, "stale"),
    (11, "journal full"),
    (12, "control arm"),
    (13, "no ruleset"),
    (14, "halted"),
    (15, "no rights yet"),
    (16, "too many people"),
    (17, "exposure limit"),
    (18, "ask host"),
    (19, "basket small"),
    (20, "condition"),
    (21, "latch"),
    (22, "ruleset expired"),
    (23, "answered by a person"),
    (24, "revoked"),
    (25, "cap reached"),
    (26, "voucher spent"),
    (27, "voucher expired"),
    (28, "voucher for elsewhere"),
    (29, "no true voucher"),
    (30, "other arm"),
    (31, "refused by the host"),
    (32, "reversed"),
    (33, "tag counter not new"),
    (40, "unusual"),
    (45, "battery low"),
)
LEAF_NAMES = (
    (1, "receipt"),
    (2, "batch"),
    (3, "window"),
    (4, "key event"),
    (5, "rights"),
    (6, "disclosure"),
    (7, "erasure"),
    (8, "finding"),
)
FINDING_NAMES = (
    (1, "MAC wrong"),
    (2, "chain broken"),
    (3, "gap"),
    (4, "equivocation"),
    (5, "slice twice"),
    (6, "unknown brick"),
    (7, "epoch order"),
    (8, "unreadable"),
    (9, "slice overspent"),
    (10, "slice not of this kit or never minted"),
    (11, "voucher paid twice"),
    (12, "release or commit without its reserve"),
)
QUALITY_NAMES = (
    (0, "unset"),
    (1, "held"),
    (2, "host"),
    (3, "controller"),
)
INSTALL_NAMES = (
    (1, "ok"),
    (2, "already"),
    (3, "threshold"),
    (4, "older"),
    (5, "digest"),
    (6, "too large"),
    (7, "hardware"),
    (8, "expired"),
    (9, "vector"),
    (10, "unreadable"),
    (11, "flash"),
    (12, "equivocation"),
    (13, "other kit"),
    (14, "other rental"),
    (15, "newer form"),
    (16, "root skips a step"),
    (17, "root wanted"),
    (18, "root expired"),
    (19, "not named"),
    (20, "halted"),
    (21, "not the first root"),
    (22, "named twice"),
    (23, "no trust store"),
    (24, "too many roots"),
    (25, "went back"),
    (26, "not run from a slot"),
    (27, "on trial"),
)
# The same for people, after "refused: ".
INSTALL_WORDS = {
    1: "installed",
    2: "already installed",
    3: "not enough good signatures",
    4: "older than what is installed, and no fallback of it",
    5: "arrived damaged",
    6: "too large",
    7: "for other hardware",
    8: "expired",
    9: "decided other than its authors expect",
    10: "unreadable",
    11: "the brick's flash failed",
    12: "another of this number came before it, with other content: two were signed",
    13: "ordered for another kit",
    14: "ordered for another rental",
    15: "newer than this program",
    16: "a root between is missing",
    17: "a root that is still to come is wanted first",
    18: "the root that names its director is over, or it was signed after the end of that root",
    19: "not what the director ordered for this brick",
    20: "stopped by the director",
    21: "not the root that this brick was promised",
    22: "names a brick twice",
    23: "this brick was flashed before there was a place for roots",
    24: "too many roots at once",
    25: "tried, and went back",
    26: "this brick's programs do not run from a slot",
    27: "another application is on trial",
}


def name(names, number):
    """The word for a number of one of the tables above, or a plain statement that it is newer."""
    for known, word in names:
        if known == number:
            return word
    return "newer than this program ({})".format(number)
