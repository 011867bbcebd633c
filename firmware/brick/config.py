"""Every time and limit of the appliance that is a choice and not a wire number, in one place."""

from stallmark.constant import const

# NFC reader
NFC_BAUD = const(115200)
POLL_MS = const(60)  # from the start of one poll to the start of the next
REMOVED_AFTER = const(3)  # polls without the card before it counts as taken away
COOLDOWN_MS = const(2000)  # the same card must have been away this long to count as a new tap
RECENT_CARDS = const(8)  # cards whose cooldown is watched; the oldest is forgotten first
READ_ATTEMPTS = const(3)  # polls in which a card's memory may fail to read before it counts as unreadable
CARD_MS = const(2000)  # that one card may take to be read; a phone computes, nobody waits longer
SELF_CHECK_MS = const(5000)
SOFT_AFTER = const(3)  # failures in a row before the chip is set up anew; twice as many: its reset line
FAULT_RETRY_MS = const(1000)

# QR scanner
QR_MAX = const(128)  # characters of a code that counts as an event (docs/formats/event.md),
VOUCHER_MAX = const(200)  # of a voucher
QR_LINE_MAX = const(4096)  # bytes after which a line without an end is given up
QR_REPEAT_MS = const(2000)
RECENT_CODES = const(4)  # codes that are not taken again within that time
QR_STUCK_MS = const(60000)  # of one code without a pause: the scanner is stuck, or something lies before it

# Link
LINK_BAUD = const(115200)
DIAGNOSTICS_MS = const(30000)
STATUS_MIN_MS = const(250)  # status on change, at most once in this time
LOOK_MS = const(1000)  # how often the parts' states are looked at
MARK_LAZY_MS = const(1000)  # acknowledgement marks are written when this long unwritten, or
MARK_RECORDS = const(64)  # when this many records newer than the written one, or
SHORT_PAGES = const(128)  # when fewer journal pages are free
LINK_SILENT_MS = const(20)  # a line that reports readable and gives nothing: do not spin
LINGER_MS = const(1000)  # a provisioned brick still answers a bench that missed its answer
LULL_MS = const(300)  # no tap for this long: a sector may be erased
IDLE_MS = const(2000)  # no tap for this long: signatures may be checked
IDLE_PATIENCE_MS = const(30000)  # but a download does not wait longer than this for a quiet moment,
SLICE_PATIENCE_MS = const(2000)  # nor a slice of rights than this
CHEAP_MS = const(50)  # where a signature takes no longer, it waits for nothing
HELD_SLICES = const(32)  # good slices kept for the next ruleset's state
PENDING_SLICES = const(24)  # slices that wait for their signature check; more are dropped and asked for again

# Radio (docs/formats/ble.md)
ADVERTISE_MS = const(200)  # between two advertisements
BELL_MS = const(50)  # between two notifications, at least
BELL_AGAIN_MS = const(1000)  # rung again when the host did not ask since
RADIO_QUIET_MS = const(100)  # bytes came so short ago: the host is still writing
RADIO_STUCK_MS = const(10000)  # a host that does not ask for what waits is disconnected after this time,
RADIO_PROOF_MS = const(20000)  # one that has not shown its keys after this, so that another one can connect

# Records
CODE_BYTES = const(128)  # of item codes in a record's private part; more would not fit beside long rules

# Asking the host
ASK_MS = const(150)  # how long an answer is waited for (docs/formats/ruleset.md, Asking)
ASK_EVENT_MAX = const(400)  # bytes of an event that fit a question; of a longer one the host is not asked
ASK_WAITING = const(4)  # events that wait for their turn while the host is asked

# Training
TRAINING_PEOPLE = const(64)  # people that the trial state remembers

# Clock
CLOCK_STEP_MS = const(2000)  # a correction larger than this is a record of its own
EARLIEST_MS = const(1735689600000)  # 2025 begins: before this program was made
LATEST_MS = const(0x7FFFFFFFFFFF)  # in the year 6429; later times would leave no room to count on

# Memory
REMEMBER_MS = const(60000)  # after so long without memory for somebody, and without a tap, the journal is read once more,
REMEMBER_MOST_MS = const(3600000)  # later twice as long each time, up to this;
REMEMBER_BYTES = const(4096)  # only where a block of this size is free

# Epochs
EPOCH_RECORDS = const(1024)

CLOCK_SLACK_MS = const(86400000)  # before what was signed: the authors' own clocks are off, too
DRIFT_PPM = const(50)  # of the crystal over its temperatures, at most: how fast a time not corrected grows vague
HELD_MS = const(60000)  # how wrong a time may be that was held over a restart: nobody knows how long that took

# Fraud signals
RISK_HIGH = const(128)  # from here on an event is counted as unusual; nothing else follows from the number itself

# Power
POWER_LOOK_MS = const(1000)
FAREWELL_MS = const(2000)  # before the brick goes dark: the last records still go to a host that listens
LONELY_MS = const(300000)  # nobody came for this long, and it runs on a pack:
LONELY_POLL_MS = const(150)  # the reader looks seldomer, until somebody comes

# Start-ups
QUIET_BOOTS = const(2)  # failed in a row: the next one leaves the radio off
BAD_BOOTS = const(3)  # failed in a row: safe mode
BARE_BOOTS = const(5)  # failed in a row: safe mode that does not even open the journal
GOOD_BOOT_MS = const(60000)

# Applications
CALM_MS = const(30000)  # nobody came for this long: the brick may start anew with another application
TRIAL_LINK_MS = const(600000)  # a new application that has not seen a host for this long, where the one before had one
RULES_BOOTS = const(2)  # failed start-ups in a row: rules that never lasted go back to the ones before
HOLD_MOST_S = const(86400)

# Supervisor
FEED_MS = const(500)
WATCHDOG_MS = const(10000)
RESTART_MS = const(1000)  # a task that ended by an error starts again after this time
GC_THRESHOLD = const(32768)  # bytes between collections: a pause of milliseconds every few taps, no long one
