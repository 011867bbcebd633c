"""Attacks on what a host does at the controller's word, by name: the list of bricks, tests/core/test_trust_attacks.py."""

import asyncio
from typing import Any

import pytest
from stallmark import bundle, directive, rootmeta
from stallmark.crypt import sha256
from test_host_directing import AUTHORS, DAY, DIRECTORS, KIT, ROOTS, T0, keys, public, sealed

from hostagent import signer
from hostagent.clock import RealClock
from hostagent.core import reg, trust, truststate
from hostagent.errors import DirectiveRefused
from hostagent.intent import Intent
from hostagent.store import open_store
from hostagent.store.intents import Intents

RENTAL = 3
MORE = keys(11, 4)
THIEF = keys(99, 1)


class Clock(RealClock):
    """A host's clock that says what the test says; None: it is not set."""

    def __init__(self) -> None:
        self.said: int | None = None

    def known(self) -> bool:
        return self.said is not None

    def now_ms(self) -> int:
        return self.said or 0


def root(
    version: int = 1, directors: Any = None, threshold: int = 1, issued: int | None = None, days: int = 365
) -> bytes:
    directors = DIRECTORS[:1] if directors is None else directors
    issued = T0 + (version - 1) * DAY if issued is None else issued
    payload = rootmeta.payload(
        version, issued, T0 + days * DAY, public(ROOTS), 2, public(directors), threshold, public(AUTHORS), 2
    )
    return sealed(rootmeta.TYPE, payload, ROOTS[:2])


def order(
    number: int,
    signers: Any = None,
    kit: bytes = KIT,
    issued: int | None = None,
    expires: int | None = None,
    items: Any = (),
    **more: Any,
) -> bytes:
    issued = T0 + number * DAY if issued is None else issued
    expires = issued + 14 * DAY if expires is None else expires
    more.setdefault("rental", RENTAL)
    made = directive.payload(kit, number, issued, expires, items, **more)
    return sealed(directive.TYPE, made, DIRECTORS[:1] if signers is None else signers)


class Host:
    """A host's intent over a store, its roots, and what it says."""

    def __init__(self, table: Intents, *roots: bytes) -> None:
        self.table, self.clock, self.rental, self.roots = table, Clock(), RENTAL, list(roots)
        self.start()

    def start(self) -> None:
        self.intent = Intent(self.table, self.clock, KIT, public(DIRECTORS)[0], lambda: self.rental)
        self.intent.judged.root = lambda: self.state
        asyncio.run(self.intent.load())

    @property
    def state(self) -> Any:
        fields = None
        for number, envelope in enumerate(self.roots):
            promised = sha256(bundle.opened(envelope, rootmeta.TYPE)[0]) if number == 0 else None
            result, fields = trust.Trust(fields, promised=promised).take_root(envelope, signer.verify)
            assert result == reg.INSTALL_OK
        return fields

    def take(self, envelope: bytes) -> bool:
        return asyncio.run(self.intent.take(envelope, f'"{sha256(envelope).hex()[:8]}"'))

    def refuses(self, envelope: bytes) -> str:
        """The words with which it refuses; nothing has changed then."""
        before = self.intent.envelope, self.intent.etag, self.intent.number, self.intent.halted
        with pytest.raises(DirectiveRefused) as refused:
            self.take(envelope)
        assert before == (self.intent.envelope, self.intent.etag, self.intent.number, self.intent.halted)
        return str(refused.value)


@pytest.fixture
def table(tmp_path):
    opened = open_store(tmp_path / "host.db", bytes(32))
    yield Intents(opened.store)
    opened.store.close()


def test_a_directive_of_nobody_in_the_root_is_refused(table):
    host = Host(table, root())
    assert "did not sign" in host.refuses(order(5, THIEF))
    assert "did not sign" in host.refuses(order(5, AUTHORS)), "authors direct nothing"
    assert "did not sign" in host.refuses(order(5, ROOTS)), "nor do root holders"
    assert host.take(order(5))


def test_two_directors_are_two_keys_and_not_one_twice(table):
    host = Host(table, root(directors=MORE[:2], threshold=2))
    for by in (MORE[:1], MORE[1:2], [MORE[1], MORE[1]], [MORE[0], THIEF[0]]):
        assert "did not sign" in host.refuses(order(5, by))
    assert host.take(order(5, MORE[:2]))


