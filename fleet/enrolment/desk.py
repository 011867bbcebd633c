"""The running controller's side of enrolment: who was seen is written down, what people decided is carried out.

`look` runs every second and after each decision of the API: it reads what is in the tables, so that a command beside the
controller and its own API do the same. Revocation counts from then on, also for a host that waits."""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Lock

from fleet import enrolled
from fleet.api.access import Access
from fleet.buckets import Buckets
from fleet.config import Host
from fleet.controller import Controller
from fleet.enrolment import decide, pending
from fleet.enrolment.pending import BRICK, HOST, Sight
from fleet.enrolment.signed import Nonces, Request, check, read
from fleet.errors import Refused
from fleet.looking import look_again
from fleet.people.limits import Attempts, network

LOOK_S = 1.0
TROUBLE_S = 5.0
RATE, BURST = 1.0, 60.0  # calls a second of hosts that nobody knows, for long and at once, by address
MOST_UNSAVED = 128  # strangers between two looks; more are counted and not kept

logger = logging.getLogger(__name__)


class Desk:
    """One for a controller that serves. `woken` is told the kits whose hosts must ask again."""

    def __init__(self, controller: Controller, access: Access) -> None:
        self._controller = controller
        self._access = access
        self._seen: OrderedDict[tuple[str, bytes], Sight] = OrderedDict()
        self._ends: dict[bytes, str] = {}
        self._lock = Lock()
        self.nonces = Nonces(controller.clock.now_ms())
        self.tries = Attempts()  # of labels' codes, by person
        self.places = Attempts(free=20)  # the same, by address
        self.unsigned = Attempts(free=20)  # requests whose signature does not hold, by address
        self.calls = Buckets(time.monotonic, RATE, BURST)  # of hosts that nobody knows: each one is written down
        self.dropped = 0
        self.woken: Callable[[Iterable[bytes]], None] = lambda _kits: None
        access.stranger = self.bearer
        controller.strangers = self.bricks
        self.look()

    # --- who shows up

    def bearer(self, digest: bytes, address: str) -> None:
        """Somebody came with a token that nobody knows. Its number is its digest's beginning."""
        now_ms = self._controller.clock.now_ms()
        said = json.dumps({"came with": "a bearer token", "from": network(address)})
        self._note(Sight(HOST, digest[:8], False, now_ms, now_ms, said=said))

    def bricks(self, host: Host, found: Iterable[bytes]) -> None:
        """A known host delivered records of bricks that are not."""
        now_ms = self._controller.clock.now_ms()
        for brick in found:
            self._note(Sight(BRICK, brick, True, now_ms, now_ms, kit=host.kit, seen_by=host.host))

    def _note(self, sight: Sight) -> None:
        key = (sight.kind, sight.device)
        with self._lock:
            before = self._seen.get(key)
            if before is None and len(self._seen) >= MOST_UNSAVED:
                self.dropped += 1
                return
            count = 1 if before is None else before.count + 1
            first_ms = sight.first_ms if before is None else before.first_ms
            self._seen[key] = replace(sight, count=count, first_ms=first_ms)

    # --- hosts that sign

    def sign_in(self, request: Request) -> tuple[str, float]:
        """A short token for a signed request of a known host. Raises Refused 401, 403, 429."""
        signed = read(request)
        host = self._access.known(signed.key)
        if host is None:
            raise Refused(
                401, "this key is not known here: call /v1/hosts/enrol, and have it accepted", enrol=1
            )
        check(signed, host.public)
        self.nonces.take(signed, self._controller.clock.now_ms())
        return self._access.lend(host)

    def call(
        self, request: Request, public: bytes, kit: bytes | None, said: dict[str, str]
    ) -> dict[str, object]:
        """A host shows itself: its request is signed by the key that it names. What it is then. Raises Refused 401, 429."""
        signed = read(request)
        if decide.kid8(public) != signed.key:
            raise Refused(401, "the key of the body is another than the one that signed")
        check(signed, public)
        now_ms = self._controller.clock.now_ms()
        known = self._access.known(signed.key)
        if known is None:
            # Anybody can make keys: what they do must not push out what is remembered of hosts that are known.
            self.nonces.young(signed, now_ms)
            if not self.calls.take(said.get("from", "")):
                raise Refused(429, "too many hosts that nobody knows call from this address", retry_after=5)
        else:
            self.nonces.take(signed, now_ms)
            self._access.demand(known)
            return {"state": "accepted", "kit": known.kit.hex(), "rental": known.rental}
        sight = Sight(
            HOST,
            signed.key,
            True,
            now_ms,
            now_ms,
            public=public,
            kit=kit,
            said=json.dumps(said, sort_keys=True),
        )
        with self._controller.database.write() as connection:
            row = pending.saw(connection, sight)
        return {name: row[name] for name in ("state", "reason", "first_ms", "count")}

    # --- carrying out

    def look(self) -> None:
        """Writes down who was seen; learns who was accepted, who ended. Raises SQLAlchemyError, OSError."""
        with self._lock:
            seen, self._seen = self._seen, OrderedDict()
        if seen:
            with self._controller.database.write() as connection:
                for sight in seen.values():
                    pending.saw(connection, sight)
        with self._controller.database.read() as connection:
            hosts = enrolled.accepted(connection)
            ends = {host: str(one["reason"]) for host, one in decide.ends(connection).items()}
        new = [host for host in hosts if self._access.known(host.host) != host]
        if new:
            self._controller.admit(new)
            for host in new:
                self._access.admit(host)
        fresh = {host: reason for host, reason in ends.items() if self._ends.get(host) != reason}
        kits: set[bytes] = set()
        for host, reason in fresh.items():
            self._access.end(host, reason)
            known = self._access.known(host)
            if known is not None:
                kits.add(known.kit)
        self._ends = ends
        if kits:
            self.woken(kits)

    def decided(self) -> None:
        """After a decision of the API: at once."""
        self.look()
        self._controller.renew(force=True)

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_again(self.look, logger, "enrolment", LOOK_S, TROUBLE_S)
