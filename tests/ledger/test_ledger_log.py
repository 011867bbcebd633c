"""The log: its tree is RFC 6962's, it goes on where it was, and it never signs a second history."""

import errno
import os
import shutil

import pytest
from logs import SIGNER, Site
from sqlalchemy import text, update
from stallmark import tree

from fleet.clock import RealClock
from fleet.db import tables
from fleet.errors import ConfigError, LedgerConflict, LedgerDamaged, LedgerMissing, NoteError
from fleet.ledger import files, fsck
from fleet.ledger.checkpoint import open_checkpoint
from fleet.ledger.log import Log
from fleet.ledger.proof import read_proof, write_proof

STEPS = (1, 1, 254, 1, 255, 256, 3, 511, 66_000, 5)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site.create()
    site.close()


def clean(site):
    report = fsck.check(site.path / "ledger", SIGNER.verifier)
    assert report.clean, report.lines()
    return report


def test_an_empty_log_is_signed_at_once(site):
    checkpoint, _ = open_checkpoint(site.log.note, [SIGNER.verifier], SIGNER.name)
    assert checkpoint.size == 0 and checkpoint.root == tree.EMPTY_ROOT
    assert clean(site).leaves == 0


def test_the_tree_is_rfc_6962s_at_every_size_and_its_proofs_verify(site):
    for step in STEPS:
        site.grow(step)
        assert site.agrees() == len(site.entries)
    size, hashes = len(site.entries), site.hashes()
    hashtree, root = site.log.tree(size), site.root()
    chosen = [0, 1, 255, 256, 511, 512, 65_535, 65_536, size - 1, *site.random.sample(range(size), 40)]
    for index in chosen:
        proof = hashtree.inclusion(index)
        assert tree.verify_inclusion(hashes[index], index, size, proof, root)
        assert not tree.verify_inclusion(hashes[index - 1], index, size, proof, root)
    for old in (1, 2, 255, 256, 257, 65_536, 66_000, size - 1, size):
        proof = hashtree.consistency(old)
        assert tree.verify_consistency(old, size, site.root(old), root, proof)
    assert clean(site).leaves == size


def test_a_proof_file_leads_from_an_entry_to_the_checkpoint_and_from_no_other(site):
    site.grow(700)
    data = write_proof(300, site.log.tree(700).inclusion(300), site.log.note).encode()
    proof = read_proof(data)
    assert proof.verify(site.entries[300], [SIGNER.verifier], SIGNER.name).size == 700
    with pytest.raises(NoteError):
        proof.verify(site.entries[301], [SIGNER.verifier])
    with pytest.raises(NoteError):
        read_proof(data.replace(b"index 300", b"index 301")).verify(site.entries[300], [SIGNER.verifier])
    with pytest.raises(NoteError):
        read_proof(data.replace(b"\n700\n", b"\n701\n")).verify(site.entries[300], [SIGNER.verifier])
    extra = read_proof(write_proof(1, [], site.log.note, b"salt").encode())
    assert extra.extra == b"salt"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra *\nindex 1\n\nx",
        b"index 1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"A" * 70_000,
    ],
)
def test_what_is_not_a_proof_file_is_refused(data):
    with pytest.raises(NoteError):
        read_proof(data)


def test_it_goes_on_after_a_restart_with_what_was_appended_and_not_yet_published(site):
    site.grow(300)
    site.append(40)
    site.close()
    site.open()
    assert site.log.pending() == 40
    site.publish()
    assert site.agrees() == 340
    clean(site)


def test_a_transaction_that_fails_leaves_no_leaf(site):
    site.grow(3)
    with pytest.raises(RuntimeError), site.log.writing() as tx:
        tx.add([b"\x63lost"])
        raise RuntimeError("half way")
    site.grow(2)
    assert site.agrees() == 5
    clean(site)


def test_partial_tiles_stay_until_their_full_tile_is_there_and_are_gone_after(site):
    site.grow(10)
    site.grow(90)
    ledger = site.path / "ledger"
    assert (ledger / "tile/0/000.p/10").exists() and (ledger / "tile/0/000.p/100").exists()
    site.grow(200)
    assert (ledger / "tile/0/000").exists() and not (ledger / "tile/0/000.p").exists()
    old = site.log.tree(100)  # a reader of the older checkpoint is served from the full tile
    assert tree.verify_inclusion(site.hashes()[7], 7, 100, old.inclusion(7), site.root(100))


