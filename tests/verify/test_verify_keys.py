"""The public keys file: read as it is written, refused with a reason where it is not one."""

import json

import pytest

from fleet.verify.keys import KeysError, parse_keys
from tests.verify.paperlog import PaperLog
from tests.world import World

WORLD = World(41)
GOOD = PaperLog(WORLD.checkpoint_seed).keys(WORLD.host)


def test_the_file_is_read_and_key_ids_are_computed_not_believed():
    claimed = json.loads(json.dumps(GOOD))
    claimed["hosts"][0]["kid"] = "00" * 8
    keys = parse_keys(json.dumps(claimed))
    assert keys.development
    assert keys.host(WORLD.host.host8).name == "host-1"
    assert keys.host(bytes(8)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: "nonsense", "not JSON"),
        (lambda f: "[]", "not a JSON object"),
        (lambda f: f.update(format="other/1"), "not of the form"),
        (lambda f: f.pop("log"), "no log or no hosts"),
        (lambda f: f.pop("hosts"), "no log or no hosts"),
        (lambda f: f["log"].update(vkey="a+b"), "log's key"),
        (lambda f: f["log"].update(vkey=f["log"]["vkey"].replace("localhost", "lokalhost")), "log's key"),
        (lambda f: f["hosts"][0].update(public="!"), "not base64"),
        (lambda f: f["hosts"][0].update(public="AAAA"), "3 bytes"),
        (lambda f: f.update(hosts=[7]), "no log or no hosts"),
    ],
)
def test_what_is_no_keys_file_is_refused_with_a_reason(change, words):
    file = json.loads(json.dumps(GOOD))
    changed = change(file)
    with pytest.raises(KeysError, match=words):
        parse_keys(
            changed if isinstance(changed, str) and not changed.startswith("local") else json.dumps(file)
        )
