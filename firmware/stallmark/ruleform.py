"""The form of a ruleset of version 2: every field checked, rules into compact tuples. docs/formats/ruleset.md"""

from collections import namedtuple

from stallmark import cborread, expr, form
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError
from stallmark.grantform import grants_of
from stallmark.numbers import KIND_DENY, KIND_UNCERTAIN, TRUST_ISSUED, UNIT_MINOR, UNIT_PEOPLE, UNIT_PIECES

MAX_AMOUNT = const(1000000000)  # of minor units or pieces in one grant or need
MODE_LOCAL, MODE_LAN, MODE_STRICT = 1, 2, 3

# Rule flags: the wire's three, then what a condition looks at
NOT_AT_LANE = const(1)
NOT_AT_BRICKS = const(2)
ANNOUNCED = const(4)
FLAT = const(8)  # `when` is `all` of nothing but comparisons
COUNTS_KIT = const(16)  # people or events of the whole kit
COUNTS_PEOPLE = const(32)  # different people, or events of a subject
ASKS_VISITS = const(64)
ATTENDS = const(128)
BALANCES = const(256)
SIGNALS = const(512)
NEARS = const(1024)  # some comparison can be *near* or short of a basket
PLAIN = const(4096)  # FLAT, and without latch, early access, age of data, voucher
CAP_ONLY = const(2048)  # version 1: a percentage is granted at its cap
WATCHES = COUNTS_PEOPLE | ASKS_VISITS

# when: compiled condition (stallmark.expr); shown: number of the comparison that explains a grant, or None; need: ((unit,
# amount, 0 for what is granted), …); early: ((least tokens, lead ms), …); at: where the rule stands in the ruleset's bytes
Rule = namedtuple(
    "Rule",
    "id events trust slots when latch grants need limit limit_ever policy people_trust shown flags mode lower upper group"
    " experiment early redeems stale at",
)

# --- places of fields, without decoding what is between


def places(data, at, what):
    """{key: offset of its value} of a map with keys below 24. Raises FormatError."""
    try:
        first = data[at]
        if first >> 5 != 5 or first & 31 > 23:
            form.fail(what, "a map of at most 23 fields")
        at += 1
        found = {}
        last = -1
        for _ in range(first & 31):
            key = data[at]
            if key > 23 or key <= last:
                form.fail(what, "keys in order, below 24 (newer than this program?)")
            last = key
            at += 1
            found[key] = at
            at = _skip(data, at, 16)
    except IndexError:
        raise FormatError("{} ends early".format(what))
    if what == "ruleset" and at != len(data):
        raise FormatError("{} bytes after the ruleset".format(len(data) - at))
    return found


def _skip(data, at, depth):
    """Offset after the value at `at`. What is not well-formed is found when it is decoded."""
    first = data[at]
    major = first >> 5
    n = first & 31
    at += 1
    if n > 23:
        if n > 27 or major == 7:
            form.fail("value at {}".format(at - 1), "one of deterministic CBOR")
        size = 1 << (n - 24)
        n = int.from_bytes(data[at : at + size], "big")
        at += size
    if major < 2 or major == 7:
        return at
    if major < 4:
        at += n
    elif major < 6:
        if not depth:
            raise LimitError("too many levels, at {}".format(at))
        if n > len(data):
            raise FormatError("ends early, at {}".format(len(data)))
        for _ in range(n * 2 if major == 5 else n):
            at = _skip(data, at, depth - 1)
    else:
        form.fail("value at {}".format(at), "no tag")
    if at > len(data):
        raise FormatError("ends early, at {}".format(len(data)))
    return at


def field(data, at_of, key, what):
    """The value of a field, decoded. Raises FormatError where it is not there."""
    if key not in at_of:
        form.fail(what, "field {}".format(key))
    return cborread.decode_prefix(data, at_of[key], 16, 4096)[0]


def array_head(data, at, what, most):
    """(entries, offset of the first) of an array of at most `most`, at most 255."""
    try:
        first = data[at]
        count = first & 31
        if first >> 5 == 4 and count < 25:
            at += 1
            if count == 24:
                count = data[at]
                at += 1
                if count < 24:
                    form.fail(what, "the shortest head")
            if count <= most:
                return count, at
    except IndexError:
        pass
    form.fail(what, "an array of 0 to {} entries".format(most))


def check_fields(at_of, what, count=17):
    """Keys 0 to count - 1 exactly: a field unknown here could change a decision."""
    for key in range(count):
        if key not in at_of:
            form.fail(what, "field {}".format(key))
    if len(at_of) != count:
        form.fail(what, "fields 0 to {} only (newer than this program?)".format(count - 1))


# --- the ruleset's own fields


