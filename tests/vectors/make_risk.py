"""Makes risk.json: `python tests/vectors/make_risk.py`. Scores by a walk of its own over struct-unpacked nodes.

risk_model.json holds the table in use, written down when it was trained (docs/formats/risk.md).
"""

import json
import random
import struct
from pathlib import Path

FOLDER = Path(__file__).parent

HAND = b"SMRT" + struct.pack(">BBh", 9, 2, -40) + b"".join(
    bytes([len(nodes)]) + b"".join(struct.pack(">BhBh", *node) for node in nodes)
    for nodes in (
        [(0, 2, 1, 0), (255, 0, 0, -30), (8, 10, 3, 60), (255, 0, 0, 140), (255, 0, 0, 5)],
        [(255, 0, 0, 7)],
    )
)  # fmt: skip


def score(model: bytes, features: list[int]) -> list[int]:
    _, trees, bias = struct.unpack_from(">BBh", model, 4)
    at, total, raised = 8, bias, [0] * 12
    for _ in range(trees):
        nodes = [struct.unpack_from(">BhBh", model, at + 1 + 6 * n) for n in range(model[at])]
        at += 1 + 6 * len(nodes)
        place = 0
        while nodes[place][0] != 255:
            feature, threshold, left, value = nodes[place]
            place = left if features[feature] <= threshold else left + 1
            raised[feature] += nodes[place][3] - value
        total += nodes[place][3]
    return [max(0, min(255, 128 + total)), raised.index(max(raised))]


def main() -> None:
    chance = random.Random(4)
    cases = []
    in_use = bytes.fromhex(json.loads((FOLDER / "risk_model.json").read_text())["model"])
    for model in (HAND, in_use):
        for _ in range(40):
            limits = (8, 8, 8, 60, 900, 1000, 1000, 400, 600, 60, 3600, 7)
            features = [chance.randrange(limit + 1) for limit in limits]
            cases.append({"model": model.hex(), "features": features, "score": score(model, features)})
    path = FOLDER / "risk.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