def test_a_ledger_is_made_only_on_purpose_and_only_once(tmp_path):
    site = Site(tmp_path)
    with pytest.raises(LedgerMissing, match="stallmark fleet init"):
        site.open()
    site.create().grow(5)
    with pytest.raises(LedgerConflict, match="already holds a ledger"):
        Log.create(site.database, site.folder, SIGNER, RealClock())
    site.close()
    (tmp_path / "db.sqlite").unlink()  # the database is lost: starting over would fork the ledger
    with pytest.raises(LedgerConflict, match="would fork"):
        site.create()


def test_only_one_controller_opens_a_database(site, tmp_path):
    with pytest.raises(ConfigError, match="another controller"):
        Site(tmp_path).open()


def copy_database(site, name):
    with site.database.write() as connection:
        connection.execute(text("SELECT 1"))
    site.database.close()
    site.database = None
    shutil.copy(site.path / "db.sqlite", site.path / name)


def test_an_older_database_under_a_newer_ledger_signs_nothing(site):
    site.grow(200)
    copy_database(site, "backup")
    site.open()
    site.grow(150)
    published = site.log.note
    site.close()
    shutil.copy(site.path / "backup", site.path / "db.sqlite")
    for left in site.path.glob("db.sqlite-*"):
        left.unlink()
    with pytest.raises(LedgerConflict, match="restored from an older copy"):
        site.open()
    assert (site.path / "ledger/checkpoint").read_bytes() == published


def test_an_older_database_and_checkpoint_under_newer_tiles_sign_nothing_else(site):
    site.grow(200)
    copy_database(site, "backup")
    shutil.copy(site.path / "ledger/checkpoint", site.path / "checkpoint.backup")
    site.open()
    site.grow(150)
    site.close()
    shutil.copy(site.path / "backup", site.path / "db.sqlite")
    shutil.copy(site.path / "checkpoint.backup", site.path / "ledger/checkpoint")
    site.open()
    with site.log.writing() as tx:
        tx.add([b"\x63another history" + bytes([n]) for n in range(150)])
    with pytest.raises(LedgerConflict, match="other bytes"):
        site.log.publish()
    assert site.log.published.size == 200


def test_leaves_changed_in_the_database_are_not_signed(site):
    site.grow(10)
    with site.database.write() as connection:
        leaves = tables.leaves
        connection.execute(update(leaves).where(leaves.c.position == 4).values(hash=bytes(32)))
    site.append(1)
    with pytest.raises(LedgerConflict, match="do not lead to the root"):
        site.log.publish()


def test_a_flipped_bit_between_append_and_checkpoint_is_not_signed(site):
    site.grow(10)
    site.append(5)
    with site.database.write() as connection:
        leaves = tables.leaves
        connection.execute(update(leaves).where(leaves.c.position == 12).values(entry=b"\x63other"))
    with pytest.raises(LedgerDamaged, match="do not hash to the appended leaves"):
        site.log.publish()
    assert site.log.published.size == 10


def test_a_checkpoint_that_another_writer_stored_is_not_overtaken(site):
    site.grow(10)
    site.append(5)
    with site.database.write() as connection:
        connection.execute(update(tables.log).values(size=11, root=bytes(32)))
    with pytest.raises(LedgerConflict, match="another writer"):
        site.log.publish()
    assert site.log.published.size == 10


def test_a_full_disk_means_no_checkpoint_and_what_waits_is_signed_once_there_is_room(site, monkeypatch):
    site.grow(300)
    write, refuse = os.write, [True]

    def full(handle, data):
        if refuse[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    before = (site.path / "ledger/checkpoint").read_bytes()
    monkeypatch.setattr(files.os, "write", full)
    site.append(100)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            site.log.publish()
    assert (site.path / "ledger/checkpoint").read_bytes() == before and site.log.published.size == 300
    refuse[0] = False
    site.publish()
    assert site.agrees() == 400
    clean(site)


def test_a_disk_that_fills_up_between_tiles_and_checkpoint_signs_the_same_body_later(site, monkeypatch):
    site.grow(5)
    replace = files.os.replace

    def full(source, target):
        if str(target).endswith("checkpoint"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(source, target)

    site.append(5)
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            site.log.publish()
    stored = site.log.stored
    assert stored.size == 10 and site.log.published.size == 5
    site.append(5)
    site.publish()
    assert site.agrees() == 15
    clean(site)
