"""The short version of `python -m tests.campaigns.soak --taps 100000`."""

import asyncio
from pathlib import Path

from tests.campaigns import soak


def test_taps_with_faults_all_the_way_leave_the_heap_flat(tmp_path: Path):
    """Raises where the brick starts anew, where its link does not come back, or where the heap grows."""
    used = asyncio.run(soak.soak(400, 5, 200, tmp_path))
    assert len(used) == 2
