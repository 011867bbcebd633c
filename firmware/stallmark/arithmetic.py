"""Values of conditions: ints of 64 bits, what is not known, and what is at least so much. docs/formats/ruleset.md"""

from stallmark.constant import const

# Of the values, as stallmark.expr numbers them
_ADD = const(50)
_SUB = const(51)
_SHARE = const(52)
_MIN = const(53)
_MAX = const(54)

NOBODY = ()  # a value that is not known; (n,) is one of which n is the least that it can be
_HIGH = 0x7FFFFFFFFFFFFFFF


def known(number):
    """An int of 64 bits as it is; NOBODY for None and for what is no such number."""
    return NOBODY if number is None or not -_HIGH - 1 <= number <= _HIGH else number


def arithmetic(name, a, b):
    """Of ints; of *at least* numbers where more on a side can only give more."""
    if a == NOBODY or b == NOBODY:
        return NOBODY
    least = type(a) is not int or type(b) is not int
    if least:
        if type(b) is not int:
            if name == _SUB or name == _SHARE:
                return NOBODY
            b = b[0]
        if type(a) is not int:
            if name == _SHARE and b < 0:
                return NOBODY
            a = a[0]
    if name == _ADD:
        a += b
    elif name == _SUB:
        a -= b
    elif name == _SHARE:
        a = (a * b + 5000) // 10000
    elif name == _MIN:
        a = min(a, b)
    elif name == _MAX:
        a = max(a, b)
    else:
        a = a // b * b
    if not -_HIGH - 1 <= a <= _HIGH:
        return NOBODY
    return (a,) if least else a
