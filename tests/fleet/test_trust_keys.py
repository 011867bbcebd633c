"""Keys of holders and what they sign: sealed files, roots in several sittings, revocation, and what is refused."""

import json
import os
import stat

import pytest
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from stallmark import bundle, cbor, rootmeta, trust
from stallmark import registry as reg
from tuf.api.metadata import Metadata

from fleet.trust import ceremony, clockguard, draft, keyfile, metadata, status
from fleet.trust.ceremony import Change
from fleet.trust.errors import DraftError, KeyFileError, TrustError, TrustMissing
from fleet.trust.keyset import Holder
from fleet.trust.repository import SNAPSHOT_MS, TIMESTAMP_MS, Repository

NOW = 1_790_000_000_000
DAY = 86_400_000
CHEAP = (1, 8192)  # what a passphrase costs in tests


@pytest.fixture
def roots():
    return [keyfile.new("root", name) for name in ("Ana", "Ben", "Cleo", "Dan")]


@pytest.fixture
def authors():
    return [keyfile.new("author", name) for name in ("Dora", "Eli", "Fay")]


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "trust")


def first(repository, roots, authors, thresholds=(2, 2)):
    holders = [key.holder for key in roots[:3]]
    director = keyfile.new("root", "director")
    return ceremony.first_root(
        repository, holders, [key.holder for key in authors], thresholds, director.public, NOW
    )


def sign(made, *keys):
    for key in keys:
        made.sign(key.holder.keyid, key.holder.kid, key.sign)
    return made


def begun(repository, roots, authors):
    repository.publish_root(sign(first(repository, roots, authors), *roots[:2], *authors[:2]))
    repository.publish_release(sign(ceremony.next_release(repository, (), (), NOW), *authors[:2]))
    repository.renew(NOW)
    return repository


# --- key files


def test_a_key_file_opens_with_its_passphrase_only(tmp_path):
    key = keyfile.new("root", "Ana")
    path = tmp_path / "ana.key"
    path.write_bytes(keyfile.seal(key, "correct horse", CHEAP))
    assert keyfile.open_file(path, "correct horse") == key
    assert key.seed.hex() not in path.read_text()
    assert key.seed.hex() not in repr(key)
    for wrong in ("correct house", "", None):
        with pytest.raises(KeyFileError):
            keyfile.open_file(path, wrong)
    assert keyfile.read_public(path) == ("root", key.holder)  # who it is is no secret


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Mallory"},
        {"role": "author"},
        {"public": "00" * 32},
        {"sealed": None},
        {"sealed": {"kdf": "argon2id", "ops": 1, "mem": 1 << 40, "salt": "AA==", "box": "AA=="}},
        {"sealed": {"kdf": "scrypt", "ops": 1, "mem": 8192, "salt": "AA==", "box": "AA=="}},
        {"format": "other/1"},
    ],
)
def test_an_altered_key_file_is_refused(tmp_path, change):
    key = keyfile.new("root", "Ana")
    value = json.loads(keyfile.seal(key, "correct horse", CHEAP)) | change
    path = tmp_path / "ana.key"
    path.write_text(json.dumps(value))
    with pytest.raises(KeyFileError):
        keyfile.open_file(path, "correct horse")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"x" * 20_000, b'{"public": 7}'])
