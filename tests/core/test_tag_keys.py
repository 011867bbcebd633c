"""Keys of tags and their way to a brick are those of the vectors; a changed message gives nothing."""

import vectors
from ports import make_ecb
from stallmark import cbor, crypt, tagkeys
from stallmark.errors import FormatError

DATA = vectors.load("tag.json")


def h(name):
    return bytes.fromhex(DATA[name])


def base(name):
    return bytes.fromhex(DATA["bases"][name])


def message():
    return {n: bytes.fromhex(value) for n, value in enumerate(DATA["message"])}


def test_diversification_is_that_of_an10922():
    published = DATA["an10922"]
    made = crypt.cmac(make_ecb(bytes.fromhex(published["key"])), b"\x01" + bytes.fromhex(published["input"]))
    assert made.hex() == published["diversified"]


def test_keys_of_a_tag_are_those_of_the_vectors():
    for name, number in (("own", 0), ("live", 1), ("file", 3), ("spare", 4)):
        made = tagkeys.diversified(make_ecb, base(name), h("uid"), number)
        assert made.hex() == DATA["keys"][number]
    assert tagkeys.diversified(make_ecb, base("password"), h("uid"), 0xFF)[:6] == h("password")
    vectors.raises(FormatError, tagkeys.diversified, make_ecb, base("live"), b"\x08abc", 1)


def test_the_controllers_message_is_that_of_the_vectors_and_opens():
    keys = base("meta"), base("file"), base("live")
    made = tagkeys.seal(h("control"), h("brick"), make_ecb, message()[0], DATA["version"], h("event"), *keys)
    assert made == message()
    found = tagkeys.unseal(message(), h("control"), h("brick"), make_ecb)
    assert found == (DATA["version"], h("event")) + keys


def test_a_message_for_another_brick_or_of_another_controller_gives_nothing():
    vectors.raises(FormatError, tagkeys.unseal, message(), h("control"), b"another8", make_ecb)
    vectors.raises(FormatError, tagkeys.unseal, message(), bytes(32), h("brick"), make_ecb)


def test_every_changed_byte_of_the_message_is_refused():
    for field in (0, 1, 2):
        for at in range(len(message()[field])):
            changed = message()
            data = bytearray(changed[field])
            data[at] ^= 1
            changed[field] = bytes(data)
            vectors.raises(FormatError, tagkeys.unseal, changed, h("control"), h("brick"), make_ecb)


def test_a_message_of_another_shape_is_refused():
    good = message()
    for wrong in (
        None,
        {},
        {0: good[0], 1: good[1]},
        {0: good[0][:11], 1: good[1], 2: good[2]},
        {0: good[0], 1: bytes(129), 2: good[2]},
        {0: good[0], 1: "text", 2: good[2]},
        {0: good[0], 1: good[1], 2: good[2] + b"x"},
    ):
        vectors.raises(FormatError, tagkeys.unseal, wrong, h("control"), h("brick"), make_ecb)


def sealed(plain):
    key = crypt.hkdf_expand(h("control"), b"tag keys enc", 16)
    body = crypt.ctr(make_ecb(key), bytes(12), plain)
    mac = crypt.hmac(
        crypt.hkdf_expand(h("control"), b"tag keys mac", 32),
        b"stallmark/tag-keys/1\0" + h("brick") + bytes(12) + body,
    )
    return {0: bytes(12), 1: body, 2: mac[:16]}


def test_a_controller_that_seals_nonsense_is_refused_too():
    good = {0: 1, 1: 1, 2: bytes(8), 3: bytes(16), 4: bytes(16), 5: bytes(16)}
    assert tagkeys.unseal(sealed(cbor.encode(good)), h("control"), h("brick"), make_ecb)[0] == 1
    for key, value in ((0, 2), (1, -1), (2, bytes(7)), (3, bytes(15)), (5, None)):
        changed = dict(good)
        changed[key] = value
        broken = sealed(cbor.encode(changed))
        vectors.raises(FormatError, tagkeys.unseal, broken, h("control"), h("brick"), make_ecb)
    vectors.raises(FormatError, tagkeys.unseal, sealed(b"\xff"), h("control"), h("brick"), make_ecb)
