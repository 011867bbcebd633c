"""Entry of a virtual brick whose programs run from slot A or B of its flash image, as on a board (docs/formats/slot.md)."""

import json
import sys

import fromslot
from boards import partitions
from brick import startslot


def main(config_path):
    """The loader is the sources' one; everything else is what the slot holds."""
    with open(config_path) as source:
        config = json.load(source)
    table = partitions.table(config["flash_bytes"])
    image = open(config["flash"], "r+b")
    fromslot.run(config, {name: (offset, size) for name, offset, size in table}, image, startslot)


main(sys.argv[1])
