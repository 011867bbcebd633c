"""Strangers' bytes: every parser makes the same of them on CPython and MicroPython, and never crashes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtualkit import interpreter

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "tests" / "core"
sys.path.insert(0, str(CORE))

import upy_peer  # noqa: E402
from stallmark import cbor  # noqa: E402

EXAMPLES = 100
# Vector files whose hex strings are good inputs of a target, to be bent by the fuzzer.
SEEDS = {
    "batch.parse": ("batch.json", "receipt.json"),
    "bundle.parse": ("bundle.json",),
    "bundle.split": ("bundle.json",),
    "cobs.decode": ("cobs.json", "frame.json"),
    "event.decode": ("event.json",),
    "expr.condition": ("ruleset.json",),
    "frame.Reader": ("frame.json", "link.json"),
    "keystore.load": ("provision.json",),
    "leaf.parse": ("leaf.json",),
    "message.decode": ("link.json",),
    "provision.handle": ("provision.json",),
    "provision.parse_identity": ("provision.json",),
    "receipt.parse": ("receipt.json",),
    "record.from_parts": ("record.json",),
    "record.parse": ("record.json", "journal.json"),
    "record.parse with its CRC put right": ("record.json", "journal.json"),
    "rights.decode_slice": ("rights.json",),
    "rules.Ruleset": ("ruleset.json", "bundle.json"),
    "token.find_issued": ("token.json",),
    "token.from_text": ("token.json",),
}
HEADS = bytes.fromhex("0017181b20405860616f7f80a0c0d8f6ff")  # bytes that begin something in CBOR
SEEDS_CBOR = ("cbor.json", "link.json", "provision.json")


class Peer:
    """A MicroPython process that answers what its parsers make of given bytes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [interpreter.find(), "-X", "heapsize=4M", CORE / "upy_peer.py"],
            env={**os.environ, "MICROPYPATH": f"{ROOT}/firmware:{CORE}:.frozen"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answer(self, target: str, data: bytes) -> str:
        """One line of the peer's; AssertionError when it is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{target}\t{data.hex()}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line.endswith("\n"), f"MicroPython ended at {target} {data.hex()}: {line}"
        if line.startswith("Traceback"):
            raise AssertionError(line + self._process.communicate()[0])
        return line.rstrip("\n")

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """One process for all targets."""
    process = Peer()
    yield process
    process.close()


def _seeds(names: tuple[str, ...]) -> list[bytes]:
    """Every hex string of these vector files."""
    found: set[bytes] = set()
    for name in names:
        path = ROOT / "tests" / "vectors" / name
        if path.exists():
            text = json.dumps(json.loads(path.read_text()))
            found.update(bytes.fromhex(match) for match in re.findall(r'"((?:[0-9a-f]{2}){4,})"', text))
    return sorted(found)


_scalars = st.one_of(
    st.integers(min_value=-30, max_value=300),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.binary(max_size=40),
    st.sampled_from([bytes(size) for size in (4, 8, 16, 32, 64)]),
    st.text(max_size=10),
    st.booleans(),
    st.none(),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.integers(min_value=-2, max_value=25), inner, max_size=14),
        st.builds(cbor.Tag, st.integers(min_value=16, max_value=20), inner),
    ),
    max_leaves=25,
)


def _encoded(value: object) -> bytes:
    try:
        return cbor.encode(value)
    except cbor.FormatError:
        return b""


@st.composite
def _bent(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A good input with a few bytes changed, cut, doubled or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(min_value=0, max_value=3))):
        at = draw(st.integers(min_value=0, max_value=max(0, len(data) - 1)))
        change = draw(st.integers(min_value=0, max_value=4))
        if change == 0 and data:
            data[at] ^= 1 << draw(st.integers(min_value=0, max_value=7))
        elif change == 1:
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif change == 2:
            del data[at:]
        elif change == 3:
            del data[at : at + draw(st.integers(min_value=1, max_value=4))]
        elif data:
            data[at] = draw(st.sampled_from(HEADS))
    return bytes(data)


@pytest.mark.parametrize("target", sorted(upy_peer.TARGETS))
def test_both_interpreters_make_the_same_of_any_bytes(target: str, peer: Peer) -> None:
    sources = [st.binary(max_size=600), _values.map(_encoded)]
    seeds = _seeds(SEEDS.get(target, SEEDS_CBOR))
    if seeds:
        sources += [_bent(seeds), _bent(seeds)]

    @given(st.one_of(sources))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    def check(data: bytes) -> None:
        here = upy_peer.answer(target, data)
        assert not here.startswith("CRASH"), f"CPython: {here} for {data.hex()}"
        there = peer.answer(target, data)
        assert there == here, f"MicroPython: {there}, CPython: {here} for {data.hex()}"

    check()


@pytest.mark.parametrize("target", sorted(SEEDS))
def test_good_inputs_and_each_of_their_truncations(target: str, peer: Peer) -> None:
    for seed in _seeds(SEEDS[target]):
        for end in {len(seed), len(seed) - 1, len(seed) // 2, 1}:
            here = upy_peer.answer(target, seed[:end])
            assert not here.startswith("CRASH"), f"CPython: {here} for {seed[:end].hex()}"
            assert peer.answer(target, seed[:end]) == here
