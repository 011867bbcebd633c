"""Entry of a virtual brick: `micropython -X heapsize=N brick_main.py CONFIG.json` runs the real firmware."""

import json
import sys

from boards import partitions
from unixport import Port


def main(config_path):
    """Builds the port from CONFIG.json and hands it to the firmware."""
    with open(config_path) as source:
        config = json.load(source)
    table = partitions.PARTITIONS_4M if config["flash_bytes"] <= 4 * 1024 * 1024 else partitions.PARTITIONS_8M
    from brick import appliance

    appliance.run(Port(config, table))


main(sys.argv[1])
