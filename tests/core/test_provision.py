"""Provisioning: bench and brick end with the same keys, once, and nothing else happens on that wire."""

import vectors
from ports import Random
from ramflash import PowerCut, RamFlash
from stallmark import cbor, keystore, provision
from stallmark.errors import FormatError, LimitError, StallmarkError
from stallmark.keystore import KeyStore
from stallmark.provision import Provisioner

DESCRIBE = ("esp32s3 devkit, 8 MiB", 8388608, b"\xf0" * 32)


class Entropy:
    """Gives the entropy of the vectors: the brick's first, then K_only's."""

    def __init__(self):
        vector = vectors.load("keys.json")
        self._left = [bytes.fromhex(vector["brick_entropy"]), bytes.fromhex(vector["only_entropy"])]

    def __call__(self, n):
        assert n == 32
        return self._left.pop(0)


def _request(**changed):
    vector = vectors.load("keys.json")
    arguments = {
        "entropy": bytes.fromhex(vector["bench_entropy"]),
        "rental": vector["rental"],
        "event_key": bytes.fromhex(vector["event_key"]),
        "event_id": b"event..8",
        "authors": [(b"author-1", b"\xa1" * 32), (b"author-2", b"\xa2" * 32)],
        "threshold": 2,
        "kit": b"kit....8",
        "hub": b"hub....8",
        "director_public": b"\xd0" * 32,
        "host": b"host...8",
        "wall_ms": 1790000000000,
        "currency": "EUR",
    }
    arguments.update(changed)
    return provision.provision_request(**arguments)


def _brick(flash=None):
    flash = flash or RamFlash(8192)
    return Provisioner(DESCRIBE, Entropy(), KeyStore(flash)), flash


def test_both_ends_give_the_bytes_of_the_vectors_and_the_same_keys():
    vector = vectors.load("provision.json")
    brick, flash = _brick()
    assert provision.identify_request().hex() == vector["identify"]
    identity = brick.handle(provision.identify_request())
    assert identity.hex() == vector["identity"]
    assert not brick.done
    request = _request()
    assert request.hex() == vector["request"]
    answer = brick.handle(request)
    assert answer.hex() == vector["answer"]
    assert brick.done and brick.wall_ms == 1790000000000
    brick8, root0, root1 = provision.finish(request, provision.parse_identity(identity), answer)
    known = vectors.load("keys.json")
    assert (brick8.hex(), root0.hex(), root1.hex()) == (known["brick8"], known["root0"], known["root1"])
    fields = KeyStore(flash).load()
    assert fields == vectors.value(vector["fields"])
    assert fields[keystore.ROOT] == root1 and bytes(flash.data).find(root0) < 0


def test_identity_says_what_is_on_the_line():
    brick, _ = _brick()
    identity = provision.parse_identity(brick.handle(provision.identify_request()))
    assert identity["hardware"] == DESCRIBE[0]
    assert identity["flash_bytes"] == DESCRIBE[1]
    assert identity["firmware_digest"] == DESCRIBE[2]
    assert len(identity["entropy"]) == 32


def test_an_answer_that_was_lost_is_given_again_and_another_request_is_refused():
    brick, flash = _brick()
    answer = brick.handle(_request())
    before = bytes(flash.data)
    assert brick.handle(_request()) == answer
    refusal = cbor.decode(brick.handle(_request(rental=8)))
    assert refusal[1] == 0 and "already" in refusal[2]
    assert bytes(flash.data) == before


def test_a_provisioned_brick_refuses_after_a_restart():
    _, flash = _brick()
    first, _ = _brick(flash)
    first.handle(_request())
    again = Provisioner(DESCRIBE, Random(5).bytes, KeyStore(flash))
    assert cbor.decode(again.handle(_request()))[1] == 0
    assert not again.done


def test_the_bench_notices_another_key():
    brick, _ = _brick()
    identity = provision.parse_identity(brick.handle(provision.identify_request()))
    request = _request()
    answer = brick.handle(request)
    for at in (len(answer) - 1, 8):
        bent = bytearray(answer)
        bent[at] ^= 1
        vectors.raises(FormatError, provision.finish, request, identity, bytes(bent))
    identity["entropy"] = bytes(32)
    vectors.raises(FormatError, provision.finish, request, identity, answer)


def test_the_bench_is_told_why_a_brick_refused():
    brick, flash = _brick()
    flash.program(0, b"x")
    identity = provision.parse_identity(brick.handle(provision.identify_request()))
    answer = brick.handle(_request())
    error = vectors.raises(StallmarkError, provision.finish, _request(), identity, answer)
    assert "already provisioned" in str(error)


def test_damaged_requests_are_answered_with_a_reason_and_change_nothing():
    request = cbor.decode(_request())
    spoilt = [b"", b"\xff", b"\x80"]
    spoilt.extend([cbor.encode(fields) for fields in ({0: 2, 1: 1}, {0: 1}, {0: 1, 1: 3})])
    for key in range(2, 14):
        for value in (None, b"short", -1, "text...", [], [[b"author-1", b"key"]], [[b"author-1"]], [1]):
            fields = dict(request)
            fields[key] = value
            spoilt.append(cbor.encode(fields))
        fields = dict(request)
        del fields[key]
        spoilt.append(cbor.encode(fields))
    for key, value in ((3, 1 << 32), (7, 0), (7, 3), (12, -1), (13, "EURO"), (6, request[6] * 2)):
        fields = dict(request)
        fields[key] = value
        spoilt.append(cbor.encode(fields))
    brick, flash = _brick()
    for body in spoilt:
        answer = cbor.decode(brick.handle(body))
        assert answer[0] == 1 and answer[1] == 0 and type(answer[2]) is str, body
    assert KeyStore(flash).blank() and not brick.done
    assert cbor.decode(brick.handle(_request()))[1] == 2


def test_the_bench_refuses_to_ask_for_what_a_brick_would_refuse():
    for changed in ({"threshold": 3}, {"kit": b"short"}, {"currency": "E"}, {"authors": []}, {"rental": -1}):
        vectors.raises(FormatError, _request, **changed)
    many = [(bytes((n,)) * 8, bytes(32)) for n in range(8)]
    vectors.raises((FormatError, LimitError), _request, authors=many)
    assert len(_request(authors=many[:7])) <= 502


def test_a_flash_that_fails_is_a_refusal():
    class Broken(RamFlash):
        def program(self, offset, data):
            raise OSError(5)

    brick, _ = _brick(Broken(8192))
    answer = cbor.decode(brick.handle(_request()))
    assert answer[1] == 0 and not brick.done


def test_keys_are_durable_before_the_answer():
    flash = RamFlash(8192)
    flash.cut_at(1, 10)
    brick, _ = _brick(flash)
    vectors.raises(PowerCut, brick.handle, _request())
    assert not brick.done
