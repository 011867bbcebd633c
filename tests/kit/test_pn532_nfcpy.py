"""nfcpy, other people's NFC stack, reads and writes tags through the PN532 model on a pseudo-terminal."""

import time
from collections.abc import Iterator
from pathlib import Path

import ndef
import nfc
import nfc.clf
import nfc.tag.tt2
import pytest
from kitloop import LoopThread
from nfc.clf import pn532, transport
from virtualkit import othertags, tags
from virtualkit.pn532 import Chip
from virtualkit.pty import PartPort

UID = bytes.fromhex("04a1b2c3d4e580")
RECORDS = [ndef.UriRecord("https://example.org/a"), ndef.TextRecord("Guten Tag", "de")]
MESSAGE = b"".join(ndef.message_encoder(RECORDS))
ACK_PATIENCE_MS = 3000  # nfcpy waits 100 ms for an ACK: a loaded machine may not even run us in that time


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    read = transport.TTY.read

    def patient(self: transport.TTY, timeout: int) -> bytearray:
        return read(self, max(timeout, ACK_PATIENCE_MS))

    monkeypatch.setattr(transport.TTY, "read", patient)


class Bench:
    """A chip on a port, and nfcpy's frontend on the other end."""

    def __init__(self, folder: Path, timing: str) -> None:
        self.thread = LoopThread()
        self.chip = Chip(timing)

        async def attach() -> PartPort:
            return PartPort(self.chip, folder / "nfc", time.monotonic_ns)

        self.port = self.thread.run(attach())

    def open(self) -> nfc.ContactlessFrontend:
        clf = nfc.ContactlessFrontend()
        clf.device = pn532.init(transport.TTY(str(self.port.pty.path)))
        clf.device._path = str(self.port.pty.path)
        return clf

    def place(self, tag: object) -> None:
        self.thread.call(self.chip.place, tag)

    def remove(self, tag: object) -> None:
        self.thread.call(self.chip.remove, tag)

    def close(self) -> None:
        self.thread.call(self.port.close)
        self.thread.stop()


@pytest.fixture(params=["fast", "real"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, "fast")
    yield made
    made.close()


def read_tag(clf: nfc.ContactlessFrontend) -> nfc.tag.Tag:
    target = clf.sense(nfc.clf.RemoteTarget("106A"))
    assert target is not None
    tag = nfc.tag.activate(clf, target)
    assert tag is not None
    return tag


def test_an_ntag215_and_its_ndef_are_read(bench: Bench) -> None:
    clf = bench.open()
    assert clf.sense(nfc.clf.RemoteTarget("106A")) is None
    bench.place(tags.ntag215(UID, MESSAGE))
    tag = read_tag(clf)
    assert tag.product == "NXP NTAG215"
    assert tag.identifier == UID
    assert [record.uri for record in tag.ndef.records[:1]] == ["https://example.org/a"]
    assert tag.ndef.records[1].text == "Guten Tag"
    clf.close()


def test_ndef_is_written_and_survives(fast: Bench) -> None:
    clf = fast.open()
    card = tags.ntag215(UID)
    fast.place(card)
    tag = read_tag(clf)
    tag.ndef.records = [ndef.TextRecord("x" * 420)]
    assert bytes(card.memory[16:18]) == b"\x03\xff"
    assert read_tag(clf).ndef.records[0].text == "x" * 420
    clf.close()


def test_password_protects_and_opens(fast: Bench) -> None:
    clf = fast.open()
    fast.place(tags.ntag215(UID, MESSAGE))
    tag = read_tag(clf)
    assert tag.protect(b"secret", read_protect=False, protect_from=4)
    tag = read_tag(clf)
    with pytest.raises(nfc.tag.tt2.Type2TagCommandError):
        tag.write(4, b"\0\0\0\0")
    tag = read_tag(clf)
    assert not tag.authenticate(b"wrong!")
    tag = read_tag(clf)
    assert tag.authenticate(b"secret")
    tag.write(100, b"abcd")
    clf.close()


def test_a_torn_write_leaves_an_empty_message_and_an_error(fast: Bench) -> None:
    clf = fast.open()
    card = tags.ntag215(UID, MESSAGE)
    fast.place(card)
    tag = read_tag(clf)
    card.tear_after = 2  # nfcpy sets the length to 0 first, so the second write is the first of the message
    with pytest.raises(nfc.tag.tt2.Type2TagCommandError):
        tag.ndef.records = [ndef.TextRecord("y" * 100)]
    fast.remove(card)
    fast.place(card)
    assert read_tag(clf).ndef.length == 0
    clf.close()


def test_other_cards_are_told_apart(fast: Bench) -> None:
    clf = fast.open()
    classic = othertags.classic(bytes.fromhex("a1b2c3d4"))
    fast.place(classic)
    target = clf.sense(nfc.clf.RemoteTarget("106A"))
    assert bytes(target.sel_res) == b"\x08"
    fast.remove(classic)
    dead = othertags.Unreadable(UID)
    fast.place(dead)
    target = clf.sense(nfc.clf.RemoteTarget("106A"))
    assert bytes(target.sdd_res) == UID
    with pytest.raises(nfc.clf.TimeoutError):
        clf.exchange(b"\x30\x00", 0.05)
    clf.close()


def test_reader_opens_again_after_close_many_times(fast: Bench) -> None:
    fast.place(tags.ntag215(UID, MESSAGE))
    for _ in range(5):
        clf = fast.open()
        assert read_tag(clf).identifier == UID
        clf.close()
