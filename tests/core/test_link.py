"""The link as a brick and a host see it: up by itself, messages in order once, ratchet safe at every cut."""

import vectors
from linkpair import BRICK, HOST, KEY, Killed, Pair, body_of
from stallmark.errors import FormatError, FullError, LimitError
from stallmark.keys import next_link


def test_a_brick_opens_and_both_are_up_within_three_messages():
    pair = Pair()
    for _ in range(3):
        assert not pair.up()
        pair.step()
    assert pair.up()
    assert ("up",) in pair.brick_events and pair.host_events == [("up",)]
    assert pair.host.brick8 == BRICK and pair.brick.host8 == HOST
    assert pair.brick.handshakes == pair.host.handshakes == 1


def test_messages_arrive_in_order_in_both_directions():
    pair = Pair().bring_up()
    sent_up = []
    sent_down = []
    for number in range(40):
        if pair.brick.room:
            pair.brick.send(1, [number, bytes(number)])
            sent_up.append([number, bytes(number)])
        if pair.host.room:
            pair.host.send(36, {0: number})
            sent_down.append({0: number})
        pair.step()
    pair.run(100)
    assert pair.messages(pair.host_events) == sent_up and len(sent_up) == 40
    assert pair.messages(pair.brick_events) == sent_down and len(sent_down) == 40
    assert pair.brick.resends == pair.host.resends == 0


def test_ids_are_the_senders_or_count_up():
    pair = Pair().bring_up()
    assert pair.brick.send(2, {}) == 1
    assert pair.brick.send(2, {}, id=500) == 500
    assert pair.brick.send(2, {}) == 2
    pair.brick._last_id = 0xFFFF
    assert pair.brick.send(2, {}) == 1
    pair.run(50)
    assert [event[2] for event in pair.host_events] == [1, 500, 2, 1]


def test_window_of_four_and_queue_of_four_then_full():
    pair = Pair().bring_up()
    for number in range(8):
        assert pair.brick.room == 8 - number
        pair.brick.send(1, number)
    assert pair.brick.room == 0
    vectors.raises(FullError, pair.brick.send, 1, 8)
    assert len(pair.brick.poll(pair.now)) == 4, "no more than four unacknowledged"
    assert pair.brick.poll(pair.now) == []
    assert pair.brick.room == 0


def test_nothing_is_taken_while_down_and_bad_values_never():
    pair = Pair()
    assert pair.brick.room == pair.host.room == 0
    vectors.raises(FullError, pair.brick.send, 1, 0)
    pair.bring_up()
    vectors.raises(FormatError, pair.brick.send, 1, 1.5)
    vectors.raises(LimitError, pair.brick.send, 1, bytes(473))
    pair.brick.send(1, bytes(472))
    pair.run(20)
    assert pair.messages(pair.host_events) == [bytes(472)]


def test_a_lost_frame_comes_again_byte_for_byte_after_200_ms():
    pair = Pair().bring_up()
    for number in range(3):
        pair.brick.send(1, number)
    first = pair.brick.poll(pair.now)
    start = pair.now
    assert pair.brick.next_due(pair.now) == 200
    assert pair.brick.poll(start + 199) == []
    assert pair.brick.poll(start + 200) == first
    assert pair.brick.resends == 3


def test_progress_restarts_the_clock_and_the_rounds():
    pair = Pair().bring_up()
    pair.brick.send(1, 0)
    pair.brick.send(1, 1)
    frames = pair.brick.poll(0)
    pair.brick.poll(200)
    pair.brick.poll(400)
    pair.now = 500
    pair.to_host.append(frames[0])
    pair.deliver()
    pair.poll()
    pair.deliver()  # the acknowledgement of the first
    assert pair.brick.poll(699) == []
    assert pair.brick.poll(700) == frames[1:]
    assert pair.brick.poll(900) == frames[1:] and pair.brick.poll(1100) == frames[1:]
    pair.brick.events()
    pair.brick.poll(1300)
    assert pair.brick.events()[0][0] == "down"


