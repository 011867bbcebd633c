"""What today's rules folder asks of each kit: `<kit hex>.smbundle`, else `active.smbundle`, for every brick of the kit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from fleet.campaigns import Campaigns
from fleet.core import FormatError, bundle
from fleet.desired.orders import Item

MAX_ITEMS = 32
REASON = "rules folder"


@dataclass(frozen=True, slots=True)
class Release:
    """A bundle as directives name it: `digest` of its envelope, its name; `artefact` digest32 of what it carries."""

    envelope: bytes
    data: bytes
    digest: bytes
    kind: int
    artefact: bytes
    length: int
    rev: int
    name: str
    fallback: tuple[bytes, ...]

    def items(self, bricks: Iterable[bytes]) -> tuple[Item, ...]:
        """This release for these bricks, at most 32."""
        made = [
            Item(brick, self.kind, self.artefact, self.length, self.rev, "", self.digest) for brick in bricks
        ]
        return tuple(made[:MAX_ITEMS])


def read(data: bytes) -> Release:
    """A bundle's bytes as a release: form and digest are checked, authors are not. Raises FormatError."""
    envelope, artefact = bundle.split(data)
    parsed = bundle.parse(envelope)
    f = parsed.fields
    if not bundle.artefact_good(parsed, len(artefact), sha256(artefact).digest()):
        raise FormatError("the artefact is not the one that the bundle's authors signed")
    return Release(envelope, artefact, parsed.digest, f[1], f[2], f[3], f[4], f[10], tuple(f[5]))


class RulesFolder:
    """The folder, read again when a file changes."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns
        self._releases: dict[str, Release | None] = {}  # by entity tag

    def of(self, kit: bytes) -> Release | None:
        """What this kit should run by the folder as it was read last, or None where there is nothing that can be read."""
        offer = self._campaigns.offer(kit, fresh=False)
        if offer is None:
            return None
        if offer.etag not in self._releases:
            try:
                self._releases[offer.etag] = read(offer.data)
            except FormatError:
                self._releases[offer.etag] = None
            while len(self._releases) > 64:
                del self._releases[next(iter(self._releases))]
        return self._releases[offer.etag]
