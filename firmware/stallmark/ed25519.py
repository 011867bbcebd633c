"""Ed25519 verification (RFC 8032 §5.1.7), strict, from big integers: stock MicroPython has no Curve25519.

The rule: S is below the group order; the key and R are canonical (y below p, no sign bit without an x) and not of small order;
then S·B - h·A, compressed, is R byte for byte: no cofactor. `stallmark.comb` decides the same from tables, faster.
"""

from stallmark.sha512 import sha512

P = (1 << 255) - 19
L = (1 << 252) + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, P - 2, P) % P
D2 = 2 * _D % P
_SQRT_M1 = pow(2, (P - 1) // 4, P)
MASK255 = (1 << 255) - 1

# y of the points whose order divides 8: such a key or R fits many signatures (libsodium refuses them too).
SMALL_ORDER = (
    0,
    1,
    P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
)

_BASE_Y = 4 * pow(5, P - 2, P) % P


def verify(public, message, signature):
    """
    Whether signature (64 bytes) is public's (32 bytes) over message. Never raises on bad input.

    Strict: S below the group order, A and R canonical and not of small order, no cofactor.
    """
    steps = checking(public, message, signature)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def checking(public, message, signature):
    """Generator whose value is verify()'s; it pauses after every few milliseconds of a small chip's time."""
    if not plausible(public, signature):
        return False
    a = decode(public)
    if a is None:
        return False
    yield
    h = scalar(sha512(signature[:32] + public + message)) % L
    yield
    table = list(_BASE_CACHED)
    for multiple in _multiples((P - a[0], a[1])):
        table.append(cached(multiple))
        for j in (1, 2, 3):
            table.append(cached(add(multiple, _BASE_CACHED[j])))
    s = scalar(signature[32:])
    # s times the base point minus h times the key, two bits of both scalars at a time (Straus).
    point = (0, 1, 1, 0)
    started = False
    for shift in range(252, -1, -2):
        if started:
            point = double(double(point))
        index = (h >> shift & 3) << 2 | s >> shift & 3
        if index:
            started = True
            point = add(point, table[index])
        if not shift & 15:
            yield
    return encoding(point[0], point[1], point[2]) == signature[:32]


def plausible(public, signature):
    """Whether lengths, S, and the y of the key and of R are within the rule: what can be told without arithmetic."""
    return (
        len(public) == 32
        and len(signature) == 64
        and scalar(signature[32:]) < L
        and _canonical(public)
        and _canonical(signature[:32])
    )


def scalar(data):
    """Little-endian bytes as an integer."""
    return int.from_bytes(data, "little")


def _canonical(data):
    y = scalar(data) & MASK255
    return y < P and y not in SMALL_ORDER


def inverse(z):
    """1/z modulo p, 0 <= z < p."""
    return _inverse(z)


def use(function):
    """Take `function(z) -> 1/z modulo p` from now on: a port's faster one."""
    global _inverse
    _inverse = function


def inverse_power(z):
    """The same as z**(p - 2): 254 squarings and 11 multiplications, where pow(z, p - 2, p) takes 254 of each."""
    z2 = z * z % P
    z9 = pow(z2, 4, P) * z % P
    z11 = z9 * z2 % P
    run = z11 * z11 % P * z9 % P  # z**(2**5 - 1)
    ten = pow(run, 1 << 5, P) * run % P
    twenty = pow(ten, 1 << 10, P) * ten % P
    forty = pow(twenty, 1 << 20, P) * twenty % P
    fifty = pow(forty, 1 << 10, P) * ten % P
    hundred = pow(fifty, 1 << 50, P) * fifty % P
    two_hundred = pow(hundred, 1 << 100, P) * hundred % P
    run = pow(two_hundred, 1 << 50, P) * fifty % P
    return pow(run, 1 << 5, P) * z11 % P


_inverse = inverse_power


def decode(data):
    """Affine (x, y) of 32 bytes, or None when they are not on the curve (RFC 8032 §5.1.3)."""
    y = scalar(data)
    sign = y >> 255
    y &= MASK255
    u = (y * y - 1) % P
    v = (_D * y * y + 1) % P
    v3 = v * v * v % P
    x = u * v3 * pow(u * v3 * v3 * v % P, (P - 5) // 8, P) % P
    vxx = v * x * x % P
    if vxx != u:
        if vxx != P - u:
            return None
        x = x * _SQRT_M1 % P
    if x & 1 != sign:
        if not x:
            return None
        x = P - x
    return x, y


def base_point():
    """Affine (x, y) of the base point."""
    return decode(_BASE_Y.to_bytes(32, "little"))


def encoding(x, y, z):
    """32 bytes of a point in extended coordinates."""
    z = inverse(z)
    x = x * z % P
    y = y * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def extended(x, y):
    """An affine point in extended coordinates."""
    return x, y, 1, x * y % P


def cached(point):
    """A point as the addition below wants its second operand: Y - X, Y + X, 2Z, 2dT."""
    x, y, z, t = point
    return y - x, y + x, 2 * z, t * D2 % P


def add(p, q):
    """Extended point p plus cached point q (RFC 8032 §5.1.4): 8 multiplications. Complete: right for any two points."""
    x, y, z, t = p
    a = (y - x) * q[0] % P
    b = (y + x) * q[1] % P
    c = t * q[3] % P
    d = z * q[2] % P
    e = b - a
    f = d - c
    g = d + c
    h = b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(p):
    """Twice an extended point; its t is not used."""
    x, y, z, _ = p
    a = x * x % P
    b = y * y % P
    h = a + b
    e = h - (x + y) * (x + y) % P
    g = a - b
    f = 2 * z * z % P + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiples(point):
    """1, 2 and 3 times a point, extended."""
    once = extended(point[0], point[1])
    twice = double(once)
    return once, twice, add(twice, cached(once))


_BASE_CACHED = (None,) + tuple([cached(p) for p in _multiples(base_point())])
