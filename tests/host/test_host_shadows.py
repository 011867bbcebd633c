"""Rules to be tried, at the host: the controller's orders as they are, bundles that fit, a brick's word as it is."""

import asyncio
import hashlib

from stallmark import bundle, shadow
from stallmark import registry as reg

from hostagent.bricks import Brick
from hostagent.errors import ControllerError
from hostagent.shadows import Shadows

BRICK8, OTHER8 = b"brick--1", b"brick--2"
ARTEFACT = b"rules" * 300
ENVELOPE = bundle.envelope(bundle.TYPE, bundle.manifest(ARTEFACT, 2), [(b"k" * 8, b"s" * 64)])
BUNDLE = bundle.join(ENVELOPE, ARTEFACT)
DIGEST = hashlib.sha256(ENVELOPE).digest()


class Shelf:
    """Targets by digest; `away`: the network is."""

    def __init__(self):
        self.away = False

    async def get(self, digest, length=None):
        if self.away:
            raise ControllerError("network", "no answer")
        return {DIGEST: ENVELOPE, hashlib.sha256(ARTEFACT).digest(): ARTEFACT}[digest]


def entry(brick8=BRICK8, **more):
    return {
        "brick": brick8.hex(), "bundle": DIGEST.hex(), "artefact": hashlib.sha256(ARTEFACT).hexdigest(),
        "artefact_length": len(ARTEFACT), "length": len(BUNDLE), "until_ms": 9, "tag": "ab" * 16,
    } | more  # fmt: skip


def host():
    bricks = {brick8: Brick(1, brick8, "brick", 1, None, 0, None, None) for brick8 in (BRICK8, OTHER8)}
    shelf = Shelf()
    return Shadows(shelf, bricks, lambda brick8: None), bricks, shelf


def said(state):
    fields = {0: 1, 1: BRICK8, 2: DIGEST[:8], 3: state, 4: 1, 5: 1, 6: 0, 7: 0, 8: [], 9: 0, 10: [0] * 4, 11: [], 12: 0, 13: 0}
    return {0: shadow.summary(fields), 1: b"t" * 16}


def test_an_order_is_handed_on_once_and_again_over_a_new_link_or_after_an_installation():
    made, bricks, _ = host()
    brick = bricks[BRICK8]
    assert made.next_for(brick) is None
    asyncio.run(made.answered({"shadow": [entry()]}))
    told = reg.MSG_SHADOW, {0: DIGEST, 1: len(BUNDLE), 2: 9, 3: b"\xab" * 16}
    assert made.next_for(brick) == told and made.next_for(brick) is None and made.next_for(bricks[OTHER8]) is None
    assert made.message(brick, said(shadow.RUNNING)) and brick.shadow == (said(shadow.RUNNING)[0], b"t" * 16)
    asyncio.run(made.answered({"shadow": [entry()]}))
    assert made.next_for(brick) is None
    made.linked(brick)
    assert made.next_for(brick) == told
    made.message(brick, said(shadow.GAVE_WAY))
    made._told[BRICK8] -= 60_000
    assert made.next_for(brick) == told
    asyncio.run(made.answered({}))
    assert made.next_for(brick) == (reg.MSG_SHADOW, {0: None}) and made.next_for(brick) is None and brick.shadow is None
    assert made.message(brick, said(shadow.OVER)) and brick.shadow is None, "nobody asked for it any more"


def test_pieces_are_of_what_was_ordered_and_could_be_fetched():
    made, bricks, shelf = host()
    shelf.away = True
    asyncio.run(made.answered({"shadow": [entry()]}))
    assert made.next_for(bricks[BRICK8]) is None and made.chunk(DIGEST[:8], 0) is None
    shelf.away = False
    asyncio.run(made.answered({"shadow": [entry()]}))
    pieces = b"".join(made.chunk(DIGEST[:8], at) for at in range(0, len(BUNDLE), 256))
    assert pieces == BUNDLE and made.chunk(DIGEST[:8], len(BUNDLE)) is None and made.chunk(bytes(8), 0) is None
    asyncio.run(made.answered({"shadow": [entry(length=len(BUNDLE) + 1)]}))
    made._data.clear()
    asyncio.run(made.answered({"shadow": [entry(length=len(BUNDLE) + 1)]}))
    assert made.next_for(bricks[BRICK8]) is None, "another length than the controller signed"


def test_orders_and_summaries_of_another_form_are_left_alone():
    made, bricks, _ = host()
    brick = bricks[BRICK8]
    wrong = (
        5, None, {}, entry(b"nobody--"), entry(tag="ab"), entry(length=True), entry(length=70_000), entry(artefact_length=0),
        entry(bundle="zz"), entry(until_ms=-1),
    )  # fmt: skip
    for answer in ({"shadow": 5}, {"shadow": list(wrong)}):
        asyncio.run(made.answered(answer))
        assert made.next_for(brick) is None
    for value in ({}, {0: b"x"}, {0: b"x", 1: b"t" * 15}, {0: bytes(441), 1: b"t" * 16}, {0: "x", 1: b"t" * 16}):
        assert not made.message(brick, value)
    made.message(brick, {0: b"no summary", 1: b"t" * 16})