def test_a_file_that_is_no_key_is_refused(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(KeyFileError):
        keyfile.open_file(path, "x")


def test_a_development_key_says_insecure_and_the_kit_s_own_are_read(tmp_path):
    key = keyfile.new("root", "dev")
    path = tmp_path / "dev.json"
    path.write_bytes(keyfile.in_the_open(key))
    assert "INSECURE" in path.read_text()
    assert keyfile.open_file(path, None).development
    kit = tmp_path / "author-1.json"  # as `stallmark kit new` writes it
    kit.write_text(json.dumps({"development": True, "seed": key.seed.hex(), "public": key.public.hex()}))
    assert keyfile.open_file(kit, None).public == key.public


# --- roots


def test_a_root_waits_for_its_second_signature_through_files(tmp_path, repository, roots, authors):
    made = first(repository, roots, authors)
    path = tmp_path / "root-1.json"
    draft.save(made, path)
    with pytest.raises(TrustError, match="waiting for the first signature"):
        repository.publish_root(made)
    sitting = draft.load(path)
    draft.save(sign(sitting, roots[2]), path)
    sitting = draft.load(path)
    waiting = sitting.waiting()[0]
    assert "waiting for the second signature of 2; signed: Cleo; can sign: Ana, Ben" in waiting.words()
    assert not repository.exists()
    with pytest.raises(TrustError, match="second"):
        repository.publish_root(sitting)
    draft.save(sign(sitting, roots[0]), path)
    sitting = draft.load(path)
    with pytest.raises(DraftError, match="not needed any more"):
        sign(sitting, roots[1])
    with pytest.raises(TrustError, match="authors: waiting for the first signature"):
        repository.publish_root(sitting)
    draft.save(sign(sitting, *authors[1:]), path)
    repository.publish_root(draft.load(path))
    repository.publish_root(draft.load(path))  # repeating it is safe
    assert repository.root().signed.version == 1
    assert repository.keys().author_threshold == 2


def test_the_compact_root_is_the_core_s_form_and_signed_by_the_same_holders(repository, roots, authors):
    begun(repository, roots, authors)
    envelope = cbor.decode(repository.compact_root(1))
    fields = rootmeta.check_fields(cbor.decode(envelope[2]))
    assert envelope[1] == rootmeta.TYPE
    assert fields[1] == 1
    assert [pair[1] for pair in fields[4]] == [key.public for key in roots[:3]]
    assert (fields[5], fields[7], fields[9]) == (2, 1, 2)
    assert fields[3] == metadata.ms_of(repository.root().signed.expires)
    publics = {key.holder.kid: key.public for key in roots + authors}
    assert len(envelope[3]) == 4  # two of each: bricks that know no root yet know the authors
    for kid, signature in envelope[3]:
        crypto_sign_open(signature + bundle.pae(rootmeta.TYPE, envelope[2]), publics[kid])
    with pytest.raises(BadSignatureError):
        crypto_sign_open(envelope[3][0][1] + b"other", publics[envelope[3][0][0]])


def verify(public, message, signature):
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def test_a_brick_takes_every_root_of_a_fleet_s_life(repository, roots, authors):
    begun(repository, roots, authors)
    ana, ben, cleo, dan = roots
    dora, eli, fay = authors
    director = repository.keys().directors[0].kid
    steps = (
        (Change(), (ana, cleo)),
        (Change(add_root=(dan.holder,), ended=(ana.holder.kid,)), (ben, cleo)),
        (Change(ended=(dora.holder.kid, director), fresh=("timestamp",)), (dan, ben)),
    )
    for change, signers in steps:
        repository.publish_root(sign(ceremony.next_root(repository, change, NOW), *signers))
    envelopes = [repository.compact_root(number) for number in (1, 2, 3, 4)]
    known = [(key.holder.kid, key.public) for key in authors]
    brick = trust.Trust(None, known, 2)
    result, state, taken = brick.take_roots(envelopes, verify, lambda version, digest: True)
    assert (result, taken) == (reg.INSTALL_OK, 4)
    after, threshold = trust.Trust(state).authors
    assert ([kid for kid, _ in after], threshold) == ([eli.holder.kid, fay.holder.kid], 2)
    assert trust.Trust(state).take_root(envelopes[2], verify)[0] == reg.INSTALL_OLDER


def test_the_next_root_needs_old_and_new_holders(repository, roots, authors):
    begun(repository, roots, authors)
    ana, ben, cleo, dan = roots
    change = Change(add_root=(dan.holder,), ended=(ana.holder.kid, ben.holder.kid), root_threshold=1)
    with pytest.raises(TrustError, match="two signatures"):
        ceremony.next_root(repository, change, NOW)
    change = Change(add_root=(dan.holder,), ended=(ana.holder.kid,))
    made = ceremony.next_root(repository, change, NOW, why="Ana leaves")
    sign(made, dan, cleo)
    with pytest.raises(TrustError, match="old root: waiting for the second"):
        repository.publish_root(made)
    repository.publish_root(sign(made, ben))
    assert dan.holder in repository.keys().root
    assert ana.holder not in repository.keys().root
    assert "ends: Ana" in "\n".join(made.summary())
    assert len(cbor.decode(repository.compact_root(2))[3]) == 3


def test_a_stolen_root_key_alone_publishes_nothing(repository, roots, authors):
    begun(repository, roots, authors)
    thief = keyfile.new("root", "Thief")
    made = ceremony.next_root(repository, Change(add_root=(thief.holder,)), NOW)
    for keys in ([roots[0]], [roots[0], thief], [thief]):
        made.root.signatures.clear()
        made.compact.clear()
        with pytest.raises(TrustError):
            repository.publish_root(sign(made, *keys))


def test_a_draft_that_brings_its_own_old_root_is_held_against_the_published_one(
    tmp_path, repository, roots, authors
):
    begun(repository, roots, authors)
    thieves = [keyfile.new("root", f"Thief {n}") for n in range(3)]
    theirs = begun(Repository(tmp_path / "theirs"), thieves, authors)
    made = ceremony.next_root(theirs, Change(), NOW)
    with pytest.raises(TrustError, match="old root"):
        repository.publish_root(sign(made, *thieves[:2]))


def test_a_draft_whose_halves_differ_is_not_signed(tmp_path, repository, roots, authors):
    path = tmp_path / "draft.json"
    draft.save(first(repository, roots, authors), path)
    value = json.loads(path.read_text())
    value["metadata"]["signed"]["x-stallmark"]["directors"][0]["public"] = "11" * 32
    path.write_text(json.dumps(value))
    with pytest.raises(TrustError, match="different keys"):
        draft.load(path)
    value["metadata"]["signed"]["x-stallmark"]["compact_sha256"] = "00" * 32
    path.write_text(json.dumps(value))
    with pytest.raises(TrustError, match="compact root"):
        draft.load(path)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"format": "stallmark-draft/1", "kind": "root"}', b"[" * 5000]
)
def test_a_file_that_is_no_draft_is_refused(tmp_path, data):
    path = tmp_path / "draft.json"
    path.write_bytes(data)
    with pytest.raises(TrustError):
        draft.load(path)


