"""What a brick says of its body, in safe mode too: memory, power, start-ups, clock, late tasks (docs/formats/link.md)."""

import gc
import sys

from stallmark import cbor
from stallmark.constant import const

from brick.supervisor import task_name

_SECTOR = const(4096)
_MARK_SECTORS = const(2)  # of the journal's partition: the others are the ring
_PAGES = const(16)
_ROOM = const(440)  # of a message's 475 bytes
_PROBES = (8192, 4096, 2048, 1024, 512, 256)


def largest_block():
    """The largest block that can be had, up to 8 KiB: the brick needs none above 4 KiB after its start."""
    for size in _PROBES:
        try:
            bytearray(size)
        except MemoryError:
            continue
        return size
    return 0


def _mem(name):
    """What MicroPython's collector says of the heap; 0 on an interpreter that says nothing."""
    ask = getattr(gc, name, None)
    return 0 if ask is None else ask()


class Vitals:
    """Makes the diagnostics message. `watch.late()`: names of late tasks; `journal`: None where it is not open."""

    def __init__(self, port, clock, counters, boots, watch, journal=None):
        self._clock = clock
        self._counters = counters
        self._boots = boots
        self._watch = watch
        self._journal = journal
        self._pages = (port.flash("journal").size // _SECTOR - _MARK_SECTORS) * _PAGES
        self._reason = port.reset_reason
        self._from = 0  # the counter with which the next message begins
        self.speed = None  # brick.speed.Speed, where somebody decides
        self.power = None  # brick.power.Power, where this board measures

    def message(self):
        """The diagnostics. Counters that find no room are in the next message: it begins where this one ended."""
        gc.collect()
        free, used = _mem("mem_free"), _mem("mem_alloc")
        clock, boots = self._clock, self._boots
        age_ms = clock.age_ms
        value = {
            0: clock.uptime_ms(),
            1: free,
            2: used,
            3: [],
            4: largest_block(),
            5: None if self.power is None else self.power.facts(),
            6: [self._reason, boots.bad, boots.safe, task_name(boots.culprit)],
            7: self._watch.late()[:4],
            8: [clock.quality, clock.spread_ms, None if age_ms is None else age_ms // 1000, clock.drift_ppm],
            9: ".".join([str(part) for part in sys.implementation[1][:3]]),
            10: [boots.erases, None if self._journal is None else self._journal.next_seq // self._pages],
        }
        if self.speed is not None:
            value[11] = self.speed.facts()
        self._fill(value)
        return value

    def _fill(self, value):
        counters = self._counters.snapshot()
        room = _ROOM - len(cbor.encode(value))
        later = [pair for pair in counters if pair[0] >= self._from]
        told = value[3]
        for pair in later + [pair for pair in counters if pair[0] < self._from]:
            room -= len(cbor.encode(pair))
            if room < 0:
                self._from = pair[0]
                return
            told.append(pair)
        self._from = 0
