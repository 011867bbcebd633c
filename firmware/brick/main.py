"""ESP32 entry: MicroPython runs this file at power-on. It never ends in a REPL (PRODUCT.md A9, docs/bench.md).

`/board.txt` names the board (a key of boards.pins.BOARDS); without it no pin is touched: those of another board may be its
flash's. Everything stands inside `try`: an interrupt that was under way when MicroPython began this file ends in a reset,
not at a prompt.
"""

try:
    import micropython

    micropython.kbd_intr(-1)  # from here on a 03 on the link is data
    import sys

    import esp32
    import machine
    import startslot
    import vfs

    class _Flash:
        """A slot's partition: here, because nothing of a pack may be needed to choose one."""

        def __init__(self, partition):
            self._partition = partition
            self.size = partition.info()[3]

        def read_into(self, offset, buffer):
            self._partition.readblocks(offset // 4096, buffer, offset % 4096)

        def program(self, offset, data):
            self._partition.writeblocks(offset // 4096, data, offset % 4096)

        def erase(self, offset):
            self._partition.ioctl(6, offset // 4096)

    def _slot(label):
        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=label)
        return _Flash(found[0]) if found else None

    def _mount():
        """The programs: one pack in one of two slots (docs/formats/slot.md)."""
        flashes = (_slot("app_a"), _slot("app_b"))
        if flashes == (None, None):
            raise OSError("no partition app_a: flash this board again")
        start = startslot.choose(flashes, machine.reset_cause())
        if start.slot.trial:  # a new application that stands still before it has a watchdog of its own
            machine.WDT(timeout=30000)
        vfs.mount(start.slot.pack, "/app")
        sys.path.insert(0, "/app")
        return start

    def _board():
        try:
            with open("/board.txt") as source:
                return source.read().strip()
        except OSError:
            raise OSError("no board.txt: flash this board again")

    start = _mount()
    from brick import config
    from brick.boots import counted
    from brick.ports.esp32flash import Flash

    # Before anything that may fail: pins, the radio, a driver. So a start that ends in one of them is a failed one.
    boots = counted(Flash, machine.reset_cause(), config.BAD_BOOTS, start.returned)
    from brick.ports.esp32 import Port

    port = Port(
        _board(), boots
    )  # first: the radio's stack takes its memory before the appliance fills the heap
    port.start = start  # pyright: ignore[reportAttributeAccessIssue]
    port.firmware_digest32 = start.slot.pack.digest
    from brick import appliance

    appliance.run(port)
except BaseException as error:  # noqa: BLE001  whatever it was, no prompt follows
    import sys

    sys.print_exception(error)  # type: ignore
finally:
    import micropython

    micropython.kbd_intr(-1)
    import time

    import machine

    time.sleep_ms(1000)  # a start that fails at once must not become a fast loop of resets
    machine.reset()
