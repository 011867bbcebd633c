"""Whatever form people hand a receipt in: file, hex, base64, link. What is none of these is told."""

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import base32

from fleet.verify.source import MAX_BYTES, SourceError, from_bytes, from_link, read_source
from tests.world import World

WORLD = World(31)
COSE = WORLD.receipts(1)[0]
HANDLE = WORLD.handle(WORLD.record())
LINK = f"https://stall.test/r/{base32.encode(HANDLE)}#r={urlsafe_b64encode(COSE).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "data",
    [
        COSE,
        COSE.hex().encode(),
        COSE.hex().upper().encode() + b"\n",
        b64encode(COSE),
        b"\n".join([b64encode(COSE)[:50], b64encode(COSE)[50:], b""]),
        urlsafe_b64encode(COSE).rstrip(b"="),
    ],
)
def test_a_receipt_is_found_in_every_form_of_file(tmp_path, data):
    path = tmp_path / "receipt"
    path.write_bytes(data)
    assert read_source(str(path)) == (COSE, None)


def test_a_full_link_gives_receipt_and_handle():
    assert read_source(LINK) == (COSE, HANDLE)
    assert from_bytes(LINK.encode() + b"\n") == (COSE, HANDLE)
    assert from_link(LINK.replace(base32.encode(HANDLE), base32.encode(HANDLE).lower())) == (COSE, HANDLE)
    assert from_link("https://stall.test/verify#r=" + COSE.hex()) == (COSE, None)


@pytest.mark.parametrize(
    ("given_link", "words"),
    [
        (LINK.partition("#")[0], "only points at a receipt"),
        (LINK.replace("#r=", "#q="), "only points at a receipt"),
        (LINK[:-3] + "!", "neither hex nor base64"),
        ("https://stall.test/r/" + "A" * 25 + "B#r=00", "damaged"),
    ],
)
def test_a_link_without_a_receipt_says_what_to_do(given_link, words):
    with pytest.raises(SourceError, match=words):
        from_link(given_link)


def test_what_is_not_there_or_too_large_is_said(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_source(str(tmp_path / "nothing"))
    large = tmp_path / "large"
    large.write_bytes(b"0" * (MAX_BYTES + 1))
    with pytest.raises(SourceError, match="not a receipt"):
        read_source(str(large))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_receipt_or_a_source_error(data):
    try:
        assert isinstance(from_bytes(data).cose, bytes)
    except SourceError as error:
        assert str(error)
