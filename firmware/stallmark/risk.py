"""How unusual an event is: whole numbers about token, brick and staff, kept in small tables (docs/formats/risk.md).

A score only ever adds friction: rules may ask the stall above a number, nobody is refused for it alone.
"""

from array import array

from stallmark import decide as engine
from stallmark import expr, risktree
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.decision import Decision, plain

# Features, in the order of a model's tables; their words are in stallmark.riskwords
TOKEN_10S, TOKEN_60S, TOKEN_10M, BRICK_60S, BRICK_RATIO, BRICK_REGULAR = 0, 1, 2, 3, 4, 5
TOKEN_REGULAR, COUNTER_JUMP, ELSEWHERE_S, STAFF_HOUR, SINCE_START_S, TRUST = 6, 7, 8, 9, 10, 11
FEATURES = const(12)

_TOKENS = const(32)
_DEPTH = const(8)  # instants kept of a token
_TAPS = const(64)  # instants kept of the brick
_TOLD = const(48)  # people whom other bricks saw last
_STAFF = const(8)
_FAR_S = const(600)  # elsewhere so long ago, or never
_HOUR_MS = const(3600000)
_HIGH = const(255)
# Hard rules before any model: one token so often in ten seconds, or at two bricks within a second
_HAMMERED = const(6)
_TWO_PLACES_S = const(1)
# What a customer sees as "nothing this time"; places in a Decision
_NOTHING = (reg.KIND_DENY, reg.KIND_GHOST)
_LATCHES, _UNTIL, _EVIDENCE = 5, 8, 12


