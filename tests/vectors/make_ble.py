"""Writes ble.json: slices by index as docs/formats/ble.md says, kept as one string of bytes and a list of what was cut."""

from typing import Any

from independent import frame, write


class Plain:
    """The stream so far, and where the slice that was asked for last begins and ends in it."""

    def __init__(self, mtu: int) -> None:
        self.most = min(244, mtu - 3) - 2
        self.begin()

    def begin(self) -> None:
        self.stream, self.start, self.end, self.index = b"", 0, 0, None

    def pull(self, index: int) -> tuple[bytes, int]:
        if self.index is not None and index not in (self.index, (self.index + 1) % 65536):
            self.begin()
            self.stream = b"\x00"
        elif self.index is not None and index != self.index:
            self.start = self.end
        self.index = index
        if self.start == self.end:
            self.end = min(len(self.stream), self.start + self.most)
        bell = (index + (self.end > self.start)) % 65536
        return index.to_bytes(2, "big") + self.stream[self.start : self.end], bell


SHORT, LONG = frame(7, b"\x01no such session"), frame(5, bytes(range(256)) + bytes(200))
SCRIPTS: dict[str, tuple[int, list[bytes | int | None]]] = {
    "nothing waits": (247, [0, 0]),
    "one short frame": (247, [SHORT, 0, 1]),
    "two frames in one slice": (247, [SHORT, SHORT, 0, 1]),
    "a frame in three slices": (247, [LONG, 0, 1, 2]),
    "the same index again": (247, [LONG, 0, 0, 1, 1, SHORT, 1, 2, 2]),
    "MTU 23": (23, [SHORT, 0, 1, SHORT, 2, 3, 4]),
    "a larger MTU than is used": (517, [LONG, 0, 1]),
    "an empty answer keeps its index": (247, [0, SHORT, 0, 1]),
    "the first index may be any": (247, [SHORT, 700, 701]),
    "indices wrap": (23, [SHORT, 65535, 0, 1]),
    "another index begins anew": (247, [LONG, 0, 1, 900, SHORT, 901, 902]),
    "a new connection begins anew": (247, [LONG, 0, None, SHORT, 0, 1]),
}


def case(name: str, mtu: int, script: list[bytes | int | None]) -> dict[str, Any]:
    plain = Plain(mtu)
    steps: list[dict[str, Any]] = []
    for step in script:
        if step is None:
            plain.begin()
            steps.append({"begin": True})
        elif isinstance(step, bytes):
            plain.stream += step
            steps.append({"frame": step.hex()})
        else:
            value, bell = plain.pull(step)
            steps.append({"pull": step.to_bytes(2, "big").hex(), "value": value.hex(), "bell": f"{bell:04x}"})
    return {"name": name, "mtu": mtu, "steps": steps}


write("ble.json", {"cases": [case(name, mtu, script) for name, (mtu, script) in SCRIPTS.items()]})
