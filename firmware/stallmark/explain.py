"""A record in plain English: what happened, why, why not, and how near. docs/formats/ruleset.md"""

from stallmark import expr, money, ownwords, riskwords
from stallmark import registry as reg
from stallmark.ownwords import duration

NEWER = "newer than this program"

_OUTCOMES = (
    (reg.KIND_GRANT, "granted"),
    (reg.KIND_REDEEM, "granted"),
    (reg.KIND_DENY, "nothing this time"),
    (reg.KIND_GHOST, "nothing this time"),
    (reg.KIND_COLLECTIVE, "nothing this time"),
    (reg.KIND_UNCERTAIN, "ask at the stall"),
)


def outcome(kind):
    """What the customer sees of a record: "granted", "nothing this time" or "ask at the stall"; "" for a
    record that is not about a customer."""
    for known, words in _OUTCOMES:
        if known == kind:
            return words
    return ""


def sentence(fields, ruleset=None, language=0):
    """One or two plain sentences for the public fields of a record (a map with integer keys).

    `ruleset` is the Ruleset that decided, for names, windows and times; one with another digest is not used. Where the rule
    has words of its own for this outcome they are the sentence, in the language with this index (the first where there is no
    such; None: never). Never raises: numbers that are not known are said to be newer than this program."""
    if ruleset is not None and fields.get(8) is not None and fields[8] != ruleset.digest8:
        ruleset = None
    kind = fields.get(10)
    rule = _rule(fields.get(9), ruleset)
    words = None if rule is None or language is None else ownwords.text(fields, ruleset, language)
    if words is not None:
        pass
    elif kind == reg.KIND_GRANT:
        words = "Granted: " + grants(fields) + _granted_because(fields, ruleset) + _age(fields) + "."
    elif kind == reg.KIND_REDEEM:
        words = "Granted: a voucher was redeemed" + (": " + grants(fields) if fields.get(12) else "") + "."
    elif kind == reg.KIND_DENY:
        words = "Nothing this time: " + reason(fields, ruleset) + _age(fields) + "."
    elif kind == reg.KIND_UNCERTAIN:
        words = "Ask at the stall: " + reason(fields, ruleset) + _age(fields) + "."
    elif kind == reg.KIND_GHOST:
        words = "Nothing this time: this visit is in the comparison group."
    else:
        words = _other(kind, fields, rule)
    flags = fields.get(0) or 0
    if flags & reg.FLAG_TRAINING:
        words = "Training: " + words
    if flags & reg.FLAG_SHADOW:
        words = "Trial run, nothing given: " + words
    return words


def grants(fields):
    """What a record gives, in words: "15 % off now, at most 5.00 EUR"."""
    out = []
    for kind, size, minor in fields.get(12) or ():
        out.append(grant(kind, size, minor, fields.get(23)))
    return " and ".join(out) if out else "no value stated"


def grant(kind, size, minor, currency):
    """One grant in words; `size` is basis points or a quantity, `minor` the most it costs."""
    cost = "" if not minor else money.text(minor, currency)
    share = "" if size is None else money.percent(size)
    if kind == reg.GRANT_PERCENT_NOW:
        return share + " off now" + (", at most " + cost if cost else "")
    if kind == reg.GRANT_FIXED_NOW:
        return (cost or "a credit") + " off now"
    if kind == reg.GRANT_PERCENT_NEXT:
        return share + " off the next visit" + (", at most " + cost if cost else "")
    if kind == reg.GRANT_FIXED_NEXT:
        return (cost or "a credit") + " off the next visit"
    if kind == reg.GRANT_SAMPLE:
        return "a sample" if size in (None, 1) else "{} samples".format(size)
    if kind == reg.GRANT_UPGRADE:
        return "an upgrade"
    if kind == reg.GRANT_TOKENS:
        return _count(size or 0, "loyalty token")
    if kind == reg.GRANT_UNLOCK:
        return "an unlock"
    if kind == reg.GRANT_VOUCHER:
        return "a voucher" + (" of " + cost if cost else "")
    if kind == reg.GRANT_TIP_MATCH:
        return "the tip matched" + (" with " + cost if cost else "")
    for known, word in reg.GRANT_NAMES:
        if known == kind:
            return word + ("" if not cost else ", worth " + cost)
    return "a bonus of kind {} ({})".format(kind, NEWER)


# --- why


def _age(fields):
    """How old the data of others were that were looked at, where that is worth a word."""
    age = _at(fields.get(14) or (), 6)
    return "" if age is None or age <= 60 else " (by what was known {} ago)".format(duration(age * 1000))


def _granted_because(fields, ruleset):
    why = fields.get(14) or ()
    have, need = _at(why, 4), _at(why, 5)
    leaf = _leaf(ruleset, fields, why)
    if leaf is None or have is None:
        return ""
    if leaf[1][0] == expr.PEOPLE and leaf[0] in (expr.GT, expr.GE):
        return ", because {} came in {}{}".format(_people(have), _within(ruleset, leaf), _enough(leaf, need))
    if leaf[1][0] == expr.BASKET:
        return ", because the basket is " + money.text(have, fields.get(23))
    if leaf[1][0] == expr.VISITS:
        return ", on visit {}".format(have)
    return ""


