"""Passkeys against a software authenticator (ES256, WebAuthn level 2): what holds, and each thing that must not."""

import base64
import hashlib
import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from fleet.errors import Refused
from fleet.people import accounts
from fleet.people.actors import COMMAND
from fleet.people.passkeys import LIFE_MS, Passkeys
from tests.fleet.peopleworld import only_tables

ORIGIN = "https://controller.example"
NOW = 1_800_000_000_000


def text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """One credential; its counter rises with every use."""

    def __init__(self, origin=ORIGIN, flags=0x05):
        self.origin, self.flags, self.uses = origin, flags, 0
        self.key = ec.derive_private_key(7, ec.SECP256R1())
        self.id = b"credential of a test"

    def _client(self, kind, options):
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _data(self, flags, more=b""):
        name = self.origin.split("//")[1]
        return hashlib.sha256(name.encode()).digest() + bytes([flags]) + self.uses.to_bytes(4, "big") + more

    def make(self, options):
        point = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )
        data = self._data(self.flags | 0x40, bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(attestation)})

    def sign(self, options):
        self.uses += 1
        data, client = self._data(self.flags), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature)}
        )

    def _answer(self, response):
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


@pytest.fixture
def world():
    with only_tables() as connection:
        ada = accounts.add(connection, COMMAND, "ada", ["auditor"], NOW)
        keys, device = Passkeys(ORIGIN), Authenticator()
        keys.finish_making(
            connection, ada, device.make(keys.begin_making(connection, ada, NOW)), "my key", NOW
        )
        yield connection, keys, device


def refused(work):
    with pytest.raises(Refused) as found:
        work()
    return found.value.reason


def test_an_answer_signs_in_once(world):
    connection, keys, device = world
    answer = device.sign(keys.begin_signing_in(NOW))
    assert keys.finish_signing_in(connection, answer, NOW).name == "ada"
    assert "used before" in refused(lambda: keys.finish_signing_in(connection, answer, NOW))


def test_an_answer_that_is_late_or_to_another_question_does_not(world):
    connection, keys, device = world
    answer = device.sign(keys.begin_signing_in(NOW))
    assert "too old" in refused(lambda: keys.finish_signing_in(connection, answer, NOW + LIFE_MS + 1))
    elsewhere = device.sign(Passkeys(ORIGIN).begin_signing_in(NOW))
    assert "another question" in refused(lambda: keys.finish_signing_in(connection, elsewhere, NOW))
    ada = accounts.find(connection, "ada")
    making = device.sign(keys.begin_making(connection, ada, NOW))
    assert "another question" in refused(lambda: keys.finish_signing_in(connection, making, NOW))


def test_an_answer_for_another_site_without_a_person_or_from_a_copied_key_does_not(world):
    connection, keys, device = world
    device.origin = "https://controller.example.evil.example"
    phished = device.sign(keys.begin_signing_in(NOW))
    assert "does not hold" in refused(lambda: keys.finish_signing_in(connection, phished, NOW))
    device.origin, device.flags = ORIGIN, 0x01  # a person was there, nobody asked who
    unverified = device.sign(keys.begin_signing_in(NOW))
    assert "does not hold" in refused(lambda: keys.finish_signing_in(connection, unverified, NOW))
    device.flags, device.uses = 0x05, 50
    assert keys.finish_signing_in(connection, device.sign(keys.begin_signing_in(NOW)), NOW)
    device.uses = 3
    copied = device.sign(keys.begin_signing_in(NOW))
    assert "does not hold" in refused(lambda: keys.finish_signing_in(connection, copied, NOW))


def test_a_key_belongs_to_one_account_and_a_disabled_one_opens_nothing(world):
    connection, keys, device = world
    bob = accounts.add(connection, COMMAND, "bob", [], NOW)
    again = device.make(keys.begin_making(connection, bob, NOW))
    assert "belongs to one account" in refused(lambda: keys.finish_making(connection, bob, again, "x", NOW))
    accounts.disable(connection, COMMAND, "ada", NOW)
    answer = device.sign(keys.begin_signing_in(NOW))
    assert "not known here" in refused(lambda: keys.finish_signing_in(connection, answer, NOW))


RUBBISH = (
    {},
    {"response": 5},
    {"response": {"clientDataJSON": "%%"}},
    {"response": {"clientDataJSON": text(b"[]")}},
)


@pytest.mark.parametrize("answer", RUBBISH)
def test_rubbish_is_no_answer(world, answer):
    connection, keys, _ = world
    assert (
        refused(lambda: keys.finish_signing_in(connection, answer, NOW)) == "this is no answer of a passkey"
    )


def test_an_answer_whose_parts_are_rubbish_is_refused_plainly(world):
    connection, keys, device = world
    good = device.sign(keys.begin_signing_in(NOW))
    for name, value in (
        ("signature", "AAAA"),
        ("authenticatorData", "AAAA"),
        ("signature", 7),
        ("authenticatorData", None),
    ):
        broken = {**good, "response": {**good["response"], name: value}}
        assert refused(lambda broken=broken: keys.finish_signing_in(connection, broken, NOW))
    ada = accounts.find(connection, "ada")
    options = keys.begin_making(connection, ada, NOW)
    broken = device.make(options)
    for value in ("AAAA", text(cbor2.dumps([])), text(b"\xff" * 40), 7):
        broken["response"]["attestationObject"] = value
        assert refused(lambda: keys.finish_making(connection, ada, broken, "x", NOW))


def test_an_address_has_no_passkeys_and_says_so():
    assert Passkeys("https://controller.example").why_not is None
    assert Passkeys("http://localhost:8780").why_not is None
    assert "name" in Passkeys("http://127.0.0.1:8780").why_not
    assert "https" in Passkeys("http://controller.example").why_not
