"""Older never replaces newer: the newest release that was steady here, and what its authors let this host go back to.

RELEASES/floor.json: {"format": 1, "newest": release or null, "tried": the same, what was switched to last, "before": digest of
what ran until then, or null}; a release is {"release": digest of its bundle's envelope, "artefact": digest, "rev": int,
"name": text, "fallback": [digests of artefacts, at most 4]}. A file of its own: launchers and releases of before there was one
write state.json anew without what they do not know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from hostagent import durable
from hostagent.core import bundle
from hostagent.release.state import digest_of

FILE = "floor.json"
MOST_BACK = 4  # as docs/formats/bundle.md has it


@dataclass(frozen=True)
class Signed:
    """What its authors said of a release."""

    release: str
    artefact: str
    rev: int
    name: str
    fallback: tuple[str, ...]


@dataclass(frozen=True)
class Floor:
    """`newest` None: no release was steady here yet, what is installed has no revision."""

    newest: Signed | None = None
    tried: Signed | None = None
    before: str | None = None

    def knows(self, current: str | None) -> bool:
        """Whether it says all there is to say of the release that runs."""
        known = {one.release for one in (self.newest, self.tried) if one is not None}
        return current is None or current in known or current == self.before

    def refuses(self, one: Signed) -> str | None:
        """Why this release is not taken: as bricks have it (install result 4), but held against the newest that was steady here,
        so that no chain of fallbacks leads further down."""
        top = self.newest
        if top is None or one.rev > top.rev or one.artefact == top.artefact or one.artefact in top.fallback:
            return None
        how = "older than" if one.rev < top.rev else "other than"
        same = f"revision {top.rev}" if one.rev < top.rev else "of the same revision"
        return f"release {one.name} has revision {one.rev}: {how} {top.name}, {same}, which does not name it as fallback"


def signed(envelope: bytes) -> Signed:
    """Of a bundle's envelope, whose signatures are the caller's. Raises FormatError."""
    found: Any = bundle.parse(envelope)
    f: dict[int, Any] = found.fields
    return Signed(found.digest.hex(), f[2].hex(), f[4], f[10], tuple(one.hex() for one in f[5]))


def trying(floor: Floor, one: Signed, current: str | None) -> Floor:
    """Noted before it is switched to: its bundle may be gone when it is steady."""
    return replace(floor, tried=one, before=current)


def steady(floor: Floor, current: str | None) -> Floor:
    """What runs is steady: the newest of all, if its revision is the highest."""
    one, top = floor.tried, floor.newest
    if one is None or one.release != current or (top is not None and top.rev >= one.rev):
        return floor
    return replace(floor, newest=one)


def load(folder: Path) -> Floor:
    """What stands; a file that cannot be read is set aside, and the floor is learnt from what runs."""
    path = folder / FILE
    found = durable.read_object(path)
    try:
        if found is not None:
            if found["format"] != 1:
                raise ValueError("not a floor")
            before = found["before"]
            return Floor(_signed(found["newest"]), _signed(found["tried"]), None if before is None else digest_of(before))
    except (KeyError, TypeError, ValueError):
        pass
    if path.exists():
        durable.set_aside(path, folder / "damaged")
    return Floor()


def save(folder: Path, floor: Floor) -> None:
    """Old or new stands after a power cut. Raises OSError."""
    durable.write(folder / FILE, durable.encode({"format": 1, **asdict(floor)}))


def _signed(f: Any) -> Signed | None:
    if f is None:
        return None
    rev, name, back = f["rev"], f["name"], cast("list[Any]", f["fallback"])
    if type(rev) is not int or rev < 0 or not isinstance(name, str) or type(back) is not list or len(back) > MOST_BACK:
        raise ValueError("not a release")
    return Signed(digest_of(f["release"]), digest_of(f["artefact"]), rev, name[:48], tuple(digest_of(one) for one in back))
