"""The host tells bricks whom to trust and what is ordered: roots in order, then the directive, by what their status lacks."""

import asyncio
from typing import Any

import nacl.signing
import pytest
from stallmark import bundle, control, directive, rootmeta
from stallmark.crypt import sha256
from stallmark.trust import Trust
from stallmark.truststate import Me

from hostagent import directing, roots, signer
from hostagent.bricks import Brick, Status
from hostagent.core import reg
from hostagent.directing import Directing
from hostagent.errors import ControllerError

T0, DAY = 1_790_000_000_000, 86_400_000
KIT, ONE, TWO = b"kit-0001", b"brick-01", b"brick-02"
K_CTL = b"\x77" * 32


def keys(mark: int, count: int) -> list[nacl.signing.SigningKey]:
    return [nacl.signing.SigningKey(bytes([mark + n]) * 32) for n in range(count)]


ROOTS, DIRECTORS, AUTHORS = keys(1, 3), keys(11, 2), keys(21, 2)


def public(signers: list[nacl.signing.SigningKey]) -> list[bytes]:
    return [one.verify_key.encode() for one in signers]


def sealed(kind: str, payload: bytes, signers: list[nacl.signing.SigningKey]) -> bytes:
    message = bundle.pae(kind, payload)
    pairs = [(sha256(one.verify_key.encode())[:8], one.sign(message).signature) for one in signers]
    return bytes(bundle.envelope(kind, payload, pairs))


def root(version: int, directors: int = 1, signers: list[nacl.signing.SigningKey] | None = None) -> bytes:
    signers = signers or ROOTS[:2] + (AUTHORS if version == 1 else [])
    payload = rootmeta.payload(
        version, T0, T0 + 365 * DAY, public(ROOTS), 2, public(DIRECTORS[:directors]), 1, public(AUTHORS), 2
    )
    return sealed(rootmeta.TYPE, payload, signers)


def order(number: int, items: int = 1) -> bytes:
    named = [(b"%08d" % n, 1, bytes(32), 1, 1, "", bytes(32)) for n in range(items)]
    return sealed(directive.TYPE, directive.payload(KIT, number, T0, T0 + DAY, named), DIRECTORS[:1])


class Source:
    """A controller with these roots."""

    def __init__(self, *roots: bytes, tags: bool = True) -> None:
        self.roots = list(roots)
        self.tags = tags
        self.asked = 0

    async def root(self, version: int) -> bytes | None:
        self.asked += 1
        return self.roots[version - 1] if version <= len(self.roots) else None

    async def root_tags(self, version: int) -> dict[bytes, bytes]:
        if not self.tags:
            raise ControllerError("refused", "no such route")
        digest = sha256(bundle.opened(self.roots[version - 1], rootmeta.TYPE)[0])
        return {brick: control.root_tag(K_CTL, brick, version, digest) for brick in (ONE, TWO)}


class Model:
    """A brick's side by the same core, without a link: `told` takes message 50 and says what comes back."""

    def __init__(self, brick8: bytes, host: Directing, bits: int = 0) -> None:
        self.brick = Brick(1, brick8, brick8.decode(), 1, None, 0, None, None)
        self.host = host
        self.bits = bits
        self.trust = Trust(None, [(sha256(key)[:8], key) for key in public(AUTHORS)], 2)
        self.messages: list[int] = []
        host.linked(self.brick)
        self.say()

    def say(self) -> None:
        f: Any = self.trust.fields
        said = [0, None, 0, None, self.bits]
        if f is not None:
            said = [f[1], f[2][:8], f[12], f[13] and f[13][:8], self.bits]
        self.brick.status = Status.parse({1: 1, 2: 1, 15: said})

    def settle(self) -> list[int]:
        """Everything that the host tells, answered; the results."""
        results: list[int] = []
        while (message := self.host.next_for(self.brick)) is not None:
            kind, value = message
            assert kind == reg.MSG_TRUST
            data = value.get(3, b"")
            while len(data) < value[2]:
                piece = self.host.message(self.brick, reg.MSG_TRUST_WANTED, {0: value[1], 1: len(data)})
                assert piece is not None and piece[0] == reg.MSG_TRUST_PIECE and piece[1][1] == len(data)
                data += piece[1][2]
            results.append(self._judge(value[0], data, value.get(4)))
            self.say()
            self.host.message(self.brick, reg.MSG_TRUST_RESULT, {0: value[1], 1: results[-1], 2: 0, 3: 0})
            assert len(results) < 20
        return results

    def _judge(self, what: int, data: bytes, tag: bytes | None) -> int:
        if what == reg.TRUST_ROOT:
            result, fields = self.trust.take_root(
                data, signer.verify, lambda v, d: control.root_good(K_CTL, self.brick.brick, v, d, tag)
            )
        else:
            me = Me(KIT, self.brick.brick, 0)
            result, fields, _ = self.trust.take_directive(data, signer.verify, me)
        if fields is not None:
            self.trust = Trust(fields)
        return int(result)


