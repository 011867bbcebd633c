"""HMAC, HKDF, CTR and CMAC against published vectors; keys of the schedule against another implementation."""
# heap: 8M

import vectors
from ports import make_ecb
from stallmark import crypt, keys

# RFC 4231: key, data, HMAC-SHA-256
RFC4231 = (
    (
        "0b" * 20,
        b"Hi There".hex(),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?".hex(),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "aa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First".hex(),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)
# NIST SP 800-38A F.5.1: AES-128-CTR
CTR_KEY = "2b7e151628aed2a6abf7158809cf4f3c"
CTR_FIRST = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"


def test_hmac_of_rfc_4231():
    for key, data, mac in RFC4231:
        assert crypt.hmac(bytes.fromhex(key), bytes.fromhex(data)).hex() == mac


def test_sha256_takes_parts():
    assert crypt.sha256(b"a", b"", b"bc") == crypt.sha256(b"abc")
    assert crypt.sha256().hex()[:16] == "e3b0c44298fc1c14"


def test_hkdf_of_wycheproof():
    for group in vectors.public("wycheproof_hkdf_sha256.json")["testGroups"]:
        for case in group["tests"]:
            prk = crypt.hkdf_extract(bytes.fromhex(case["salt"]), bytes.fromhex(case["ikm"]))
            info = bytes.fromhex(case["info"])
            if case["result"] == "valid":
                assert crypt.hkdf_expand(prk, info, case["size"]).hex() == case["okm"], case["tcId"]
            else:
                vectors.raises(ValueError, crypt.hkdf_expand, prk, info, case["size"])


def test_cmac_of_wycheproof():
    checked = 0
    for group in vectors.public("wycheproof_aes_cmac.json")["testGroups"]:
        if group["keySize"] != 128:
            continue  # the core has AES-128 only
        for case in group["tests"]:
            tag = crypt.cmac(make_ecb(bytes.fromhex(case["key"])), bytes.fromhex(case["msg"]))
            assert (tag.hex() == case["tag"]) == (case["result"] == "valid"), case["tcId"]
            checked += 1
    assert checked > 90, checked


def test_ctr_is_the_key_stream_of_its_counter_blocks():
    ecb = make_ecb(bytes.fromhex(CTR_KEY))
    prefix = bytes.fromhex(CTR_FIRST)[:12]
    for size in (0, 1, 15, 16, 17, 475, 478, 512, 513, 1000):
        data = bytes([n * 7 & 0xFF for n in range(size)])
        stream = b"".join([ecb(prefix + n.to_bytes(4, "big")) for n in range((size + 15) // 16)])
        expected = bytes([a ^ b for a, b in zip(data, stream)])
        assert crypt.ctr(ecb, prefix, data) == expected, size
        assert crypt.ctr(ecb, prefix, expected) == data


def test_ctr_of_another_implementation():
    vector = vectors.load("link.json")
    enc = bytes.fromhex(vector["keys"])[:16]
    first = vector["messages"][0]
    body = bytes.fromhex(vector["session"]) + bytes(4) + (1).to_bytes(4, "big")
    plaintext = bytes.fromhex(first["plaintext"])
    assert crypt.ctr(make_ecb(enc), body, crypt.ctr(make_ecb(enc), body, plaintext)) == plaintext


def test_equal_compares_every_byte():
    assert crypt.equal(b"", b"") and crypt.equal(b"abc", b"abc")
    for other in (b"abd", b"bbc", b"ab", b"abcd", b""):
        assert not crypt.equal(b"abc", other)


def test_key_schedule():
    vector = vectors.load("keys.json")

    def is_key(name, got):
        assert got.hex() == vector[name], name

    rental = vector["rental"]
    root0 = keys.root0(bytes.fromhex(vector["brick_entropy"]), bytes.fromhex(vector["bench_entropy"]))
    root1 = keys.next_root(root0, rental)
    chain0 = keys.record_chain0(root1)
    link0 = keys.link_key0(root1)
    event_key = bytes.fromhex(vector["event_key"])
    is_key("root0", root0)
    is_key("brick8", keys.brick_id(root0))
    is_key("root1", root1)
    is_key("root2", keys.next_root(root1, rental + 1))
    is_key("link0", link0)
    is_key("link1", keys.next_link(link0))
    is_key("link2", keys.next_link(keys.next_link(link0)))
    is_key("chain0", chain0)
    is_key("mac0", keys.record_mac_key(chain0))
    is_key("chain1", keys.next_chain(chain0))
    is_key("mac1", keys.record_mac_key(keys.next_chain(chain0)))
    is_key("control", keys.control_key(root1))
    is_key("only", keys.only_key(bytes.fromhex(vector["only_entropy"])))
    is_key("subject", keys.subject_key(event_key))
    is_key("token", keys.token_key(event_key))


def test_a_root_wants_entropy_of_both_sides():
    vectors.raises(ValueError, keys.root0, bytes(32), bytes(31))
    vectors.raises(ValueError, keys.root0, b"", bytes(32))