def reason(fields, ruleset=None):
    """Why a record gives nothing, without the full stop."""
    why = fields.get(14) or ()
    code = _at(why, 0)
    rule = _rule(fields.get(9), ruleset)
    have, need, near = _at(why, 4), _at(why, 5), _at(why, 7)
    if code == reg.REASON_NEAR and near is not None:
        return _near(near, fields, ruleset, rule, _leaf(ruleset, fields, why))
    if code == reg.REASON_ALREADY_HAD:
        if need is not None and need > 1:
            return "this person already had it {} times, and {} are allowed".format(have, need)
        return "this person already had it"
    if code == reg.REASON_TOKEN_KIND:
        return _token(have, need)
    if code == reg.REASON_BASKET_SMALL and near is not None:
        return money.text(near, fields.get(23)) + " more in the basket would do"
    if code == reg.REASON_OUTSIDE_SLOT:
        later = "" if near is None else "; it begins in " + duration(near * 1000)
        return "it is not on now" + later
    if code == reg.REASON_RISK:
        found = riskwords.parts(fields.get(22))
        return "this looked unusual" + ("" if found is None else ": " + found[2])
    if code == reg.REASON_CONDITION:
        return _condition(have, need, ruleset, _leaf(ruleset, fields, why))
    for known, words in _REASONS:
        if known == code:
            return words
    return "no reason was recorded" if code is None else "reason {} is {}".format(code, NEWER)


_REASONS = (
    (reg.REASON_GRANTED, "granted"),
    (reg.REASON_NEAR, "not enough yet"),
    (reg.REASON_BUDGET_USED_UP, "this stall's share of the budget is used up"),
    (reg.REASON_STOCK_USED_UP, "this stall's share of the stock is used up"),
    (reg.REASON_NO_RULE, "there is no bonus for this kind of event"),
    (reg.REASON_CLOCK_UNSET, "the time of day is not known yet"),
    (reg.REASON_STALE, "the data are too old"),
    (reg.REASON_JOURNAL_FULL, "the journal is full until the host has fetched its records"),
    (reg.REASON_CONTROL_ARM, "this visit is in the comparison group"),
    (reg.REASON_NO_RULESET, "no rules are installed yet"),
    (reg.REASON_HALTED, "the campaign is halted"),
    (reg.REASON_NO_RIGHTS_YET, "this brick has not received its share of the budget or stock yet"),
    (reg.REASON_TOO_MANY_PEOPLE, "more different people came than this brick can tell apart"),
    (reg.REASON_EXPOSURE_LIMIT, "the limit for deciding alone is reached"),
    (reg.REASON_ASK_HOST, "the stall has to answer this"),
    (reg.REASON_BASKET_SMALL, "the basket is too small"),
    (reg.REASON_LATCH, "the condition was reached before"),
    (reg.REASON_RULESET_EXPIRED, "the rules have expired"),
    (reg.REASON_PERSON, "a person at the stall decided it"),
    (reg.REASON_REVOKED, "this tag or pass was revoked"),
    (reg.REASON_CAP, "as much as one purchase may bring is already given"),
    (reg.REASON_VOUCHER_SPENT, "this voucher was used before"),
    (reg.REASON_VOUCHER_EXPIRED, "this voucher is not valid now"),
    (reg.REASON_VOUCHER_ELSEWHERE, "this voucher is for another stall"),
    (reg.REASON_VOUCHER_FALSE, "this is no true voucher"),
    (reg.REASON_OTHER_ARM, "this offer is tried with other visitors"),
    (reg.REASON_HOST_REFUSED, "the host said no"),
    (reg.REASON_REVERSED, "it was taken back"),
    (reg.REASON_TAG_COUNTER, "this tag's message is not a new one"),
    (reg.REASON_POWER_LOW, "this brick's battery is low"),
)


def _near(near, fields, ruleset, rule, leaf):
    if leaf is None or leaf[1][0] == expr.PEOPLE:
        words = "1 more person" if near == 1 else "{} more people".format(near)
    else:
        words = "1 more event"
        for name, word in _NEAR_WORDS:
            if name == leaf[1][0]:
                words = _count(near, "more " + word)
    left = ownwords.left_ms(fields, ruleset, rule, leaf)
    if left is not None:
        return words + " within " + duration(left)
    return words + (" is needed" if near == 1 else " are needed")


_NEAR_WORDS = (
    (expr.EVENTS, "event"),
    (expr.BALANCE, "loyalty token"),
    (expr.ATTENDED, "time slot"),
    (expr.VISITS, "visit"),
    (expr.ITEMS, "item"),
    (expr.ITEM, "of this item"),
)


