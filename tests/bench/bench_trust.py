"""What believing costs a host: a refresh of the signed lists with floor and fsync, against python-tuf's client alone."""

import statistics
import tempfile
import time
from pathlib import Path

from tuf.ngclient import Updater, UpdaterConfig

from fleet.trust import ceremony, files, keyfile, metadata
from fleet.trust.repository import Repository
from hostagent.clock import RealClock
from hostagent.trust.client import Trust
from hostagent.trust.fetcher import carried_in
from tests.bench import Figure, say

RELEASES = 1000


def _fleet(folder: Path, now: int) -> tuple[Repository, list[keyfile.Key]]:
    repository = Repository(folder)
    roots = [keyfile.new("root", str(number)) for number in range(3)]
    authors = [keyfile.new("author", str(number)) for number in range(3)]
    director = keyfile.new("root", "director").public
    holders = [key.holder for key in roots], [key.holder for key in authors]
    first = ceremony.first_root(repository, *holders, (2, 2), director, now)
    for key in (*roots[:2], *authors[:2]):
        first.sign(key.holder.keyid, key.holder.kid, key.sign)
    repository.publish_root(first)
    return repository, authors


def _publish(repository: Repository, authors: list[keyfile.Key], number: int, now: int) -> int:
    """List `number` of a thousand releases, signed by two; its bytes."""
    listed = {}
    for n in range(RELEASES):
        data = number.to_bytes(4, "big") + n.to_bytes(4, "big")
        entry = metadata.target(
            data, {"kind": 1, "rev": n, "hardware": [], "name": f"rules {n}", "bundle": "00" * 32}
        )
        listed[entry.path] = entry
    made = metadata.new_targets(number, now, now + metadata.DAY_MS * 180, listed)
    for key in authors[:2]:
        metadata.add_signature(made, key.holder.keyid, key.sign(made.signed_bytes))
    data = made.to_bytes()
    files.write(repository.folder / "metadata" / f"{number}.targets.json", data)
    repository.renew(now)
    return len(data)


def _copy(repository: Repository, folder: Path) -> None:
    for path in (repository.folder / "metadata").iterdir():
        files.write(folder / "tuf" / path.name, path.read_bytes())


def _bare(folder: Path, mirror: Path, root: bytes) -> None:
    """The library's own client over the same files."""
    source = carried_in(mirror)
    config = UpdaterConfig(prefix_targets_with_hash=False)
    Updater(str(folder), source.lists, fetcher=source.fetcher, config=config, bootstrap=root).refresh()


def run(quick: bool = False) -> list[Figure]:
    """Medians in ms; the ratios are within this run."""
    times = 5 if quick else 30
    clock = RealClock()
    now = clock.now_ms()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository, authors = _fleet(folder / "controller", now)
        root = repository.file("1.root.json") or b""
        trust = Trust(folder / "host", root, clock)
        bare = folder / "bare"
        bare.mkdir()
        taken: dict[str, list[float]] = {"new": [], "bare new": [], "same": [], "bare same": []}
        size = 0
        for number in range(1, times + 1):
            say(f"list {number} of {times}")
            size = _publish(repository, authors, number, now)
            _copy(repository, folder / "mirror")
            for word in ("new", "same"):
                began = time.perf_counter()
                trust.refresh(carried_in(folder / "mirror"))
                between = time.perf_counter()
                _bare(bare, folder / "mirror", root)
                taken[f"bare {word}"].append(time.perf_counter() - between)
                taken[word].append(between - began)
    ms = {word: statistics.median(found) * 1000 for word, found in taken.items()}
    return [
        Figure(
            "a new list of 1,000 releases taken",
            ms["new"],
            "ms",
            "python-tuf alone",
            ms["new"] / ms["bare new"],
        ),
        Figure("lists unchanged", ms["same"], "ms", "python-tuf alone", ms["same"] / ms["bare same"]),
        Figure("list of 1,000 releases", size / 1000, "kB"),
    ]
