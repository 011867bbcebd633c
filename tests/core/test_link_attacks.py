"""What somebody on the wire can do to a link: waste time, never read, change, repeat or reorder a message."""

from linkpair import BRICK, KEY, Pair, body_of
from ports import Random, make_ecb
from stallmark import frame
from stallmark.hostlink import HostLink
from stallmark.keys import next_link
from stallmark.link import BrickLink


def _sealed(pair):
    """Sealed frames that the brick has written, as they are on the wire."""
    return [data for direction, data in pair.wrote if direction == "b2h" and body_of(data)[0] == 5]


def _to_host(pair, kind, body):
    return pair.host.receive(kind, body, pair.now)


def _to_brick(pair, kind, body):
    return pair.brick.receive(kind, body, pair.now)


def _one_message(pair, value="secret"):
    """A message on its way: the sealed frame's body, not yet delivered."""
    pair.brick.send(1, value)
    (data,) = pair.brick.poll(pair.now)
    return body_of(data)[1]


def test_the_wire_shows_no_plaintext():
    pair = Pair().bring_up()
    assert _one_message(pair, b"plain words").find(b"plain words") < 0


def test_every_truncation_of_a_sealed_frame_is_a_bad_tag():
    pair = Pair().bring_up()
    body = _one_message(pair)
    for end in range(4, len(body)):
        assert _to_host(pair, 5, body[:end]) == []
    assert pair.host.bad_tags == len(body) - 4
    assert _to_host(pair, 5, body) == [("message", 1, 1, "secret")]


def test_every_flipped_bit_of_a_sealed_frame_is_a_bad_tag_or_no_session():
    pair = Pair().bring_up()
    body = _one_message(pair)
    for at in range(len(body)):
        for bit in range(8):
            bent = bytearray(body)
            bent[at] ^= 1 << bit
            assert _to_host(pair, 5, bytes(bent)) == []
    assert pair.host.bad_tags == 8 * (len(body) - 4)
    assert _to_host(pair, 5, body) == [("message", 1, 1, "secret")]


def test_a_longer_frame_is_a_bad_tag():
    pair = Pair().bring_up()
    body = _one_message(pair)
    assert _to_host(pair, 5, body + b"\x00") == []
    assert _to_host(pair, 5, b"\x00" + body) == []
    assert _to_host(pair, 5, body) != []


def test_replays_are_acknowledged_again_and_not_delivered():
    pair = Pair().bring_up()
    body = _one_message(pair)
    assert len(_to_host(pair, 5, body)) == 1
    pair.host.poll(pair.now)
    for _ in range(5):
        assert _to_host(pair, 5, body) == []
        (again,) = pair.host.poll(pair.now)
        assert body_of(again)[0] == 6
    assert pair.host.repeats == 5


def test_reordered_frames_wait_for_their_turn():
    pair = Pair().bring_up()
    for number in range(3):
        pair.brick.send(1, number)
    first, second, third = [body_of(data)[1] for data in pair.brick.poll(pair.now)]
    assert _to_host(pair, 5, third) == [] and _to_host(pair, 5, second) == []
    assert pair.host.dropped == 2
    assert _to_host(pair, 5, first)[0][3] == 0
    pair.run(300)
    assert pair.messages(pair.host_events) == [1, 2]


def test_frames_of_an_earlier_session_are_not_taken():
    pair = Pair().bring_up()
    old = _one_message(pair)
    pair.start_brick()
    pair.bring_up()
    pair.now += 1000  # one notice a second
    assert _to_host(pair, 5, old) == []
    assert pair.host.bad_tags == 0 and pair.host.strays == 1
    kinds = [body_of(data) for data in pair.host.poll(pair.now)]
    assert kinds[0][0] == 7 and kinds[0][1][0] == 1, "notice: no such session"
    # With the session number of today the tag is still that of another key.
    assert _to_host(pair, 5, pair.host._session.session + old[4:]) == []
    assert pair.host.bad_tags == 1


def test_a_frame_does_not_go_back_to_where_it_came_from():
    pair = Pair().bring_up()
    body = _one_message(pair)
    assert _to_brick(pair, 5, body) == []
    assert pair.brick.bad_tags == 1
    pair.host.receive(5, body, pair.now)
    (ack,) = [body_of(data)[1] for data in pair.host.poll(pair.now)]
    assert _to_host(pair, 6, ack) == []
    assert pair.host.bad_tags == 1 and pair.brick.room == 7


def test_a_sealed_frame_is_no_acknowledgement_and_the_other_way_round():
    pair = Pair().bring_up()
    body = _one_message(pair)
    _to_host(pair, 6, body)
    assert pair.host.bad_tags == 1
    _to_host(pair, 5, body)
    (ack,) = [body_of(data)[1] for data in pair.host.poll(pair.now)]
    assert _to_brick(pair, 5, ack) == []
    assert pair.brick.bad_tags == 1