def _within(ruleset, leaf):
    """The window of a count in words."""
    if ruleset.counters[leaf[1][1]][1] == expr.WINDOW_FIRST:
        return window(leaf[1][2])
    return "the last " + duration(leaf[1][2])


def _token(have, need):
    if have in (reg.TRUST_ANONYMOUS, None):
        return "this phone or card does not let itself be told apart from others"
    if need is not None and need <= reg.TRUST_ISSUED:
        return "this {} was not issued by the market".format("code" if have == reg.TRUST_TEXT else "tag")
    return "this kind of tag or code does not qualify"


def _condition(have, need, ruleset, leaf):
    if leaf is not None and leaf[1][0] == expr.PEOPLE and have is not None and leaf[0] in (expr.GT, expr.GE):
        return "{} came in {}{}".format(_people(have), _within(ruleset, leaf), _enough(leaf, need))
    return "a condition of the offer is not met"


# --- records that are not a customer's


def _other(kind, fields, rule):
    detail = fields.get(24) or ()
    if kind == reg.KIND_COLLECTIVE:
        count = _at(detail, 0)
        if count == 1:
            return "Nothing this time: the same again once more within a minute."
        return "Nothing this time: the same again {} times within a minute.".format(count)
    if kind == reg.KIND_BOOT:
        digest = _at(detail, 0)
        rules = "no rules" if digest is None else "rules " + _hex(digest[:8])
        return "The brick started (start {}), with {}.".format(fields.get(4), rules)
    if kind == reg.KIND_CLOCK:
        old, new = _at(detail, 0), _at(detail, 1)
        if old is None or new is None:
            return "The clock was set."
        step = new - old
        return "The clock was moved {} by {}.".format("back" if step < 0 else "on", duration(abs(step)))
    if kind == reg.KIND_CLOSE:
        who = _at(detail, 0)
        return "The stall closed" + (", signed off by " + who if who else "") + "."
    if kind == reg.KIND_RIGHTS:
        return "Rights: " + _rights(fields) + "."
    if kind == reg.KIND_LATCH:
        name = "" if rule is None else " of " + rule.id
        return "The condition{} is reached: it holds to the end of the time slot.".format(name)
    if kind == reg.KIND_LOST:
        first, last = _at(detail, 0), _at(detail, 1)
        if first is None or last is None:
            return "Records were lost."
        if first == last:
            return "Record {} was lost.".format(first)
        return "Records {} to {} were lost.".format(first, last)
    if kind == reg.KIND_RENTAL:
        return "Rental {} began.".format(_at(detail, 0))
    if kind == reg.KIND_OUTAGE and _at(detail, 0) == 1:
        return "The brick switched itself off: its batteries were empty."
    for known, words in _KINDS:
        if known == kind:
            return words
    return "A record of kind {}, {}.".format(kind, NEWER)


_KINDS = (
    (reg.KIND_START, "The brick's first record."),
    (reg.KIND_VOID, "An earlier grant was made void."),
    (reg.KIND_REFUND, "An earlier grant was refunded."),
    (reg.KIND_HEARTBEAT, "A sign of life."),
    (reg.KIND_OUTAGE, "An outage began or ended."),
    (reg.KIND_RESERVE, "A bonus was reserved."),
    (reg.KIND_RELEASE, "A reservation was released."),
    (reg.KIND_ANNOTATE, "A note on an earlier record."),
    (reg.KIND_PARAMETERS, "The operator set the campaign's open values."),
)


def _rights(fields):
    parts = []
    for slice_id, spent in fields.get(13) or ():
        if spent:
            parts.append("{} spent so far of slice {}".format(spent, slice_id))
        else:
            parts.append("slice {} is used from now on".format(slice_id))
    return ", ".join(parts) if parts else "none named"


# --- words


def window(first_ms):
    """The first part of a slot in words: "the first hour", "the first 30 minutes"."""
    words = "hour" if first_ms == 3600000 else duration(first_ms)
    return "the first " + (words[2:] if words[:2] == "1 " else words)


def _count(number, word):
    return "{} {}{}".format(number, word, "" if number == 1 else "s")


def _enough(leaf, need):
    """What a comparison with a fixed number asks for."""
    if need is None:
        return ""
    if leaf[0] == expr.GT:
        return " (more than {} were needed)".format(need - 1)
    return " ({} were needed)".format(need)


def _people(count):
    return "1 person" if count == 1 else "{} different people".format(count)


def _hex(data):
    return "".join(["{:02x}".format(byte) for byte in data])


def _at(array, index):
    return array[index] if index < len(array) else None


def _rule(index, ruleset):
    if ruleset is None or index is None or index >= len(ruleset.rules):
        return None
    return ruleset.rules[index]


def _leaf(ruleset, fields, why):
    number = _at(why, 3)
    if number is None or _rule(fields.get(9), ruleset) is None:
        return None
    return ruleset.leaf(fields[9], number)
