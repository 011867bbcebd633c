"""Bundles: only what the quorum signed is installed, older never replaces newer; table of attacks and
answers."""

import vectors
from stallmark import bundle, ed25519, registry
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError

DATA = vectors.load("bundle.json")
AUTHORS = [(bytes.fromhex(kid), bytes.fromhex(public)) for kid, public in DATA["authors"]]
INSTALLED = bundle.parse(bytes.fromhex(DATA["installed"]))
ARTEFACT = bytes.fromhex(DATA["artefact"])
_known = {}


def verify(public, message, signature):
    key = (public, message, signature)
    if key not in _known:
        _known[key] = ed25519.verify(public, message, signature)
    return _known[key]


def check(found, **change):
    given = {"authors": AUTHORS, "threshold": 2, "installed": INSTALLED, "hardware": "esp32s3", "engine": 1}
    given["time_floor"] = 1790000000000
    given.update(change)
    return bundle.check(found, verify=verify, **given)


def named(name):
    for case in DATA["cases"]:
        if case["name"] == name:
            return bundle.parse(bytes.fromhex(case["envelope"]))


def first():
    return bundle.parse(bytes.fromhex(DATA["cases"][0]["envelope"]))


def test_manifest_and_envelope_have_the_bytes_of_the_vectors():
    payload = bundle.manifest(ARTEFACT, 10, name="test", since_ms=1790000000000)
    assert payload.hex() == DATA["manifest"]
    assert bundle.pae(bundle.TYPE, payload).hex() == DATA["pae"]
    found = first()
    assert bundle.envelope(bundle.TYPE, payload, found.signatures).hex() == DATA["cases"][0]["envelope"]


def test_the_pre_authentication_encoding_is_that_of_the_dsse_specification():
    case = DATA["dsse"]
    assert bundle.pae(case["type"], bytes.fromhex(case["payload"])).hex() == case["pae"]


def test_each_bundle_of_the_table_gets_its_answer():
    for case in DATA["cases"]:
        found = bundle.parse(bytes.fromhex(case["envelope"]))
        assert found.digest.hex() == case["digest"]
        assert check(found) == case["result"], case["name"]


def test_threshold_and_authors_are_the_installed_ones():
    found = first()
    assert check(found, threshold=3) == registry.INSTALL_THRESHOLD
    assert check(found, threshold=0) == registry.INSTALL_THRESHOLD, "a threshold of none is no quorum"
    assert check(found, authors=AUTHORS[1:]) == registry.INSTALL_THRESHOLD
    assert check(found, authors=[]) == registry.INSTALL_THRESHOLD
    swapped = [(AUTHORS[0][0], AUTHORS[1][1]), (AUTHORS[1][0], AUTHORS[0][1])]
    assert check(found, authors=swapped) == registry.INSTALL_THRESHOLD


def test_a_first_bundle_needs_the_quorum_only():
    old = named("older")
    assert check(old, installed=None) == registry.INSTALL_OK


def test_without_a_time_floor_nothing_has_expired():
    expired = named("expired")
    assert check(expired) == registry.INSTALL_EXPIRED
    assert check(expired, time_floor=None) == registry.INSTALL_OK


def test_unreadable_envelopes_are_refused():
    for case in DATA["unreadable"]:
        vectors.raises(FormatError, bundle.parse, bytes.fromhex(case["envelope"]))


def test_every_flipped_bit_of_an_envelope_is_refused_or_not_signed():
    data = bytes.fromhex(DATA["cases"][0]["envelope"])
    for index in range(0, len(data), 5):
        spoilt = bytearray(data)
        spoilt[index] ^= 1 << (index % 8)
        try:
            found = bundle.parse(spoilt)
        except FormatError:
            continue
        assert len(bundle.signers(found, AUTHORS, lambda *given: False)) == 0
        if index % 20 == 0:
            assert check(found) != registry.INSTALL_OK


def test_envelope_and_artefact_are_joined_and_split():
    envelope = bytes.fromhex(DATA["cases"][0]["envelope"])
    data = bundle.join(envelope, ARTEFACT)
    assert bundle.split(data) == (envelope, ARTEFACT)
    assert bundle.artefact_good(first(), len(ARTEFACT), sha256(ARTEFACT))
    assert not bundle.artefact_good(first(), len(ARTEFACT), sha256(ARTEFACT[1:]))
    assert not bundle.artefact_good(first(), len(ARTEFACT) - 1, sha256(ARTEFACT))
    for bad in (b"", b"\0\0\0", b"\0\0\0\0x", b"\0\0\x10\x01" + bytes(5000), data[:100]):
        vectors.raises(FormatError, bundle.split, bad)
    vectors.raises(LimitError, bundle.envelope, bundle.TYPE, bytes(5000), [])
