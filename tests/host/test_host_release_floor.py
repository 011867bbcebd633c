"""Older never replaces newer: what a host's release may be replaced by, by its authors' word, not the director's alone."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, receipt
from stallmark import registry as reg
from stallmark.crypt import sha256
from test_host_release import Disk, Killed, release
from test_host_updater import authors_of

from hostagent.errors import ControllerError
from hostagent.release import floor, state
from hostagent.release.updating import GOOD_S, Updating
from tests.world import World


class Host:
    """A host that takes whatever is ordered, and its authors: `sign` makes a release, `order` lets the host do what it does."""

    def __init__(self, path):
        self.world, self.path, self.targets = World(6), path, {}
        self.artefacts, self.now, self.left = {}, 0.0, 0
        self.intent = SimpleNamespace(number=0, in_force=True, order=SimpleNamespace(host_release=None))
        self.make()

    def sign(self, rev, fallback=(), content=None):
        """A release's digest. `fallback`: releases by their digests; `content`: by default its own."""
        artefact = release({"x": repr(content or rev).encode()}, f"{rev}.0")
        back = [self.artefacts[one] for one in fallback]
        payload = bundle.manifest(artefact, rev, kind=reg.ARTEFACT_HOST, fallback=back, name=f"host {rev}.0")
        pairs = []
        for seed in self.world.author_seeds[:2]:
            public, secret = crypto_sign_seed_keypair(seed)
            pairs.append((receipt.kid(public), crypto_sign(bundle.pae(bundle.TYPE, payload), secret)[:64]))
        envelope = bundle.envelope(bundle.TYPE, payload, pairs)
        self.targets |= {sha256(envelope): envelope, sha256(artefact): artefact}
        digest = sha256(envelope).hex()
        self.artefacts[digest] = sha256(artefact)
        return digest

    async def get(self, digest, length=None):
        if digest not in self.targets:
            raise ControllerError("refused", "no such target")
        return self.targets[digest]

    def make(self):
        """Started again, as what stands."""
        current = state.load(self.path).current or ""
        self.agent = Updating(
            self.intent, SimpleNamespace(get=self.get), authors_of(self.world), lambda digest, data: True, lambda: {"a brick"},
            lambda: "", self.leave, self.path, lambda: self.now, lambda: int(self.now * 1000) + 1,
            self.path / current / "hostagent" / "release" / "updating.py",
        )  # fmt: skip

    def leave(self):
        self.left += 1

    def step(self, seconds=60.0):
        self.now += seconds
        asyncio.run(self.agent.step())
        if self.agent.leaving:
            self.make()

    def order(self, digest):
        """What it says once it had every chance to install it."""
        self.intent.number += 1
        self.intent.order.host_release = digest
        for _ in range(5):
            self.step(GOOD_S)
        return self.agent.report()


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_an_older_or_other_release_is_refused_unless_the_newest_names_it(host):
    one, two = host.sign(1), host.sign(2)
    other = host.sign(3, content="other")
    three = host.sign(3, [two])
    assert host.order(two)["release"] == two
    said = host.order(one)
    assert said["release"] == two and said["result"] == reg.INSTALL_OLDER and host.agent.state.fetched != one
    words = "release host 1.0 has revision 1: older than host 2.0, revision 2, which does not name it as fallback"
    assert words in said["trouble"] and words in host.agent.words()
    assert host.order(three)["release"] == three and "result" not in host.agent.report()
    assert "other than host 3.0, of the same revision" in host.order(other)["trouble"]
    assert host.order(two)["release"] == two, "its authors named it"
    # From there no further down, by no chain of names; up again, yes.
    assert "older than host 3.0" in host.order(one)["trouble"] and host.agent.state.current == two
    assert host.order(three)["release"] == three
    assert host.order(host.sign(4))["release"] != three


def test_what_an_order_before_named_as_fallback_does_not_lead_further_down(host):
    one = host.sign(1)
    two = host.sign(2, [one])
    three = host.sign(3, [two])
    for each in (one, two, three, two):
        assert host.order(each)["release"] == each
    assert host.order(one)["release"] == two, "three does not name it"


