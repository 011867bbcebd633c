"""The hub's desk: the real nfcpy on the PN532 model, tags made the event's, every trouble said in words."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kitloop import LoopThread
from stallmark import keys as _keys
from stallmark import token as _token
from typer.testing import CliRunner
from virtualkit import othertags, tags
from virtualkit.cli import app
from virtualkit.ntag424 import Ntag424
from virtualkit.pn532 import Chip
from virtualkit.pty import PartPort
from workbench import desk, tag424, tagmaster

token: Any = _token
keys: Any = _keys
UID = bytes.fromhex("04a1b2c3d4e580")
EVENT_KEY = bytes(range(32))
ACK_PATIENCE_MS = 3000


class Bench:
    """A chip on a port, and a desk's key file."""

    def __init__(self, folder: Path) -> None:
        self.thread = LoopThread()
        self.chip = Chip("fast")
        self.keys = folder / "desk" / "tags.json"
        self.keys.parent.mkdir()
        held = {
            "master": bytes(range(32)).hex(),
            "event": b"event-01".hex(),
            "event_key": EVENT_KEY.hex(),
            "address": "https://stall.example/t",
        }
        self.keys.touch(0o600)
        self.keys.write_text(json.dumps(held))
        self.held = desk.load_keys(self.keys)

        async def attach() -> PartPort:
            return PartPort(self.chip, folder / "nfc", time.monotonic_ns)

        self.port = self.thread.run(attach())
        self.device = str(self.port.pty.path)

    def close(self) -> None:
        self.thread.call(self.port.close)
        self.thread.stop()

    def do(self, command: str, card: Any, *more: str) -> tuple[int, dict[str, Any]]:
        """Runs a command with a card on the reader; its exit code and its JSON."""
        if card is not None:
            self.thread.call(self.chip.place, card)
        arguments = [
            command,
            "--device",
            self.device,
            "--keys",
            str(self.keys),
            "--json",
            "--wait",
            "1",
            *more,
        ]
        run = CliRunner().invoke(app, arguments)
        if card is not None:
            self.thread.call(self.chip.remove, card)
        assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
        return run.exit_code, json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    # nfcpy waits 100 ms for an ACK: a loaded machine may not even run us in that time
    monkeypatch.setattr(desk, "_PATIENCE_MS", ACK_PATIENCE_MS)
    made = Bench(tmp_path)
    yield made
    made.close()


def subject(kind: int) -> str:
    name: bytes = token.subject(keys.subject_key(EVENT_KEY), kind, UID)
    return name.hex()


def test_an_ntag_gets_its_record_and_its_password(bench: Bench) -> None:
    card = tags.ntag215(UID)
    code, said = bench.do("write-tag", card)
    assert code == 0, said
    assert said["kind"] == "NXP NTAG215" and said["trust"] == 3 and said["protected"] is True
    assert said["subject"] == subject(token.TOKEN_UID)
    password, pack = tagmaster.password(bench.held.tags, UID)
    assert bytes(card.memory[133 * 4 : 133 * 4 + 6]) == password + pack
    message: bytes = token.ndef_message(token.tag_payload(UID, keys.token_key(EVENT_KEY)))
    assert bytes(card.memory).find(message) == 18
    again, said = bench.do("write-tag", card)
    assert again == 1 and "--again" in said["error"]
    again, said = bench.do("write-tag", card, "--again")
    assert again == 0 and said["trust"] == 3, "its own password opens it"


def test_an_ntag_424_becomes_one_that_proves_itself(bench: Bench) -> None:
    card = Ntag424(UID, random.Random(1))
    code, said = bench.do("write-tag", card)
    assert code == 0, said
    assert said["kind"] == "NTAG 424 DNA" and said["trust"] == 6
    assert said["subject"] == subject(token.TOKEN_PROVED)
    assert said["link"].startswith("https://stall.example/t?e=")
    assert card.keys == list(tagmaster.tag_keys(bench.held.tags, UID))
    code, said = bench.do("write-tag", card)
    assert code == 1 and "--again" in said["error"]
    code, said = bench.do("enroll", card, "--label", "steward 1")
    assert code == 0 and said["trust"] == 6
    [note] = [json.loads(line) for line in (bench.keys.parent / "enrolled.jsonl").read_text().splitlines()]
    assert note["subject"] == subject(token.TOKEN_PROVED) and note["label"] == "steward 1"
    assert UID.hex() not in json.dumps(note)


def test_other_peoples_tags_and_other_cards_are_named(bench: Bench) -> None:
    foreign = Ntag424(UID, random.Random(1))
    foreign.keys = [b"somebody else 16"] * 5
    for card, words in (
        (foreign, "locked"),
        (othertags.Phone(random.Random(1)), "another number each time"),
        (othertags.classic(b"\x31\x41\x59\x26"), "cannot be written here"),
    ):
        code, said = bench.do("write-tag", card)
        assert code == 1 and words in said["error"], said
    locked = tags.ntag215(UID)
    locked.memory[131 * 4 + 3] = 4  # AUTH0
    locked.memory[133 * 4 : 133 * 4 + 6] = b"theirs"
    code, said = bench.do("write-tag", locked)
    assert code == 1 and "somebody else's password" in said["error"]


def test_a_blank_tag_is_known_by_its_number_alone(bench: Bench) -> None:
    code, said = bench.do("enroll", tags.ntag215(UID))
    assert code == 0 and said["trust"] == 2 and said["protected"] is False
    assert said["subject"] == subject(token.TOKEN_UID)


def test_no_tag_no_reader_and_no_keys_are_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = bench.do("write-tag", None)
    assert code == 1 and "put one flat" in said["error"]
    bench.chip.faults.silent = True
    monkeypatch.setattr(desk, "_PATIENCE_MS", 300)
    code, said = bench.do("write-tag", None)
    assert code == 1 and "answers as a PN532" in said["error"]
    bench.device = str(tmp_path / "nothing")
    code, said = bench.do("write-tag", None)
    assert code == 1 and "no port" in said["error"]
    bench.keys = tmp_path / "none.json"
    code, said = bench.do("write-tag", None)
    assert code == 1 and "kit new" in said["error"]


def test_a_tag_taken_away_in_the_middle_is_said_and_taken_up_again(bench: Bench) -> None:
    card = Ntag424(UID, random.Random(1))
    apdu, left = card.apdu, 12

    def leaving(command: bytes) -> bytes:
        nonlocal left
        left -= 1
        if left == 0:
            card.gone = True
        return apdu(command)

    card.apdu = leaving  # type: ignore[method-assign]
    code, said = bench.do("write-tag", card)
    assert code == 1 and "start again" in said["error"]
    left = -1
    card.gone = False
    code, said = bench.do("write-tag", card, "--again")
    assert code == 0 and said["trust"] == 6
    assert tag424.check(apdu, UID, bench.held.tags).uid == UID
