"""The form of a ruleset of version 2: every field checked, rules into compact tuples. docs/formats/ruleset.md"""

from stallmark import form
from stallmark.expr import MAX_SLOT_MS
from stallmark.grantform import grants_of
from stallmark.numbers import KIND_DENY, KIND_UNCERTAIN, TRUST_ISSUED, UNIT_MINOR, UNIT_PEOPLE, UNIT_PIECES
from stallmark.ruleform import MAX_AMOUNT, MODE_LOCAL, MODE_STRICT, Rule
from stallmark.ruleshapes import boolean, check_fields, field, name

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
    low = form.uint(one[1], "lowest of an open value (14)", MAX_SLOT_MS if unit == 4 else MAX_AMOUNT)
    high = form.uint(
        one[2],
        "highest of an open value (14)",
        (10000, MAX_AMOUNT, MAX_AMOUNT, MAX_SLOT_MS)[unit - 1],
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
    wire = form.uint(f[18], "flags (18)", 127)
    if wire >> 3 + len(form.array(f[6], "grants (6)", 4, 1)):
        form.fail("flags (18)", "a grant for each one that is kept")
    flags = wire & 7 | parser.flags  # what is kept when a sale is taken back is the host's to know
    if latch and not parser.shared:
        form.fail("latch (5)", "a condition on the whole slot: the same for everyone")
    redeems = f[20]
    if redeems is not None:
        form.uint(redeems, "redeems (20)", 65535)
    grants, money, pieces = grants_of(f[6], ruleset.open_values, redeems is not None)
    need = _need(f[7], money, pieces)
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
        out.append((tokens, form.uint(one[1], "lead ms (15)", MAX_SLOT_MS, 1)))
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
