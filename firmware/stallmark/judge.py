"""Rules as functions, made for a ruleset that decides often: what they find is what stallmark.decide finds by hand."""

import gc

from stallmark import stacking, standing
from stallmark.arithmetic import known
from stallmark.values import compare

CHUNK = 16  # rules whose text is compiled at one time, on a machine with memory


def prepare(ruleset, chunk=CHUNK):
    """Gives a ruleset its functions; every rule has one. `chunk`: rules compiled at one time: a brick with memory to spare
    takes 1. Raises MemoryError where there is no room; the ruleset decides as before then."""
    from stallmark import decide, judgetext

    words = {
        "J": decide.by_hand,
        "A": decide.asks,
        "F": known,
        "G": stacking.give,
        "K": stacking.cover,
        "M": compare,
        "S": standing.short,
    }
    found = []
    for first in range(0, len(ruleset.rules), chunk):
        indexes = range(first, min(first + chunk, len(ruleset.rules)))
        exec("".join([judgetext.Writer(ruleset, index).text() for index in indexes]), words)
        for index in indexes:
            found.append(words.pop("f{}".format(index)))
        if chunk == 1:
            gc.collect()
    ruleset.judges = tuple(found)
