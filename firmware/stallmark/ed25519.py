"""Ed25519 verification (RFC 8032 §5.1.7), strict, from big integers: stock MicroPython has no Curve25519."""

from stallmark.sha512 import sha512

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_D2 = 2 * _D % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)
_MASK255 = (1 << 255) - 1

# y of the points whose order divides 8: such a key or R fits many signatures (libsodium refuses them too).
_SMALL_ORDER = (
    0,
    1,
    _P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
)

_BASE_Y = 4 * pow(5, _P - 2, _P) % _P


def verify(public, message, signature):
    """
    Whether signature (64 bytes) is public's (32 bytes) over message. Never raises on bad input.

    Strict: S below the group order, A and R canonical and not of small order, no cofactor.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    r = signature[:32]
    s = _number(signature[32:])
    if s >= _L or not _canonical(public) or not _canonical(r):
        return False
    a = _point(public)
    if a is None:
        return False
    h = _number(sha512(r + public + message)) % _L
    return _compressed(_double_scalar(s, h, (_P - a[0], a[1]))) == r


def _number(data):
    """Little-endian bytes as an integer."""
    return int.from_bytes(data, "little")


def _canonical(data):
    y = _number(data) & _MASK255
    return y < _P and y not in _SMALL_ORDER


def _point(data):
    """Affine (x, y) of 32 bytes, or None when they are not on the curve (RFC 8032 §5.1.3)."""
    y = _number(data)
    sign = y >> 255
    y &= _MASK255
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    v3 = v * v * v % _P
    x = u * v3 * pow(u * v3 * v3 * v % _P, (_P - 5) // 8, _P) % _P
    vxx = v * x * x % _P
    if vxx != u:
        if vxx != _P - u:
            return None
        x = x * _SQRT_M1 % _P
    if x & 1 != sign:
        if not x:
            return None
        x = _P - x
    return x, y


def _compressed(point):
    """32 bytes of an extended point."""
    z = pow(point[2], _P - 2, _P)
    x = point[0] * z % _P
    y = point[1] * z % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _extended(x, y):
    return x, y, 1, x * y % _P


def _cached(point):
    """A point as the addition below wants its second operand: Y - X, Y + X, 2Z, 2dT."""
    x, y, z, t = point
    return y - x, y + x, 2 * z, t * _D2 % _P


def _add(p, q):
    """Extended point p plus cached point q (RFC 8032 §5.1.4): 8 multiplications."""
    x, y, z, t = p
    a = (y - x) * q[0] % _P
    b = (y + x) * q[1] % _P
    c = t * q[3] % _P
    d = z * q[2] % _P
    e = b - a
    f = d - c
    g = d + c
    h = b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p):
    """Twice a point; its t is not used."""
    x, y, z, _ = p
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiples(point):
    """1, 2 and 3 times a point, extended."""
    once = _extended(point[0], point[1])
    twice = _double(once)
    return once, twice, _add(twice, _cached(once))


_BASE = _multiples(_point(_BASE_Y.to_bytes(32, "little")))
_BASE_CACHED = (None,) + tuple([_cached(p) for p in _BASE])


def _double_scalar(s, h, minus_a):
    """s times the base point plus h times minus_a, two bits of both scalars at a time (Straus)."""
    table = list(_BASE_CACHED)
    for multiple in _multiples(minus_a):
        table.append(_cached(multiple))
        for j in (1, 2, 3):
            table.append(_cached(_add(multiple, _BASE_CACHED[j])))
    point = (0, 1, 1, 0)
    started = False
    for shift in range(252, -1, -2):
        if started:
            point = _double(_double(point))
        index = (h >> shift & 3) << 2 | s >> shift & 3
        if index:
            started = True
            point = _add(point, table[index])
    return point