def test_rollback_and_replay_are_refused_also_after_a_start(table):
    host = Host(table, root())
    earlier = [order(number) for number in range(1, 5)]
    for one in earlier:
        assert host.take(one)
    host.start()
    assert host.intent.number == 4
    for one in earlier[:3]:
        assert "older" in host.refuses(one)
    assert not host.take(earlier[3]), "the same again is nothing"


def test_a_second_directive_of_one_number_is_refused_also_after_a_start(table):
    host = Host(table, root())
    assert host.take(order(5))
    host.start()
    assert "signed two" in host.refuses(order(5, reason="other"))


def test_another_signer_of_the_same_directive_is_no_second_one(table):
    host = Host(table, root(directors=MORE[:2]))
    assert host.take(order(5, MORE[:1]))
    assert host.take(order(5, MORE[1:2])) and host.intent.number == 5


def test_replay_across_a_rotation_that_keeps_a_director_is_refused(table):
    host = Host(table, root(directors=MORE[:2]))
    held = order(7, MORE[:1])
    assert host.take(held) and host.intent.number == 7
    host.roots.append(root(2, MORE[1:3], issued=T0 + 20 * DAY))
    assert host.intent.number == 7 and not host.intent.in_force, (
        "what an ended director ordered installs nothing"
    )
    assert "issued before root 2" in host.refuses(order(9, MORE[1:2], issued=T0 + 19 * DAY))
    assert "did not sign" in host.refuses(held)
    assert host.take(order(1, MORE[1:2], issued=T0 + 20 * DAY)) and host.intent.number == 1


def test_fast_forward_by_a_thief_ends_with_his_key(table):
    host = Host(table, root())
    assert host.take(order(0xFFFFFFFF, issued=T0 + 300 * DAY))
    assert "older" in host.refuses(order(8))
    host.roots.append(root(2, MORE[1:2], issued=T0 + 20 * DAY))
    assert host.take(order(8, MORE[1:2], issued=T0 + 20 * DAY)) and host.intent.number == 8
    assert "older" in host.refuses(order(7, MORE[1:2], issued=T0 + 21 * DAY))
    host.start()
    assert host.intent.number == 8


def test_an_ended_director_s_order_is_nothing_after_a_start_and_his_stop_stands(table):
    host = Host(table, root())
    assert host.take(order(5))
    kept = list(host.roots)
    host.roots.append(root(2, MORE[1:2], issued=T0 + 20 * DAY))
    host.start()
    assert host.intent.number == 0 and not host.intent.halted
    host.roots = kept
    assert host.take(order(6, flags=directive.HALTED))
    host.roots.append(root(2, MORE[1:2], issued=T0 + 20 * DAY))
    host.start()
    assert host.intent.halted
    assert host.take(order(1, MORE[1:2], issued=T0 + 20 * DAY)) and not host.intent.halted


def test_a_director_in_config_json_is_heard_until_a_root_says_otherwise(table):
    host = Host(table)
    assert host.take(order(5, root_version=4)), "without a root none is wanted"
    host.roots.append(root())
    assert "older" in host.refuses(order(4)), "the same director in the first root: his numbers bind"
    host.roots[:] = [root(directors=MORE[1:2])]
    assert "did not sign" in host.refuses(order(6))
    assert host.take(order(1, MORE[1:2]))


def test_an_expired_root_takes_nothing_more_but_a_stop(table):
    host = Host(table, root(days=10))
    assert "issued when root 1 is over" in host.refuses(order(5, issued=T0 + 10 * DAY))
    host.intent.judged.signed_ms = lambda: T0 + 10 * DAY
    assert "root 1 is over" in host.refuses(order(5))
    assert host.take(order(6, flags=directive.HALTED)) and host.intent.halted


def test_what_a_controllers_clock_of_2099_signed_is_refused_and_poisons_nothing(table):
    host, year_2099 = Host(table, root()), 4_070_908_800_000
    assert "clock is wrong" in host.refuses(order(5, issued=year_2099))
    assert host.take(order(5, issued=year_2099, flags=directive.HALTED)), "a stop is taken all the same"
    assert host.intent.judged.state is not None and host.intent.judged.state[truststate.ISSUED] == 0
    assert host.take(order(6)) and not host.intent.halted