def head(ruleset, data, at_of):
    """Fields 9 to 16 into attributes."""

    def get(key):
        return field(data, at_of, key, "ruleset")

    ruleset.languages = tuple(
        [name(text, "language (9)", 8) for text in form.array(get(9), "languages (9)", 4, 1)]
    )
    ruleset.experiments = tuple([_experiment(one) for one in form.array(get(10), "experiments (10)", 8)])
    holdout = get(11)
    if holdout is not None:
        form.array(holdout, "holdout (11)", 2, 2)
        holdout = (
            form.octets(holdout[0], "holdout salt (11)", 8),
            form.uint(holdout[1], "holdout share (11)", 10000),
        )
    ruleset.holdout = holdout
    ruleset.groups = tuple([_group(one) for one in form.array(get(12), "groups (12)", 16)])
    ruleset.signals = tuple([_signal(one) for one in form.array(get(13), "signals (13)", 16)])
    ruleset.open_values = tuple([_open_value(one) for one in form.array(get(14), "open values (14)", 16)])
    ruleset.parameters_defaults = tuple([one[3] for one in ruleset.open_values])
    issuers = form.array(get(15), "voucher issuers (15)", 4)
    ruleset.issuers = tuple([form.octets(one, "voucher issuer (15)", 32) for one in issuers])
    ruleset.basket_cap = form.uint(get(16), "basket cap (16)", MAX_AMOUNT)


def _experiment(one):
    form.array(one, "experiment (10)", 4, 4)
    key = name(one[0], "experiment key (10)", 16)
    salt = form.octets(one[1], "experiment salt (10)", 8)
    arms = form.array(one[2], "arms (10)", 4, 2)
    for share in arms:
        form.uint(share, "share of an arm (10)", 10000)
    if sum(arms) != 10000:
        form.fail("arms (10)", "shares that sum to 10,000 basis points")
    return (key, salt, tuple(arms), form.uint(one[3], "control arm (10)", len(arms) - 1))


def _group(one):
    form.array(one, "group (12)", 3, 3)
    mode = form.uint(one[0], "mode of a group (12)", 3, 1)
    return (mode, boolean(one[1], "exclusive (12)"), form.uint(one[2], "cap of a group (12)", MAX_AMOUNT))


def _signal(one):
    form.array(one, "signal (13)", 3, 3)
    event = form.uint(one[1], "event type of a signal (13)", 255, 0)
    return (name(one[0], "signal name (13)", 32), event, form.uint(one[2], "age of a signal (13)", form.U32))


def _open_value(one):
    form.array(one, "open value (14)", 5, 5)
    unit = form.uint(one[0], "unit of an open value (14)", 4, 1)
    low = form.uint(one[1], "lowest of an open value (14)", expr.MAX_SLOT_MS if unit == 4 else MAX_AMOUNT)
    high = form.uint(
        one[2],
        "highest of an open value (14)",
        (10000, MAX_AMOUNT, MAX_AMOUNT, expr.MAX_SLOT_MS)[unit - 1],
        low,
    )
    return (
        unit,
        low,
        high,
        form.uint(one[3], "default of an open value (14)", high, low),
        name(one[4], "name of an open value (14)", 32),
    )


# --- one rule


class Reader:
    """What reading rules shares: the ruleset, the conditions' parser, and each equal tuple kept once."""

    def __init__(self, ruleset, parser):
        self.ruleset = ruleset
        self.parser = parser
        self._kept = {}

    def keep(self, value):
        """The first tuple or bytes equal to `value`: many rules say the same."""
        return self._kept.setdefault((type(value), value), value)

    def slots(self, indexes):
        """bytes of slot indexes that do not overlap."""
        slots = self.ruleset.slots
        for at, index in enumerate(indexes):
            form.uint(index, "slot index (3)", len(slots) - 1)
            start, end = slots[index]
            for other in indexes[:at]:
                if slots[other][0] < end and start < slots[other][1]:
                    form.fail("slots (3) of a rule", "slots that do not overlap")
        return self.keep(bytes(indexes))

    def events(self, types, most, highest):
        """Tuple of event types."""
        for event in form.array(types, "event types (1)", most, 1):
            form.uint(event, "event type (1)", highest, 1)
        return self.keep(tuple(types))


