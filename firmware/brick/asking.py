"""Questions to the host: reserve, ask, then commit or release (docs/formats/ruleset.md, Asking).

One event's questions are open at a time; nothing blocks meanwhile: later events wait for their turn, the reader and
the link go on. Without a link the answer is "nobody" at once.
"""

from stallmark import event as events
from stallmark import form
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.errors import FullError

from brick import aio, config, indicator
from brick import counters as count

_IDLE_MS = const(1000)

# Entries of a question
_PLACE, _NONCE, _SEQ, _ANSWER, _REASON = range(5)


class Asking:
    """`link_up()` says whether there is a session; `post(kind, value)` sends a message."""

    def __init__(self, decider, lamp, link_up, post, random, counters, ticks):
        self._decider = decider
        self._lamp = lamp
        self._link_up = link_up
        self._post = post
        self._random = random
        self._counters = counters
        self._ticks = ticks
        self._open = None  # (event, decisions, done, questions, when to stop waiting)
        self._waiting = []  # (event, done)
        self._flag = aio.Flag()

    @property
    def open(self):
        """Sequence numbers of reserves whose question is open."""
        return () if self._open is None else [question[_SEQ] for question in self._open[3]]

    def waits(self, event, done):
        """True where an event has to wait for its turn, or was refused because too many wait."""
        if self._open is None:
            return False
        if len(self._waiting) < config.ASK_WAITING:
            self._waiting.append((event, done))
            return True
        self._counters.add(count.ASK_CROWDED)
        self._lamp.show(indicator.ASK)
        if done is not None:
            done(None)
        return True

    def begin(self, event, decisions, done):
        """Reserve for every decision that asks, and ask. Returns what `settle` returns where nobody can answer,
        else None. Raises FullError or OSError where no reserve could be written: then nothing is promised."""
        questions = []
        for place, decision in enumerate(decisions):
            if decision.ask:
                try:
                    seq = self._decider.reserve(event, decision)
                except (FullError, OSError):
                    if questions:
                        self._decider.owing = True  # what was reserved before it goes back
                    raise
                questions.append([place, self._random(8), seq, None, None])
        self._open = (event, decisions, done, questions, self._ticks() + config.ASK_MS)
        if not self._ask(event, decisions, questions):
            return self.settle()
        self._flag.raise_()
        return None

    def _ask(self, event, decisions, questions):
        if not self._link_up():
            return False
        data = events.encode(event)
        if len(data) > config.ASK_EVENT_MAX:
            return False
        ruleset = self._decider.ruleset
        for question in questions:
            decision = decisions[question[_PLACE]]
            rule8 = ruleset.rule8[decision.rule]
            sums = self._decider.state.rights.sums(decision.rights)
            self._counters.add(count.ASKED)
            value = {0: question[_NONCE], 1: data, 2: rule8, 3: sums, 4: decision.ask}
            self._post(reg.MSG_ASK, value)
        return True

    def answered(self, value):
        """Message 44. Raises FormatError."""
        form.fields(value, "answer", (0, 1))
        nonce = form.octets(value[0], "answer nonce (0)", 8)
        answer = form.uint(value[1], "answer (1)", reg.ANSWER_NO, reg.ANSWER_YES)
        reason = value.get(2)
        if reason is not None:
            form.uint(reason, "answer reason (2)", 255)
        for question in self._open[3] if self._open else ():
            if question[_NONCE] == nonce and question[_ANSWER] is None:
                question[_ANSWER] = answer
                question[_REASON] = reason
                self._flag.raise_()
                return
        self._counters.add(count.ASK_LATE)

    async def run(self, pulse):
        """The task that waits for answers."""
        while True:
            pulse.beat()
            if self._open is None:
                await self._flag.wait(_IDLE_MS)
                continue
            left = self._open[4] - self._ticks()
            if left > 0 and self._unanswered():
                await self._flag.wait(left)
                continue
            self.settle()

    def _unanswered(self):
        for question in self._open[3]:
            if question[_ANSWER] is None:
                return True
        return False

    def settle(self):
        """Commit or release what is open as far as it was answered, then turn to the events that waited."""
        event, decisions, done, questions, _ = self._open
        self._open = None
        answers = {}
        for question in questions:
            if question[_ANSWER] is None:
                self._counters.add(count.ASK_UNANSWERED)
            answers[question[_PLACE]] = question
        record = self._decider.carry_out(event, decisions, done, answers)
        while self._waiting and self._open is None:
            self._decider.decide_now(*self._waiting.pop(0))
        return record

    def finish(self):
        """Nothing may stay open: another ruleset, or the end of the day."""
        while self._open is not None:
            self.settle()


def entry(question):
    """(reserve seq, answer or None, reason or None) of an entry that `carry_out` is given."""
    return question[_SEQ], question[_ANSWER], question[_REASON]
