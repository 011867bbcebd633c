"""ESP32 entry: MicroPython runs this file at power-on. It never ends in a REPL (PRODUCT.md A9, docs/bench.md).

`/board.txt` names the board (a key of boards.pins.BOARDS); without it no pin is touched: those of another board may be its
flash's. Everything stands inside `try`: an interrupt that was under way when MicroPython began this file ends in a reset,
not at a prompt.
"""

try:
    import micropython

    micropython.kbd_intr(-1)  # from here on a 03 on the link is data
    import sys

    import appfs
    import esp32
    import vfs

    def _mount():
        """The programs: one pack in a partition of their own (docs/formats/pack.md)."""
        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="app_a")
        if not found:
            raise OSError("no partition app_a: flash this board again")
        pack = appfs.Pack(lambda at, buffer: found[0].readblocks(at // 4096, buffer, at % 4096))
        if not pack.intact():
            raise OSError("the programs are damaged: flash this board again")
        vfs.mount(pack, "/app")
        sys.path.insert(0, "/app")

    def _board():
        try:
            with open("/board.txt") as source:
                return source.read().strip()
        except OSError:
            raise OSError("no board.txt: flash this board again")

    _mount()
    import machine

    from brick import config
    from brick.boots import counted
    from brick.ports.esp32flash import Flash

    # Before anything that may fail: pins, the radio, a driver. So a start that ends in one of them is a failed one.
    boots = counted(Flash, machine.reset_cause(), config.BAD_BOOTS)
    from brick.ports.esp32 import Port

    port = Port(
        _board(), boots
    )  # first: the radio's stack takes its memory before the appliance fills the heap
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
