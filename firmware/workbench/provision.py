"""Provision one blank brick over its serial port: the plain frames of docs/formats/keys.md, from the bench's end."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import serial
from stallmark import cbor, frame, handshake, keys, provision
from stallmark import registry as reg
from stallmark.errors import FormatError

from workbench.errors import BenchError, HasKeys, NoPermission, NoPort, Silent, Unplugged
from workbench.esptool import MISSING_PERMISSION

ANSWER_SECONDS = 5.0
RESEND_SECONDS = 0.5
READ_BYTES = 512


class ProvisionError(BenchError):
    """The brick did not answer, refused, or proved other keys than the bench's; the message says what to do."""

    kind = "provisioning"


class BrickSilent(ProvisionError, Silent):
    """Nobody answers provisioning frames on this port."""


MOST_AUTHORS = 7  # that fit a provisioning request


class BrickHasKeys(ProvisionError, HasKeys):
    """The brick is provisioned."""


class PortGone(ProvisionError, Unplugged):
    """The port went away."""


@dataclass(frozen=True)
class Rental:
    """What a brick is told about the kit, the event and the people whose signatures count."""

    rental: int
    event_key: bytes
    event: bytes
    authors: list[tuple[bytes, bytes]]
    threshold: int
    kit: bytes
    hub: bytes
    director: bytes
    host: bytes
    currency: str
    first_root: bytes | None = None  # SHA-256 of the payload of the root that it is to be told first


@dataclass(frozen=True)
class Provisioned:
    """A brick's identity and the secrets that go to controller (root) and host (link key); keep neither here."""

    brick: bytes
    root: bytes
    link_key: bytes
    hardware: str
    flash_bytes: int
    firmware_digest: bytes


class Bench:
    """One serial port with a brick at its other end."""

    def __init__(self, port: str, baud: int = 115200) -> None:
        self._serial = serial.Serial()
        self._serial.port = port
        self._serial.baudrate = baud
        self._serial.timeout = 0.05
        # Opening the port must not reset the board through DTR and RTS.
        self._serial.dtr = False
        self._serial.rts = False
        self._reader = frame.Reader()
        try:
            self._serial.open()
        except OSError as failed:
            if failed.errno == 13 or "Permission denied" in str(failed):
                raise NoPermission(MISSING_PERMISSION.format(port=port)) from failed
            if failed.errno == 2:
                raise NoPort(f"there is no {port}: plug the brick in, or name another port") from failed
            raise ProvisionError(
                f"cannot open {port}: {failed.strerror or failed}; check the cable and your permission"
            ) from failed
        self._port = port

    def close(self) -> None:
        """Leaves the port."""
        self._serial.close()

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Frames that have arrived, after at most 50 ms of waiting. Raises PortGone."""
        for kind, body in self._reader.feed(self._io(self._serial.read, READ_BYTES)):
            yield kind, bytes(body)

    def send(self, kind: int, body: bytes) -> None:
        """One frame. Raises PortGone."""
        self._io(self._serial.write, b"\x00" + bytes(frame.build(kind, body)))

    def ask(self, body: bytes, seconds: float = ANSWER_SECONDS, resend: float = RESEND_SECONDS) -> bytes:
        """One provisioning request and its answer's body; raises ProvisionError in plain words."""
        wanted = _command(body)
        deadline = time.monotonic() + seconds
        resend_at = 0.0
        while time.monotonic() < deadline:
            if time.monotonic() >= resend_at:
                # A brick that is still starting up hears nothing: ask again now and then; requests are idempotent.
                self.send(reg.FRAME_PROVISION_REQUEST, body)
                resend_at = time.monotonic() + resend
            for kind, answer in self.frames():
                if kind == reg.FRAME_PROVISION_ANSWER and _command(answer) in (wanted, 0):
                    return answer
                if kind == reg.FRAME_NOTICE and answer and answer[0] == reg.NOTICE_PROVISIONED:
                    raise BrickHasKeys(
                        "this brick already has keys: flash it again (`stallmark brick flash`), which erases and revokes them"
                    )
        raise BrickSilent("the brick does not answer: is it powered, and is this its port?")

    def proof(self, brick: bytes, link_key: bytes, seconds: float) -> None:
        """Waits until the brick opens its link with the keys just made: then they are durable, its journal is open and its
        first record written. No key is used up: the message is only checked. Raises ProvisionError."""
        deadline = time.monotonic() + seconds
        said = ""
        while time.monotonic() < deadline:
            for kind, body in self.frames():
                if kind == reg.FRAME_M1 and body[:8] == brick:
                    if handshake.check_m1(link_key, body):
                        return
                    raise ProvisionError(
                        "the brick opened its link with another key than the bench has: flash it again"
                    )
                if kind == reg.FRAME_LOG and body:
                    said = frame.parse_text(body)[1]
        words = f"; its last words: {said}" if said else ""
        raise BrickSilent(
            f"the brick has its keys and does not start to work with them{words}: flash it again"
        )

    def _io(self, call: Any, argument: Any) -> Any:
        try:
            return call(argument)
        except OSError as gone:  # pyserial's own error is one of these
            raise PortGone(
                f"the brick on {self._port} went away: check cable and socket, plug it in again and repeat"
            ) from gone


def fields_of(body: bytes) -> dict[int, Any]:
    """The map of a request or an answer; empty where it is none."""
    try:
        fields: Any = cbor.decode(body)
    except FormatError:
        return {}
    return cast("dict[int, Any]", fields) if isinstance(fields, dict) else {}


def _command(body: bytes) -> Any:
    return fields_of(body).get(1)


def provision_brick(
    port: str,
    rental: Rental,
    entropy: bytes,
    wall_ms: int,
    proof_seconds: float = 0.0,
    about_to: Callable[[bytes], None] = lambda _: None,
) -> Provisioned:
    """Mixes the bench's entropy with the brick's, hands over the rental, checks the brick's proof.

    `entropy`: 32 bytes from this machine's random source. `proof_seconds`: wait so long for the brick to open its link with
    the keys; 0: do not wait. `about_to(brick)` is called before the brick is asked to make its keys: whatever happens
    from then on, it may have them. Raises ProvisionError.
    """
    bench = Bench(port)
    try:
        identity: dict[str, Any] = provision.parse_identity(bench.ask(provision.identify_request()))
        request = provision.provision_request(
            entropy,
            rental.rental,
            rental.event_key,
            rental.event,
            [list(author) for author in rental.authors],
            rental.threshold,
            rental.kit,
            rental.hub,
            rental.director,
            rental.host,
            wall_ms,
            rental.currency,
            # Beside seven authors there is no room for it: such a brick takes its first root as older ones do.
            rental.first_root if len(rental.authors) < MOST_AUTHORS else None,
        )
        about_to(keys.brick_id(keys.root0(identity["entropy"], entropy)))
        brick, _, root = provision.finish(request, identity, bench.ask(request))
        if proof_seconds:
            bench.proof(brick, keys.link_key0(root), proof_seconds)
    finally:
        bench.close()
    return Provisioned(
        brick,
        root,
        keys.link_key0(root),
        identity["hardware"],
        identity["flash_bytes"],
        identity["firmware_digest"],
    )
