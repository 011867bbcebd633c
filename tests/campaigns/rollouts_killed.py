"""`python -m tests.campaigns.rollouts_killed`: SIGKILL of the controller at every row of the table in test_rollouts_killed."""

import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "fleet"), str(HERE.parent / "firmware"), str(HERE.parent / "hardware")]


def main():
    """All kills, a few rounds."""
    from test_rollouts_killed import TRACE, Market, play

    for number in range(3):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            market = Market(Path(folder))
            try:
                play(market, [row[0] for row in TRACE])
            finally:
                market.close()
        print(f"round {number + 1}: {len(TRACE)} kills, {time.monotonic() - began:.1f} s: as the table says")


if __name__ == "__main__":
    main()
