"""The words for a brick's counters, for screens and documents; a brick itself never loads them."""

from brick import counters

# (number, name), in order of number: docs/formats/registry.md, Diagnostic counters
NAMES = (
    (counters.LINK_NOISE, "link noise"),
    (counters.LINK_OVERSIZE, "link frames too long"),
    (counters.LINK_UNKNOWN, "link frames of unknown version or type"),
    (counters.LINK_BAD_TAGS, "link frames with a wrong tag"),
    (counters.LINK_RESENDS, "link frames resent"),
    (counters.LINK_HANDSHAKES, "link handshakes"),
    (counters.LINK_DROPPED, "link frames out of order"),
    (counters.LINK_REPEATS, "link frames repeated"),
    (counters.LINK_BAD_MESSAGES, "messages not understood"),
    (counters.ACK_TAG_WRONG, "ledger marks with a wrong tag"),
    (counters.ACK_BEYOND_HEAD, "acknowledgements of records not written"),
    (counters.LINK_STRAYS, "link frames of another session"),
    (counters.NFC_NO_ACK, "NFC commands not acknowledged"),
    (counters.NFC_NO_ANSWER, "NFC commands not answered"),
    (counters.NFC_DAMAGED, "NFC answers not understood"),
    (counters.NFC_CHIP_STATUS, "NFC exchanges failed"),
    (counters.NFC_SOFT_STARTS, "NFC chip set up anew"),
    (counters.NFC_HARD_RESETS, "NFC chip reset by its line"),
    (counters.NFC_TWO_CARDS, "two cards at once"),
    (counters.NFC_UNREADABLE, "unreadable tags"),
    (counters.NFC_COOLDOWN, "taps within the cooldown"),
    (counters.NFC_ISSUED_WRONG, "issued tags with a wrong MAC"),
    (counters.NFC_FRAMES_DAMAGED, "NFC frames damaged"),
    (counters.QR_EMPTY, "codes without content"),
    (counters.QR_TOO_LONG, "codes too long"),
    (counters.QR_NOT_TEXT, "codes with foreign characters"),
    (counters.QR_SETUP_CODE, "scanner set-up codes and control characters"),
    (counters.QR_REPEAT, "codes repeated"),
    (counters.QR_LINE_OVERFLOW, "scanner lines without an end"),
    (counters.QR_PASS_WRONG, "passes with a wrong MAC"),
    (counters.QR_CONFIGURED, "scanner set up"),
    (counters.QR_FAULTS, "scanner not answering"),
    (counters.VOUCHER_WRONG, "wrong vouchers"),
    (counters.VOUCHER_FALSE, "vouchers that no issuer signed"),
    (counters.VOUCHER_TIME, "vouchers outside their time"),
    (counters.VOUCHER_ELSEWHERE, "vouchers for elsewhere"),
    (counters.DECISIONS, "decisions"),
    (counters.JOURNAL_FULL, "decisions refused by a full journal"),
    (counters.DECIDED_WITHOUT_RECORD, "outcomes without a record"),
    (counters.COLLECTED, "denials merged"),
    (counters.JOURNAL_TORN, "journal pages torn"),
    (counters.JOURNAL_CONFLICTS, "journal pages in conflict"),
    (counters.JOURNAL_FREED_EARLY, "journal pages freed early"),
    (counters.FLASH_ERRORS, "flash operations failed"),
    (counters.EVENTS_REFUSED, "injected events refused"),
    (counters.RECORDS_NEWER, "records newer than this program"),
    (counters.ASKED, "questions to the host"),
    (counters.ASK_UNANSWERED, "questions without an answer in time"),
    (counters.ASK_LATE, "answers to no open question"),
    (counters.RELEASED, "reserves given back after a cut"),
    (counters.PRACTISED, "practice decisions"),
    (counters.ASK_CROWDED, "events too many while the host was asked"),
    (counters.CLOCK_STEPS, "clock steps"),
    (counters.TASK_RESTARTS, "tasks restarted"),
    (counters.TASK_LATE, "tasks late"),
    (counters.SLICES_DROPPED, "slices dropped"),
    (counters.CHUNKS_WRONG, "chunks out of place"),
    (counters.INSTALLS_REFUSED, "bundles refused"),
    (counters.BOOTS, "start-ups"),
    (counters.EXCHANGED, "exchange messages taken"),
    (counters.EXCHANGE_OTHER, "exchange messages of another ruleset"),
    (counters.PARAMETERS_REFUSED, "open values refused"),
)


def name(number):
    """The word for a counter, or a plain statement that it is newer."""
    for known, word in NAMES:
        if known == number:
            return word
    return "newer than this program ({})".format(number)