def test_acknowledgements_for_what_was_never_sent_or_long_ago_change_nothing():
    pair = Pair().bring_up()
    _one_message(pair, "one")
    mac = pair.host._session._out[1]
    session = pair.host._session.session

    def ack(following):
        body = session + following.to_bytes(4, "big")
        return body + mac(b"\x01\x06" + body)[:16]

    for following in (0, 1, 3, 4, 1 << 31, 0xFFFFFFFF):
        _to_brick(pair, 6, ack(following))
        assert pair.brick.room == 7, following
    for size in (4, 8, 23, 25):
        _to_brick(pair, 6, (ack(2) + b"\x00")[:size])
        assert pair.brick.room == 7
    for at in range(4, 24):
        bent = bytearray(ack(2))
        bent[at] ^= 1
        _to_brick(pair, 6, bytes(bent))
        assert pair.brick.room == 7
    _to_brick(pair, 6, ack(2))
    assert pair.brick.room == 8
    _to_brick(pair, 6, ack(2))
    assert pair.brick.room == 8


def test_a_good_tag_over_nonsense_is_counted_acknowledged_and_dropped():
    pair = Pair().bring_up()
    pair.brick._session._queue.append(b"\x01\x00\x01\xff")
    pair.brick._session._queue.append(b"\x01")
    pair.brick.send(1, "fine")
    pair.run(50)
    assert pair.host.unreadable == 2
    assert pair.messages(pair.host_events) == ["fine"]
    assert pair.brick.room == 8 and pair.up()


def test_a_host_without_the_key_never_gets_up():
    pair = Pair(key=KEY)
    pair.host_keys[BRICK] = {0: bytes(32)}
    pair.run(10000)
    assert not pair.brick.up and not pair.host.up
    assert pair.brick_key == (0, KEY), "no ratchet for a stranger"
    assert pair.host.refusal == "wrong link key" and pair.host.bad_handshakes > 2
    assert ("notice", 4, "wrong link key") in pair.brick_events
    assert pair.host_keys[BRICK] == {0: bytes(32)}


def test_a_host_that_makes_up_answers_never_gets_up():
    pair = Pair()
    pair.via = lambda direction, data: [] if direction == "b2h" else [data]
    pair.step()
    for m2 in (b"", bytes(45), bytes(46), bytes(47), b"\xff" * 46):
        assert _to_brick(pair, 3, m2) == []
    assert pair.brick.bad_handshakes == 5 and not pair.brick.up
    assert pair.brick_key[0] == 0


def test_an_unknown_brick_and_an_epoch_that_is_not_held_are_refused():
    pair = Pair(epoch=5)
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    pair.host_keys = {b"another8": {5: KEY}}
    _to_host(pair, 2, m1)
    assert pair.host.refusal == "brick not known here"
    for epochs in ({3: KEY, 4: KEY}, {6: KEY}):
        pair.host_keys = {BRICK: epochs}
        _to_host(pair, 2, m1)
        assert "epoch 5" in pair.host.refusal
    assert pair.host.bad_handshakes == 3
    notices = [body_of(data) for data in pair.host.poll(pair.now)]
    assert [body[0] for kind, body in notices if kind == 7].count(4) == 1, "one notice a second"


def test_bent_and_cut_handshake_messages_are_refused():
    pair = Pair()
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    pair.to_host.clear()
    for at in range(52):
        bent = bytearray(m1)
        bent[at] ^= 1
        _to_host(pair, 2, bytes(bent))
    for size in (0, 1, 51):
        _to_host(pair, 2, m1[:size])
    _to_host(pair, 2, m1 + b"\x00")
    assert pair.host.bad_handshakes == 56
    assert pair.host_keys[BRICK] == {0: KEY}, "nothing was committed for them"
    for m3 in (b"", bytes(16), bytes(17)):
        _to_host(pair, 4, m3)
    assert not pair.host.up
    pair.bring_up()


def test_an_old_m1_again_does_not_end_the_session_that_runs():
    pair = Pair()
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    pair.bring_up()
    committed = dict(pair.host_keys[BRICK])
    assert _to_host(pair, 2, m1) == [], "answered, but the session stands"
    pair.run(50)
    assert pair.up() and pair.host_keys[BRICK] == committed
    pair.brick.send(1, "still here")
    pair.run(50)
    assert pair.messages(pair.host_events) == ["still here"]


def test_an_m1_of_an_older_epoch_is_refused_for_ever():
    pair = Pair()
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    pair.bring_up()
    pair.start_brick()
    pair.bring_up()
    assert sorted(pair.host_keys[BRICK]) == [1, 2]
    _to_host(pair, 2, m1)
    assert "epoch 0" in pair.host.refusal and pair.up()