def test_an_expired_directive_is_refused_by_signed_instants_and_by_the_clock(table):
    host = Host(table, root())
    assert host.take(order(5))
    assert "expired" in host.refuses(order(6, issued=T0, expires=T0 + 5 * DAY)), "directive 5 was issued then"
    host.clock.said = T0 + 30 * DAY
    assert "expired" in host.refuses(order(6)), "its own clock can refuse, too"
    assert host.take(order(7, flags=directive.HALTED, issued=T0, expires=T0 + DAY)), "but no stop"


def test_a_clock_of_1970_takes_nothing_expired_and_one_of_2099_poisons_nothing(table):
    host = Host(table, root())
    assert host.take(order(5))
    for said in (0, 4_070_908_800_000):
        host.clock.said = said
        assert "expired" in host.refuses(order(6, issued=T0, expires=T0 + DAY))
    assert "expired" in host.refuses(order(6)), "2099: everything is over"
    host.clock.said = T0 + 7 * DAY
    assert host.take(order(6)), "once the clock is right"


def test_the_time_floor_never_falls_over_a_start(table):
    host = Host(table, root())
    assert host.take(order(5, issued=T0 + 50 * DAY))
    assert host.take(order(6, issued=T0 + 40 * DAY)), "a controller whose clock was set back"
    for _ in range(2):
        assert "expired" in host.refuses(order(7, issued=T0 + 41 * DAY, expires=T0 + 50 * DAY))
        host.start()
    assert host.take(order(7, issued=T0 + 41 * DAY))


def test_an_earlier_rentals_directive_is_refused_and_nothing_begins_under_one(table):
    host = Host(table, root())
    assert "another rental" in host.refuses(order(5, rental=2))
    assert host.take(order(5)) and host.intent.in_force
    host.rental = 4
    assert not host.intent.in_force, "the next rental has its own directive"
    assert "older" in host.refuses(order(4, rental=4)), "and its numbers go on"
    assert host.take(order(6, rental=3, flags=directive.HALTED)) and host.intent.halted, (
        "a stop is for every rental"
    )


def test_a_directive_that_wants_a_newer_root_waits_for_it(table):
    host = Host(table, root())
    wanted = order(5, root_version=2)
    assert "wants a newer root than 1" in host.refuses(wanted)
    host.roots.append(root(2))
    assert host.take(wanted)
    assert host.take(order(6, root_version=9, flags=directive.HALTED)) and host.intent.halted


def test_mixed_kits_directives_are_refused(table):
    host = Host(table, root())
    assert host.take(order(5))
    for number in (5, 6):
        assert "another kit" in host.refuses(order(number, kit=b"kit-0002"))


def test_what_names_a_brick_twice_or_is_newer_than_this_program_is_refused(table):
    host = Host(table, root())
    twice = [(b"brick-01", 1, bytes([n]) * 32, 1, 1, "", bytes(32)) for n in (1, 2)]
    assert "names a brick twice" in host.refuses(order(5, items=twice))
    assert "bring the host up to date" in host.refuses(order(5, flags=4))


def test_truncated_poisoned_and_endless_directives_are_refused(table):
    host, good = Host(table, root()), order(5)
    for bad in (good[:-1], good[: len(good) // 2], b"", b"\xff" * 4096):
        assert "unreadable" in host.refuses(bad)
    assert "too large" in host.refuses(good + bytes(8192))
    for at in range(0, len(good), 7):
        host.refuses(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    assert host.take(good)


class Killed(BaseException):
    """What no handler sees: the process is gone."""


STORY = (  # what is done, (number, stopped) that stands after it
    (lambda: order(5), (5, False)),
    (lambda: order(6, flags=directive.HALTED), (6, True)),
    (lambda: order(7), (7, False)),
    (lambda: order(8, reason="next"), (8, False)),
)


@pytest.mark.parametrize("durable", [False, True], ids=["before the write", "after the write"])
def test_a_host_killed_at_every_write_of_what_it_is_told_goes_on_with_old_or_new(table, monkeypatch, durable):
    host, stands = Host(table, root()), (0, False)
    real = Intents.put

    def put(self, kept):
        if durable:
            real(self, kept).result()
        raise Killed

    for made, after in STORY:
        monkeypatch.setattr(Intents, "put", put)
        with pytest.raises(Killed):
            host.take(made())
        monkeypatch.setattr(Intents, "put", real)
        host.start()
        assert (host.intent.number, host.intent.halted) == (after if durable else stands)
        assert host.take(made()) != durable, "told again, it is taken once"
        assert (host.intent.number, host.intent.halted) == after
        stands = after