def host(source: Source, *ordered: tuple[int, bytes]) -> tuple[Directing, dict[bytes, Brick], list[Any]]:
    bricks: dict[bytes, Brick] = {}
    now = list(ordered)
    return Directing(source, bricks, lambda: now[-1] if now else None, lambda brick8: None), bricks, now


def test_a_brick_gets_roots_in_order_then_the_directive_once():
    made, bricks, now = host(Source(root(1), root(2), root(3)), (4, order(4, items=20)))
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    assert one.settle() == [], "nothing is known yet"
    assert made.ready(one.brick), "and installs go on as before there were roots"
    asyncio.run(made.pull())
    assert not made.ready(one.brick)
    assert one.settle() == [1, 1, 1, 1]
    assert made.ready(one.brick) and made.version == 3
    now.append((5, order(5)))
    assert not made.ready(one.brick), "first it is told what the host knows"
    assert one.settle() == [1] and made.ready(one.brick)
    assert one.settle() == []


def test_a_root_that_does_not_follow_is_not_passed_on(monkeypatch: pytest.MonkeyPatch):
    source = Source(root(1), root(2, signers=ROOTS[:1]))
    made, bricks, _ = host(source)
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    monkeypatch.setattr(directing, "EVERY_S", 0.0)
    asyncio.run(made.pull())
    assert one.settle() == [1] and made.version == 1
    assert made.trouble is not None and "threshold" in made.trouble
    source.roots[1] = root(2, directors=2)
    asyncio.run(made.pull())
    assert one.settle() == [1] and made.trouble is None
    assert made.directors == public(DIRECTORS)


@pytest.mark.parametrize("bits", [0, directing.PROMISED, directing.NO_STORE])
def test_without_tags_only_a_promised_root_is_told(bits: int):
    made, bricks, _ = host(Source(root(1), tags=False))
    one = Model(ONE, made, bits)
    bricks[ONE] = one.brick
    asyncio.run(made.pull())
    promised = bits == directing.PROMISED
    assert (made.next_for(one.brick) is not None) == promised
    assert made.ready(one.brick) == (not promised)


def test_what_a_brick_refused_is_told_again_over_the_next_link_only(monkeypatch: pytest.MonkeyPatch):
    made, bricks, _ = host(Source(root(1)), (4, order(4)))
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    asyncio.run(made.pull())
    one.trust = Trust(None, [(b"somebody", public(ROOTS)[0])], 1)  # other authors were provisioned
    assert one.settle() == [reg.INSTALL_THRESHOLD]
    assert made.next_for(one.brick) is None and made.ready(one.brick), "it goes on without a root"
    assert one.brick.counters["trust_refused"] == 1
    made.linked(one.brick)
    assert one.settle() == [reg.INSTALL_THRESHOLD]


