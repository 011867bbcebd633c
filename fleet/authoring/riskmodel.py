"""Trains the risk model on made-up market hours and writes it as the table that bricks and hosts carry.

Needs scikit-learn (a development dependency); nothing that runs at a market does.
"""

from __future__ import annotations

import importlib
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from stallmark import risktable as _risktable
from stallmark import risktree as _risktree

from fleet.authoring import riskmarket
from fleet.authoring.riskmarket import MODEL, risk

risktree: Any = _risktree

TREES, DEPTH, RATE = 9, 3, 0.5
SCALE = 26
"""Points of the score for one unit of log-odds: ±5 reaches both ends."""
BASE = 0.02
"""Share of fraud that training weighs the days for. Made-up days hold far more of it, or there would be nothing to learn."""
UNUSED = (10, 11)
"""Signals no tree may look at: since the start (every pack that is changed would speak for fraud) and the kind of token (it
would be a licence for whoever holds the right one; a rule has `trust` of its own)."""
HIGH = 128
"""The threshold of docs and library: a rule that asks for calm says `{"le": ["risk", 127]}`."""
RARE = (0.01, 0.001)
"""Shares of fraud for which precision is stated besides that of the made-up days."""
LEAST = 25
"""Samples in a leaf: less is a story about single people."""
TABLE = Path(str(_risktable.__file__))


class ToolMissing(RuntimeError):
    """What training needs is not installed; the message says how to get it."""


class Row(NamedTuple):
    """How it is to ask the stall from a score on. Shares are of 1."""

    at: int
    precision: float
    """At the share of fraud that the days have."""
    found: float
    bothered: float
    """Share of honest events that are asked about."""
    rare: tuple[float, ...]
    """Precision at the shares of RARE."""


class Figures(NamedTuple):
    """How a model does on days it has not seen. Shares are of 1."""

    samples: int
    frauds: int
    auc: float
    rows: list[Row]
    by_kind: dict[str, float]
    """Share of each kind of fraud found at a score of HIGH."""
    by_scene: dict[str, float]
    """Share of honest events asked about at HIGH, by scene."""


def train(days: int, seed: int) -> bytes:
    """A table from so many days. The same arguments, the same table."""
    try:
        ensemble: Any = importlib.import_module("sklearn.ensemble")
    except ImportError as missing:
        raise ToolMissing("training needs scikit-learn, a development dependency: pip install scikit-learn") from missing
    features, labels = _samples(range(seed * 10_000, seed * 10_000 + days))
    share = sum(labels) / len(labels)
    weights = [BASE / share if fraud else (1 - BASE) / (1 - share) for fraud in labels]
    model: Any = ensemble.GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, min_samples_leaf=LEAST, random_state=seed
    )
    model.fit(features, labels, weights)
    bias = round(SCALE * math.log(BASE / (1 - BASE)))
    trees = b"".join(_tree(one[0].tree_) for one in model.estimators_)
    version: int = risktree.version(MODEL) % 15 + 1
    table = b"SMRT" + struct.pack(">BBh", version, TREES, bias) + trees
    risktree.version(table)
    return table


