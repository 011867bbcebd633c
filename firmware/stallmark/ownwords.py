"""The author's own words for an outcome, with its numbers put in. docs/formats/ruleset.md"""

from stallmark import expr, money
from stallmark import registry as reg
from stallmark.ruleform import SHARES

NAMES = ("missing", "have", "need", "amount", "percent", "minutes", "what")


def text(fields, ruleset, language):
    """The rule's own text for the outcome of a record, {missing} and so on filled in; None where it has none, or where a
    number that it names is not in the record. A question to the stall (uncertain) is never the author's."""
    kind = fields.get(10)
    why = fields.get(14) or ()
    if kind == reg.KIND_GRANT or kind == reg.KIND_REDEEM:
        message = 0
    elif kind == reg.KIND_DENY or kind == reg.KIND_GHOST:
        message = 2 if why and why[0] == reg.REASON_NEAR else 1
    else:
        return None
    words = ruleset.words(fields[9], message, language)
    if not words:
        return None
    for name in NAMES:
        if "{" + name + "}" in words:
            value = _value(name, fields, ruleset, why)
            if value is None:
                return None
            words = words.replace("{" + name + "}", value)
    return words


def _value(name, fields, ruleset, why):
    rule = ruleset.rules[fields[9]]
    grants = fields.get(12) or [grant for grant in rule.grants if type(grant[1]) is type(grant[2]) is int]
    if name == "percent":
        for grant in grants:
            if grant[0] in SHARES:
                return money.percent(grant[1])
        return None
    if name == "amount":
        total = sum([grant[2] or 0 for grant in grants])
        return money.text(total, ruleset.currency) if total else None
    if name == "minutes":
        left = left_ms(
            fields, ruleset, rule, None if len(why) < 4 or why[3] is None else ruleset.leaf(fields[9], why[3])
        )
        return None if left is None else str((left + 59999) // 60000)
    if name == "what":
        from stallmark import explain

        return explain.grants(fields) if fields.get(12) else None
    place = {"missing": 7, "have": 4, "need": 5}[name]
    found = why[place] if place < len(why) else None
    if found is None:
        return None
    return (
        money.text(found, fields[23])
        if fields.get(23) is not None and why[0] == reg.REASON_BASKET_SMALL
        else str(found)
    )


def left_ms(fields, ruleset, rule, leaf):
    """Milliseconds that are left for a count of people or events, at the record's time; None where that is not known."""
    wall = fields.get(5)
    if leaf is None or wall is None or leaf[1][0] not in (expr.PEOPLE, expr.EVENTS):
        return None
    for slot in rule.slots:
        start, end = ruleset.slots[slot]
        if ruleset.counters[leaf[1][1]][1] == expr.WINDOW_FIRST:
            end = min(start + leaf[1][2], end)
        if start <= wall < end:
            return end - wall
    return None


def duration(ms):
    """A span as people say it, rounded up: "40 seconds", "14 minutes", "2 hours"."""
    seconds = (ms + 999) // 1000
    if seconds < 60:
        return _count(seconds, "second")
    minutes = (seconds + 59) // 60
    if minutes < 120:
        return _count(minutes, "minute")
    hours = (minutes + 59) // 60
    return _count(hours, "hour") if hours < 48 else _count((hours + 23) // 24, "day")


def _count(number, word):
    return "{} {}{}".format(number, word, "" if number == 1 else "s")
