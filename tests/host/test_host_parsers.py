"""What comes from outside in any shape is counted or refused: answers of a controller, messages of a brick."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_xchacha
from nacl.exceptions import CryptoError
from stallmark import batch, cbor, frame
from stallmark import registry as reg

from hostagent import answers, appliance, batches, signer, updater
from hostagent.bricks import Brick, Status
from hostagent.config import Quorum
from hostagent.core import new_reader
from hostagent.errors import BundleRefused, ControllerError
from hostagent.links.session import Session
from hostagent.store.receipts import Head, Row
from tests.world import World

SETTINGS = settings(max_examples=200, deadline=None)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40), st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.integers(-5, 20), inner, max_size=8)
    ),
    max_leaves=20,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=40)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=15,
)


@SETTINGS
@given(VALUES)
def test_status_and_diagnostics_of_any_shape(value):
    status = Status.parse(value)
    assert status is None or status.oldest_seq <= status.next_seq
    found = appliance.parse(value, None)
    assert found is None or type(found["uptime_ms"]) is int
    json.dumps(found)


class _Link:
    """A link that is up and takes everything."""

    brick8 = b"brick-id"
    up = True
    room = 8

    def __init__(self):
        self.queue = []

    def receive(self, kind, body, now_ms):
        return [self.queue.pop(0)] if self.queue else []

    def poll(self, now_ms):
        return []

    def events(self):
        return []

    def next_due(self, now_ms):
        return 1000

    def send(self, kind, value, id=None, now_ms=0):
        cbor.encode(value)
        return 1


class _Nothing:
    """Parts of the host that a message may reach; they only have to be called with what they expect."""

    pending = 0
    on_ruleset = None

    def submit(self, brick, value):
        brick.counters["submitted"] += 1

    def skip_to(self, brick, oldest):
        assert type(oldest) is int

    def slices_of(self, brick):
        return []

    def on_status(self, brick):
        assert brick.status is not None

    def on_result(self, brick, first, second, *text):
        assert type(second) is int

    def offer_for(self, brick):
        return None

    def chunk(self, digest8, offset):
        assert type(digest8) is bytes and type(offset) is int

    def now_ms(self):
        return 1_790_000_000_000

    def known(self):
        return True


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 60), VALUES), max_size=5))
def test_messages_of_any_kind_and_shape(messages):
    link, nothing = _Link(), _Nothing()
    brick = Brick.of(Head(1, b"brick-id", 1, bytes(16), None, None), "brick-1")
    session = Session(link, {b"brick-id": brick}, nothing, nothing, nothing, nothing, lambda data: None)

    def heard(event):
        link.queue.append(event)
        session.received(b"\x00" + bytes(frame.build(reg.FRAME_SEALED, b"x")))

    heard(("up",))
    for kind, value in messages:
        heard(("message", kind, 1, value))
    session.tick()


@SETTINGS
@given(st.binary(max_size=2000))
def test_bytes_on_the_wire(data):
    reader = new_reader()
    for kind, body in reader.feed(data):
        assert type(kind) is int and type(body) is bytes


@SETTINGS
@given(JSON)
def test_answers_of_any_shape(value):
    for parse in (answers.read_mark, answers.read_slice, lambda v: answers.read_object(json.dumps(v).encode())):
        try:
            parse(value)
        except ControllerError as refused:
            assert refused.kind == "unreadable"
    for status in (200, 401, 409, 422, 500, 302):
        error = answers.refusal(status, json.dumps(value).encode())
        assert isinstance(error, ControllerError) and str(error)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"number": 1, "reason": [', '{"number":[', '{"keys":['])
@pytest.mark.parametrize("levels", [50, 900, 5000, 50_000])
def test_answers_nested_however_deep(opening, levels):
    for body in (opening * levels, opening + "[" * levels + "]" * levels + "]}"):
        try:
            answers.read_object(body.encode())
        except ControllerError as refused:
            assert refused.kind == "unreadable"
        for status in (401, 409, 422, 500, 302):
            error = answers.refusal(status, body.encode())
            assert isinstance(error, ControllerError) and len(str(error)) < 400


def test_a_counter_is_a_number():
    pairs = [[1, 5], ["text", 6], [None, 7], [True, 8], [[1], 9], [b"x", 10], [1.5, 11], [4711, 12]]
    counters = appliance.parse({0: 1, 3: pairs}, None)["counters"]
    assert sorted(counters.values()) == [5, 12]
    assert all(len(name) < 60 for name in counters)


@SETTINGS
@given(st.binary(max_size=600))
def test_bundles_of_any_bytes(data):
    try:
        updater.verify(data, Quorum(1, {bytes(8): bytes(32)}))
    except BundleRefused as refused:
        assert str(refused)
    else:
        raise AssertionError("accepted")


@SETTINGS
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=70))
def test_signatures_of_any_bytes(public, message, signature):
    assert signer.verify(public, message, signature) is False


def test_a_sealed_private_part_opens_only_in_its_own_place():
    world = World(121)
    made = world.record()
    host = world.host
    row = Row(1, 1, made.seq, world.now_ms, world.receipt(made), made.private)
    key = batches.new_key(world.event, made.private_fields[1])
    closed = batches.close(
        [row],
        {1: world.bricks[0].brick8},
        {key.subject: key},
        1,
        bytes(32),
        host.host8,
        host.host8,
        world.now_ms,
        batches.Losses(0, 0),
        host.sign,
    )
    (entry,) = batch.parse(batches.body(closed, [row])).private
    aad = batch.private_aad(entry[0], entry[1])
    assert open_xchacha(entry[5], aad, entry[4], key.key) == made.private
    for wrong in (batch.private_aad(entry[0], entry[1] + 1), batch.private_aad(bytes(8), entry[1])):
        try:
            open_xchacha(entry[5], wrong, entry[4], key.key)
        except CryptoError:
            continue
        raise AssertionError("opened in another place")
