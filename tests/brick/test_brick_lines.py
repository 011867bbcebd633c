"""One session over two lines, both real ends of the link and a clock that the test moves: who moves it, and who cannot."""

import os

from brick.counters import Counters
from brick.lines import Lines
from brick.uplink import Uplink
from stallmark import frame, hostlink, keys, link
from stallmark import registry as reg

from hostagent.aes import make_ecb

BRICK, HOST, ROOT = b"brick-01", b"host-001", bytes(range(32))
CABLE, RADIO = 0, 1


class FakeLine:
    """A line that keeps what was written."""

    def __init__(self) -> None:
        self.open = True
        self.busy = False
        self.written: list[bytes] = []
        self.shown_keys = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def proven(self) -> None:
        self.shown_keys += 1

    def collect(self, counters: Counters) -> None:
        pass


class Outbox:
    """No records."""

    def restart(self) -> None:
        pass

    def next(self) -> None:
        return None


class Pair:
    """A brick with two lines, and the host's link, which answers on the line that the test says."""

    def __init__(self) -> None:
        self.now = 0
        self.both = (FakeLine(), FakeLine())
        self.lines = Lines(self.both, lambda: self.now)
        self.held = {0: keys.link_key0(ROOT)}
        self.host = hostlink.HostLink(
            HOST, lambda _: dict(self.held), lambda _b, e, k: self.held.__setitem__(e, k), lambda *_: None,
            make_ecb, os.urandom,
        )  # fmt: skip
        self.link = link.BrickLink(BRICK, 0, keys.link_key0(ROOT), 1, make_ecb, os.urandom, lambda *_: None)
        status = lambda: ({0: 1}, 0)  # noqa: E731
        self.uplink = Uplink(self.lines, self.link, Outbox(), Counters(), status, lambda: None)
        self.got: list[tuple] = []

    def brick_speaks(self) -> list[tuple[int, bytes]]:
        """What the brick writes now, by line."""
        for data in self.link.poll(self.lines.now()):
            self.lines.write(data, self.link.up)
        said = [(number, data) for number, line in enumerate(self.both) for data in line.written]
        for line in self.both:
            line.written.clear()
        return said

    def host_hears(self, data: bytes) -> None:
        for kind, body in frame.Reader().feed(data):
            self.got += self.host.receive(kind, body, self.now)

    def host_speaks(self, number: int) -> list[bytes]:
        """The host's frames go to the brick on this line; what they were."""
        said = [bytes(data) for data in self.host.poll(self.now)]
        for data in said:
            self.play(data, number)
        return said

    def play(self, data: bytes, number: int) -> None:
        for kind, body in frame.Reader().feed(data):
            self.uplink._take(kind, body, number)

    def begin(self, number: int) -> None:
        """A handshake over one line."""
        for at, data in self.brick_speaks():
            if at == number:
                self.host_hears(data)
        self.host_speaks(number)
        for _, data in self.brick_speaks():
            self.host_hears(data)
        assert self.link.up and self.host.up


def test_without_a_session_every_open_line_is_asked_and_the_answer_chooses() -> None:
    pair = Pair()
    first = pair.brick_speaks()
    assert [(number, frame.type_of(data)) for number, data in first] == [
        (CABLE, reg.FRAME_M1),
        (RADIO, reg.FRAME_M1),
    ]
    pair.host_hears(first[0][1])
    (m2,) = pair.host_speaks(RADIO)
    pair.play(m2, CABLE)
    assert pair.link.bad_handshakes == 0, "the same answer on the other line is no second one"
    assert [(number, frame.type_of(data)) for number, data in pair.brick_speaks()] == [(RADIO, reg.FRAME_M3)]
    assert pair.both[RADIO].shown_keys == 1 and pair.both[CABLE].shown_keys == 0


def test_the_session_goes_where_the_host_says_something_new_without_a_handshake() -> None:
    pair = Pair()
    pair.begin(CABLE)
    for turn, number in enumerate((RADIO, CABLE, RADIO)):
        pair.link.send(reg.MSG_STATUS, {0: turn}, now_ms=pair.now)
        lost = pair.brick_speaks()
        assert lost and RADIO + CABLE - number == lost[0][0], "on the line before"
        pair.host.send(reg.MSG_CLOCK, {0: turn, 1: 2, 2: 0}, now_ms=pair.now)
        pair.host_speaks(number)
        pair.now += 250
        assert pair.link.poll(pair.now - 250) or True
        pair.link._session.tick(pair.now)
        again = pair.brick_speaks()
        assert again and {at for at, _ in again} == {number}, "resent byte for byte on the new one"
        for _, data in again:
            pair.host_hears(data)
        for data in pair.host.poll(pair.now):
            pair.play(bytes(data), number)
    told = [event[3] for event in pair.got if event[0] == "message" and event[1] == reg.MSG_STATUS]
    assert told == [{0: 0}, {0: 1}, {0: 2}], "each once"
    assert pair.host.handshakes == pair.link.handshakes == 1 and pair.lines.moves == 3


def test_frames_played_again_and_frames_without_the_key_move_nothing() -> None:
    pair = Pair()
    pair.begin(CABLE)
    pair.host.send(reg.MSG_CLOCK, {0: 1, 1: 2, 2: 0}, now_ms=0)
    said = pair.host_speaks(CABLE)
    for data in said:
        pair.play(data, RADIO)
    pair.play(frame.notice(reg.NOTICE_NO_SESSION, "anybody"), RADIO)
    pair.play(frame.build(reg.FRAME_SEALED, bytes(60)), RADIO)
    pair.link.send(reg.MSG_STATUS, {0: 9}, now_ms=0)
    sealed = [
        at for at, data in pair.brick_speaks() if frame.type_of(data) in (reg.FRAME_SEALED, reg.FRAME_ACK)
    ]
    assert sealed and set(sealed) == {CABLE} and pair.lines.moves == 0 and pair.both[RADIO].shown_keys == 0


def test_a_line_that_closes_leaves_the_session_to_the_cable() -> None:
    pair = Pair()
    pair.begin(RADIO)
    pair.both[RADIO].open = False
    pair.link.send(reg.MSG_STATUS, {0: 1}, now_ms=0)
    assert {at for at, _ in pair.brick_speaks()} == {CABLE}


def test_the_links_clock_stands_still_while_a_slow_line_carries_bytes() -> None:
    pair = Pair()
    pair.begin(RADIO)
    pair.both[RADIO].busy = True
    before = pair.lines.now()
    for _ in range(20):
        pair.now += 250
        assert pair.lines.now() == before
    pair.both[RADIO].busy = False
    pair.lines.now()
    pair.now += 250
    assert pair.lines.now() == before + 250


def test_a_line_that_opens_is_told_of_once() -> None:
    pair = Pair()
    pair.both[RADIO].open = False
    assert pair.lines.opened() and not pair.lines.opened()
    pair.both[RADIO].open = True
    assert pair.lines.opened() and not pair.lines.opened()
