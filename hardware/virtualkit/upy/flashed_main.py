"""Entry of a brick that was flashed on the bench: it does what boot.py and main.py do, on the flash image's own content.

The partition table, the file system, the pack of programs and the board's name are all read from the image; only what
stands in for the pins comes from the kit (unixport).
"""

import json
import sys

import fromslot
import vfs
from repl_main import Partition, table


def main(config_path):
    """Mounts what the bench wrote and runs it."""
    with open(config_path) as source:
        config = json.load(source)
    partitions = table(config["flash"])
    image = open(config["flash"], "r+b")
    vfs.mount(vfs.VfsLfs2(Partition(image, *partitions["vfs"])), "/flash")
    with open("/flash/board.txt") as source:
        config["hardware"] = source.read().strip()
    # Nothing but the image's own programs may be found from here on: fromslot forgets what came from the kit.
    sys.path.insert(0, "/flash")
    import startslot

    fromslot.run(config, partitions, image, startslot)


main(sys.argv[1])
