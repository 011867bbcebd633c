"""Values of a rule's conditions read strictly, into a shared table. docs/formats/ruleset.md"""

# pyright: reportAttributeAccessIssue=false
# What belongs to the rule that is read is set by stallmark.condition's Parser, which is one of these.

from stallmark import form
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError
from stallmark.expr import (
    ADD,
    ARM,
    ATTENDED,
    BALANCE,
    BALANCE_AGE,
    DOWN_TO,
    EVENT_TYPE,
    EVENTS,
    ITEM,
    LATCHED,
    MAX_DEPTH,
    MAX_SLOT_MS,
    NUMBER,
    OPEN,
    PEOPLE,
    SEEN,
    SHARE,
    SIGNAL,
    SINCE,
    SUB,
    VISITS,
    WINDOW_SLIDING,
    WINDOW_TUMBLING,
)

_MAX_CODE_BYTES = const(32)
_MIN_SLIDING_MS = const(8000)

# By version: nodes in a rule, counters in a ruleset
_NODES = (0, 32, 48)
_COUNTERS = (0, 8, 12)
_SHARED = (PEOPLE, SINCE, EVENTS, SIGNAL, LATCHED, OPEN)  # the same for everyone at one moment

# Rule flags that a value sets, as stallmark.ruleform names them
_KIT, _PEOPLE, _VISITS, _ATTENDS, _BALANCES, _SIGNALS = 16, 32, 64, 128, 256, 512
_FLAG_OF = (
    (PEOPLE, _PEOPLE), (SEEN, _PEOPLE), (VISITS, _VISITS), (ATTENDED, _ATTENDS),
    (BALANCE, _BALANCES), (BALANCE_AGE, _BALANCES), (SIGNAL, _SIGNALS),
)  # fmt: skip

# How a kit-wide count stands in a value: not at all, so that more only raises it, in another way
NONE, RISING, OTHER = 0, 1, 2


class Values:
    """Values of the conditions of one ruleset, each kept once; `_version` and `_trust` are of the rule that is read."""

    def __init__(self, ruleset):
        self._ruleset = ruleset
        self.latches = []
        self._counters = []
        self._values = {}

    def _node(self, expr):
        self._nodes += 1
        most = _NODES[self._version]
        if self._nodes > most:
            raise LimitError("condition of more than {} nodes".format(most))
        form.array(expr, "condition", most, 1)
        return form.uint(expr[0], "condition operator", 255)

    def _value(self, value, depth):
        """(place in the table of values, how a kit-wide count stands in it); `_name` is left as its name."""
        if type(value) is int:
            self._name = NUMBER
            form.integer(value, "number in a condition")
            return self._keep((NUMBER, value)), NONE
        name = self._node(value)
        if (self._version == 1 and name > SINCE) or name < PEOPLE:
            raise FormatError(
                "value {}: expected one of version {} (newer than this program?)".format(name, self._version)
            )
        if name >= ADD:
            return self._arithmetic(name, value, depth)
        kit = NONE
        if name == PEOPLE or name == EVENTS or name == SEEN:
            found, kit = self._counted(name, value)
        elif name == SIGNAL or name == ARM or name == LATCHED or name == OPEN:
            found = (name, self._index(name, value))
        elif name == ITEM:
            form.array(value, "item [28]", 2, 2)
            if type(value[1]) is int:
                form.integer(value[1], "item code [28]")
            elif not form.text(value[1], "item code [28]", _MAX_CODE_BYTES):
                form.fail("item code [28]", "a number or a text")
            found = (name, value[1])
        elif name <= EVENT_TYPE:
            form.array(value, "value [{}]".format(name), 1)
            found = (name,)
        else:
            raise FormatError("value {}: expected one of version 2 (newer than this program?)".format(name))
        for known, flag in _FLAG_OF:
            if known == name:
                self.flags |= flag
        if name not in _SHARED:
            self.shared = False
        self._name = name
        return self._keep(found), kit

    def _keep(self, value):
        return self._values.setdefault(value, len(self._values))

    def _counted(self, name, value):
        """[20, window, ms, scope] · [25, window, ms, scope, type] · [26, type, ms]; version 1: [20, first ms]"""
        scope = kind = window = 0
        if self._version == 1:
            form.array(value, "people [20]", 2, 2)
            ms = form.uint(value[1], "first ms of people [20]", MAX_SLOT_MS, 1)
            scope = 1
        elif name == SEEN:
            form.array(value, "seen [26]", 3, 3)
            kind = form.uint(value[1], "event type of seen [26]", 255, 1)
            ms = form.uint(value[2], "ms of seen [26]", MAX_SLOT_MS, 1)
            window = WINDOW_SLIDING
        else:
            size = 4 if name == PEOPLE else 5
            form.array(value, "count [{}]".format(name), size, size)
            window = form.uint(value[1], "window of a count", WINDOW_TUMBLING)
            ms = form.uint(value[2], "ms of a count", MAX_SLOT_MS, 1)
            scope = form.uint(value[3], "scope of a count", 1)
            if name == EVENTS:
                kind = form.uint(value[4], "event type of a count", 255)
            if scope == 0:
                self.flags |= _KIT
        if name == PEOPLE:
            self.counts_different = True
        if window == WINDOW_SLIDING and ms < _MIN_SLIDING_MS:
            form.fail(
                "sliding window or seen of {} ms".format(ms), "at least 8 s: eight steps of a second or more"
            )
        counter = (name, window, ms, scope, kind, self._trust)
        if counter not in self._counters:
            if len(self._counters) == _COUNTERS[self._version]:
                raise LimitError("more than {} different people counts".format(_COUNTERS[self._version]))
            self._counters.append(counter)
        return (name, self._counters.index(counter), ms), NONE if scope or name == SEEN else RISING

    def _index(self, name, value):
        form.array(value, "value [{}]".format(name), 2, 2)
        ruleset = self._ruleset
        if name == LATCHED:
            index = form.uint(value[1], "rule of latched [37]: an earlier one", len(self.latches) - 1)
            if not self.latches[index]:
                form.fail("rule of latched [37]", "one that latches")
            return index
        if name == SIGNAL:
            return form.uint(value[1], "signal [32]", len(ruleset.signals) - 1)
        if name == ARM:
            return form.uint(value[1], "experiment [33]", len(ruleset.experiments) - 1)
        return form.uint(value[1], "open value [40]", len(ruleset.open_values) - 1)

    def _arithmetic(self, name, value, depth):
        if name > DOWN_TO:
            raise FormatError("value {}: expected one of version 2 (newer than this program?)".format(name))
        if depth < 2:
            raise LimitError("condition of more than {} levels".format(MAX_DEPTH))
        form.array(value, "value [{}]".format(name), 3, 3)
        left, kit = self._value(value[1], depth - 1)
        if name == DOWN_TO:
            right = self._keep((NUMBER, form.uint(value[2], "multiple [55]", form.I64, 1)))
            other = NONE
        else:
            right, other = self._value(value[2], depth - 1)
        if other != NONE and (name == SUB or name == SHARE):
            kit = OTHER
        if name == SHARE and kit == RISING and (type(value[2]) is not int or value[2] < 0):
            kit = OTHER
        self._name = name
        return self._keep((name, left, right)), max(kit, other)