def test_key_sets_that_cannot_work_are_refused_before_any_key_is_made(repository, roots, authors):
    with pytest.raises(TrustError, match="keys of its own"):
        first(repository, [roots[0], roots[1], authors[0]], authors)
    with pytest.raises(TrustError, match="two signatures"):
        first(repository, roots, authors, (1, 2))
    with pytest.raises(TrustError, match="one lost key"):
        first(repository, roots, authors, (3, 2))
    with pytest.raises(TrustError, match="cannot be met"):
        first(repository, roots, authors, (2, 4))
    with pytest.raises(TrustError, match="twice"):
        first(repository, [roots[0], roots[0], roots[1]], authors)
    assert repository.online.keys() == []


def test_online_keys_that_ended_are_destroyed_and_drafts_leave_the_published_ones_at_work(
    repository, roots, authors
):
    begun(repository, roots, authors)
    old = repository.online.keys()
    assert stat.S_IMODE(os.stat(repository.folder / "online.json").st_mode) == 0o600
    made = ceremony.next_root(repository, Change(fresh=("timestamp",)), NOW)
    assert len(repository.online.keys()) == 3
    assert repository.renew(NOW + DAY) == ["timestamp 2"]  # the published root's key still signs
    repository.publish_root(sign(made, *roots[1:3]))
    said = ceremony.settle(repository, None, NOW + DAY)
    assert said == ["timestamp 3"]
    left = repository.online.keys()
    assert len(left) == 2
    assert old[1] not in left


