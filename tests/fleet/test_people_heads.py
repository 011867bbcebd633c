"""The audit log's head, noted beside the ledger: a log that was cut or written anew shows, and a controller goes on."""

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from fleet.db import tables_people as t
from fleet.errors import NoteError
from fleet.ledger.note import Verifier, parse_vkey
from fleet.people import audit, auditcli, heads
from fleet.people.actors import COMMAND
from tests.stall import Stall


class Book:
    """A controller's log and its heads."""

    def __init__(self, stall):
        self.stall, self.config = stall, stall.controller.config
        self.heads = heads.Heads(stall.controller)

    def write(self, *verbs):
        with self.stall.controller.database.write() as connection:
            for verb in verbs:
                audit.record(connection, COMMAND, verb, "x", None, None, 1)

    def cut(self, after):
        """As a database of yesterday has it."""
        with self.stall.controller.database.write() as connection:
            connection.execute(delete(t.audit).where(t.audit.c.number > after))

    def run(self, *words):
        return CliRunner().invoke(auditcli.app, [*words])

    def verify(self, *more):
        return self.run("verify", "--config", str(self.stall.folder / "config.json"), *more)


@pytest.fixture
def book(tmp_path):
    stall = Stall(tmp_path, seed=3, bricks=1)
    yield Book(stall)
    stall.close()


def test_a_head_is_noted_signed_and_by_its_own_name(book):
    book.write("one", "two")
    book.heads.look()
    found = heads.noted(book.config)
    assert found.number == 2
    data = heads.path_of(book.config).read_bytes()
    assert data.decode().startswith(f"{book.config.origin}/audit\n2\n")
    ledger = Verifier(book.config.origin, heads.signer(book.config).verifier.public)
    with pytest.raises(NoteError):
        heads.opened(data, ledger)  # no checkpoint of the ledger, though the same key signs both
    with pytest.raises(NoteError):
        heads.opened(data.replace(b"\n2\n", b"\n1\n"), heads.signer(book.config).verifier)
    with pytest.raises(NoteError, match="at most"):
        heads.opened(data + b"x" * 3000, heads.signer(book.config).verifier)
    before = heads.path_of(book.config).stat().st_mtime_ns
    book.heads.look()  # nothing moved: nothing is written
    assert heads.path_of(book.config).stat().st_mtime_ns == before
    assert book.verify().exit_code == 0


def test_a_cut_end_shows_without_anybody_having_kept_a_head(book):
    book.write("one", "two", "three")
    book.heads.look()
    book.cut(1)
    told = book.verify()
    assert told.exit_code == 1
    assert "the end was cut off: entry 3 was noted, the last one here is 1" in told.output


def test_a_controller_over_a_database_of_yesterday_says_so_in_its_log_and_goes_on(book):
    book.write("one", "two", "three")
    book.heads.look()
    book.cut(1)
    book.write("other two", "other three")
    again = heads.Heads(book.stall.controller)
    again.look()
    with book.stall.controller.database.read() as connection:
        last = audit.page(connection)[-1]
    assert (last["verb"], last["actor"]) == ("audit.lost", "controller")
    assert "written anew" in last["after"]["why"]
    assert heads.noted(book.config).number == last["n"] == 4
    told = book.verify()
    assert (told.exit_code, heads.lost(book.config)) == (1, 1)
    assert "1 heads that were noted are not in this log" in told.output
    heads.lost_of(book.config).unlink()
    assert book.verify().exit_code == 0
    again.look()
    assert heads.noted(book.config).number == 4


def test_a_head_that_was_kept_tells_whether_an_export_is_whole(book, tmp_path):
    config = ["--config", str(book.stall.folder / "config.json")]
    assert "no head was noted yet" in book.run("head", *config).output
    book.write("one", "two", "three")
    book.heads.look()
    shown = book.run("head", *config)
    note, vkey = tmp_path / "kept.txt", heads.signer(book.config).verifier.vkey
    assert f"vkey {vkey}" in shown.output
    assert parse_vkey(vkey).name.endswith("/audit")
    note.write_bytes(heads.path_of(book.config).read_bytes())
    out = tmp_path / "log.txt"
    assert book.run("export", *config, "--out", str(out)).exit_code == 0
    kept = ["--note", str(note), "--vkey", vkey]
    assert book.run("verify", str(out), *kept).exit_code == 0
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:2]))
    assert book.run("verify", str(out)).exit_code == 0  # a chain alone does not tell
    assert book.run("verify", str(out), *kept).exit_code == 1
    note.write_text("rubbish\n")
    assert "no head that was signed" in book.run("verify", str(out), *kept).output


def test_a_file_that_is_no_head_of_ours_is_said_and_never_written_over(book):
    heads.path_of(book.config).write_text("not a note\n")
    book.write("one")
    with pytest.raises(Exception, match="is no head of this controller's log"):
        book.heads.look()
    assert heads.path_of(book.config).read_text() == "not a note\n"
    assert book.verify().exit_code == 1
