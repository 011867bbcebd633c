"""Slices by index: one byte stream, nothing lost or doubled, whatever is asked again (docs/formats/ble.md)."""

import vectors
from ports import Random
from stallmark import frame, pulled
from stallmark.errors import FormatError


def test_every_step_of_the_vectors_gives_its_value():
    for case in vectors.load("ble.json")["cases"]:
        source = pulled.Source()
        for step in case["steps"]:
            if "frame" in step:
                assert source.feed(bytes.fromhex(step["frame"])) == step.get("taken", True), case["name"]
            elif "begin" in step:
                source.begin()
            else:
                value = source.pull(bytes.fromhex(step["pull"]), case["mtu"])
                assert value.hex() == step["value"], (case["name"], step)
                assert pulled.pull(source.next).hex() == step["bell"], (case["name"], step)


def test_values_that_no_brick_makes_are_refused():
    assert pulled.Sink().take(b"") is None
    for length in (1, 245, 512):
        vectors.raises(FormatError, pulled.Sink().take, bytes(length))
    for length in (0, 1, 3):
        vectors.raises(FormatError, pulled.Source().pull, bytes(length), 23)


def test_a_value_never_exceeds_the_mtu_nor_244_bytes():
    for mtu, most in ((0, 20), (23, 20), (24, 21), (185, 182), (247, 244), (517, 244)):
        assert pulled.room(mtu) == most
        source = pulled.Source()
        source.feed(bytes(500))
        assert len(source.pull(b"\0\0", mtu)) == most


def test_any_frames_come_out_whole_when_pulls_and_answers_get_lost():
    for mtu in (23, 64, 247):
        random = Random(mtu)
        source, sink, reader = pulled.Source(), pulled.Sink(), frame.Reader()
        sent, got, shown = [], [], b"\0\0"
        while len(got) < 200:
            if len(sent) < 200 and random.chance(40):
                body = random.bytes(1 + random.below(400))
                if source.feed(frame.build(5, body)):
                    sent.append(body)
            if not random.chance(20):  # else the pull was lost: the old value is read
                shown = source.pull(pulled.pull(sink.want), mtu)
            if random.chance(20):  # the read was lost
                continue
            data = sink.take(shown)
            if data:
                got += [body for _, body in reader.feed(data)]
        assert got == sent and reader.noise == 0
        source.pull(pulled.pull(sink.want), mtu)
        assert source.waiting == 0


def test_indices_wrap():
    source, sink = pulled.Source(), pulled.Sink()
    sink.want = 0xFFFE
    for number in range(4):
        source.feed(bytes((number + 1,)))
        assert sink.take(source.pull(pulled.pull(sink.want), 23)) == bytes((number + 1,))
    assert sink.want == 2


def test_a_host_that_forgot_where_it_was_begins_anew_and_loses_at_most_what_waited():
    source = pulled.Source()
    source.feed(frame.build(5, bytes(100)))
    source.pull(pulled.pull(0), 23)
    source.pull(pulled.pull(1), 23)
    sink = pulled.Sink()
    sink.want = 40000
    reader = frame.Reader()
    assert sink.take(source.pull(pulled.pull(sink.want), 23)) == b"\x00"
    source.feed(frame.build(5, b"next"))
    assert reader.feed(sink.take(source.pull(pulled.pull(sink.want), 23))) == [(5, b"next")]


def test_what_has_no_room_is_refused_and_counted():
    source = pulled.Source()
    taken = 0
    while source.feed(bytes(500)):
        taken += 1
    assert taken == 8 and source.dropped == 1 and source.waiting == 4000
    source = pulled.Source()
    assert [source.feed(b"\x01") for _ in range(17)] == [True] * 16 + [False]
