"""The inverse in machine code is the inverse: edges, long runs of numbers, and all of Wycheproof's signatures with it in use."""
# heap: 16M

import vectors
from stallmark import ed25519

try:
    from brick import inversewords
except (ImportError, SyntaxError):
    raise vectors.SkipTest("no machine code here: the power is in use")

P = ed25519.P


def test_edges():
    assert inversewords.inverse(0) == 0 == ed25519.inverse_power(0)
    ones = [(1 << bits) - 1 for bits in range(1, 256, 7)]
    for z in [1, 2, 3, 18, 19, 20, P - 1, P - 2, P - 19, (P + 1) // 2, (P - 1) // 2] + ones:
        assert inversewords.inverse(z) * z % P == 1, z
        assert inversewords.inverse(P - z) == P - inversewords.inverse(z), z
    for shift in range(255):
        assert (inversewords.inverse(1 << shift) << shift) % P == 1, shift


def test_a_thousand_numbers():
    z = 3
    for _ in range(1000):
        inverse = inversewords.inverse(z)
        assert 0 < inverse < P and inverse * z % P == 1, z
        z = (z * z + 5 * inverse) % P


def test_it_takes_its_place():
    ed25519.use(inversewords.inverse)
    try:
        checked = 0
        for group in vectors.public("wycheproof_ed25519.json")["testGroups"]:
            public = bytes.fromhex(group["publicKey"]["pk"])
            for case in group["tests"]:
                good = ed25519.verify(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
                assert good == (case["result"] == "valid"), (case["tcId"], case["comment"])
                checked += 1
        assert checked == 151, checked
    finally:
        ed25519.use(ed25519.inverse_power)
