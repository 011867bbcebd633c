"""Every number of docs/formats/registry.md. Numbers are never reused."""

from stallmark.constant import const

# Record kinds: the kind is the outcome
KIND_START = const(0)
KIND_GRANT = const(1)
KIND_DENY = const(2)
KIND_GHOST = const(3)
KIND_REDEEM = const(4)
KIND_VOID = const(5)
KIND_REFUND = const(6)
KIND_HEARTBEAT = const(8)
KIND_LATCH = const(9)
KIND_RIGHTS = const(10)
KIND_OUTAGE = const(11)
KIND_COLLECTIVE = const(12)
KIND_CLOSE = const(13)
KIND_UNCERTAIN = const(14)
KIND_RESERVE = const(15)
KIND_RELEASE = const(16)
KIND_BOOT = const(17)
KIND_CLOCK = const(18)
KIND_ANNOTATE = const(19)
KIND_LOST = const(20)
KIND_RENTAL = const(21)
KIND_PARAMETERS = const(22)

# Record flags (bits)
FLAG_TRAINING = const(1)
FLAG_GATEWAY = const(2)
FLAG_STALE = const(4)
FLAG_SHADOW = const(8)

# Event types
EVENT_NONE = const(0)
EVENT_NFC_TAP = const(1)
EVENT_QR_SCAN = const(2)
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

# Trust class of a token
TRUST_ANONYMOUS = const(0)
TRUST_TEXT = const(1)
TRUST_BARE = const(2)
TRUST_ISSUED = const(3)
TRUST_VOUCHER = const(4)
TRUST_SDM = const(5)
TRUST_LIVE = const(6)
TRUST_STAFF = const(7)

# Grant types
GRANT_PERCENT_NOW = const(1)
GRANT_FIXED_NOW = const(2)
GRANT_PERCENT_NEXT = const(3)
GRANT_FIXED_NEXT = const(4)
GRANT_SAMPLE = const(5)
GRANT_UPGRADE = const(6)
GRANT_TIP_MATCH = const(7)
GRANT_TOKENS = const(8)
GRANT_VOUCHER = const(9)
GRANT_UNLOCK = const(10)
GRANT_DONATION = const(11)
GRANT_SPLIT = const(12)

# Rights units
UNIT_MINOR = const(1)
UNIT_PIECES = const(2)
UNIT_PEOPLE = const(3)

# Reason codes
REASON_GRANTED = const(1)
REASON_NEAR = const(2)
REASON_ALREADY_HAD = const(3)
REASON_BUDGET_USED_UP = const(4)
REASON_STOCK_USED_UP = const(5)
REASON_OUTSIDE_SLOT = const(6)
REASON_TOKEN_KIND = const(7)
REASON_NO_RULE = const(8)
REASON_CLOCK_UNSET = const(9)
REASON_STALE = const(10)
REASON_JOURNAL_FULL = const(11)
REASON_CONTROL_ARM = const(12)
REASON_NO_RULESET = const(13)
REASON_HALTED = const(14)
REASON_NO_RIGHTS_YET = const(15)
REASON_TOO_MANY_PEOPLE = const(16)
REASON_EXPOSURE_LIMIT = const(17)
REASON_ASK_HOST = const(18)
REASON_BASKET_SMALL = const(19)
REASON_CONDITION = const(20)
REASON_LATCH = const(21)
REASON_RULESET_EXPIRED = const(22)
REASON_PERSON = const(23)
REASON_REVOKED = const(24)
REASON_CAP = const(25)
REASON_VOUCHER_SPENT = const(26)
REASON_VOUCHER_EXPIRED = const(27)
REASON_VOUCHER_ELSEWHERE = const(28)
REASON_VOUCHER_FALSE = const(29)
REASON_OTHER_ARM = const(30)
REASON_HOST_REFUSED = const(31)
REASON_REVERSED = const(32)

# Clock quality
QUALITY_UNSET = const(0)
QUALITY_HELD = const(1)
QUALITY_HOST = const(2)
QUALITY_CONTROLLER = const(3)

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

# Frame types
FRAME_LOG = const(1)
FRAME_M1 = const(2)
FRAME_M2 = const(3)
FRAME_M3 = const(4)
FRAME_SEALED = const(5)
FRAME_ACK = const(6)
FRAME_NOTICE = const(7)
FRAME_PROVISION_REQUEST = const(8)
FRAME_PROVISION_ANSWER = const(9)

# Notice codes
NOTICE_NO_SESSION = const(1)
NOTICE_OVERSIZE = const(2)
NOTICE_UNKNOWN_TYPE = const(3)
NOTICE_BAD_HANDSHAKE = const(4)
NOTICE_NOT_PROVISIONED = const(5)
NOTICE_PROVISIONED = const(6)

# Message kinds
MSG_RECORD = const(1)
MSG_STATUS = const(2)
MSG_CHUNK_WANTED = const(3)
MSG_BUNDLE_RESULT = const(4)
MSG_SLICE_RESULT = const(5)
MSG_DIAGNOSTICS = const(6)
MSG_ASK = const(7)
MSG_PARAMETERS_RESULT = const(8)
MSG_ACK = const(32)
MSG_CLOCK = const(33)
MSG_RESEND = const(34)
MSG_OFFER = const(35)
MSG_CHUNK = const(36)
MSG_SLICE = const(37)
MSG_CLOSE = const(38)
MSG_IDENTIFY = const(39)
MSG_PEOPLE = const(40)
MSG_SIGNALS = const(41)
MSG_BALANCES = const(42)
MSG_PARAMETERS = const(43)
MSG_ANSWER = const(44)
MSG_REVOKED = const(45)
MSG_TRAINING = const(46)

# Answers of the host (message 44)
ANSWER_YES = const(1)
ANSWER_NO = const(2)

# Results of parameters (message 8)
PARAMETERS_OK = const(1)
PARAMETERS_BOUNDS = const(2)
PARAMETERS_OTHER_RULESET = const(3)
PARAMETERS_NO_ROOM = const(4)

# Install results
INSTALL_OK = const(1)
INSTALL_ALREADY = const(2)
INSTALL_THRESHOLD = const(3)
INSTALL_OLDER = const(4)
INSTALL_DIGEST = const(5)
INSTALL_TOO_LARGE = const(6)
INSTALL_HARDWARE = const(7)
INSTALL_EXPIRED = const(8)
INSTALL_VECTOR = const(9)
INSTALL_UNREADABLE = const(10)
INSTALL_FLASH = const(11)

# Slice results
SLICE_OK = const(1)
SLICE_HELD = const(2)
SLICE_SIGNATURE = const(3)
SLICE_OTHER_KIT = const(4)
SLICE_EXPIRED = const(5)
SLICE_UNKNOWN_RULE = const(6)
SLICE_NO_ROOM = const(7)

# AEAD algorithms
AEAD_XCHACHA = const(1)

# Bundle artefacts
ARTEFACT_RULESET = const(1)
ARTEFACT_APPLICATION = const(2)
ARTEFACT_INTERPRETER = const(3)

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
)


def name(names, number):
    """The word for a number of one of the tables above, or a plain statement that it is newer."""
    for known, word in names:
        if known == number:
            return word
    return "newer than this program ({})".format(number)
