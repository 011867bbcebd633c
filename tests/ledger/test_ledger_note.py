"""Signed notes and checkpoints: the specification's own example, and everything that must be refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import NoteError
from fleet.ledger import checkpoint, note

# The example of C2SP signed-note v1.
EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The example in the documentation of Go's sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_KEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"  # type byte and seed
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

ALICE = note.Signer("alice.example/log", bytes(range(32)))
BOB = note.Signer("bob.example", bytes(range(1, 33)))
TEXT = "alice.example/log\n3\n" + base64.b64encode(bytes(32)).decode() + "\n"


def test_a_verifier_key_is_read_and_written_as_the_specification_has_it():
    key = note.parse_vkey(EXAMPLE_VKEY)
    assert key.name == "example.com/foo"
    assert key.key_id.hex() == "530d903a"
    assert key.vkey == EXAMPLE_VKEY
    assert note.parse_vkey(ALICE.verifier.vkey) == ALICE.verifier


def test_the_examples_of_specification_and_reference_verify():
    opened = note.open_note(EXAMPLE_NOTE.encode(), [note.parse_vkey(EXAMPLE_VKEY)])
    assert opened.text == "This is an example message.\n"
    assert note.open_note(GO_NOTE.encode(), [note.parse_vkey(GO_VKEY)]).verified
    for data in (EXAMPLE_NOTE.replace("message", "massage"), GO_NOTE.replace("then", "Then")):
        with pytest.raises(NoteError, match="is wrong"):
            note.open_note(data.encode(), [note.parse_vkey(EXAMPLE_VKEY), note.parse_vkey(GO_VKEY)])


def test_a_note_is_signed_byte_for_byte_as_the_reference_does():
    signer = note.Signer("PeterNeumann", base64.b64decode(GO_KEY)[1:])
    assert signer.verifier.vkey == GO_VKEY
    assert note.sign(GO_NOTE.split("\n\n", maxsplit=1)[0] + "\n", [signer]).decode() == GO_NOTE


def test_a_note_is_opened_by_the_keys_that_are_known_and_others_are_ignored():
    data = note.sign(TEXT, [ALICE, BOB])
    opened = note.open_note(data, [ALICE.verifier])
    assert opened.text == TEXT
    assert opened.verified == (ALICE.verifier,)
    assert len(opened.others) == 1 and "bob.example" in opened.others[0]
    assert note.open_note(data, [BOB.verifier, ALICE.verifier]).others == ()


def test_sixteen_signatures_and_more_are_accepted():
    signers = [note.Signer(f"w{n}.example", bytes([n]) * 32) for n in range(20)]
    opened = note.open_note(note.sign(TEXT, signers), [s.verifier for s in signers])
    assert len(opened.verified) == 20


def test_a_known_key_with_a_wrong_signature_refuses_the_note_even_beside_a_good_one():
    good = note.sign(TEXT, [ALICE, BOB]).decode()
    line = next(one for one in good.split("\n") if one.startswith("— bob"))
    blob = bytearray(base64.b64decode(line.rsplit(" ", 1)[1]))
    blob[-1] ^= 1
    bad = good.replace(line, f"— bob.example {base64.b64encode(bytes(blob)).decode()}")
    with pytest.raises(NoteError, match=r"bob\.example is wrong"):
        note.open_note(bad.encode(), [ALICE.verifier, BOB.verifier])
    assert note.open_note(bad.encode(), [ALICE.verifier]).verified  # bob is nobody to this reader


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        b"te\txt\n\n" + note.sign(TEXT, [ALICE])[len(TEXT) + 1 :],
        note.sign(TEXT, [ALICE])[:-1],
        b"\xff" + note.sign(TEXT, [ALICE]),
        note.sign(TEXT, [ALICE]).replace(b"\n3\n", b"\n4\n"),
        note.sign(TEXT, [ALICE]) + b"\n",
        "text\n\n— alice.example/log AAAA\n".encode(),
        "text\n\n— alice.example/log not*base64\n".encode(),
        "text\n\n—  AAAAAAAA\n".encode(),
    ],
)
def test_what_is_not_a_note_is_refused(data):
    with pytest.raises(NoteError):
        note.open_note(data, [ALICE.verifier])


def test_a_note_signed_only_by_strangers_is_refused():
    with pytest.raises(NoteError, match="no signature by a key that is known"):
        note.open_note(note.sign(TEXT, [BOB]), [ALICE.verifier])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_names_that_could_not_be_told_apart_are_refused(name):
    with pytest.raises(NoteError):
        note.sign(TEXT, [note.Signer(name, bytes(32))])


@pytest.mark.parametrize(
    "vkey",
    [
        "example.com/foo+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+zzzzzzzz+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_verifier_keys_that_do_not_fit_are_refused(vkey):
    with pytest.raises(NoteError):
        note.parse_vkey(vkey)


def test_a_secret_key_is_never_printed():
    assert bytes(range(32)).hex() not in repr(ALICE) and "seed" not in repr(ALICE)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back_as_it_was_written(size, root):
    made = checkpoint.make("localhost/dev/2026", size, root)
    assert checkpoint.parse(made.text) == made
    opened, _ = checkpoint.open_checkpoint(
        note.sign(made.text, [note.Signer("localhost/dev/2026", b"k" * 32)]),
        [note.Signer("localhost/dev/2026", b"k" * 32).verifier],
        "localhost/dev/2026",
    )
    assert opened == made


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n१\n{ROOT}\n",
        f"o\n{'9' * 20}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        "o\n1\nAAAA\n",
        f"o\n1\n{ROOT[:-2]}B=\n",
        f"o\n1\n{ROOT}\n\nx\n",
        f"o\n1\n{ROOT}",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text):
    with pytest.raises(NoteError):
        checkpoint.parse(text)


def test_another_logs_checkpoint_is_refused_where_an_origin_is_expected():
    data = note.sign(TEXT, [ALICE])
    with pytest.raises(NoteError, match="expected 'other'"):
        checkpoint.open_checkpoint(data, [ALICE.verifier], "other")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_do_anything_but_refuse(data):
    text = data.decode("latin-1")
    for read in (lambda: note.open_note(data, [ALICE.verifier]), lambda: checkpoint.parse(text)):
        try:
            read()
        except NoteError:
            continue
        raise AssertionError("random bytes were taken for a note")