def rule(reader, f, at):
    """The Rule of its wire map, which stands at offset `at`. Raises FormatError."""
    form.fields(f, "rule", range(22))
    check_fields(f, "rule", 22)
    ruleset, parser = reader.ruleset, reader.parser
    rule_id = name(f[0], "rule id (0)", 32)
    events = reader.events(f[1], 8, 255)
    trust = form.uint(f[2], "minimum trust (2)", 15)
    slots = reader.slots(form.array(f[3], "slots (3)", 250, 1))
    people_trust = form.uint(f[12], "counts-as-people trust (12)", 15)
    policy, mode, lower, upper = form.array(f[9], "offline (9)", 4, 4)
    if policy != KIND_DENY and policy != KIND_UNCERTAIN:
        form.fail("offline policy (9)", "2 or 14")
    form.uint(mode, "offline mode (9)", MODE_STRICT, MODE_LOCAL)
    form.uint(upper, "upper limit (9)", 65535)
    form.uint(lower, "lower limit (9)", upper)
    latch = boolean(f[5], "latch (5)")
    when = reader.keep(parser.condition(f[4], people_trust, 2, mode == MODE_STRICT))
    flags = form.uint(f[18], "flags (18)", 7) | parser.flags
    if latch and not parser.shared:
        form.fail("latch (5)", "a condition on the whole slot: the same for everyone")
    redeems = f[20]
    if redeems is not None:
        form.uint(redeems, "redeems (20)", 65535)
    grants, money, pieces = grants_of(f[6], ruleset.open_values, redeems is not None)
    need = _need(f[7], money and redeems is None, pieces)
    if need and parser.counts_different and people_trust < TRUST_ISSUED:
        form.fail("counts-as-people trust (12)", "3 or more: tokens that anyone can make open no money")
    limits = _limits(f[8])
    _messages(f[10], len(ruleset.languages))
    form.uint(f[11], "intent (11)", 4, 1)
    group = f[13]
    if group is not None:
        form.uint(group, "group (13)", len(ruleset.groups) - 1)
    experiment = f[14]
    if experiment is not None:
        form.array(experiment, "experiment (14)", 2, 2)
        which = form.uint(experiment[0], "experiment (14)", len(ruleset.experiments) - 1)
        form.uint(experiment[1], "arm (14)", len(ruleset.experiments[which][2]) - 1)
        experiment = reader.keep(tuple(experiment))
    _cold(f)
    stale = f[21]
    if stale is not None:
        form.uint(stale, "most stale (21)", form.U32)
    return Rule(
        rule_id, events, trust, slots, when, latch, reader.keep(grants), reader.keep(need), limits[0], limits[1], policy,
        people_trust, parser.shown, flags, mode, lower, upper, group, experiment, reader.keep(_early(f[15])), redeems, stale, at,
    )  # fmt: skip


def _need(units, money, pieces):
    for index, unit in enumerate(form.array(units, "needs (7)", 3)):
        form.uint(unit, "unit (7)", UNIT_PEOPLE, UNIT_MINOR)
        if unit in units[:index]:
            form.fail("needs (7)", "each unit once")
    if (money and UNIT_MINOR not in units) or (pieces and UNIT_PIECES not in units):
        form.fail("needs (7)", "rights for everything that is granted")
    return tuple([(unit, 0) for unit in units])


def _limits(limits):
    """[most in the slot, most in the campaign], 0 for none."""
    out = [0, 0]
    for limit in form.array(limits, "limits (8)", 2):
        form.array(limit, "limit (8)", 2, 2)
        window = form.uint(limit[0], "window of a limit (8)", 1)
        if out[window]:
            form.fail("limits (8)", "each window once")
        out[window] = form.uint(limit[1], "limit (8)", 255, 1)
    return out


def _messages(messages, languages):
    for texts in form.array(messages, "messages (10)", languages, languages):
        for text in form.array(texts, "messages (10)", 3, 3):
            if text is not None:
                form.text(text, "message (10)", 160)


def _early(early):
    out = []
    for one in form.array(early, "early access (15)", 4):
        form.array(one, "early access (15)", 2, 2)
        tokens = form.uint(one[0], "least tokens (15)", form.U32)
        out.append((tokens, form.uint(one[1], "lead ms (15)", expr.MAX_SLOT_MS, 1)))
    return tuple(out)


def _cold(f):
    """What no decision looks at: tax, funder, odds."""
    if f[16] is not None:
        form.array(f[16], "tax (16)", 2, 2)
        name(f[16][0], "tax code (16)", 12)
        if f[16][1] is not None:
            form.uint(f[16][1], "tax rate (16)", 10000)
    if f[17] is not None:
        form.array(f[17], "funder (17)", 2, 2)
        name(f[17][0], "funder (17)", 24)
        form.uint(f[17][1], "reimbursed share (17)", 10000)
    if f[19] is not None:
        form.array(f[19], "odds (19)", 2, 2)
        form.uint(f[19][0], "odds (19)", form.uint(f[19][1], "odds (19)", form.U32, 1))


# --- small shapes


def boolean(value, what):
    """true or false, returned."""
    if type(value) is not bool:
        form.fail(what, "true or false")
    return value


def name(value, what, limit):
    """Text that is not empty, returned."""
    if not form.text(value, what, limit):
        form.fail(what, "a name")
    return value


def currency(value):
    """Three capital letters, returned."""
    form.text(value, "currency (3)", 3)
    for letter in value:
        if not "A" <= letter <= "Z":
            value = ""
    if len(value) != 3:
        form.fail("currency (3)", "three capital letters")
    return value


def slot(pair):
    """(start ms, end ms)"""
    form.array(pair, "slot (4)", 2, 2)
    start = form.uint(pair[0], "slot start (4)")
    end = form.uint(pair[1], "slot end (4)")
    if not 0 < end - start <= expr.MAX_SLOT_MS:
        form.fail("slot (4)", "an end after the start, within 12 days")
    return (start, end)