def test_a_new_director_comes_into_the_controller_s_keys_json(tmp_path, repository, roots, authors):
    config = tmp_path / "config.json"
    config.write_text("{}")
    (tmp_path / "keys.json").write_text(json.dumps({"director_seed": "00" * 32, "seal_key": "kept"}))
    begun(repository, roots, authors)
    director = repository.keys().directors[0]
    made = ceremony.next_root(repository, Change(ended=(director.kid,)), NOW)
    ceremony.settle(repository, config, NOW)
    assert (
        json.loads((tmp_path / "keys.json").read_text())["director_seed"] == "00" * 32
    )  # not before it is published
    made = ceremony.next_root(repository, Change(ended=(director.kid,)), NOW)
    repository.publish_root(sign(made, *roots[:2]))
    assert "director" in ceremony.settle(repository, config, NOW)[0]
    secret = json.loads((tmp_path / "keys.json").read_text())
    assert secret["seal_key"] == "kept"
    assert (
        keyfile.Key("director", "d", bytes.fromhex(secret["director_seed"])).public
        == made.keys.directors[0].public
    )
    assert stat.S_IMODE(os.stat(tmp_path / "keys.json").st_mode) == 0o600


# --- releases and renewal


def make_bundle(keys, text=b"rules", rev=1):
    payload = bundle.manifest(text, rev, name=f"rules {rev}")
    message = bundle.pae(bundle.TYPE, payload)
    return bundle.join(
        bundle.envelope(bundle.TYPE, payload, [(k.holder.kid, k.sign(message)) for k in keys]), text
    )


def test_only_bundles_of_the_authors_come_on_the_list(repository, roots, authors):
    begun(repository, roots, authors)
    with pytest.raises(DraftError, match="1 of the authors"):
        repository.take(make_bundle(authors[:1]))
    with pytest.raises(DraftError, match="0 of the authors"):
        repository.take(make_bundle(roots[:2]))
    with pytest.raises(DraftError, match="no bundle"):
        repository.take(b"x" * 100)
    with pytest.raises(DraftError, match="not what was signed"):
        repository.take(make_bundle(authors[:2])[:-1] + b"X")
    entry = repository.take(make_bundle(authors[:2], rev=7))
    assert entry.custom["rev"] == 7
    made = ceremony.next_release(repository, [entry], (), NOW)
    with pytest.raises(TrustError, match="authors: waiting for the second"):
        repository.publish_release(sign(made, authors[2]))
    assert repository.target(entry.path) is None  # not before it is listed
    repository.publish_release(sign(made, authors[0]))
    assert repository.target(entry.path) == make_bundle(authors[:2], rev=7)
    repository.publish_release(
        sign(ceremony.next_release(repository, (), [entry.path[:12]], NOW), *authors[:2])
    )
    assert repository.target(entry.path) is None


