"""With a whole ledger at hand: reversals, findings, revoked keys, published keys, and folders that lie."""

import json

import pytest
from stallmark import leaf, receipt, record, registry
from stallmark.registry import KIND_DENY, KIND_GRANT, KIND_REFUND, KIND_VOID

from fleet.verify.check import verify
from fleet.verify.folder import FolderError, read_history, stated_size
from fleet.verify.history import target_of
from fleet.verify.keys import parse_keys
from tests.verify.paperlog import PaperLog
from tests.world import World


class Market:
    """One brick, a handful of receipts, and a log that a test adds to."""

    def __init__(self, seed=21, receipts=5):
        self.world = World(seed)
        self.brick = self.world.brick()
        self.records = []
        self.coses = self.world.receipts(receipts, KIND_GRANT, records=self.records)
        self.log = PaperLog(self.world.checkpoint_seed)
        self.log.receipts(self.coses)

    @property
    def keys(self):
        return parse_keys(json.dumps(self.log.keys(*self.world.hosts)))

    def checks(self, tmp_path, cose=None, proof=None, folder=None):
        """{check: (verdict, code)} of receipt 2 (or `cose`) with the log as a folder."""
        cose = cose or self.coses[2]
        folder = folder or self.log.folder(tmp_path / "ledger")
        size = None if proof is None else int(proof.split("\n\n")[1].split("\n")[1])
        history = read_history(folder, self.keys, target_of(cose), size)
        report = verify(cose, self.keys, proof=proof.encode() if proof else None, history=history)
        return {one.check: (one.verdict, one.code) for one in report.checks}


@pytest.fixture
def market():
    return Market()


def test_a_good_receipt_is_signed_in_the_ledger_and_not_reversed(market, tmp_path):
    assert market.checks(tmp_path) == {
        "signed": ("ok", "signed"),
        "mac": ("unknown", "not-published"),
        "ledger": ("ok", "included"),
        "reversed": ("ok", "not-reversed"),
    }


def test_the_record_key_published_later_proves_the_brick(market, tmp_path):
    market.log.disclose(market.brick)
    assert market.checks(tmp_path)["mac"] == ("ok", "brick-made")


def test_a_record_under_a_published_key_counts_for_nothing(market, tmp_path):
    market.log.disclose(market.brick)
    late = market.world.receipt(market.world.record(KIND_GRANT, market.brick))
    market.log.receipts([late])
    assert market.checks(tmp_path, late)["mac"] == ("failed", "after-publication")


def test_only_the_first_publication_of_a_key_counts(market, tmp_path):
    market.log.disclose(market.brick, below=2)  # receipt 2 stands at index 2: not below
    market.log.disclose(market.brick)
    assert market.checks(tmp_path)["mac"] == ("failed", "after-publication")


def test_a_publication_that_claims_the_future_is_none(market, tmp_path):
    market.log.disclose(market.brick, below=99)
    assert market.checks(tmp_path)["mac"] == ("unknown", "not-published")


@pytest.mark.parametrize("kind", [KIND_VOID, KIND_REFUND])
def test_a_void_or_refund_of_the_record_takes_it_back(market, tmp_path, kind):
    back = market.world.record(kind, market.brick, f20=market.records[2].seq)
    market.log.receipts([market.world.receipt(back)])
    assert market.checks(tmp_path)["reversed"] == ("failed", "reversed")


def test_a_refund_that_names_the_receipt_takes_it_back_from_another_brick(market, tmp_path):
    back = market.world.record(KIND_REFUND, market.world.brick())
    market.log.receipts([market.world.receipt(back, f18=receipt.short(market.coses[2]))])
    assert market.checks(tmp_path)["reversed"] == ("failed", "reversed")


def test_a_void_of_another_record_leaves_it_alone(market, tmp_path):
    market.log.receipts([market.world.receipt(market.world.record(KIND_VOID, market.brick, f20=1))])
    other = market.world.brick()
    market.log.receipts(
        [market.world.receipt(market.world.record(KIND_VOID, other, f20=market.records[2].seq))]
    )
    market.log.receipts([market.world.receipt(market.world.record(KIND_DENY, market.brick, f20=3))])
    assert market.checks(tmp_path)["reversed"] == ("ok", "not-reversed")


@pytest.mark.parametrize(
    ("code", "check", "answer"),
    [
        (registry.FINDING_MAC_WRONG, "mac", ("failed", "mac-wrong")),
        (registry.FINDING_CHAIN_BROKEN, "reversed", ("failed", "set-aside")),
        (registry.FINDING_EQUIVOCATION, "reversed", ("failed", "set-aside")),
        (registry.FINDING_GAP, "reversed", ("ok", "not-reversed")),
    ],
)
def test_a_finding_against_the_record_is_told(market, tmp_path, code, check, answer):
    item = market.records[2]
    finding = leaf.encode_finding(code, market.brick.brick8, item.seq, market.world.host.host8, 3)
    market.log.append(registry.LEAF_FINDING, finding)
    assert market.checks(tmp_path)[check] == answer


