"""Provision one blank brick over its serial port: the plain frames of docs/formats/keys.md, from the bench's end."""

import time
from dataclasses import dataclass
from typing import Any

import serial
from stallmark import frame, keys, provision
from stallmark import registry as reg
from stallmark.errors import StallmarkError

ANSWER_SECONDS = 5.0
READ_BYTES = 512


class ProvisionError(StallmarkError):
    """The brick did not answer, refused, or proved other keys than the bench's; the message says what to do."""


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
            raise ProvisionError(
                f"cannot open {port}: {failed.strerror or failed}; check the cable and your permission"
            ) from failed

    def close(self) -> None:
        """Leaves the port."""
        self._serial.close()

    def ask(self, body: bytes, seconds: float = ANSWER_SECONDS) -> bytes:
        """One provisioning request and its answer's body; raises ProvisionError in plain words."""
        deadline = time.monotonic() + seconds
        resend_at = 0.0
        while time.monotonic() < deadline:
            if time.monotonic() >= resend_at:
                # A brick that is still starting up hears nothing: ask again every half second; requests are idempotent.
                self._serial.write(b"\x00" + bytes(frame.build(reg.FRAME_PROVISION_REQUEST, body)))
                resend_at = time.monotonic() + 0.5
            for kind, answer in self._reader.feed(self._serial.read(READ_BYTES)):
                if kind == reg.FRAME_PROVISION_ANSWER:
                    return bytes(answer)
                if kind == reg.FRAME_NOTICE and answer and answer[0] == reg.NOTICE_PROVISIONED:
                    raise ProvisionError(
                        "this brick already has keys: erase it with the boot button held, then try again"
                    )
        raise ProvisionError("the brick does not answer: is it powered, and is this its port?")


def provision_brick(port: str, rental: Rental, entropy: bytes, wall_ms: int) -> Provisioned:
    """Mixes the bench's entropy with the brick's, hands over the rental, checks the brick's proof.

    `entropy`: 32 bytes from this machine's random source. Raises ProvisionError.
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
        )
        brick, _, root = provision.finish(request, identity, bench.ask(request))
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
