"""Counters of what went wrong or was refused, by the numbers of docs/formats/registry.md.

Their names for screens are in counter_names.py, which a brick never loads.
"""

from array import array

from stallmark.constant import const

# Link and frames
LINK_NOISE = const(1)
LINK_OVERSIZE = const(2)
LINK_UNKNOWN = const(3)
LINK_BAD_TAGS = const(4)
LINK_RESENDS = const(5)
LINK_HANDSHAKES = const(6)
LINK_DROPPED = const(7)
LINK_REPEATS = const(8)
LINK_BAD_MESSAGES = const(9)
ACK_TAG_WRONG = const(10)
ACK_BEYOND_HEAD = const(11)
LINK_STRAYS = const(12)
# NFC reader
NFC_NO_ACK = const(16)
NFC_NO_ANSWER = const(17)
NFC_DAMAGED = const(18)
NFC_CHIP_STATUS = const(19)
NFC_SOFT_STARTS = const(20)
NFC_HARD_RESETS = const(21)
NFC_TWO_CARDS = const(22)
NFC_UNREADABLE = const(23)
NFC_COOLDOWN = const(24)
NFC_ISSUED_WRONG = const(25)
NFC_FRAMES_DAMAGED = const(26)
# QR scanner
QR_EMPTY = const(32)
QR_TOO_LONG = const(33)
QR_NOT_TEXT = const(34)
QR_SETUP_CODE = const(35)
QR_REPEAT = const(36)
QR_LINE_OVERFLOW = const(37)
QR_PASS_WRONG = const(38)
QR_CONFIGURED = const(39)
QR_FAULTS = const(40)
VOUCHER_WRONG = const(41)
VOUCHER_FALSE = const(42)
VOUCHER_TIME = const(43)
VOUCHER_ELSEWHERE = const(44)
# Decisions and journal
DECISIONS = const(48)
JOURNAL_FULL = const(49)
DECIDED_WITHOUT_RECORD = const(50)
COLLECTED = const(51)
JOURNAL_TORN = const(52)
JOURNAL_CONFLICTS = const(53)
JOURNAL_FREED_EARLY = const(54)
FLASH_ERRORS = const(55)
EVENTS_REFUSED = const(56)
RECORDS_NEWER = const(57)
ASKED = const(58)
ASK_UNANSWERED = const(59)
ASK_LATE = const(60)
RELEASED = const(61)
PRACTISED = const(62)
ASK_CROWDED = const(63)
# Housekeeping
CLOCK_STEPS = const(64)
TASK_RESTARTS = const(65)
TASK_LATE = const(66)
SLICES_DROPPED = const(67)
CHUNKS_WRONG = const(68)
INSTALLS_REFUSED = const(69)
BOOTS = const(70)
# What the host tells of the kit
EXCHANGED = const(71)
EXCHANGE_OTHER = const(72)
PARAMETERS_REFUSED = const(73)
# Tags that prove themselves
TAG_LIVE = const(74)
TAG_LINKS = const(75)
TAG_REPLAYED = const(76)
TAG_KEYS_REFUSED = const(77)
TAG_COUNTERS_TOLD = const(78)
NFC_SLOW = const(79)
# Vouchers
VOUCHER_CROWDED = const(80)
VOUCHER_UNCHECKED = const(81)
TABLES_MADE = const(82)
TABLES_DAMAGED = const(83)
QR_STUCK = const(84)
QR_OWN_SPEED = const(85)
# Radio
RADIO_CONNECTIONS = const(90)
RADIO_DROPPED = const(91)
RADIO_BELLS_LOST = const(92)
RADIO_HUNG_UP = const(93)
LINK_MOVES = const(94)
RADIO_FAULTS = const(95)
# Appliance and power
CLOCK_REFUSED = const(100)
GAUGE_ERRORS = const(101)
PACK_SWAPS = const(102)
POWER_LEVELS = const(103)
LEFT_FOR_POWER = const(104)
BOOTS_BAD = const(105)
BOOT_LOG_ERRORS = const(106)
# Fraud signals
RISK_HIGH = const(120)
RISK_SOFTENED = const(121)
# Roots, directives and what they stop
DIRECTIVES_TAKEN = const(130)
ROOTS_TAKEN = const(131)
TRUST_REFUSED = const(132)
INSTALLS_HALTED = const(133)
# Memory
MEMORY_AGAIN = const(134)
# Slots
APP_TRIALS = const(140)
APP_RETURNS = const(141)
RULES_RETURNS = const(142)
APP_WAITS = const(143)
MEMORY_SHORT = const(154)
# Rentals
STEPS_REFUSED = const(155)

# Rules in the shadow
SHADOWS_REFUSED = const(160)

_SIZE = const(161)


class Counters:
    """Counts by number; only the numbers above exist, so a fault cannot make memory grow."""

    def __init__(self):
        self._values = array("Q", bytes(8 * _SIZE))

    def add(self, number, by=1):
        """Count an occurrence."""
        self._values[number] += by

    def set(self, number, value):
        """Take over a count that another part keeps itself."""
        self._values[number] = value

    def get(self, number):
        """The count so far."""
        return self._values[number]

    def snapshot(self):
        """`[[number, value] …]` of everything that is not zero, in order of number."""
        return [[number, self._values[number]] for number in range(_SIZE) if self._values[number]]
