"""What a risk field says in words, for screens; no brick loads this."""

SIGNALS = (
    "the same tag many times within ten seconds",
    "the same tag many times within a minute",
    "the same tag many times within ten minutes",
    "very many taps within a minute",
    "far more taps than usual here",
    "taps as regular as a machine's",
    "one tag as regular as a machine",
    "a tag whose counter jumped",
    "the same tag at another brick just before",
    "many bonuses with one member of staff",
    "the brick was switched off and on just before",
    "this kind of tag",
)


def parts(value):
    """(score, version of the model, words of the signal) of a record's field 22; None without one."""
    if value is None:
        return None
    signal = value >> 12
    words = SIGNALS[signal] if signal < len(SIGNALS) else "something newer than this program"
    return value & 255, value >> 8 & 15, words