def test_two_records_under_one_number_are_told(market, tmp_path):
    item = market.records[2]
    twin = record.encode_public({**item.fields, 6: 1})
    forged = record.Record(item.seq, twin, record.mac(market.brick.mac_key, twin), b"")
    market.log.receipts([market.world.receipt(forged)])
    assert market.checks(tmp_path)["reversed"] == ("failed", "equivocation")


def test_the_second_receipt_of_one_record_does_not_count(market, tmp_path):
    again = market.world.receipt(market.records[2])
    market.log.receipts([again])
    assert market.checks(tmp_path)["reversed"] == ("ok", "not-reversed")
    assert market.checks(tmp_path, again)["reversed"] == ("failed", "duplicate")


@pytest.mark.parametrize(("until", "answer"), [(3, "ok"), (2, "failed"), (None, "failed")])
def test_a_revoked_host_key_is_trusted_up_to_its_last_number(market, tmp_path, until, answer):
    host = market.world.host  # receipt 2 is its number 3
    event = leaf.encode_key_event(
        registry.ACTION_REVOKE, registry.ROLE_HOST, host.host8, host.public, 0, host.host8, until, True
    )
    market.log.append(registry.LEAF_KEY_EVENT, event)
    assert market.checks(tmp_path)["signed"][0] == answer


def test_what_is_not_in_the_ledger_is_said_to_be_missing(market, tmp_path):
    stray = market.world.receipt(market.world.record(KIND_GRANT, market.brick))
    answers = market.checks(tmp_path, stray)
    assert answers["ledger"] == ("failed", "not-in-ledger")
    assert answers["reversed"] == ("unknown", "not-in-ledger")


def test_proof_and_ledger_of_one_history_agree(market, tmp_path):
    early = market.log.proof(2, size=4)
    assert market.checks(tmp_path, proof=early)["ledger"] == ("ok", "included")


def test_a_proof_from_another_history_of_the_same_log_is_a_fork(market, tmp_path):
    fork = PaperLog(market.world.checkpoint_seed)
    fork.entries = [*market.log.entries[:3], leaf.entry(registry.LEAF_RECEIPT, b"\xd2another")]
    assert market.checks(tmp_path, proof=fork.proof(2))["ledger"] == ("failed", "other-history")


def test_a_proof_newer_than_the_folder_stands_alone(market, tmp_path):
    folder = market.log.folder(tmp_path / "early", size=2)
    answers = market.checks(tmp_path, proof=market.log.proof(2), folder=folder)
    assert answers["ledger"] == ("ok", "included")
    assert answers["reversed"] == ("unknown", "not-in-ledger")


def test_a_changed_entry_spoils_the_whole_folder(market, tmp_path):
    folder = market.log.folder(tmp_path / "ledger")
    bundle = folder / "tile/entries/000.p/5"
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1  # in the last receipt, not in the one that is asked about
    bundle.write_bytes(data)
    answers = market.checks(tmp_path, folder=folder)
    assert answers["ledger"] == ("failed", "ledger-damaged")
    assert answers["reversed"] == ("unknown", "no-ledger")


@pytest.mark.parametrize("harm", ["missing", "half"])
def test_a_bundle_that_is_missing_or_cut_is_named(market, tmp_path, harm):
    folder = market.log.folder(tmp_path / "ledger")
    bundle = folder / "tile/entries/000.p/5"
    if harm == "missing":
        bundle.unlink()
    else:
        bundle.write_bytes(bundle.read_bytes()[:-9])
    assert market.checks(tmp_path, folder=folder)["ledger"] == ("failed", "ledger-damaged")


def test_a_partial_bundle_may_be_gone_once_the_full_one_is_there(tmp_path):
    market = Market(receipts=5)
    market.log.receipts(market.world.receipts(260))
    folder = market.log.folder(tmp_path / "ledger")
    (folder / "checkpoint").write_bytes(market.log.checkpoint(200))  # an older checkpoint over newer tiles
    answers = market.checks(tmp_path, folder=folder)
    assert answers["ledger"] == ("ok", "included")


def test_another_logs_checkpoint_is_refused(market, tmp_path):
    folder = market.log.folder(tmp_path / "ledger")
    other = PaperLog(b"\x09" * 32)
    other.entries = market.log.entries
    (folder / "checkpoint").write_bytes(other.checkpoint())
    assert market.checks(tmp_path, folder=folder)["ledger"] == ("failed", "ledger-checkpoint")


def test_a_folder_without_a_checkpoint_is_no_ledger(market, tmp_path):
    with pytest.raises(FolderError, match="no ledger folder"):
        read_history(tmp_path, market.keys, target_of(market.coses[0]))
    assert stated_size(tmp_path) == 0
