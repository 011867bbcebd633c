"""A new application on trial: it stays once parts, link and rules work as before for a minute; else it goes back by itself."""

from stallmark.constant import const

from brick import config
from brick.application import LINK, READER, RULES, SCANNER

_PATIENCE_MS = const(60000)  # after the minute, for a part that just now fails
_RULES_GONE = const(7)
_RULES_OTHER = const(8)
_REASONS = ((READER, 4), (SCANNER, 5), (LINK, 6))


class Trial:
    """`expected`: bits of what worked when the switch was made; `parts()`: bits of what works now; `ms`: how long is good."""

    def __init__(self, expected, parts, ticks, ms=config.GOOD_BOOT_MS, link_ms=config.TRIAL_LINK_MS):
        self._expected = expected
        self._parts = parts
        self._ticks = ticks
        self._began = ticks()
        self._ms = ms
        self._link_ms = link_ms
        self._seen = 0  # a link that was up once has shown that it works

    def look(self):
        """0: goes on; -1: it stays; else the reason for which it goes back."""
        now = self._parts()
        self._seen |= now & LINK
        passed = self._ticks() - self._began
        if passed < self._ms:
            return 0
        missing = self._expected & ~(now | self._seen | RULES)
        if not missing:
            return -1
        if missing & ~LINK:
            if passed < self._ms + min(_PATIENCE_MS, self._ms):
                return 0
        elif passed < self._link_ms:
            return 0
        for bit, reason in _REASONS:
            if missing & bit:
                return reason
        return 0


def rules_wrong(expected, ruleset, vectors):
    """Why this application cannot decide by the installed rules, as a reason of a return; 0 where it can. `vectors`: the golden
    vectors that the rules' authors signed."""
    if ruleset is None:
        return _RULES_GONE if expected & RULES else 0
    from stallmark import golden

    return 0 if golden.first_wrong(ruleset, vectors) is None else _RULES_OTHER
