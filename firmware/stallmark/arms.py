"""Arms of experiments and the holdout: a subject's bucket, the same everywhere. docs/formats/ruleset.md"""

from hashlib import sha256

from stallmark import expr

HOLDOUT = 255  # where a record names the experiment (field 19)


def bucket(salt, key, subject):
    """0 to 9,999 of a subject (8 bytes); the salts keep experiments apart from each other and from the holdout."""
    return int.from_bytes(sha256(salt + key.encode() + subject).digest()[:4], "big") % 10000


def arm(experiment, subject):
    """Index of the subject's arm in an experiment (key, salt, shares, control): arms take consecutive ranges of buckets."""
    key, salt, shares, _control = experiment
    left = bucket(salt, key, subject)
    for index, share in enumerate(shares):
        if left < share:
            return index
        left -= share
    return len(shares) - 1


def held_out(ruleset, subject):
    """True where a subject is in the ruleset's holdout."""
    salt, share = ruleset.holdout
    return bucket(salt, "", subject) < share


def signals_of(ruleset, node):
    """Indexes of the signals that a condition looks at, in order of first appearance."""
    out = []
    for part in expr.parts(node):
        if type(part) is not int:
            out += signals_of(ruleset, part)
            continue
        op, left, right, _hint = [column[part] for column in ruleset.leaves]
        _signals_in(ruleset, left, out)
        if op > expr.BOTH:
            for side in right if type(right) is tuple else (right,):
                _signals_in(ruleset, side, out)
    return out


def _signals_in(ruleset, at, out):
    value = ruleset.values[at]
    if value[0] >= expr.ADD:
        _signals_in(ruleset, value[1], out)
        _signals_in(ruleset, value[2], out)
    elif value[0] == expr.SIGNAL and value[1] not in out:
        out.append(value[1])
