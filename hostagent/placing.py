"""Which brick has which place: config.json and keys.json changed as a technician pairs a brick or swaps a dead one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hostagent import config as configuration
from hostagent import durable
from hostagent.config.fields import Fields, read
from hostagent.errors import ConfigError
from hostagent.store import database

SERIAL_NAMES = Path("/dev/serial/by-id")
SERIAL_PATHS = Path("/dev/serial/by-path")
LEAST_DIGITS = 4
MOST_ENDED = 256


@dataclass(frozen=True)
class Handover:
    """What the bench hands over with a brick: its first link key. The file is deleted once it is taken."""

    path: Path
    brick: bytes
    epoch: int
    key: bytes


def handover(path: Path) -> Handover:
    """Reads a hand-over file of the bench. Raises ConfigError."""
    f = Fields(path.name, read(path))
    return Handover(path, f.octets("brick", 8), f.integer("epoch", 0, 0xFFFFFFFF), f.octets("key", 32))


def stable_name(port: Path, names: Path = SERIAL_NAMES, paths: Path = SERIAL_PATHS) -> Path:
    """The name of a serial port that stays when cables are plugged in another order: by the adapter's own number, else by
    the socket it is plugged into, else the name itself."""
    real = port.resolve()
    if port.parent in (names, paths):
        return port
    for folder in (names, paths):
        if folder.is_dir():
            found = sorted(name for name in folder.iterdir() if name.resolve() == real)
            if found:
                return found[0]
    return port


def serial_ports(names: Path = SERIAL_NAMES, paths: Path = SERIAL_PATHS) -> list[Path]:
    """Serial ports that are plugged in now, by names that stay."""
    found: dict[Path, Path] = {}
    for folder in (names, paths):
        if folder.is_dir():
            for name in sorted(folder.iterdir()):
                found.setdefault(name.resolve(), name)
    return list(found.values())


class Places:
    """config.json as it will be. Nothing is written before `save`."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the file is not good as it stands."""
        self.path = path
        try:
            self._was = path.read_bytes()
        except OSError:
            self._was = b""  # the next line says why
        self.told = configuration.load(path)
        self.values = read(path)
        self._taken: list[Handover] = []

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The bricks' entries."""
        return cast(list[dict[str, Any]], self.values["bricks"])

    @property
    def ended(self) -> list[dict[str, Any]]:
        """The bricks that were replaced here."""
        return cast(list[dict[str, Any]], self.values.setdefault("ended", []))

    def find(self, wanted: str) -> dict[str, Any]:
        """The entry of a brick by its name, or by the first digits of its identity. Raises ConfigError."""
        digits = wanted.lower()
        found = [
            entry
            for entry in self.entries
            if entry["name"] == wanted
            or (len(digits) >= LEAST_DIGITS and entry["brick"].lower().startswith(digits))
        ]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{entry['name']} ({entry['brick']})" for entry in self.entries) or "none"
        what = "is not" if not found else "fits more than one"
        raise ConfigError(f"{wanted}: {what} among this host's bricks: {names}")

    def take(self, given: Handover) -> None:
        """The brick's link key goes to keys.json, from where the host program takes it into its store."""
        self._taken.append(given)

    def holds_key(self, brick: bytes) -> bool:
        """Whether this host can open a link to the brick."""
        if any(given.brick == brick for given in self._taken):
            return True
        if any(link.brick == brick for link in self.told.keys.links):
            return True
        if not self.told.store.exists():
            return False
        sql = database.connect(self.told.store, self.told.keys.store_key, readonly=True)
        try:
            return (
                next(iter(sql.execute("SELECT 1 FROM link_keys WHERE brick = ?", (brick,))), None) is not None
            )
        finally:
            sql.close()

    def pair(
        self, brick: bytes, name: str | None, links: tuple[str, ...] | None, port: Path | None
    ) -> dict[str, Any]:
        """The brick's entry, new or changed; None leaves what there is. Raises ConfigError."""
        self._need_key(brick)
        entry = next((entry for entry in self.entries if bytes.fromhex(entry["brick"]) == brick), None)
        if entry is None:
            fresh: dict[str, Any] = {"brick": brick.hex(), "name": name or self._free_name()}
            entry = fresh
            self.entries.append(entry)
        if name is not None:
            entry["name"] = name
        if port is not None:
            entry["port"] = str(stable_name(port))
        if links is not None:
            entry["links"] = list(links)
        elif "links" not in entry:
            entry["links"] = ["serial"] if "port" in entry else ["ble"]
        if "serial" in entry["links"] and "port" not in entry:
            raise ConfigError(
                f"{entry['name']}: a brick on a cable needs --port: the name of its serial port"
            )
        return entry

    def swap(self, old: str, new: bytes, at_ms: int, last_seq: int | None) -> dict[str, Any]:
        """The new brick takes the place of the old one: name, links and port stay. The old one's end is noted, with the last
        record that it is known to have written. Raises ConfigError."""
        entry = self.find(old)
        if any(bytes.fromhex(other["brick"]) == new for other in self.entries):
            raise ConfigError(f"{new.hex()} has a place already; a brick cannot stand in two")
        if any(one["brick"] == new.hex() for one in self.ended):
            raise ConfigError(
                f"{new.hex()} was replaced here, its identity has ended: have the bench flash it again"
            )
        self._need_key(new)
        if len(self.ended) >= MOST_ENDED:
            raise ConfigError(
                f"{MOST_ENDED} bricks were replaced here already: have the kit's host set up anew"
            )
        gone = {"brick": entry["brick"], "name": entry["name"], "heir": new.hex(), "at_ms": at_ms}
        self.ended[:] = [one for one in self.ended if one["brick"] != entry["brick"]]
        self.ended.append(gone | {"last_seq": last_seq})
        entry["brick"] = new.hex()
        return entry

    def save(self) -> None:
        """Writes keys.json, then config.json, each whole or not at all. Raises ConfigError and changes nothing where the
        result would not be good, and where somebody else changed config.json since it was read."""
        # A running host takes keys out of keys.json, another command may be at work: one after the other.
        with configuration.keys_alone(self.told.keys_file):
            if self.path.read_bytes() != self._was:
                raise ConfigError(
                    f"{self.path.name} was changed by somebody else meanwhile: give the command again"
                )
            self._save()
            self._was = self.path.read_bytes()
        for given in self._taken:
            given.path.unlink(missing_ok=True)

    def _save(self) -> None:
        candidate = self.path.with_name(self.path.name + ".new")
        durable.put(candidate, _text(self.values), 0o644)
        try:
            configuration.load(candidate)
        except ConfigError as wrong:
            candidate.unlink()
            raise ConfigError(str(wrong).replace(candidate.name, self.path.name)) from None
        if self._taken:
            self._hand_over()
        candidate.replace(self.path)
        # The hand-over file is deleted next: until the folders are on the disk it is the only copy of a link key.
        durable.sync_folder(self.path.parent)

    def _hand_over(self) -> None:
        keys = read(self.told.keys_file)
        for given in self._taken:
            link = {"brick": given.brick.hex(), "epoch": given.epoch, "key": given.key.hex()}
            keys["links"] = [old for old in keys["links"] if old["brick"] != given.brick.hex()] + [link]
        durable.write(self.told.keys_file, _text(keys))

    def _need_key(self, brick: bytes) -> None:
        if not self.holds_key(brick):
            raise ConfigError(
                f"this host has no link key for {brick.hex()}: give the bench's hand-over file with --key "
                f"(handover/{brick.hex()}.json in the bench's folder)"
            )

    def _free_name(self) -> str:
        names = {entry["name"] for entry in self.entries}
        return next(name for n in range(1, 1000) if (name := f"brick-{n}") not in names)


def _text(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
