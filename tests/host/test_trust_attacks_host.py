"""Every attack on signed lists (TUF specification 1.5.2, and what happens to small computers), against the host's client.

The attacker owns the network, and where a test says so a key. A refusal names its kind and leaves what was known as it was."""

import itertools
import json
import shutil
import subprocess
import sys

import pytest
from securesystemslib.signer import SSlibKey
from tufkit import DAY, NOW, Fleet, SetClock, digest, host, refused, source

from fleet.trust import keyfile, metadata
from fleet.trust.errors import TrustError as FleetTrustError
from hostagent.trust.client import Trust


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Fleet(tmp_path_factory.mktemp("fleet") / "controller")


@pytest.fixture
def fleet(published, tmp_path):
    return published.moved(tmp_path / "controller")


def timestamp_naming(fleet, version, body, number, days=1):
    """A timestamp by the holder of the timestamp key."""
    made = metadata.new_timestamp(version, fleet.now, fleet.now + days * DAY, body, number)
    return fleet.forge("timestamp", made)


def test_good_lists_are_taken_and_their_bundles_too(tmp_path, fleet):
    data = fleet.bundle()
    fleet.release(data)
    trust, served = host(tmp_path, fleet), source(fleet.copy())
    known = trust.refresh(served)
    assert known.versions == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    assert trust.download(served, digest(data)) == data
    assert trust.require(data).rev == 1
    assert trust.trouble is None


# --- replay


def test_rollback_to_recorded_lists_is_refused(tmp_path, fleet):
    old = fleet.copy()
    fleet.release(fleet.bundle())
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    with refused(trust, "older"):
        trust.refresh(source(old))


def test_rollback_of_the_list_of_releases_by_a_thief_of_both_online_keys_is_refused(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    fleet.release(fleet.bundle())
    trust.refresh(source(fleet.copy()))
    files = fleet.copy()
    old = files["tuf/1.targets.json"]  # the authors signed it once
    snapshot = fleet.forge("snapshot", metadata.new_snapshot(9, NOW, NOW + DAY, old, 1))
    files["tuf/9.snapshot.json"] = snapshot
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 9, snapshot, 9)
    with refused(trust, "older"):
        trust.refresh(source(files))


def test_rollback_after_the_cache_was_wiped_is_refused(tmp_path, fleet):
    old = fleet.copy()
    fleet.release(fleet.bundle())
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    shutil.rmtree(tmp_path / "host" / "cache")
    again = host(tmp_path, fleet)
    with refused(again, "older"):
        again.refresh(source(old))
    assert again.refresh(source(fleet.copy())).versions["targets"] == 2


def test_the_floor_survives_its_own_file(tmp_path, fleet):
    old = fleet.copy()
    fleet.release(fleet.bundle())
    host(tmp_path, fleet).refresh(source(fleet.copy()))
    shutil.rmtree(tmp_path / "host" / "cache")
    (tmp_path / "host" / "floor.json").write_bytes(b"")
    again = host(tmp_path, fleet)
    with refused(again, "older"):
        again.refresh(source(old))
    assert len(list((tmp_path / "host" / "set-aside").iterdir())) == 1


def test_a_root_that_ended_a_key_is_remembered_even_where_the_rest_failed_and_the_cache_is_wiped(
    tmp_path, fleet
):
    before = fleet.copy()
    trust = host(tmp_path, fleet)
    trust.refresh(source(before))
    fleet.rotate(fresh=("timestamp",))
    only_root = before | {"tuf/2.root.json": fleet.copy()["tuf/2.root.json"]}
    with refused(trust, "unsigned"):  # the thief goes on signing with the key that ended
        trust.refresh(source(only_root))
    shutil.rmtree(tmp_path / "host" / "cache")
    again = host(tmp_path, fleet)
    with refused(again, "older"):
        again.refresh(source(before))


def test_freeze_ends_when_the_timestamp_runs_out(tmp_path, fleet):
    clock = SetClock()
    trust = host(tmp_path, fleet, clock)
    frozen = fleet.copy()
    trust.refresh(source(frozen))
    clock.now += DAY + 1000
    with refused(trust, "expired"):
        trust.refresh(source(frozen))
    assert not trust.fresh()
    assert "nothing new is taken" in trust.words()


