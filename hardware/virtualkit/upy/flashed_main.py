"""Entry of a brick that was flashed on the bench: it does what boot.py and main.py do, on the flash image's own content.

The partition table, the file system, the pack of programs and the board's name are all read from the image; only what
stands in for the pins comes from the kit (unixport).
"""

import json
import sys

import vfs
from repl_main import Partition, table


def main(config_path):
    """Mounts what the bench wrote and runs it."""
    with open(config_path) as source:
        config = json.load(source)
    partitions = table(config["flash"])
    image = open(config["flash"], "r+b")
    vfs.mount(vfs.VfsLfs2(Partition(image, *partitions["vfs"])), "/flash")
    from unixport import Port

    for name in list(sys.modules):  # what the port pulled in from the kit's copy of the firmware
        if name.split(".")[0] in ("stallmark", "brick", "boards"):
            sys.modules.pop(name)
    # Nothing but the image's own programs may be found from here on.
    sys.path[:] = ["/app", "/flash", ".frozen"]
    import appfs

    device = Partition(image, *partitions["app_a"])
    pack = appfs.Pack(lambda at, buffer: device.readblocks(at // 4096, buffer, at % 4096))
    if not pack.intact():
        raise OSError("the programs are damaged")
    vfs.mount(pack, "/app")
    with open("/flash/board.txt") as source:
        config["hardware"] = source.read().strip()
    config["firmware"] = pack.digest.hex()
    from brick import appliance

    appliance.run(Port(config, [(name, offset, size) for name, (offset, size) in partitions.items()]))


main(sys.argv[1])