def _tree(tree: Any) -> bytes:
    """One tree, its children behind each other; values in points of the score."""
    order: list[int] = [0]
    nodes: list[bytes] = []
    for place in order:  # grows while it is walked
        if tree.children_left[place] >= 0:
            order += [int(tree.children_left[place]), int(tree.children_right[place])]
    where = {place: number for number, place in enumerate(order)}
    for place in order:
        value = max(-0x7FFF, min(0x7FFF, round(float(tree.value[place][0][0]) * RATE * SCALE)))
        if tree.children_left[place] < 0:
            nodes.append(struct.pack(">BhBh", 255, 0, 0, value))
        else:
            threshold = int(tree.threshold[place] // 1)  # features are whole: x <= 3.5 is x <= 3
            left = where[int(tree.children_left[place])]
            nodes.append(struct.pack(">BhBh", int(tree.feature[place]), threshold, left, value))
    return bytes([len(nodes)]) + b"".join(nodes)


def _samples(seeds: Iterable[int]) -> tuple[list[list[int]], list[int]]:
    found = [sample for seed in seeds for sample in riskmarket.day(seed)]
    seen = [[0 if at in UNUSED else value for at, value in enumerate(sample.features)] for sample in found]
    return seen, [int(sample.fraud) for sample in found]


def figures(table: bytes, days: int, seed: int) -> Figures:
    """How a table does, hard rules included, on days of another seed than it was trained on."""
    watch = risk.Watch(table)
    found = [sample for day in range(days) for sample in riskmarket.day(seed * 10_000 + 5_000 + day)]
    scored = [(watch.judge(sample.features)[0], sample.scene, sample.fraud) for sample in found]
    frauds = [score for score, _, fraud in scored if fraud]
    honest = [score for score, _, fraud in scored if not fraud]
    rows: list[Row] = []
    for at in (96, HIGH, 160, 200, 230):
        hit = _share(score >= at for score in frauds)
        false = _share(score >= at for score in honest)
        own = len(frauds) / max(1, len(scored))
        rows.append(Row(at, _precise(own, hit, false), hit, false, tuple(_precise(one, hit, false) for one in RARE)))
    kinds = {
        kind: _share(score >= HIGH for score, scene, fraud in scored if fraud and scene == kind)
        for kind in riskmarket.FRAUDS
    }
    scenes = {
        kind: _share(score >= HIGH for score, scene, fraud in scored if not fraud and scene == kind)
        for kind in riskmarket.HONEST
    }
    return Figures(len(scored), len(frauds), _auc(frauds, honest), rows, kinds, scenes)


def _share(found: Iterable[bool]) -> float:
    held = list(found)
    return sum(held) / max(1, len(held))


def _precise(base: float, hit: float, false: float) -> float:
    """Of those asked about, the share that is fraud, where fraud is `base` of all events."""
    asked = base * hit + (1 - base) * false
    return base * hit / asked if asked else 0.0


def _auc(frauds: list[int], honest: list[int]) -> float:
    """The share of pairs that are in the right order; a tie counts half."""
    below, seen, total = [0] * 257, 0, 0.0
    for score in honest:
        below[score + 1] += 1
    for score in range(1, 257):
        below[score] += below[score - 1]
    for score in frauds:
        total += below[score] + (below[score + 1] - below[score]) / 2
        seen += 1
    return total / max(1, seen * len(honest))


def write(table: bytes, path: Path = TABLE) -> None:
    """Writes the module that carries the table."""
    body = "\n".join(f'    "{table[at : at + 48].hex()}"' for at in range(0, len(table), 48))
    path.write_text(
        '"""The risk model that this program carries, made by `stallmark rules risk train`: not to be edited."""\n\n'
        "from binascii import unhexlify\n\n"
        f"MODEL = unhexlify(\n{body}\n)\n"
    )


def text(table: bytes, found: Figures) -> str:
    """What the commands print."""
    lines = [
        f"model {risktree.version(table)}: {table[5]} trees, {len(table)} bytes",
        f"days it has not seen: {found.samples} events, {found.frauds} of them fraud; "
        f"area under the ROC curve {found.auc:.3f}",
    ]
    lines += [
        f"asked from {row.at:>3} on: found {row.found:.3f}  honest events asked about {row.bothered:.4f}  "
        f"precision {row.precision:.2f}"
        + "".join(f", {share:.2f} where {base:.1%} is fraud" for base, share in zip(RARE, row.rare, strict=True))
        for row in found.rows
    ]
    lines.append("found at 128: " + ", ".join(f"{kind} {share:.2f}" for kind, share in found.by_kind.items()))
    lines.append("honest, asked at 128: " + ", ".join(f"{kind} {share:.4f}" for kind, share in found.by_scene.items()))
    return "\n".join(lines)