def test_a_brick_that_does_not_answer_is_told_again(monkeypatch: pytest.MonkeyPatch):
    now = [0]
    monkeypatch.setattr(directing, "monotonic_ms", lambda: now[0])
    made, bricks, _ = host(Source(root(1)))
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    asyncio.run(made.pull())
    assert made.next_for(one.brick) is not None and made.next_for(one.brick) is None
    now[0] = directing.AGAIN_MS
    assert made.next_for(one.brick) is not None
    assert made.message(one.brick, reg.MSG_TRUST_WANTED, {0: b"elsewise", 1: 0}) is None
    assert made.message(one.brick, reg.MSG_TRUST_WANTED, {0: sha256(root(1))[:8], 1: 99999}) is None
    made.unlinked(one.brick)
    assert made.next_for(one.brick) is None


def test_roots_are_kept_and_judged_anew_after_a_start():
    kept: list[bytes] = []

    async def keep(data: bytes) -> None:
        kept.append(data)

    first = Directing(Source(root(1), root(2, directors=2)), {}, lambda: None, lambda brick8: None, keep)
    asyncio.run(first.pull())
    again = Directing(Source(), {}, lambda: None, lambda brick8: None)
    again.load(kept[-1])
    assert again.version == 2 and again.directors == public(DIRECTORS)
    for bad in (
        None,
        b"",
        b"\x80",
        kept[-1][:-1],
        b"\x81\x41\x00",
        b"\xa0",
        b"\xa2\x01\xa0\x02\x80",
        b"\x01",
    ):
        spoilt = Directing(Source(), {}, lambda: None, lambda brick8: None)
        spoilt.load(bad)
        assert spoilt.version == 0


def test_after_many_roots_the_newest_are_asked_for_and_those_between_fetched_for_who_lacks_them(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(roots, "MOST_ROOTS", 4)
    monkeypatch.setattr(directing, "EVERY_S", -1.0)
    kept: list[bytes] = []

    async def keep(data: bytes) -> None:
        kept.append(data)

    source = Source(*[root(number) for number in range(1, 12)])
    bricks: dict[bytes, Brick] = {}
    made = Directing(source, bricks, lambda: None, lambda brick8: None, keep)
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    asyncio.run(made.pull())
    assert made.version == 4
    for expected in (8, 11, 11):
        asyncio.run(made.pull())
        assert made.version == expected
    # After a start, what is trusted is known without the roots between.
    again = Directing(source, bricks, lambda: None, lambda brick8: None, keep)
    again.load(kept[-1])
    assert again.version == 11 and again.directors == public(DIRECTORS[:1])
    one.host = again
    again.linked(one.brick)
    asyncio.run(again.pull())
    results: list[int] = []
    for _ in range(5):
        results += one.settle()
        asyncio.run(again.pull())
    assert results == [reg.INSTALL_OK] * 11 and one.trust.fields[1] == 11
    source.roots.append(root(12, directors=2))
    asyncio.run(again.pull())
    assert again.version == 12 and one.settle() == [reg.INSTALL_OK]


def test_bricks_of_older_programs_are_left_alone():
    made, bricks, _ = host(Source(root(1)), (4, order(4)))
    one = Model(ONE, made)
    bricks[ONE] = one.brick
    one.brick.status = Status.parse({1: 1, 2: 1})
    asyncio.run(made.pull())
    assert made.next_for(one.brick) is None and made.ready(one.brick)
    for odd in ([], [1], ["a", None, 0, None, 0], 7):
        parsed = Status.parse({1: 1, 2: 1, 15: odd})
        assert parsed is not None and parsed.trust is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([0, None, 0, None, 0], "no root yet"),
        ([0, None, 0, None, 2], "before there were roots"),
        ([0, None, 0, None, 4], "damaged"),
        ([0, None, 0, None, 8], "waits for the root that it was promised"),
        ([2, bytes(8), 0, None, 0], "root 2, no directive yet"),
        ([2, bytes(8), 7, bytes(8), 1], "root 2, directive 7; ALARM"),
    ],
)
def test_whom_a_brick_trusts_is_said_in_words(said: list[Any], words: str):
    parsed = Status.parse({1: 1, 2: 1, 15: said})
    assert parsed is not None and parsed.trust is not None and words in parsed.trust.words
