"""The full check finds every kind of damage, and an export is the ledger of one checkpoint."""

import shutil

import pytest
from logs import SIGNER, Site

from fleet.errors import LedgerConflict, LedgerDamaged, LedgerMissing
from fleet.ledger import fsck, note
from fleet.ledger.export import export


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    path = tmp_path_factory.mktemp("ledger")
    site = Site(path)
    site.create()
    for step in (100, 200, 65_300, 500):
        site.grow(step)
    site.close()
    return path / "ledger"


@pytest.fixture
def copy(ledger, tmp_path):
    shutil.copytree(ledger, tmp_path / "ledger")
    return tmp_path / "ledger"


def test_a_whole_ledger_is_clean_and_the_report_says_what_was_read(ledger):
    told = []
    report = fsck.check(ledger, SIGNER.verifier, progress=lambda done, size: told.append((done, size)))
    assert report.clean and report.leaves == 66_100
    assert report.types == {"newer than this program": 66_100}
    assert report.tiles == 2 * 259 + 2 + 1  # bundles and level 0, level 1 full and partial, level 2
    assert told[-1] == (66_100, 66_100)
    assert any("Nothing is wrong" in line for line in report.lines())


@pytest.mark.parametrize(
    "path",
    [
        "tile/entries/000",
        "tile/entries/100",
        "tile/entries/258.p/52",
        "tile/0/000",
        "tile/0/258.p/52",
        "tile/1/000",
        "tile/1/001.p/2",
        "tile/2/000.p/1",
    ],
)
def test_one_flipped_bit_in_any_file_is_found(ledger, copy, path):
    file = copy / path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    report = fsck.check(copy, SIGNER.verifier)
    assert not report.clean
    assert any(path in line or "do not lead" in line for line in report.problems), report.problems


@pytest.mark.parametrize("path", ["tile/entries/003", "tile/0/007", "tile/1/000", "checkpoint"])
def test_a_missing_file_is_named(copy, path):
    (copy / path).unlink()
    report = fsck.check(copy, SIGNER.verifier)
    assert any(path in line for line in report.problems)


def test_a_checkpoint_by_another_key_is_not_good(copy):
    assert not fsck.check(copy, note.Signer(SIGNER.name, b"x" * 32).verifier).clean
    assert "not checked" in fsck.check(copy).signature


def test_a_checkpoint_over_other_leaves_is_not_good(copy):
    data = (copy / "checkpoint").read_bytes().replace(b"\n66100\n", b"\n66099\n")
    (copy / "checkpoint").write_bytes(data)
    assert not fsck.check(copy).clean  # even where no key is given


def test_an_export_is_clean_and_is_brought_up_to_date(tmp_path):
    site = Site(tmp_path / "site")
    site.path.mkdir()
    site.create().grow(300)
    target = tmp_path / "out"
    assert export(site.path / "ledger", target, b"{}").size == 300
    assert fsck.check(target, SIGNER.verifier).clean and (target / "keys.json").read_bytes() == b"{}"
    site.grow(500)
    assert export(site.path / "ledger", target).size == 800
    assert fsck.check(target, SIGNER.verifier).leaves == 800
    newer = (site.path / "ledger").rename(tmp_path / "newer")
    shutil.copytree(target, tmp_path / "older")
    site.close()
    (tmp_path / "older/checkpoint").write_bytes(
        (newer / "checkpoint").read_bytes().replace(b"\n800\n", b"\n799\n")
    )
    with pytest.raises(LedgerConflict, match="newer copy"):
        export(tmp_path / "older", target)


def test_an_export_of_a_ledger_that_grew_meanwhile_is_cut_from_its_full_tiles(tmp_path):
    site = Site(tmp_path / "site")
    site.path.mkdir()
    site.create().grow(100)
    old = (site.path / "ledger/checkpoint").read_bytes()
    site.grow(200)  # partial tiles of the first checkpoint are gone now
    shutil.copytree(site.path / "ledger", tmp_path / "seen")
    (tmp_path / "seen/checkpoint").write_bytes(old)
    assert export(tmp_path / "seen", tmp_path / "out").size == 100
    assert fsck.check(tmp_path / "out", SIGNER.verifier).leaves == 100
    site.close()


def test_what_is_no_ledger_is_not_exported(copy, tmp_path):
    with pytest.raises(LedgerMissing):
        export(tmp_path, tmp_path / "out")
    (copy / "tile/0/007").unlink()
    with pytest.raises(LedgerDamaged):
        export(copy, tmp_path / "out")
    assert not (tmp_path / "out/checkpoint").exists()