class Watch:
    """Sees every event once, in order. `model`: a table of stallmark.risktree. Every table is full from the start or bounded:
    the oldest entry goes first."""

    def __init__(self, model):
        self.model = model
        self.version = risktree.version(model)
        self._subjects = [None] * _TOKENS
        self._times = array("q", [0] * (_TOKENS * _DEPTH))
        self._counts = array("H", [0] * _TOKENS)
        self._counters = array("i", [-1] * _TOKENS)
        self._next = 0
        self._taps = array("q", [0] * _TAPS)
        self._tapped = 0
        self._usual = 0  # taps a minute, times 16, as an average over hours
        self._usual_at = 0
        self._others = []  # [subject6, wall ms] as told by the host
        self._staff = []  # [subject8, start of its hour, grants in it]

    def told(self, subject6, wall_ms):
        """Another brick of the kit saw this person then."""
        others = self._others
        for entry in others:
            if entry[0] == subject6:
                entry[1] = max(entry[1], wall_ms)
                return
        if len(others) >= _TOLD:
            others.pop(0)
        others.append([subject6, wall_ms])

    def granted(self, staff, now_ms):
        """A bonus was given, by this member of staff or, where the token is theirs, to them."""
        if staff is None:
            return
        for entry in self._staff:
            if entry[0] == staff:
                if now_ms - entry[1] >= _HOUR_MS:
                    entry[1], entry[2] = now_ms, 0
                entry[2] += 1
                return
        if len(self._staff) >= _STAFF:
            self._staff.pop(0)
        self._staff.append([staff, now_ms, 1])

    def see(self, event):
        """(score 0 to 255, feature that speaks most for it): takes note of an event and judges it."""
        return self.judge(self.features(event))

    def judge(self, found):
        """(score, feature) of features: hard rules first, then the model."""
        if found[TOKEN_10S] >= _HAMMERED:
            return _HIGH, TOKEN_10S
        if found[ELSEWHERE_S] < _TWO_PLACES_S:
            return _HIGH, ELSEWHERE_S
        return risktree.score(self.model, found)

    def features(self, event):
        """The features of an event, a list of whole numbers; the event counts from now on."""
        now = event.uptime_ms or 0
        found = [0] * FEATURES
        found[ELSEWHERE_S] = _FAR_S
        found[SINCE_START_S] = min(3600, now // 1000)
        found[TRUST] = event.trust
        self._brick(now, found)
        if event.subject is not None:
            self._token(event, now, found)
            found[ELSEWHERE_S] = self._elsewhere(event)
        staff = served_by(event)
        if staff is not None:
            for entry in self._staff:
                if entry[0] == staff and now - entry[1] < _HOUR_MS:
                    found[STAFF_HOUR] = entry[2]
        return found

    def _brick(self, now, found):
        taps, kept = self._taps, min(self._tapped, _TAPS)
        times = [taps[(self._tapped - 1 - back) % _TAPS] for back in range(kept)]
        taps[self._tapped % _TAPS] = now
        self._tapped += 1
        minute = 1
        for then in times:
            if now - then > 60000:
                break
            minute += 1
        found[BRICK_60S] = minute
        found[BRICK_REGULAR] = _regular([now] + times[:7])
        if self._usual:
            found[BRICK_RATIO] = min(9999, minute * 1600 // self._usual)
        else:
            found[BRICK_RATIO] = 100
            self._usual = minute * 16
        if now - self._usual_at >= 60000:  # once a minute, a sixteenth of the way
            self._usual_at = now
            self._usual += minute - self._usual // 16
            self._usual = max(self._usual, 16)

    def _token(self, event, now, found):
        subjects = self._subjects
        if event.subject in subjects:
            place = subjects.index(event.subject)
        else:
            place = self._next
            self._next = (place + 1) % _TOKENS
            subjects[place] = event.subject
            self._counts[place] = 0
            self._counters[place] = -1
        base, seen = place * _DEPTH, self._counts[place]
        times = [now] + [self._times[base + (seen - 1 - back) % _DEPTH] for back in range(min(seen, _DEPTH))]
        self._times[base + seen % _DEPTH] = now
        self._counts[place] = seen + 1 if seen < 0xFFF0 else _DEPTH
        for feature, span in ((TOKEN_10S, 10000), (TOKEN_60S, 60000), (TOKEN_10M, 600000)):
            found[feature] = len([then for then in times if now - then <= span])
        found[TOKEN_REGULAR] = _regular(times)
        counter = event.token_counter
        if counter is not None:
            last = self._counters[place]
            found[COUNTER_JUMP] = 0 if last < 0 else max(0, min(0x7FFF, counter - last))
            self._counters[place] = max(last, counter)

    def _elsewhere(self, event):
        """Seconds that lie at most between here and there: two clocks are compared, so what either may be wrong by is added.
        Others tell only of times from a host, without their ±: it is taken to be as large as ours."""
        wall, spread = event.wall_ms, event.spread_ms
        if wall is not None and event.quality >= reg.QUALITY_HOST and spread is not None:
            subject6 = event.subject[:6]
            for entry in self._others:
                if entry[0] == subject6:
                    return min(_FAR_S, (abs(wall - entry[1]) + 2 * spread) // 1000)
        return _FAR_S


def _regular(times):
    """0 (as people come) to 1000 (like clockwork): how alike the intervals between instants, newest first, are."""
    if len(times) < 5:
        return 0
    gaps = [times[at] - times[at + 1] for at in range(len(times) - 1)]
    mean = sum(gaps) // len(gaps)
    if mean <= 0 or mean > 120000:
        return 0
    off = sum([abs(gap - mean) for gap in gaps]) // len(gaps)
    return max(0, 1000 - off * 1000 // mean)


def field(version, score, feature):
    """What a record says of it (field 22): the feature in the top four bits, the model's version in the next, the score."""
    return feature << 12 | (version & 15) << 8 | score


def served_by(event):
    """The member of staff whom a grant counts for: who served, or whose own token it is. None where nobody is known."""
    if event.staff is None and event.trust == reg.TRUST_STAFF:
        return event.subject
    return event.staff


def decide(ruleset, state, event, score, lane=False):
    """The Decisions on an event; where the score alone makes it a no, the first one is a question to the stall.

    That is so where the same event with a score of 0 comes to more than a no, whatever shape the conditions have. An
    author may give less for a high score: what grants something stays as it is. `score` None: none is known.
    """
    found = engine.decide(ruleset, state, event, score, lane)
    if not score or found[0].kind not in _NOTHING or not _reads(ruleset):
        return found
    calm = engine.decide(ruleset, state, event, 0, lane)[0]
    if calm.kind in _NOTHING:
        return found
    first = found[0]
    asked = list(plain(reg.KIND_UNCERTAIN, [reg.REASON_RISK, calm.rule], calm.rule))
    asked[_LATCHES], asked[_UNTIL], asked[_EVIDENCE] = first.latches, first.until, first.evidence
    if first.kind == reg.KIND_DENY:
        found[0] = Decision(*asked)
    else:  # what nobody is to see stays behind it
        bare = list(first)
        bare[_LATCHES], bare[_UNTIL] = [], []
        found[0] = Decision(*bare)
        found.insert(0, Decision(*asked))
    return found


def _reads(ruleset):
    """Whether any condition looks at the risk."""
    for value in ruleset.values:
        if value[0] == expr.RISK:
            return True
    return False