def test_after_three_rounds_the_session_is_dropped_and_the_back_off_doubles_to_eight_seconds():
    pair = Pair().bring_up()
    pair.brick.send(2, {})
    pair.run(50)
    pair.brick.send(1, "lost")
    pair.now = 0
    pair.via = lambda direction, data: []
    written = []
    while pair.now < 40000:
        before = len(pair.wrote)
        pair.poll()
        for direction, data in pair.wrote[before:]:
            if direction == "b2h":
                written.append((body_of(data)[0], pair.now))
        pair.now += 10
    assert [at for kind, at in written if kind == 5] == [0, 200, 400, 600]
    down = [event for event in pair.brick_events if event[0] == "down"]
    assert len(down) == 1 and "3 resends" in down[0][1]
    opened = [at for kind, at in written if kind == 2]
    assert opened[0] == 800 + 250
    waits = [opened[i + 1] - opened[i] for i in range(len(opened) - 1)]
    assert waits == [500, 1000, 2000, 4000, 8000, 8000, 8000]


def test_a_host_waits_for_a_brick_that_computes_for_ten_seconds_and_resends_seldomer():
    pair = Pair().bring_up()
    pair.run(50)
    pair.host.send(36, {0: 1})
    start = pair.now
    at = []
    while pair.now < start + 10000:  # a signature: nothing is read, nothing is answered
        frames = pair.host.poll(pair.now)
        at += [pair.now - start] * len([1 for data in frames if body_of(data)[0] == 5])
        pair.to_brick.extend(frames)
        pair.now += 10
    assert at == [0, 200, 400, 600, 800, 1200, 2000, 3600, 6800]
    pair.run(1000)
    assert pair.up() and pair.host.handshakes == 1
    assert pair.messages(pair.brick_events) == [{0: 1}]


def test_a_host_gives_a_silent_brick_up_after_thirteen_seconds():
    pair = Pair().bring_up()
    pair.run(50)
    pair.host.send(36, {0: 1})
    start = pair.now
    while pair.host.up:
        pair.host.poll(pair.now)
        pair.now += 10
    assert pair.now - start == 13210
    assert "8 resends" in pair.host.events()[-1][1]


def test_a_good_session_resets_the_back_off():
    pair = Pair()
    pair.via = lambda direction, data: []
    pair.run(5000)
    pair.via = None
    pair.until(pair.up)
    pair.brick.send(2, {})
    pair.run(50)
    pair.via = lambda direction, data: []
    pair.brick.send(2, {})
    pair.wrote.clear()
    start = pair.now
    pair.until(lambda: any([body_of(data)[0] == 2 for _, data in pair.wrote]))
    assert pair.now - start < 800 + 250 + 20


def test_next_due_is_when_something_happens():
    pair = Pair()
    for _ in range(400):
        due = min(pair.brick.next_due(pair.now), pair.host.next_due(pair.now))
        before = len(pair.wrote)
        if due:
            pair.now += due - 1
            pair.poll()
            assert len(pair.wrote) == before, "wrote before it was due"
            pair.now += 1
        pair.poll()
        if pair.now > 120000:
            break
        if pair.random.chance(70):
            pair.deliver()
        else:
            pair.to_host.clear()
            pair.to_brick.clear()
        if pair.brick.room and pair.random.chance(30):
            pair.brick.send(1, pair.now)
    assert pair.brick.handshakes > 0


def test_each_handshake_moves_the_key_on_and_the_host_keeps_two():
    pair = Pair()
    key = KEY
    for epoch in range(1, 6):
        pair.until(pair.up)
        key = next_link(key)
        assert pair.brick_key == (epoch, key)
        assert sorted(pair.host_keys[BRICK]) == [epoch - 1, epoch]
        assert pair.host_keys[BRICK][epoch] == key
        pair.start_brick()


