"""What main.py does on a board, over a flash image: choose a slot, mount its pack, run what is in it and nothing else."""

import sys

import vfs

_SECTOR = 4096


class _Flash:
    """A slot's partition in the opened image: bits fall."""

    def __init__(self, image, offset, size):
        self._image = image
        self._offset = offset
        self.size = size

    def read_into(self, offset, buffer):
        self._image.seek(self._offset + offset)
        self._image.readinto(buffer)

    def program(self, offset, data):
        old = bytearray(len(data))
        self.read_into(offset, old)
        self._image.seek(self._offset + offset)
        self._image.write(bytes(o & n for o, n in zip(old, data)))
        self._image.flush()


def run(config, partitions, image, startslot):
    """`partitions`: {name: (offset, size)}; `startslot`: the loader's module, from the image or from the sources.

    An application on trial that ends by an error restarts the board, as main.py has it; why stands in the brick's log."""
    from unixport import Port

    flashes = [_Flash(image, *partitions[name]) for name in ("app_a", "app_b")]
    start = startslot.choose(flashes, config.get("reset_reason", 1))
    for name in list(sys.modules):  # what the port pulled in from the kit's copy of the firmware
        if name.split(".")[0] in ("stallmark", "brick", "boards"):
            sys.modules.pop(name)
    sys.path[:] = ["/app", ".frozen"]
    vfs.mount(start.slot.pack, "/app")
    config["firmware"] = start.slot.pack.digest.hex()
    port = Port(config, [(name, offset, size) for name, (offset, size) in partitions.items()])
    port.start = start
    for name in ("trial_ms", "calm_ms"):  # shorter than on a board, for tests
        if name in config:
            setattr(port, name, config[name])
    trial = start.slot.trial
    try:
        from brick import config as limits
        from brick.boots import counted

        port.boots = counted(port.flash, port.reset_reason, limits.BAD_BOOTS, start.returned)
        from brick import appliance

        appliance.run(port)
    except Exception as error:
        if not trial:
            raise  # the kit's owner wants to see it
        print("the application on trial ended: %s: %s" % (type(error).__name__, error))
        port.reset()
