"""Secure dynamic messages: the published examples and ours check out, everything else is refused."""

import vectors
from ports import make_ecb, make_inverse
from stallmark import sdm, token
from stallmark.errors import FormatError

DATA = vectors.load("tag.json")


def h(text):
    return bytes.fromhex(text)


def uri(link, code=4):
    payload = bytes((code,)) + link
    return bytes((0xD1, 1, len(payload))) + b"U" + payload


def test_the_example_of_an12196():
    case = DATA["an12196_sdm"]
    uid, counter = sdm.open_picc(h(case["picc"]), make_inverse(h(case["key"])))
    assert (uid.hex(), counter) == (case["uid"], case["counter"])
    assert sdm.check(make_ecb, h(case["key"]), uid, counter, h(case["mac"]))


def test_messages_of_the_vectors():
    meta, file = h(DATA["keys"][2]), h(DATA["keys"][3])
    for case in DATA["sdm"]:
        uid, counter = sdm.open_picc(h(case["picc"]), make_inverse(meta))
        assert (uid.hex(), counter) == (DATA["uid"], case["counter"])
        assert sdm.check(make_ecb, file, uid, counter, h(case["mac"]))
        assert not sdm.check(make_ecb, file, uid, counter ^ 1, h(case["mac"]))
        assert not sdm.check(make_ecb, meta, uid, counter, h(case["mac"]))
        assert not sdm.check(make_ecb, file, uid, counter, h(case["mac"])[:7])
        assert not sdm.check(make_ecb, file, uid, counter, bytes(8))


def test_another_key_opens_nothing():
    case = DATA["sdm"][0]
    vectors.raises(FormatError, sdm.open_picc, h(case["picc"]), make_inverse(bytes(16)))
    vectors.raises(FormatError, sdm.open_picc, h(case["picc"])[:15], make_inverse(bytes(16)))


def test_a_link_gives_what_the_tag_mirrored():
    case = DATA["sdm"][1]
    both = (h(case["picc"]), h(case["mac"]))
    e, c = case["picc"].upper().encode(), case["mac"].upper().encode()
    for link in (
        b"stall.example/t?e=" + e + b"&c=" + c,
        b"stall.example/t?x=1&c=" + c + b"&e=" + e,
        b"stall.example/t#e=" + e.lower() + b"&c=" + c.lower(),
        b"stall.example/e=/t?e=" + e + b"&c=" + c + b"&z=9",
    ):
        assert sdm.find(uri(link)) == both, link
    issued = token.ndef_message(bytes(17))
    assert sdm.find(issued) is None


def test_links_without_it_and_broken_messages_give_none():
    case = DATA["sdm"][1]
    e, c = case["picc"].upper().encode(), case["mac"].upper().encode()
    for link in (
        b"",
        b"stall.example",
        b"stall.example/t?e=" + e,
        b"stall.example/t?c=" + c,
        b"stall.example/t?e=" + e[:-1] + b"&c=" + c,
        b"stall.example/t?e=" + e + b"&c=" + c[:-1],
        b"stall.example/t?e=" + e[:-1] + b"g&c=" + c,
        b"stall.example/t?xe=" + e + b"&xc=" + c,
        b"e=" + e + b"&c=" + c,
    ):
        found = sdm.find(uri(link))
        assert found is None or link.startswith(b"e="), link
    good = uri(b"stall.example/t?e=" + e + b"&c=" + c)
    for end in range(len(good)):
        assert sdm.find(good[:end]) is None
    assert sdm.find(bytes(64)) is None
