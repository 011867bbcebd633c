"""The attackers of docs/formats/link.md, one after the other, against the real code of both ends."""

from linkpair import BRICK, HOST, K_CTL, KEY, Killed, Pair, body_of
from ports import make_ecb
from stallmark import control, frame, handshake
from stallmark.hostlink import HostLink
from stallmark.keys import next_link
from stallmark.link import TRIES, BrickLink

REKEY = 1 << 20


def _recorded(pair):
    """[(direction, type, body)] of everything that was on the wire so far."""
    found = []
    for direction, data in pair.wrote:
        kind, body = body_of(data)
        found.append((direction, kind, body))
    return found


def _day(pair):
    """A session with messages in both directions; a recording of all of it."""
    pair.wrote.clear()
    pair.until(pair.up)
    for number in range(6):
        pair.brick.send(1, "b%d" % number)
        pair.host.send(32, {0: number})
        pair.run(50)
    return _recorded(pair)


def _play(pair, recording):
    """Everything to both ends, also to the end that it came from; events other than notices and logs."""
    got = []
    for _, kind, body in recording:
        for end in (pair.host, pair.brick):
            got += [e for e in end.receive(kind, body, pair.now) if e[0] not in ("notice", "log")]
        pair.now += 1
    return got


def _recover(pair):
    """Turns until both are up; the brick says its status after each handshake, as all do, so a lost M3 is noticed."""
    said = [0]

    def both():
        if pair.brick.handshakes > said[0] and pair.brick.up:
            said[0] = pair.brick.handshakes
            pair.brick.send(2, {})
        return pair.up()

    pair.until(both)


# --- recorded and played again


def test_a_whole_recording_played_into_the_same_session_brings_nothing():
    pair = Pair()
    recording = _day(pair)
    key, held = pair.brick_key, dict(pair.host_keys[BRICK])
    assert _play(pair, recording) == []
    assert pair.brick_key == key and pair.host_keys[BRICK] == held
    pair.brick.send(1, "after")
    pair.run(3000)
    assert pair.up() and pair.messages(pair.host_events)[-1] == "after"


def test_recordings_of_earlier_sessions_bring_nothing_in_later_ones():
    pair = Pair()
    recordings = []
    for _ in range(4):
        recordings.append(_day(pair))
        pair.start_brick()
    pair.until(pair.up)
    key, held = pair.brick_key, dict(pair.host_keys[BRICK])
    for recording in recordings:
        assert _play(pair, recording) == []
    assert pair.brick_key == key and pair.host_keys[BRICK] == held
    pair.run(3000)
    assert pair.up()


def test_a_recording_is_worth_nothing_to_ends_that_have_no_session():
    pair = Pair()
    recording = _day(pair)
    pair.start_brick()
    pair.start_host()
    assert _play(pair, recording) == []
    assert not pair.brick.up and not pair.host.up
    pair.until(pair.up)


# --- altered


def test_every_flipped_bit_of_the_handshake_stops_it_and_costs_no_key():
    for target in (2, 3, 4):
        size = {2: 52, 3: 46, 4: 16}[target]
        for at in range(size):
            pair = Pair()
            done = []

            def bend(direction, data, at=at, target=target, done=done):
                kind, body = body_of(data)
                if kind != target or done:
                    return [data]
                done.append(1)
                bent = bytearray(body)
                bent[at] ^= 1 << at % 8
                return [frame.build(kind, bytes(bent))]

            pair.via = bend
            for _ in range(6):
                pair.step()
            assert not pair.host.up and done, (target, at)
            assert pair.brick.up == (target == 4)
            assert pair.common_epochs()
            _recover(pair)
            assert pair.brick_key[1] == pair.host_keys[BRICK][pair.brick_key[0]]


def test_cut_handshakes_end_nothing_and_the_next_one_works():
    for target in (2, 3, 4):
        for size in (0, 1, 15, 40):
            pair = Pair()
            cut = []

            def shorten(direction, data, target=target, size=size, cut=cut):
                kind, body = body_of(data)
                if kind == target and not cut:
                    cut.append(1)
                    return [frame.build(kind, body[:size])]
                return [data]

            pair.via = shorten
            _recover(pair)
            assert cut


# --- other versions, other features


def test_features_and_version_cannot_be_talked_down_or_up():
    pair = Pair()
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    pair.to_host.clear()
    pair.host.receive(2, m1, pair.now)
    (m2,) = [body_of(data)[1] for data in pair.host.poll(pair.now) if body_of(data)[0] == 3]
    for features in (1, 2, 0x8000, 0xFFFF):
        assert pair.brick.receive(3, m2[:28] + features.to_bytes(2, "big") + m2[30:], pair.now) == []
    assert not pair.brick.up and pair.brick_key[0] == 0
    assert pair.brick.receive(3, m2, pair.now) == [("up",)]
    # Another version of the frame is not read at all, and the tags name the one in use.
    pair.brick.send(1, "x")
    sealed = pair.brick.poll(pair.now)[-1]
    reader = frame.Reader()
    (inner,) = [body for kind, body in frame.Reader().feed(sealed) if kind == 5]
    for version in (0, 2, 255):
        assert reader.feed(_framed(version, 5, inner)) == []
    assert reader.unknown_version == 3


