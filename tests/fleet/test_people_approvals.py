"""What waits for a second person: who may agree, who may not, until when, and over exactly what."""

import hashlib

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from fleet.errors import Refused
from fleet.people import approvals
from fleet.people.actors import Actor, Thing
from tests.fleet.peopleworld import only_tables

NOW = 1_800_000_000_000
DIGEST = hashlib.sha256(b"release 7").digest()
ADA = Actor("ada", roles=frozenset({"rule-author", "approver"}))
BOB = Actor("bob", roles=frozenset({"approver"}))
CYD = Actor("cyd", roles=frozenset({"approver"}))


@pytest.fixture
def db():
    with only_tables() as connection:
        yield connection


def refused(work):
    with pytest.raises(Refused) as found:
        work()
    return found.value.reason


def test_one_other_person_agrees_to_exactly_what_was_asked(db):
    made = approvals.ask(db, ADA, "rollout", "r-7", DIGEST, NOW)
    assert made.sentence(NOW) == "waiting for the second approval"
    assert approvals.ask(db, ADA, "rollout", "r-7", DIGEST, NOW + 1).number == made.number
    assert approvals.agreed(db, "rollout", "r-7", DIGEST, NOW) is None
    assert "somebody else" in refused(lambda: approvals.vote(db, ADA, made.number, True, NOW))
    after = approvals.vote(db, BOB, made.number, True, NOW + 5, words="looks right")
    assert after.sentence(NOW) == "agreed by bob"
    assert approvals.agreed(db, "rollout", "r-7", DIGEST, NOW + approvals.LIFE_MS * 2)
    changed = hashlib.sha256(b"release 7, changed").digest()
    assert approvals.agreed(db, "rollout", "r-7", changed, NOW) is None
    assert "waits no more" in refused(lambda: approvals.vote(db, CYD, made.number, True, NOW + 6))


def test_a_no_ends_it_and_the_author_may_say_no(db):
    made = approvals.ask(db, ADA, "rollout", "r-8", DIGEST, NOW)
    after = approvals.vote(db, ADA, made.number, False, NOW, words="a mistake")
    assert after.sentence(NOW) == "refused by ada: a mistake"
    assert approvals.ask(db, ADA, "rollout", "r-8", DIGEST, NOW).number != made.number


def test_it_ends_unanswered_and_needs_as_many_people_as_it_says(db):
    made = approvals.ask(db, ADA, "rollout", "r-9", DIGEST, NOW, needed=2)
    after = approvals.vote(db, BOB, made.number, True, NOW)
    assert after.sentence(NOW) == "waiting for the third approval"
    assert "already" in refused(lambda: approvals.vote(db, BOB, made.number, True, NOW))
    late = NOW + approvals.LIFE_MS
    assert after.state(late) == approvals.EXPIRED
    assert "nobody agreed in time" in refused(lambda: approvals.vote(db, CYD, made.number, True, late))


def test_other_hubs_and_other_roles_do_not_agree(db):
    made = approvals.ask(db, ADA, "rollout", "r-10", DIGEST, NOW, Thing(hub="aa" * 8))
    elsewhere = Actor("dan", roles=frozenset({"approver"}), hubs=frozenset({"bb" * 8}))
    assert "not yours" in refused(lambda: approvals.vote(db, elsewhere, made.number, True, NOW))
    admin = Actor("eve", roles=frozenset({"fleet-admin"}))
    assert "needs one of the roles approver" in refused(
        lambda: approvals.vote(db, admin, made.number, True, NOW)
    )


def test_a_signature_of_an_offline_key_counts_once_and_over_this_alone(db):
    keys = {bytes([n]) * 8: SigningKey(bytes([n]) * 32) for n in (1, 2)}

    def verify(kid, message, signature):
        try:
            VerifyKey(bytes(keys[kid].verify_key)).verify(message, signature)
        except (BadSignatureError, KeyError, ValueError):
            return False
        return True

    def signed(kid, one):
        return kid, keys[kid].sign(one.message()).signature

    made = approvals.ask(db, ADA, "root", "root 3", DIGEST, NOW, needed=2)
    other = approvals.ask(db, ADA, "bundle", "bundle 4", DIGEST, NOW)
    one, two = keys

    def vote(actor, what):
        return approvals.vote(db, actor, made.number, True, NOW, signed=what, verify=verify)

    assert "needs a signature" in refused(lambda: vote(BOB, None))
    assert "needs a signature" in refused(lambda: vote(BOB, signed(one, other)))
    assert vote(BOB, signed(one, made)).sentence(NOW, signatures=True) == "waiting for the third signature"
    assert "this key has signed it" in refused(lambda: vote(CYD, signed(one, made)))
    assert vote(CYD, signed(two, made)).state(NOW) == approvals.AGREED