def test_fast_forward_by_a_thief_of_the_timestamp_key_ends_with_that_key(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    files = fleet.copy()
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 2**31 - 1, files["tuf/1.snapshot.json"], 1)
    trust.refresh(source(files))  # valid: nothing tells it from a real one
    fleet.release(fleet.bundle())
    with refused(trust, "older"):
        trust.refresh(source(fleet.copy()))
    fleet.rotate(fresh=("timestamp",))
    fleet.repository.renew(fleet.now)
    assert trust.refresh(source(fleet.copy())).versions["targets"] == 2


def test_fast_forward_of_both_online_roles_ends_with_both_keys_also_with_a_wiped_cache(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    files = fleet.copy()
    far = 2**31 - 1
    snapshot = fleet.forge(
        "snapshot", metadata.new_snapshot(far, NOW, NOW + DAY, files["tuf/1.targets.json"], 1)
    )
    files[f"tuf/{far}.snapshot.json"] = snapshot
    files["tuf/timestamp.json"] = timestamp_naming(fleet, far, snapshot, far)
    trust.refresh(source(files))
    fleet.rotate(fresh=("timestamp", "snapshot"))
    fleet.repository.renew(fleet.now)
    shutil.rmtree(tmp_path / "host" / "cache")
    again = host(tmp_path, fleet)
    assert again.refresh(source(fleet.copy())).versions["snapshot"] == 2


def test_a_restored_controller_goes_on_above_what_hosts_have_seen(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    yesterday = tmp_path / "yesterday"
    shutil.copytree(fleet.repository.folder, yesterday)
    for _ in range(3):
        fleet.release(fleet.bundle())
    trust.refresh(source(fleet.copy()))
    shutil.rmtree(fleet.repository.folder)
    yesterday.rename(fleet.repository.folder)
    with refused(trust, "older"):
        trust.refresh(source(fleet.copy()))
    for _ in range(3):  # the authors sign again what was lost
        fleet.release(fleet.bundle())
    fleet.repository.renew(fleet.now, above=9)
    assert trust.refresh(source(fleet.copy())).versions["timestamp"] > 9


# --- mixing


def test_mix_and_match_of_lists_of_different_days_is_refused(tmp_path, fleet):
    old = fleet.copy()
    fleet.release(fleet.bundle())
    new = fleet.copy()
    trust = host(tmp_path, fleet)
    mixed = new | {"tuf/2.snapshot.json": old["tuf/1.snapshot.json"]}
    with refused(trust, "mismatch", "older"):
        trust.refresh(source(mixed))
    mixed = new | {"tuf/2.targets.json": old["tuf/1.targets.json"]}
    with refused(trust, "mismatch", "older"):
        trust.refresh(source(mixed))


def test_lists_of_another_fleet_are_refused(tmp_path, fleet):
    other = Fleet(tmp_path / "other").copy()
    trust = host(tmp_path, fleet)
    with refused(trust, "unsigned", "damaged"):
        trust.refresh(source(other))
    mixed = fleet.copy() | {name: data for name, data in other.items() if "root" not in name}
    with refused(trust, "unsigned", "damaged"):
        trust.refresh(source(mixed))


# --- other bytes than were signed


def test_an_arbitrary_bundle_is_refused(tmp_path, fleet):
    data = fleet.bundle()
    fleet.release(data)
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    evil = bytes(len(data))
    poisoned = source(fleet.copy() | {f"targets/{digest(data)}": evil})
    with refused(trust, "mismatch"):
        trust.download(poisoned, digest(data))
    with refused(trust, "unlisted"):
        trust.require(evil)
    with refused(trust, "unlisted"):
        trust.download(poisoned, digest(evil))
    assert trust.download(source(fleet.copy()), digest(data)) == data  # nothing poisoned was kept


@pytest.mark.parametrize("change", [-1, 1, 5000])
def test_a_bundle_of_the_wrong_size_is_refused(tmp_path, fleet, change):
    data = fleet.bundle()
    fleet.release(data)
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    wrong = data[:change] if change < 0 else data + bytes(change)
    with refused(trust, "mismatch", "endless"):
        trust.download(source(fleet.copy() | {f"targets/{digest(data)}": wrong}), digest(data))


JUNK = {
    "empty": b"",
    "half": b"{",
    "null": b"null",
    "deep": b"[" * 10_000,
    "no type": b'{"signed": {}, "signatures": []}',
    "wrong types": b'{"signed": 7, "signatures": 7}',
    "not text": b"\xff\xfe",
}


@pytest.mark.parametrize("name", ["2.root", "timestamp", "1.snapshot", "1.targets"])
def test_junk_in_place_of_a_list_is_refused(tmp_path, fleet, name):
    trust, files = host(tmp_path, fleet), fleet.copy()
    for junk in JUNK.values():
        with refused(trust, "damaged", "mismatch", "endless"):
            trust.refresh(source(files | {f"tuf/{name}.json": junk}))
    assert trust.refresh(source(files)).versions["root"] == 1


@pytest.mark.parametrize("name", ["timestamp", "1.snapshot", "1.targets", "2.root"])
def test_one_flipped_bit_in_any_list_is_refused(tmp_path, fleet, name):
    fleet.rotate()
    trust, files = host(tmp_path, fleet), fleet.copy()
    body = bytearray(files[f"tuf/{name}.json"])
    at = body.index(b'"version"') - 3
    for place in (at, len(body) // 3):
        poisoned = bytearray(body)
        poisoned[place] ^= 1
        with refused(trust, "damaged", "mismatch", "unsigned", "older"):
            trust.refresh(source(files | {f"tuf/{name}.json": bytes(poisoned)}))


def endless():
    """Bytes for ever."""
    return itertools.repeat(b" " * 16_384)


@pytest.mark.parametrize(
    "name", ["tuf/2.root.json", "tuf/timestamp.json", "tuf/1.snapshot.json", "tuf/1.targets.json"]
)
def test_endless_data_is_broken_off(tmp_path, fleet, name):
    trust = host(tmp_path, fleet)
    with refused(trust, "endless"):
        trust.refresh(source(fleet.copy() | {name: endless}))


def test_an_endless_bundle_is_broken_off(tmp_path, fleet):
    data = fleet.bundle()
    fleet.release(data)
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    with refused(trust, "endless"):
        trust.download(source(fleet.copy() | {f"targets/{digest(data)}": endless}), digest(data))


# --- keys


@pytest.mark.parametrize("signers", [0, 1])
def test_a_list_of_releases_with_fewer_than_two_authors_is_refused(tmp_path, fleet, signers):
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    evil = fleet.bundle(b"evil")
    made = metadata.new_targets(2, NOW, NOW + DAY, {digest(evil): metadata.target(evil, {"rev": 9})})
    for key in fleet.authors[:signers]:
        fleet.forge("targets", made, key)
    body = made.to_bytes()
    snapshot = fleet.forge("snapshot", metadata.new_snapshot(2, NOW, NOW + DAY, body, 2))
    files = fleet.copy() | {"tuf/2.targets.json": body, "tuf/2.snapshot.json": snapshot}
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 2, snapshot, 2)
    with refused(trust, "unsigned"):
        trust.refresh(source(files))


def test_one_author_who_signs_twice_is_one_author(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    made = metadata.new_targets(2, NOW, NOW + DAY, {})
    fleet.forge("targets", made, fleet.authors[0])
    value = json.loads(made.to_bytes())
    value["signatures"].append(dict(value["signatures"][0], keyid=fleet.authors[1].holder.keyid))
    body = json.dumps(value).encode()
    snapshot = fleet.forge("snapshot", metadata.new_snapshot(2, NOW, NOW + DAY, body, 2))
    files = fleet.copy() | {"tuf/2.targets.json": body, "tuf/2.snapshot.json": snapshot}
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 2, snapshot, 2)
    with refused(trust, "unsigned"):
        trust.refresh(source(files))


@pytest.mark.parametrize("signers", [[], [0], [0, 0]], ids=["unsigned", "one holder", "one holder twice"])
def test_a_root_without_two_holders_is_refused(tmp_path, fleet, signers):
    files = fleet.copy()
    draft = fleet.rotate(fresh=("timestamp",))
    draft.root.signatures.clear()
    for number in signers:
        fleet.forge("root", draft.root, fleet.roots[number])
    trust = host(tmp_path, fleet)
    with refused(trust, "unsigned"):
        trust.refresh(source(files | {"tuf/2.root.json": draft.root.to_bytes()}))


def test_a_root_that_only_its_own_new_holders_signed_is_refused(tmp_path, fleet):
    thieves = Fleet(tmp_path / "thieves")
    thieves.rotate()
    trust = host(tmp_path, fleet)
    with refused(trust, "unsigned"):
        trust.refresh(source(thieves.copy()))


def test_a_key_of_a_lesser_role_signs_nothing_else(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    made = metadata.new_timestamp(5, NOW, NOW + DAY, fleet.copy()["tuf/1.snapshot.json"], 1)
    body = fleet.forge("timestamp", made, fleet.online("snapshot"))
    with refused(trust, "unsigned"):
        trust.refresh(source(fleet.copy() | {"tuf/timestamp.json": body}))


def test_a_root_is_followed_over_several_rotations_and_a_revoked_author_counts_no_more(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    dora = fleet.authors[0].holder.kid
    fleet.rotate()
    fleet.rotate(ended=(dora,))
    fleet.repository.renew(fleet.now)
    with refused(trust, "unsigned"):  # the list is of Dora and Eli: one good signature is left
        trust.refresh(source(fleet.copy()))
    fleet.release(signers=fleet.authors[1:])
    assert trust.refresh(source(fleet.copy())).versions["root"] == 3


def test_one_key_under_several_names_counts_once(tmp_path, fleet):
    draft = fleet.rotate()
    root, dora = draft.root.signed, fleet.authors[0]
    names = [f"{number:064x}" for number in range(3)]
    for name in names:
        root.keys[name] = SSlibKey(name, "ed25519", "ed25519", {"public": dora.public.hex()})
    root.roles["targets"].keyids = names
    draft.root.signatures.clear()
    for key in fleet.roots[:2]:
        fleet.forge("root", draft.root, key)
    made = metadata.new_targets(2, NOW, NOW + DAY, {})
    for name in names:
        metadata.add_signature(made, name, dora.sign(made.signed_bytes))
    body = made.to_bytes()
    snapshot = fleet.forge("snapshot", metadata.new_snapshot(2, NOW, NOW + DAY, body, 2))
    files = fleet.copy() | {"tuf/2.root.json": draft.root.to_bytes(), "tuf/2.targets.json": body}
    files |= {"tuf/2.snapshot.json": snapshot, "tuf/timestamp.json": timestamp_naming(fleet, 2, snapshot, 2)}
    trust = host(tmp_path, fleet)
    with refused(trust, "damaged"):
        trust.refresh(source(files))


def test_fast_forward_of_the_list_by_a_stolen_quorum_ends_with_an_author_s_and_the_snapshot_key(
    tmp_path, fleet
):
    trust, far = host(tmp_path, fleet), 2**31 - 1
    made = metadata.new_targets(far, NOW, NOW + DAY, {})
    for key in fleet.authors[:2]:
        fleet.forge("targets", made, key)
    body = made.to_bytes()
    snapshot = fleet.forge("snapshot", metadata.new_snapshot(2, NOW, NOW + DAY, body, far))
    files = fleet.copy() | {f"tuf/{far}.targets.json": body, "tuf/2.snapshot.json": snapshot}
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 2, snapshot, 2)
    assert trust.refresh(source(files)).versions["targets"] == far
    fleet.rotate(fresh=("snapshot", "timestamp"))
    fleet.repository.renew(fleet.now)
    with refused(trust, "older"):  # the online keys alone do not take an authors' list back
        trust.refresh(source(fleet.copy()))
    ended = tuple(key.holder.kid for key in fleet.authors[:2])
    fresh = [keyfile.new("author", name) for name in ("Gil", "Hana")]
    fleet.rotate(ended=ended, add_authors=tuple(key.holder for key in fresh), fresh=("snapshot",))
    fleet.release(signers=fresh)
    assert trust.refresh(source(fleet.copy())).versions["targets"] == 2


def test_another_timestamp_of_the_same_number_changes_nothing(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    known = trust.refresh(source(fleet.copy()))
    files = fleet.copy()
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 1, files["tuf/1.snapshot.json"], 100)
    assert trust.refresh(source(files)).versions == known.versions


def test_a_snapshot_of_another_number_than_the_timestamp_names_is_refused(tmp_path, fleet):
    files = fleet.copy()
    snapshot = fleet.forge(
        "snapshot", metadata.new_snapshot(7, NOW, NOW + DAY, files["tuf/1.targets.json"], 1)
    )
    files["tuf/2.snapshot.json"] = snapshot
    files["tuf/timestamp.json"] = timestamp_naming(fleet, 2, snapshot, 2)
    trust = host(tmp_path, fleet)
    with refused(trust, "older"):
        trust.refresh(source(files))


# --- expiry and clocks


def test_an_expired_root_is_refused(tmp_path, fleet):
    fleet.rotate(days=1)
    fleet.repository.renew(fleet.now)
    clock = SetClock(NOW + 2 * DAY)
    trust = host(tmp_path, fleet, clock)
    with refused(trust, "expired"):
        trust.refresh(source(fleet.copy()))


def test_a_root_that_ran_out_between_is_passed_over_where_the_last_one_is_good(tmp_path, fleet):
    fleet.rotate(days=1)
    fleet.now += 3 * DAY
    fleet.rotate()
    fleet.repository.renew(fleet.now)
    assert host(tmp_path, fleet).refresh(source(fleet.copy())).versions["root"] == 3


def test_an_expired_list_of_releases_is_refused(tmp_path, fleet):
    fleet.release(days=1)
    fleet.now += 2 * DAY
    fleet.repository.renew(fleet.now)
    with refused(trust := host(tmp_path, fleet), "expired"):
        trust.refresh(source(fleet.copy()))


def test_a_host_that_was_away_for_weeks_catches_up_from_lists_that_ran_out(tmp_path, fleet):
    clock = SetClock()
    trust = host(tmp_path, fleet, clock)
    trust.refresh(source(fleet.copy()))
    fleet.now = clock.now = NOW + 18 * DAY
    fleet.release(fleet.bundle())
    assert trust.refresh(source(fleet.copy())).versions["targets"] == 2


def test_a_clock_of_1970_judges_by_what_was_signed(tmp_path, fleet):
    clock = SetClock()
    trust = host(tmp_path, fleet, clock)
    frozen = fleet.copy()
    fleet.now += 3 * DAY
    fleet.repository.renew(fleet.now)
    clock.unset()
    trust.refresh(source(fleet.copy()))
    assert trust.reference_ms() == fleet.now
    shutil.rmtree(tmp_path / "host" / "cache")
    again = host(tmp_path, fleet, clock)
    with refused(again, "expired", "older"):
        again.refresh(source(frozen))


def test_a_clock_of_1970_takes_the_first_lists(tmp_path, fleet):
    clock = SetClock()
    clock.unset()
    assert host(tmp_path, fleet, clock).refresh(source(fleet.copy())).versions["root"] == 1


def test_a_clock_of_2099_refuses_and_says_that_the_clock_may_be_wrong(tmp_path, fleet):
    clock = SetClock()
    trust = host(tmp_path, fleet, clock)
    trust.refresh(source(fleet.copy()))
    clock.now = 4_080_000_000_000
    with refused(trust, "expired"):
        trust.refresh(source(fleet.copy()))
    assert "is the clock right?" in str(trust.trouble)
    clock.now = NOW + 1000
    assert trust.refresh(source(fleet.copy())).versions["root"] == 1  # nothing stuck


def test_a_director_who_says_that_it_is_2099_is_undone_with_the_timestamp_key(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    trust.heard(4_080_000_000_000)
    with refused(trust, "expired"):
        trust.refresh(source(fleet.copy()))
    fleet.rotate(fresh=("timestamp",))
    fleet.repository.renew(fleet.now)
    assert trust.refresh(source(fleet.copy())).versions["root"] == 2


def test_a_controller_whose_clock_was_ahead_for_months_comes_back_with_fresh_online_keys(tmp_path, fleet):
    trust = host(tmp_path, fleet)
    for days in (30, 60):  # further at once it would not sign
        fleet.repository.renew(NOW + days * DAY)
    assert trust.refresh(source(fleet.copy())).issued_ms == NOW + 60 * DAY
    with pytest.raises(FleetTrustError, match="keys rotate"):
        fleet.repository.renew(NOW)
    fleet.rotate(fresh=("snapshot", "timestamp"))
    assert fleet.repository.renew(NOW) == ["snapshot 4", "timestamp 4"]
    trust.refresh(source(fleet.copy()))
    assert trust.reference_ms() == NOW
    assert trust.fresh()


# --- power cuts, sticks, processes


@pytest.mark.parametrize(
    "name", ["timestamp.json", "snapshot.json", "targets.json", "root_history/1.root.json"]
)
@pytest.mark.parametrize("left", [0, 40], ids=["empty", "cut short"])
def test_a_file_that_a_power_cut_truncated_is_set_aside_and_fetched_anew(tmp_path, fleet, name, left):
    trust = host(tmp_path, fleet)
    trust.refresh(source(fleet.copy()))
    path = tmp_path / "host" / "cache" / name
    path.write_bytes(path.read_bytes()[:left])
    again = host(tmp_path, fleet)
    assert again.refresh(source(fleet.copy())).versions["targets"] == 1
    assert again.set_aside == 1
    assert len(list((tmp_path / "host" / "set-aside").iterdir())) == 1


@pytest.mark.parametrize("name", ["floor.json", "last-good.json"])
def test_a_truncated_memory_is_set_aside_and_the_host_goes_on(tmp_path, fleet, name):
    host(tmp_path, fleet).refresh(source(fleet.copy()))
    (tmp_path / "host" / name).write_bytes(b'{"ver')
    again = host(tmp_path, fleet)
    assert again.set_aside == 1
    assert again.refresh(source(fleet.copy())).versions["root"] == 1


def test_what_cannot_be_read_is_kept_up_to_a_limit(tmp_path, fleet):
    aside = tmp_path / "host" / "set-aside"
    aside.mkdir(parents=True)
    for number in range(64):
        (aside / str(number)).touch()
    cache = tmp_path / "host" / "cache"
    cache.mkdir()
    (cache / "timestamp.json").write_bytes(b"{")
    assert host(tmp_path, fleet).refresh(source(fleet.copy())).versions["root"] == 1
    assert len(list(aside.iterdir())) == 64


def test_without_a_network_the_last_good_lists_stand_with_their_age(tmp_path, fleet):
    data, clock = fleet.bundle(), SetClock()
    fleet.release(data)
    host(tmp_path, fleet, clock).refresh(source(fleet.copy()))
    clock.now += 3 * 3_600_000
    again = host(tmp_path, fleet, clock)  # started anew, in a market hall
    with refused(again, "offline"):
        again.refresh(source({}))
    assert again.require(data).rev == 1
    assert "verified 3 h ago" in again.words()


BESIDE = """
import sys
from pathlib import Path
from hostagent.clock import RealClock
from hostagent.trust.client import Trust
from hostagent.trust.fetcher import carried_in
folder, stick = Path(sys.argv[1]), Path(sys.argv[2])
class Clock(RealClock):
    def now_ms(self): return int(sys.argv[3])
trust = Trust(folder, (stick / "tuf" / "1.root.json").read_bytes(), Clock(), lock_s=120.0)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    trust.refresh(carried_in(stick))
print("good", flush=True)
"""


def test_two_processes_share_one_folder(tmp_path, fleet):
    fleet.release(fleet.bundle())
    for name, body in fleet.copy().items():
        path = tmp_path / "stick" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    command = [sys.executable, "-c", BESIDE, tmp_path / "host", tmp_path / "stick", str(NOW)]
    beside = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert beside.stdout.readline() == "ready\n"
        beside.stdin.write("go\n")
        beside.stdin.flush()
        trust = host(tmp_path, fleet)
        for _ in range(5):
            trust.refresh(source(fleet.copy()))
        assert beside.stdout.readline() == "good\n"
    finally:
        beside.stdin.close()
        beside.wait(120)
        beside.stdout.close()
    assert host(tmp_path, fleet).known.versions["targets"] == 2


def test_a_folder_that_another_process_holds_is_said_to_be_busy(tmp_path, fleet):
    holder = host(tmp_path, fleet)
    second = Trust(tmp_path / "host", fleet.bootstrap, SetClock(), lock_s=0.0)
    with holder._locked(), refused(second, "busy"):
        second.refresh(source(fleet.copy()))


def test_a_bootstrap_that_is_no_root_is_said_so(tmp_path, fleet):
    value = json.loads(fleet.bootstrap)
    for signature in value["signatures"]:
        signature["sig"] = "00" * 64
    for junk in (b"", b"{}", json.dumps(value).encode(), fleet.copy()["tuf/1.targets.json"]):
        trust = Trust(tmp_path / "host", junk, SetClock())
        served = source(fleet.copy())
        with refused(trust, "root"):
            trust.refresh(served)
        assert served.fetcher.asked == []
