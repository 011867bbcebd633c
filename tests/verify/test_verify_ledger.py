"""With a whole ledger at hand: reversals, findings, revoked keys, published keys, and folders that lie."""

import json

import pytest

from fleet.verify.check import proof_size, verify
from fleet.verify.folder import FolderError, read_history, stated_size
from fleet.verify.history import target_of
from fleet.verify.keys import parse_keys
from tests.verify.histories import Market, scenes

SCENES = list(scenes())


@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_each_ledger_says_of_the_receipt_what_it_must(scene, tmp_path):
    for name, data in scene.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    keys = parse_keys(json.dumps(scene.keys))
    proof = scene.proof.encode() if scene.proof else None
    history = read_history(tmp_path, keys, target_of(scene.cose), proof and proof_size(proof))
    report = verify(scene.cose, keys, proof=proof, history=history)
    assert {one.check: (one.verdict, one.code) for one in report.checks} == scene.expect
    assert all(one.say.endswith(".") for one in report.checks)


def test_progress_is_told_to_the_end(tmp_path):
    market = Market(receipts=3)
    market.log.receipts(market.world.receipts(1500))
    heard = []
    keys = parse_keys(json.dumps(market.log.keys(market.world.host)))
    folder = market.log.folder(tmp_path)
    read_history(folder, keys, target_of(market.coses[0]), progress=heard.append)
    assert heard == [1024, 1503]
    assert stated_size(folder) == 1503


def test_a_folder_without_a_checkpoint_is_no_ledger(tmp_path):
    market = Market()
    keys = parse_keys(json.dumps(market.log.keys(market.world.host)))
    with pytest.raises(FolderError, match="no ledger folder"):
        read_history(tmp_path, keys, target_of(market.coses[0]))
    assert stated_size(tmp_path) == 0