def _framed(version, kind, body):
    from binascii import crc32

    from stallmark import cobs

    inner = bytes((version, kind)) + body
    return cobs.encode(inner + crc32(inner).to_bytes(4, "big")) + b"\x00"


# --- floods


def test_wrong_answers_are_looked_at_eight_times_a_second():
    looked = []
    real = handshake.check_m2

    def check(key, m1, m2):
        looked.append(1)
        return real(key, m1, m2)

    pair = Pair()
    pair.poll()
    pair.to_host.clear()
    (m1,) = [pair.brick._m1]
    m2 = handshake.make_m2(bytes(32), m1, HOST, bytes(16), 0)
    handshake.check_m2 = check
    try:
        for now in range(1, 5001, 5):
            assert pair.brick.receive(3, m2, now) == []
    finally:
        handshake.check_m2 = real
    assert TRIES * 4 <= len(looked) <= TRIES * 6, len(looked)
    assert pair.brick.bad_handshakes == len(looked)
    pair.now = 6000
    pair.until(pair.up)


def test_a_flood_of_handshakes_costs_the_host_no_memory_no_write_and_one_notice_a_second():
    pair = Pair().bring_up()
    committed = []
    pair.host._commit = lambda *given: committed.append(given)
    epoch = pair.brick_key[0]
    said = 0
    for number in range(2000):
        for key, brick8 in ((bytes(32), BRICK), (KEY, BRICK), (bytes(32), b"stranger")):
            m1 = handshake.make_m1(key, brick8, epoch + number % 2, number, 1, bytes(16))
            assert pair.host.receive(2, m1, pair.now) == []
        said += len([1 for data in pair.host.poll(pair.now) if body_of(data)[0] == 7])
        pair.now += 1
    assert not committed and pair.host._pending is None
    assert said <= 3 and len(pair.host._outbox) == 0 and len(pair.host._hinted) <= 2
    assert pair.up(), "the session that runs is not disturbed"
    pair.brick.send(1, "still")
    pair.run(300)
    assert pair.messages(pair.host_events) == ["still"]


def test_a_stranger_makes_the_brick_wait_longer_and_longer():
    pair = Pair()
    pair.host_keys[BRICK] = {0: bytes(32)}
    pair.run(60000, 20)
    opened = [data for direction, data in pair.wrote if direction == "b2h"]
    assert 9 <= len(opened) <= 16, "250 ms doubling to 8 s"
    assert pair.brick_key == (0, KEY)


# --- keys of before


def test_a_brick_that_was_set_back_to_an_old_copy_is_refused():
    pair = Pair()
    copy = pair.brick_key
    for _ in range(3):
        pair.bring_up()
        pair.start_brick()
    pair.bring_up()
    pair.brick_key = copy
    pair.start_brick()
    pair.run(3000)
    assert not pair.brick.up and "epoch 0" in pair.host.refusal
    assert pair.brick_key == copy


def test_an_answer_of_another_epoch_is_none():
    pair = Pair()
    pair.poll()
    (m1,) = [body_of(data)[1] for data in pair.to_host]
    for epoch in (1, 2, 0xFFFFFFFF):
        m2 = handshake.make_m2(KEY, m1, HOST, bytes(16), epoch)
        assert pair.brick.receive(3, m2, pair.now) == []
    assert pair.brick_key == (0, KEY)


def test_of_two_hosts_with_one_disk_only_the_one_that_goes_on_is_heard():
    pair = Pair()
    pair.bring_up()
    copied = dict(pair.host_keys[BRICK])
    for _ in range(3):
        pair.start_brick()
        pair.bring_up()
    mine = pair.host_keys[BRICK]
    pair.host_keys[BRICK] = copied
    pair.start_host()
    pair.start_brick()
    pair.run(3000)
    assert not pair.brick.up and "not held" in pair.host.refusal
    pair.host_keys[BRICK] = mine
    pair.start_host()
    pair.until(pair.up)


def test_after_an_order_for_a_new_key_a_copied_host_opens_nothing_and_reads_nothing():
    pair = Pair().bring_up()
    copied = dict(pair.host_keys[BRICK])
    pair.rekey(REKEY)
    pair.until(lambda: pair.up() and pair.brick_key[0] > REKEY)
    recording = _day(pair)
    # The copy walks its keys on as far as it likes: the new one is not among them.
    reached = set()
    for key in copied.values():
        for _ in range(64):
            reached.add(key)
            key = next_link(key)
    assert not reached & set(pair.host_keys[BRICK].values())
    m1 = pair.wrote and [body for _, kind, body in recording if kind == 2]
    for key in reached:
        assert not m1 or not handshake.check_m1(key, m1[0])
    pair.host_keys[BRICK] = copied
    pair.order = None
    pair.start_host()
    pair.start_brick()
    pair.run(3000)
    assert not pair.brick.up and not pair.host.up


# --- orders for a new link key


