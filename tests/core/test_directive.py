"""Roots and directives: bytes as the page says, and each case of the vectors gets its answer."""

import vectors
from stallmark import bundle, cbor, control, directive, ed25519, registry, rootmeta, trust, truststate
from stallmark.crypt import sha256
from stallmark.errors import FormatError
from stallmark.truststate import Me

ROOTS = vectors.load("directive/root.json")
ORDERS = vectors.load("directive/directive.json")
AUTHORS = [(bytes.fromhex(kid), bytes.fromhex(public)) for kid, public in ROOTS["provisioned"]]
FIRST = bytes.fromhex(ROOTS["first"])
_known = {}


def verify(public, message, signature):
    key = sha256(public, message, signature)
    if key not in _known:
        _known[key] = ed25519.verify(public, message, signature)
    return _known[key]


def fresh(**more):
    return trust.Trust(None, AUTHORS, ROOTS["threshold"], **more)


def rooted():
    return trust.Trust(fresh().take_root(FIRST, verify, lambda version, digest: True)[1])


def me():
    artefact, rev, fallback = ORDERS["installed"]
    installed = {1: (bytes.fromhex(artefact), rev, [bytes.fromhex(one) for one in fallback])}
    kit, brick = bytes.fromhex(ORDERS["kit8"]), bytes.fromhex(ORDERS["brick8"])
    return Me(kit, brick, ORDERS["rental"], ORDERS["hardware"], installed)


def ordered():
    result, fields, _ = rooted().take_directive(bytes.fromhex(ORDERS["in_force"]), verify, me())
    assert result == 1
    return trust.Trust(fields)


def test_payloads_have_the_bytes_of_the_vectors():
    f = vectors.value(ROOTS["fields"])
    publics = [[public for _, public in f[key]] for key in (4, 6, 8)]
    made = rootmeta.payload(f[1], f[2], f[3], publics[0], f[5], publics[1], f[7], publics[2], f[9])
    assert made.hex() == ROOTS["payload"] and sha256(made).hex() == ROOTS["digest"]
    f = vectors.value(ORDERS["fields"])
    made = directive.payload(*[f[key] for key in range(1, 11)])
    assert made.hex() == ORDERS["payload"] and sha256(made).hex() == ORDERS["digest"]


def test_the_tag_of_the_first_root_is_that_of_the_vectors():
    case = ROOTS["tag"]
    given = (bytes.fromhex(case["k_ctl"]), bytes.fromhex(case["brick8"]), case["version"], bytes.fromhex(ROOTS["digest"]))
    assert control.root_tag(*given).hex() == case["tag"]
    tag = bytes.fromhex(case["tag"])
    assert control.root_good(*given, tag)
    assert not control.root_good(*given, tag[:15]) and not control.root_good(*given, None)
    assert not control.root_good(given[0], b"brick-02", *given[2:], tag), "another brick's"
    assert not control.root_good(given[0], given[1], 2, given[3], tag), "another version's"


def test_each_beginning_of_the_table_gets_its_answer():
    for case in ROOTS["beginnings"]:
        result, fields = fresh().take_root(bytes.fromhex(case["envelope"]), verify, lambda v, d, case=case: case["tag"])
        assert result == case["result"], case["name"]
        assert (fields is not None) == (result == 1)


def test_each_root_of_the_table_gets_its_answer():
    for case in ROOTS["steps"]:
        held = rooted()
        result, fields = held.take_root(bytes.fromhex(case["envelope"]), verify, lambda v, d: True)
        assert result == case["result"], (case["name"], result)
        if result == 1:
            assert fields[truststate.ROOT_VERSION] == 2, case["name"]
        elif result == 12:
            assert fields[truststate.ALARM] == truststate.ALARM_ROOT
        else:
            assert fields is None, case["name"]


def test_each_directive_of_the_table_gets_its_answer():
    held = ordered()
    for case in ORDERS["cases"]:
        result, fields, found = held.take_directive(bytes.fromhex(case["envelope"]), verify, me())
        assert result == case["result"], (case["name"], result)
        assert (found is not None) == (result in (1, 2)), case["name"]
        if result == 1:
            assert fields[truststate.NUMBER] == found.number > 7
            named = [item for item in found.items if item.brick8 == me().brick8]
            assert [tuple(item[1:]) for item in named] == [tuple(item) for item in fields[truststate.ITEMS]]
        elif result == 12:
            assert fields[truststate.ALARM] == truststate.ALARM_DIRECTIVE
        else:
            assert fields is None, case["name"]


def test_a_state_survives_its_storage():
    fields = ordered().fields
    data = cbor.encode(fields)
    assert truststate.check_state(cbor.decode(data)) == fields
    assert len(data) < 1600
    for bad in (None, [], {0: 1}, {key: value for key, value in fields.items() if key != 19}):
        vectors.raises(FormatError, truststate.check_state, bad)


def test_every_flipped_bit_is_refused_and_changes_nothing():
    held = ordered()
    data = bytes.fromhex(ORDERS["cases"][0]["envelope"])
    for index in range(0, len(data), 7):
        spoilt = bytearray(data)
        spoilt[index] ^= 1 << (index % 8)
        result, fields, found = held.take_directive(bytes(spoilt), lambda *given: False, me())
        assert result in (3, 6, 10) and fields is None and found is None
        if index % 28 == 0:
            assert held.take_directive(bytes(spoilt), verify, me())[0] in (3, 6, 10)


def test_every_cut_is_refused():
    held = ordered()
    data = bytes.fromhex(ORDERS["cases"][0]["envelope"])
    for end in range(0, len(data), 3):
        assert held.take_directive(data[:end], verify, me())[0] in (3, 10)
        assert held.take_root(data[:end], verify)[0] == 10
    vectors.raises(FormatError, bundle.opened, data, bundle.TYPE)


def test_every_install_result_has_words_for_people():
    assert sorted(registry.INSTALL_WORDS) == [number for number, _ in registry.INSTALL_NAMES]
