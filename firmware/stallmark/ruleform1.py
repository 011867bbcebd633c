"""Version 1 of the form, taken over into the same rules in memory. docs/formats/ruleset-1.md"""

from stallmark import form, ruleform, ruleshapes
from stallmark.constant import const
from stallmark.numbers import (
    GRANT_FIXED_NOW,
    GRANT_PERCENT_NOW,
    GRANT_SAMPLE,
    KIND_DENY,
    KIND_UNCERTAIN,
    TRUST_ISSUED,
    UNIT_MINOR,
    UNIT_PEOPLE,
    UNIT_PIECES,
)

MAX_BYTES = const(16384)
MAX_SLOTS = const(64)
MAX_RULES = const(64)


def check_fields(at_of, what):
    """Keys 0 to 8."""
    ruleshapes.check_fields(at_of, what, 9)


def head(ruleset):
    """What version 1 does not know is empty."""
    ruleset.languages = ("",)
    ruleset.experiments = ruleset.groups = ruleset.signals = ruleset.open_values = (
        ruleset.parameters_defaults
    ) = ()
    ruleset.issuers = ()
    ruleset.holdout = None
    ruleset.basket_cap = 0


def rule(reader, f, at):
    """The Rule of its wire map. Raises FormatError."""
    form.fields(f, "rule", range(13))
    ruleshapes.check_fields(f, "rule", 13)
    parser = reader.parser
    name = ruleshapes.name(f[0], "rule id (0)", 32)
    events = reader.events(f[1], 32, 4095)
    trust = form.uint(f[2], "minimum trust (2)", 15)
    slots = reader.slots(form.array(f[3], "slots (3)", MAX_SLOTS, 1))
    people_trust = form.uint(f[12], "counts-as-people trust (12)", 15)
    when = reader.keep(parser.condition(f[4], people_trust, 1))
    latch = ruleshapes.boolean(f[5], "latch (5)")
    if latch and not parser.shared:
        form.fail("latch (5)", "a condition on the whole slot: people and time only")
    grants = tuple([_grant(grant) for grant in form.array(f[6], "grants (6)", 4, 1)])
    need = _needs(f[7], grants)
    if need and parser.counts_different and people_trust < TRUST_ISSUED:
        form.fail("counts-as-people trust (12)", "3 or more: tokens that anyone can make open no money")
    limit = form.uint(f[8], "limit per subject (8)", 255)
    policy = f[9]
    if policy != KIND_DENY and policy != KIND_UNCERTAIN:
        form.fail("offline policy (9)", "2 or 14")
    messages = form.fields(f[10], "messages (10)", ())
    for key in messages:
        if key > 2:
            form.fail("messages (10)", "keys 0 to 2")
        form.text(messages[key], "message (10)", 120)
    form.uint(f[11], "intent (11)", 4, 1)
    return ruleform.Rule(
        name, events, trust, slots, when, latch, reader.keep(grants), reader.keep(need), limit, 0, policy, people_trust,
        parser.shown, parser.flags | ruleform.CAP_ONLY, ruleform.MODE_LOCAL, 0, 0, None, None, (), None, None, at,
    )  # fmt: skip


def _grant(grant):
    """[1, bps, most it may cost] · [2, 1, minor] · [5, pieces, 0]"""
    form.array(grant, "grant (6)", 3, 3)
    kind = form.uint(grant[0], "grant type (6)", 255)
    most = ruleform.MAX_AMOUNT
    if kind == GRANT_PERCENT_NOW:
        form.uint(grant[1], "basis points (6)", 10000, 1)
        form.uint(grant[2], "most that a percentage may cost (6)", most, 1)
    elif kind == GRANT_FIXED_NOW:
        form.uint(grant[1], "number of credits (6)", 1, 1)
        form.uint(grant[2], "credit (6)", most, 1)
    elif kind == GRANT_SAMPLE:
        form.uint(grant[1], "pieces (6)", most, 1)
        form.uint(grant[2], "credit of a sample (6)", 0)
    else:
        form.fail("grant type {} (6)".format(kind), "one that this engine can give (a newer one?)")
    return tuple(grant)


def _needs(needs, grants):
    """((unit, amount), …), each unit once; money and pieces that are granted must be covered."""
    money = pieces = 0
    for kind, quantity, minor in grants:
        if kind == GRANT_SAMPLE:
            pieces += quantity
        else:
            money += minor
    covered = {}
    for need in form.array(needs, "needs (7)", 3):
        form.array(need, "need (7)", 2, 2)
        unit = form.uint(need[0], "unit (7)", UNIT_PEOPLE, UNIT_MINOR)
        if unit in covered:
            form.fail("needs (7)", "each unit once")
        covered[unit] = form.uint(need[1], "amount (7)", ruleform.MAX_AMOUNT, 1)
    if covered.get(UNIT_MINOR, 0) < money or covered.get(UNIT_PIECES, 0) < pieces:
        form.fail("needs (7)", "rights for everything that is granted")
    return tuple([(need[0], need[1]) for need in needs])