def _order(epoch=REKEY, brick8=BRICK, k_ctl=K_CTL):
    return brick8 + epoch.to_bytes(4, "big") + control.rekey_tag(k_ctl, brick8, epoch)


def test_an_order_is_taken_once_and_never_an_older_one():
    pair = Pair().bring_up()
    for epoch in (2 * REKEY, REKEY, 2 * REKEY, 5):
        pair.brick.receive(10, _order(epoch), pair.now)
    assert pair.brick_key == (2 * REKEY, control.rekeyed(K_CTL, 2 * REKEY))
    assert pair.brick.bad_handshakes == 0


def test_a_session_ends_with_the_order_also_one_with_a_copy_that_answers_no_more():
    pair = Pair().bring_up()
    assert pair.brick.receive(10, _order(), pair.now) == [("down", "new link key")]
    pair.run(20000)  # this host knows of no order: it is a copy
    assert not pair.brick.up
    pair.rekey(REKEY)
    pair.until(pair.up)


def test_forged_orders_change_nothing():
    pair = Pair().bring_up()
    key = pair.brick_key
    good = _order()
    bent = []
    for at in range(len(good)):
        one = bytearray(good)
        one[at] ^= 1 << at % 8
        bent.append(bytes(one))
    bent += [_order(k_ctl=KEY), _order(brick8=b"another8"), good[:27], good + b"\x00", b"", bytes(28)]
    for body in bent:
        pair.now += 200
        assert pair.brick.receive(10, body, pair.now) == []
    assert pair.brick_key == key and pair.brick.bad_handshakes == len(bent)
    for _ in range(1000):
        pair.brick.receive(10, _order(k_ctl=KEY), pair.now)
    assert pair.brick.bad_handshakes <= len(bent) + TRIES
    pair.run(300)
    assert pair.up()


def test_an_order_does_not_pass_for_anything_else_and_a_brick_without_the_controller_takes_none():
    pair = Pair()
    assert pair.host.receive(10, _order(), 0) == [] and pair.host.unexpected == 1
    alone = BrickLink(BRICK, 0, KEY, 1, make_ecb, pair.random.bytes, lambda epoch, key: None)
    assert alone.receive(10, _order(), 0) == [] and alone.unexpected == 1


def test_an_order_reaches_a_brick_whose_keys_the_host_has_lost_and_cuts_leave_it_reachable():
    for kill in (None, "advance"):
        pair = Pair(epoch=7)
        pair.host_keys = {}
        pair.run(500)
        assert pair.host.refusal == "brick not known here"
        pair.rekey(REKEY)
        pair.kill_in = kill
        try:
            pair.until(pair.up)
        except Killed:
            assert kill
            pair.kill_in = None
            pair.start_brick()
            pair.until(pair.up)
        assert pair.brick_key[0] == REKEY + 1 and pair.host.refusal is None


def test_while_an_order_waits_the_host_answers_no_older_key():
    pair = Pair()
    pair.rekey(REKEY)
    pair.via = lambda direction, data: [] if body_of(data)[0] == 10 else [data]
    pair.run(5000)
    assert not pair.host.up and pair.brick_key == (0, KEY) and "new link key" in pair.host.refusal
    pair.via = None
    pair.until(pair.up)
    assert pair.brick_key[0] == REKEY + 1


def test_a_store_that_fails_while_an_order_is_taken_leaves_the_old_key():
    pair = Pair().bring_up()
    key = pair.brick_key

    def fails(epoch, key):
        raise OSError(5)

    good, pair.brick._advance = pair.brick._advance, fails
    try:
        pair.brick.receive(10, _order(), pair.now)
    except OSError:
        pass
    assert pair.brick_key == key and pair.up()
    pair.brick._advance = good
    pair.rekey(REKEY)
    pair.until(lambda: pair.up() and pair.brick_key[0] > REKEY)


# --- noise is noise, a wrong key is a wrong key


def test_damage_on_the_wire_and_wrong_tags_are_counted_apart():
    pair = Pair().bring_up()
    pair.brick.send(1, "x")
    (data,) = pair.brick.poll(pair.now)
    reader = frame.Reader()
    for at in range(len(data) - 1):
        bent = bytearray(data)
        bent[at] ^= 0x10
        for kind, body in reader.feed(bytes(bent)):
            pair.host.receive(kind, body, pair.now)
    assert reader.noise > 0 and pair.host.bad_tags == 0, "noise never looks like a wrong key"
    kind, body = body_of(data)
    bent = body[:-1] + bytes((body[-1] ^ 1,))
    for number, found in reader.feed(frame.build(kind, bent)):
        pair.host.receive(number, found, pair.now)
    assert pair.host.bad_tags == 1
    assert pair.host.receive(5, body, pair.now) == [("message", 1, 1, "x")]


def test_a_host_that_never_held_a_key_learns_nothing_from_a_brick():
    pair = Pair()
    other = HostLink(b"rogue..8", lambda brick8: None, None, None, make_ecb, pair.random.bytes)
    for data in pair.brick.poll(0):
        assert other.receive(*body_of(data), 0) == []
    assert not other.up and [body_of(data)[0] for data in other.poll(0)] == [7, 7]
