"""Where a host goes on when it starts: its bricks as its store has them, and the place in its chains of receipts and batches."""

import asyncio
from typing import TYPE_CHECKING

from hostagent import config as configuration
from hostagent.answers import Standing
from hostagent.bricks import Brick
from hostagent.chain import Chain, short
from hostagent.config import Config
from hostagent.errors import ControllerError
from hostagent.forwarder import Forwarder
from hostagent.intake import Intake
from hostagent.store.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostagent.store.store import Store

LANE_NAME = "host lane"


def import_links(config: Config, store: "Store") -> None:
    """Link keys of keys.json go into the store, and out of the file."""
    links = config.keys.links
    if links:
        store.import_link_keys([(link.brick, link.epoch, link.key) for link in links]).result()
        configuration.forget_links(config.keys_file, links)


def load_bricks(config: Config, receipts: Receipts) -> dict[bytes, Brick]:
    """Every brick that the configuration names or the store knows."""
    names = {brick.brick: brick.name for brick in config.bricks}
    if config.keys.lane is not None:
        names[config.keys.lane.brick] = LANE_NAME
    heads = receipts.heads().result()
    if not names.keys() <= {head.brick for head in heads}:
        # Only then: a host that starts again with a full disk has nothing to write.
        receipts.add_bricks(list(names)).result()
        heads = receipts.heads().result()
    return {head.brick: Brick.of(head, names.get(head.brick, head.brick.hex())) for head in heads}


class Position:
    """The chains' place: after the newest receipt, at an adopted place, or at 1. `adopted()` is called once a store that
    replaces a damaged one knows where the controller stands."""

    def __init__(
        self,
        store: "Store",
        receipts: Receipts,
        chain: Chain,
        forwarder: Forwarder,
        intake: Intake,
        adopted: "Callable[[], None]",
    ) -> None:
        self._store, self._receipts = store, receipts
        self._chain, self._forwarder, self._intake = chain, forwarder, intake
        self._adopted = adopted

    def find(self) -> None:
        """Sets chain and forwarder; before anything is taken."""
        meta = self._store.meta
        if "base_host_seq" in meta:
            self._chain.host_seq, self._chain.prev16 = meta["base_host_seq"], meta["base_prev16"]
            self._forwarder.start_at(meta["base_number"], meta["base_prev32"], meta["base_host_seq"])
        elif "recovered" in meta:
            self._intake.ready = False
            self._forwarder.adopt = self._adopt
        last = self._receipts.last().result()
        if last is not None:
            self._chain.host_seq, self._chain.prev16 = last[0] + 1, short(last[1])

    async def _adopt(self, standing: Standing) -> None:
        """A store that replaces a damaged one goes on where the controller stands; bricks send again what
        is missing."""
        if standing.host_seq is None or standing.prev_receipt is None:
            raise ControllerError("fork", "the controller does not say where this host's receipts go on")
        base = {
            "base_host_seq": standing.host_seq,
            "base_prev16": standing.prev_receipt,
            "base_number": standing.number,
            "base_prev32": standing.prev,
        }
        await asyncio.wrap_future(self._store.set_meta(base))
        self._chain.host_seq, self._chain.prev16 = standing.host_seq, standing.prev_receipt
        self._forwarder.start_at(standing.number, standing.prev, standing.host_seq)
        self._intake.ready = True
        self._adopted()