def test_an_old_m2_again_does_nothing():
    pair = Pair()
    pair.until(pair.up)
    m2 = [body_of(data)[1] for direction, data in pair.wrote if body_of(data)[0] == 3]
    key = pair.brick_key
    for body in m2:
        assert _to_brick(pair, 3, body) == []
    assert pair.up() and pair.brick_key == key
    pair.start_brick()
    pair.poll()
    for body in m2:
        assert _to_brick(pair, 3, body) == []
    assert not pair.brick.up and pair.brick_key == key


def test_m1_twice_on_the_wire_gives_one_session():
    pair = Pair()
    pair.via = lambda direction, data: [data, data]
    pair.until(pair.up)
    pair.brick.send(1, "once")
    pair.run(300)
    assert pair.messages(pair.host_events) == ["once"]
    assert pair.brick.handshakes == pair.host.handshakes == 1


def test_forged_notices_cost_at_most_a_handshake_a_second_and_no_message():
    pair = Pair().bring_up()
    start = pair.now
    sent = 0
    while pair.now < start + 5000:
        for code in (1, 2, 3, 4, 5, 6, 200):
            _to_brick(pair, 7, bytes((code,)))
            _to_host(pair, 7, bytes((code,)))
        if pair.brick.room and pair.now % 100 == 0:
            pair.brick.send(1, sent)
            sent += 1
        pair.step()
    pair.run(300)
    assert pair.brick.handshakes <= 7
    assert sorted(set(pair.messages(pair.host_events))) == list(range(sent))


def test_a_notice_that_comes_late_is_forgotten_when_the_session_shows_life():
    pair = Pair().bring_up()
    handshakes = pair.brick.handshakes
    pair.brick._m1_at = pair.now  # as if the handshake had been just now: the hint has to wait a second
    _to_brick(pair, 7, b"\x01")
    pair.brick.send(2, {})
    pair.run(3000)
    assert pair.brick.handshakes == handshakes


def test_frames_out_of_place_are_counted_and_unknown_types_answered_once():
    pair = Pair().bring_up()
    for kind in (2, 4, 9):
        assert _to_brick(pair, kind, bytes(52)) == []
    for kind in (3, 8, 9):
        assert _to_host(pair, kind, bytes(46)) == []
    for kind in (0, 11, 255):
        _to_host(pair, kind, b"")
    assert pair.brick.unexpected == 3 and pair.host.unexpected == 6
    (notice,) = [body_of(data) for data in pair.host.poll(pair.now)]
    assert notice[0] == 7 and notice[1][0] == 3
    assert _to_host(pair, 7, b"") == [] and _to_host(pair, 1, b"") == []
    assert pair.up()


def test_a_provisioned_brick_says_so():
    pair = Pair().bring_up()
    _to_brick(pair, 8, b"\xa2\x00\x01\x01\x01")
    (notice,) = [body_of(data) for data in pair.brick.poll(pair.now)]
    assert notice[0] == 7 and notice[1][0] == 6


def test_log_text_reaches_the_host_and_no_terminal_code_with_it():
    pair = Pair().bring_up()
    kind, body = body_of(frame.log(frame.LOG_ERROR, "reader \x1b[31mgone"))
    assert _to_host(pair, kind, body) == [("log", 4, "reader ?[31mgone")]


def test_one_end_cannot_be_talked_to_by_its_own_kind():
    random = Random(9)
    first = BrickLink(BRICK, 0, KEY, 1, make_ecb, random.bytes, lambda epoch, key: None)
    second = BrickLink(BRICK, 0, KEY, 2, make_ecb, random.bytes, lambda epoch, key: None)
    hosts = [
        HostLink(bytes((n,)) * 8, lambda brick8: {0: KEY}, None, None, make_ecb, random.bytes) for n in (1, 2)
    ]
    for one, two in ((first, second), hosts):
        for now in range(0, 3000, 100):
            for data in one.poll(now):
                kind, body = body_of(data)
                assert kind == 7 or one is first
                two.receive(kind, body, now)
            for data in two.poll(now):
                one.receive(*body_of(data), now)
        assert not one.up and not two.up


def test_random_frames_never_raise_and_never_get_through():
    random = Random(11)
    print("seed 11")
    pair = Pair().bring_up()
    key = pair.brick_key
    for _ in range(1500):
        kind = random.below(12)
        body = random.bytes(random.below(60))
        if random.chance(30) and len(body) > 8:
            body = pair.host._session.session + body[4:]
        for end in (pair.brick, pair.host):
            for event in end.receive(kind, body, pair.now):
                assert event[0] in ("notice", "log"), event
        pair.now += 1
    assert pair.brick_key == key and next_link(KEY) == key[1]
    pair.brick.poll(pair.now)
    pair.host.poll(pair.now)
    pair.to_host.clear()
    pair.until(pair.up)