def test_a_release_that_never_was_steady_is_no_floor(host):
    one, nine, two = host.sign(1), host.sign(9), host.sign(2)
    host.order(one)
    host.intent.number += 1
    host.intent.order.host_release = nine
    while not host.agent.state.trial:
        host.step()
    state.save(host.path, state.give_up(host.agent.state, "3 starts failed", 1))  # the launcher, by itself
    host.make()
    assert host.agent.state.current == one
    assert host.order(two)["release"] == two


def test_a_release_that_was_fetched_before_the_newer_one_ran_is_not_switched_to(host):
    one, two = host.sign(1), host.sign(2)
    assert host.order(two)["release"] == two
    found = state.fetch(host.agent.state, one)
    state.save(host.path, found)
    host.make()
    assert host.order(one)["release"] == two and host.agent.report()["result"] == reg.INSTALL_OLDER


def test_the_same_release_signed_anew_is_taken(host):
    one, again = host.sign(2, content="same"), None
    host.order(one)
    again = host.sign(3, [one], content="same")
    assert host.order(again)["release"] == again and host.order(one)["release"] == one


def test_a_host_from_before_there_was_a_floor_learns_it_from_its_own_release(host):
    """Its state file says nothing of revisions; so do those that an older release writes over it."""
    one, two = host.sign(1), host.sign(2)
    host.order(two)
    (host.path / floor.FILE).unlink()
    host.make()
    assert host.order(one)["release"] == two and "older than host 2.0" in host.agent.report()["trouble"]
    (host.path / floor.FILE).unlink()
    own = host.targets.pop(bytes.fromhex(two))
    host.make()
    assert "cannot be told" in host.order(one)["trouble"] and host.agent.state.current == two
    host.targets[bytes.fromhex(two)] = own
    assert "older than host 2.0" in host.order(one)["trouble"]


def test_an_older_program_that_took_up_the_newest_left_no_note_and_it_counts_all_the_same(host):
    one, two = host.sign(1), host.sign(2)
    host.order(one)
    state.save(host.path, state.State(current=two, before=one))
    host.make()
    assert host.order(one)["release"] == two


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_never_leaves_a_newer_release_steady_and_the_older_one_taken(tmp_path, monkeypatch, after):
    at, steady = 0, 0
    while True:
        at += 1
        host = Host(tmp_path / f"{at}")
        one, two = host.sign(1), host.sign(2)
        with monkeypatch.context() as patched:
            disk = Disk(patched, at, after)
            try:
                host.order(two)
                break
            except Killed:
                pass
        host.make()
        before = host.agent.state
        if before.current == two and not before.trial:
            steady += 1
            assert host.order(one)["release"] == two
        assert host.order(two)["release"] == two, "and it goes on from there"
        assert host.order(one)["release"] == two
    assert steady > 3 and disk.count > 15


def test_a_floor_that_cannot_be_read_is_set_aside_and_learnt_again(host):
    one, two = host.sign(1), host.sign(2, [host.sign(1)])
    host.order(two)
    good = json.loads((host.path / floor.FILE).read_text())
    newest = good["newest"]
    for wrong in (b"", b"[]", b"{", json.dumps(good | {"newest": newest | {"rev": -1}}).encode(),
                  json.dumps(good | {"newest": newest | {"rev": "2"}}).encode(),
                  json.dumps(good | {"newest": newest | {"fallback": ["00" * 32] * 5}}).encode(),
                  json.dumps(good | {"newest": newest | {"artefact": "../x"}}).encode()):  # fmt: skip
        (host.path / floor.FILE).write_bytes(wrong)
        assert floor.load(host.path) == floor.Floor()
        assert not (host.path / floor.FILE).exists() and any((host.path / "damaged").iterdir())
    host.make()
    other = host.sign(1, content="other")
    assert host.order(other)["release"] == two
    assert host.order(one)["release"] == one
