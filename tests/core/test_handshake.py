"""Handshake and sealed frames, byte for byte against another implementation."""

import vectors
from ports import make_ecb
from stallmark import control, frame, handshake, keys
from stallmark.errors import FormatError
from stallmark.hostlink import HostLink
from stallmark.link import BrickLink


def _link():
    vector = vectors.load("link.json")
    return vector, lambda name: bytes.fromhex(vector[name])


def _ends(vector, octets):
    moved = []
    brick = BrickLink(
        octets("brick8"),
        vector["epoch"],
        octets("key"),
        vector["boot"],
        make_ecb,
        lambda n: octets("nonce_brick"),
        lambda epoch, key: moved.append((epoch, key)),
    )
    held = {octets("brick8"): {vector["epoch"]: octets("key")}}
    host = HostLink(
        octets("host8"),
        held.get,
        lambda brick8, epoch, key: held[brick8].update({epoch: key}),
        lambda brick8, epoch: None,
        make_ecb,
        lambda n: octets("nonce_host"),
    )
    return brick, host, moved, held


def _take(end, data, now_ms=0):
    events = []
    for kind, body in frame.Reader().feed(data):
        events.extend(end.receive(kind, body, now_ms))
    return events


def test_messages_of_the_handshake():
    vector, octets = _link()
    key = octets("key")
    m1 = handshake.make_m1(
        key, octets("brick8"), vector["epoch"], vector["boot"], vector["attempt"], octets("nonce_brick")
    )
    assert m1 == octets("m1") and handshake.check_m1(key, m1)
    m2 = handshake.make_m2(key, m1, octets("host8"), octets("nonce_host"), vector["epoch"])
    assert m2 == octets("m2") and handshake.check_m2(key, m1, m2)
    m3 = handshake.make_m3(key, m1, m2)
    assert m3 == octets("m3") and handshake.check_m3(key, m1, m2, m3)
    assert handshake.parse_m1(m1) == (octets("brick8"), vector["epoch"], vector["boot"], vector["attempt"])
    assert handshake.parse_m2(m2) == (octets("host8"), vector["epoch"], 0)
    made = handshake.session_keys(key, m1, m2)
    assert made.session == octets("session")
    assert made.b2h_enc + made.b2h_mac + made.h2b_enc + made.h2b_mac == octets("keys")
    assert keys.next_link(key) == octets("next_key")


def test_both_ends_write_the_frames_of_the_vector():
    vector, octets = _link()
    brick, host, moved, held = _ends(vector, octets)
    assert brick.poll(0) == [b"\x00" + octets("frame_m1")]
    _take(host, octets("frame_m1"))
    assert held[octets("brick8")][vector["epoch"] + 1] == octets("next_key"), "committed before M2"
    assert host.poll(0) == [b"\x00" + octets("frame_m2")]
    assert _take(brick, octets("frame_m2")) == [("up",)]
    assert moved == [(vector["epoch"] + 1, octets("next_key"))], "durable before M3"
    for message in vector["messages"]:
        if message["direction"] == 0:
            brick.send(message["kind"], vectors.value(message["value"]), id=message["id"])
    sealed = [bytes.fromhex(message["frame"]) for message in vector["messages"]]
    assert brick.poll(0) == [b"\x00" + octets("frame_m3"), sealed[0], sealed[1]]
    assert _take(host, octets("frame_m3")) == [("up",)]
    for message in vector["messages"]:
        if message["direction"] == 1:
            host.send(message["kind"], vectors.value(message["value"]), id=message["id"])
    assert host.poll(0) == [sealed[2], sealed[3]]
    expected = [("message", m["kind"], m["id"], vectors.value(m["value"])) for m in vector["messages"]]
    assert _take(host, sealed[0] + sealed[1]) == expected[:2]
    assert _take(brick, sealed[2] + sealed[3]) == expected[2:]
    assert brick.poll(0) == [octets("ack_of_brick")]
    assert host.poll(0) == [octets("ack_of_host")]
    _take(brick, octets("ack_of_host"))
    _take(host, octets("ack_of_brick"))
    assert brick.room == 8 and host.room == 8
    assert brick.poll(10000) == [] and host.poll(10000) == []


def test_the_order_for_a_new_link_key():
    vector, octets = _link()
    order = vector["rekey"]
    k_ctl, tag, key = [bytes.fromhex(order[name]) for name in ("k_ctl", "tag", "key")]
    assert control.rekey_tag(k_ctl, octets("brick8"), order["epoch"]) == tag
    assert control.rekey_taken(k_ctl, octets("brick8"), order["epoch"], tag) == key
    assert control.rekey_taken(k_ctl, octets("brick8"), order["epoch"] + 1, tag) is None
    brick, host, moved, _ = _ends(vector, octets)
    host._rekey = lambda brick8: (order["epoch"], tag)
    brick._rekey = lambda epoch, tag: control.rekey_taken(k_ctl, octets("brick8"), epoch, tag)
    brick.poll(0)
    _take(host, octets("frame_m1"))
    assert host.poll(0)[0] == b"\x00" + bytes.fromhex(order["frame"])
    _take(brick, bytes.fromhex(order["frame"]))
    assert moved == [(order["epoch"], key)]


def test_messages_of_another_length_are_refused():
    _, octets = _link()
    for size in (0, 51, 53):
        vectors.raises(FormatError, handshake.parse_m1, (octets("m1") + b"x")[:size])
    for size in (0, 45, 47):
        vectors.raises(FormatError, handshake.parse_m2, (octets("m2") + b"x")[:size])


def test_a_tag_binds_every_byte_and_the_key():
    _, octets = _link()
    key, m1, m2, m3 = octets("key"), octets("m1"), octets("m2"), octets("m3")
    other = octets("next_key")
    assert not handshake.check_m1(other, m1)
    assert not handshake.check_m2(other, m1, m2)
    assert not handshake.check_m3(other, m1, m2, m3)
    for at in range(52):
        bent = m1[:at] + bytes((m1[at] ^ 1,)) + m1[at + 1 :]
        assert not handshake.check_m1(key, bent) and not handshake.check_m2(key, bent, m2)
    for at in range(46):
        bent = m2[:at] + bytes((m2[at] ^ 1,)) + m2[at + 1 :]
        assert not handshake.check_m2(key, m1, bent) and not handshake.check_m3(key, m1, bent, m3)
    assert not handshake.check_m3(key, m1, m2, m3[:15]) and not handshake.check_m3(key, m1, m2, b"")