def test_online_lists_are_renewed_at_half_their_time_and_not_before(repository, roots, authors):
    begun(repository, roots, authors)
    assert repository.renew(NOW + TIMESTAMP_MS // 2 - 1000) == []
    assert repository.renew(NOW + TIMESTAMP_MS // 2) == ["timestamp 2"]
    assert repository.renew(NOW + SNAPSHOT_MS // 2) == ["snapshot 2", "timestamp 3"]
    assert repository.renew(NOW + SNAPSHOT_MS // 2) == []
    assert repository.renew(NOW + SNAPSHOT_MS // 2, above=40) == ["snapshot 41", "timestamp 41"]


def test_a_wrong_clock_signs_nothing(repository, roots, authors):
    begun(repository, roots, authors)
    before = repository.file("timestamp.json")
    with pytest.raises(TrustError, match="set the clock"):
        repository.renew(1000)
    with pytest.raises(TrustError, match="ran out"):
        repository.renew(4_080_000_000_000)
    assert repository.file("timestamp.json") == before


def test_a_clock_far_ahead_signs_nothing_until_a_person_says_what_day_it_is(repository, roots, authors):
    begun(repository, roots, authors)
    day = 24 * 3600_000
    assert repository.renew(NOW + 30 * day) == ["snapshot 2", "timestamp 2"]
    late = NOW + 61 * day
    for act in (
        lambda: repository.renew(late),
        lambda: ceremony.next_root(repository, ceremony.Change(), late),
        lambda: ceremony.next_release(repository, (), (), late),
    ):
        with pytest.raises(clockguard.ClockDoubted, match=r"31 days after .* `stallmark fleet keys clock --today"):
            act()
    with pytest.raises(clockguard.ClockDoubted, match=r"not 2026-01-01"):
        clockguard.say(repository, late, "2026-01-01")
    clockguard.say(repository, late, metadata.instant(late).date().isoformat())
    assert repository.renew(late) == ["snapshot 3", "timestamp 3"]
    ceremony.next_root(repository, ceremony.Change(), late + 30 * day)
    with pytest.raises(clockguard.ClockDoubted):
        ceremony.next_root(repository, ceremony.Change(), 4_070_908_800_000)


def test_a_stop_between_two_files_is_made_good_by_the_next_renewal(repository, roots, authors):
    begun(repository, roots, authors)
    repository.publish_release(sign(ceremony.next_release(repository, (), (), NOW), *authors[:2]))
    # here the power went: the list is there, nothing names it
    assert repository.renew(NOW) == ["snapshot 2", "timestamp 2"]
    # or between snapshot and timestamp
    before = repository.file("timestamp.json")
    repository.publish_release(sign(ceremony.next_release(repository, (), (), NOW), *authors[:2]))
    repository.renew(NOW)
    (repository.folder / "metadata" / "timestamp.json").write_bytes(before)
    assert repository.renew(NOW) == ["timestamp 3"]
    assert Metadata.from_bytes(repository.file("timestamp.json")).signed.snapshot_meta.version == 3


def test_status_says_what_runs_out_first_and_what_to_do(repository, roots, authors):
    with pytest.raises(TrustMissing):
        status.facts(repository, NOW)
    begun(repository, roots, authors)
    found = status.facts(repository, NOW)
    assert found["lists"][0]["list"] == "timestamp"
    assert found["trouble"] == []
    assert not found["insecure"]
    late = status.facts(repository, NOW + 150 * DAY)
    assert any(
        "targets 1 runs out in 30 days" in said and "release renew" in said for said in late["trouble"]
    )
    assert any("timestamp 1 ran out 149 days ago" in said for said in late["trouble"])
    dora = authors[0].holder.kid
    repository.publish_root(sign(ceremony.next_root(repository, Change(ended=(dora,)), NOW), *roots[:2]))
    assert any("1 good signatures, 2 needed" in said for said in status.facts(repository, NOW)["trouble"])
    assert "Dora" not in "\n".join(status.words(repository, NOW))


def test_a_draft_that_waits_shows_in_status(repository, roots, authors):
    begun(repository, roots, authors)
    draft.save(ceremony.next_root(repository, Change(), NOW), repository.drafts / "root-2.json")
    assert "waiting for the first signature" in "\n".join(status.words(repository, NOW))


def test_files_are_served_by_their_exact_names_only(repository, roots, authors):
    begun(repository, roots, authors)
    assert repository.file("1.root.json")
    for name in (
        "../online.json",
        "online.json",
        "1.root.json/",
        "01.root.json",
        "root.json",
        "",
        "9.root.json",
    ):
        assert repository.file(name) is None
    assert repository.target("../online.json") is None
    assert repository.compact_root(0) is None
    assert repository.compact_root(2) is None


def test_holders_are_named_the_same_in_both_worlds():
    one = Holder("Ana", bytes(range(32)))
    assert one.keyid[:16] == one.kid.hex()