def test_host_killed_between_commit_and_m2():
    pair = Pair()
    pair.kill_in = "commit"
    pair.poll()
    vectors.raises(Killed, pair.deliver)
    assert pair.brick_key[0] == 0 and sorted(pair.host_keys[BRICK]) == [0, 1]
    assert pair.host.poll(pair.now)[1:] == [], "no M2 without a commit"
    pair.kill_in = None
    pair.start_host()
    pair.bring_up()
    assert pair.brick_key[0] == 1 and pair.common_epochs() == [1]


def test_brick_killed_between_advance_and_m3():
    pair = Pair()
    pair.poll()
    pair.deliver()
    pair.kill_in = "advance"
    pair.poll()
    vectors.raises(Killed, pair.deliver)
    assert pair.brick_key[0] == 1 and not pair.brick.up
    pair.kill_in = None
    pair.start_brick()
    pair.bring_up()
    assert pair.brick_key[0] == 2 and sorted(pair.host_keys[BRICK]) == [1, 2]


def test_kills_at_any_step_always_leave_a_common_key():
    for seed in range(12):
        pair = Pair(seed=seed)
        for _ in range(60):
            pair.kill_in = ("advance", "commit", None)[pair.random.below(3)]
            for _ in range(pair.random.below(5)):
                pair.poll()
                try:
                    pair.deliver()
                except Killed:
                    break
            assert pair.common_epochs(), "no common key, seed {}".format(seed)
            assert len(pair.host_keys[BRICK]) <= 3, "seed {}".format(seed)
            if pair.random.chance(50):
                pair.start_brick()
            if pair.random.chance(50):
                pair.start_host()
            pair.now += 1 + pair.random.below(3000)
        pair.kill_in = None
        pair.start_host()
        pair.start_brick()
        pair.bring_up()
        pair.brick.send(1, seed)
        pair.run(50)
        assert pair.messages(pair.host_events) == [seed]


def test_a_store_that_fails_answers_nothing_and_may_be_tried_again():
    pair = Pair()
    commit = pair.host._commit

    def full(brick8, epoch, key):
        raise OSError(28)

    pair.host._commit = full
    pair.poll()
    vectors.raises(OSError, pair.deliver)
    pair.host._commit = commit
    pair.bring_up()
    assert pair.common_epochs()


def test_a_host_that_starts_again_makes_a_quiet_brick_open_at_once():
    pair = Pair().bring_up()
    pair.run(2000)
    pair.start_host()
    start = pair.now
    pair.until(pair.up)
    assert pair.now - start < 50


def test_a_brick_that_starts_again_replaces_its_session():
    pair = Pair().bring_up()
    pair.start_brick()
    pair.until(pair.up)
    assert [event[0] for event in pair.host_events] == ["down", "up"]
    pair.brick.send(1, "after")
    pair.run(20)
    assert pair.messages(pair.host_events) == ["after"]


def test_a_session_ends_before_its_counter_reaches_two_to_the_31():
    pair = Pair().bring_up()
    last = (1 << 31) - 1
    pair.brick._session._next_out = pair.host._session._next_in = last
    pair.brick.send(1, "last")
    pair.brick.send(1, "one too many")
    pair.run(20)
    assert pair.messages(pair.host_events) == ["last"]
    assert any([event[0] == "down" and "counters" in event[1] for event in pair.brick_events])
    pair.until(pair.up)
    pair.brick.send(1, "again")
    pair.run(20)
    assert pair.messages(pair.host_events)[-1] == "again"


def test_two_bricks_on_one_port_one_after_the_other():
    pair = Pair().bring_up()
    other = b"other..8"
    pair.host_keys[other] = {4: bytes(32)}
    old = pair.brick
    from stallmark.link import BrickLink

    pair.brick = BrickLink(other, 4, bytes(32), 1, old._make_ecb, pair.random.bytes, lambda epoch, key: None)
    pair.until(pair.up)
    assert pair.host.brick8 == other
    assert [event[0] for event in pair.host_events] == ["down", "up"]
    assert sorted(pair.host_keys[other]) == [4, 5]
