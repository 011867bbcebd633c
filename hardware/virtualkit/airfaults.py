"""What can be wrong with the air between a host and its bricks, as parameters that may be changed at any time."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class AirFaults:
    """Probabilities are of one packet. A link layer repeats what it loses or gives up: single losses below are those of a
    stack that runs out of buffers.

    latency_ms, jitter_ms  on every packet of a connection, one way; the order is kept
    lost_adverts           advertisements that nobody hears
    lost_notifies          notifications that never arrive
    lost_writes            writes without response that never arrive
    fail_connects          so many of the next connections break while they begin
    mtu                    most that a brick agrees to
    stale_bonds            at so many of the next connections the host's machine holds a pairing that the brick knows nothing
                           of: what is written or subscribed to fails until that pairing is removed
    nonsense               so many of the next reads are answered by a value of another type
    rssi                   dBm that advertisements are heard at
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    lost_adverts: float = 0.0
    lost_notifies: float = 0.0
    lost_writes: float = 0.0
    fail_connects: int = 0
    mtu: int = 517
    stale_bonds: int = 0
    nonsense: int = 0
    rssi: int = -60


def _slow(faults: AirFaults) -> None:
    faults.latency_ms, faults.jitter_ms = 15.0, 10.0


def _deaf(faults: AirFaults) -> None:
    faults.lost_adverts = 0.7


def _no_bell(faults: AirFaults) -> None:
    faults.lost_notifies = 1.0


def _lost_writes(faults: AirFaults) -> None:
    faults.lost_writes = 0.1


def _broken_connects(faults: AirFaults) -> None:
    faults.fail_connects = 2


def _smallest_mtu(faults: AirFaults) -> None:
    faults.mtu = 23


def _stale_bond(faults: AirFaults) -> None:
    faults.stale_bonds = 1


def _weak(faults: AirFaults) -> None:
    faults.rssi = -92


FAULTS: dict[str, Callable[[AirFaults], None]] = {
    "slow air": _slow,
    "advertisements lost": _deaf,
    "notifications lost": _no_bell,
    "writes lost": _lost_writes,
    "connections fail": _broken_connects,
    "MTU 23": _smallest_mtu,
    "stale pairing": _stale_bond,
    "weak signal": _weak,
}
"""Names of the radio faults, each as a change of an AirFaults. Connections that break are an act, not a state:
`Air.interrupt` and `Air.away`."""
