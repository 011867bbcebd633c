"""The whole audit over what a market hour left behind: files, stamps and copies go in, breaches come out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtualkit.reference import audit, privacy, replay, stores
from virtualkit.reference.audit import Findings
from virtualkit.reference.flashimage import FlashImage, FlashRecord
from virtualkit.reference.worlds import Kit


@dataclass(frozen=True)
class Exhibits:
    """What is judged.

    keys         public/keys.json
    ledger       the ledger's folder; `checkpoints`: every note that was ever published
    images       each brick's flash; `greens`: seqs for which it was green
    host, controller   their folders, with their stores
    ruleset      what the authors signed
    secrets      numbers of tags and passes, which must stand nowhere; `places`: where else than in stores and ledger to look
    """

    keys: Mapping[str, Any]
    ledger: Path
    checkpoints: Sequence[bytes]
    images: Mapping[bytes, FlashImage]
    greens: Mapping[bytes, Sequence[int]]
    host: Path
    controller: Path
    ruleset: bytes
    secrets: Iterable[bytes]
    places: Mapping[str, bytes]


@dataclass(frozen=True)
class Counts:
    """What was counted on the way: decisions on flash, receipts in the host's store, MACs checked, decisions replayed."""

    decisions: int
    receipts: int
    macs: int
    replayed: replay.Replayed


def all_records(
    images: Mapping[bytes, FlashImage], lane: tuple[bytes, dict[int, FlashRecord]] | None
) -> dict[bytes, dict[int, FlashRecord]]:
    """Every record that is or was on a brick's flash, by seq, and those of the host's own lane, whose flash is its store."""
    found = {brick: image.records() for brick, image in images.items()}
    return found if lane is None else found | {lane[0]: lane[1]}


def judge(exhibits: Exhibits, findings: Findings) -> Counts:
    """Checks everything; breaches go into `findings`."""
    e = exhibits
    lane = stores.lane_records(e.host)
    flash = all_records(e.images, lane)
    entries = audit.read_ledger(e.ledger, e.keys, e.checkpoints, findings)
    audit.read_receipts(entries, e.keys, findings)
    audit.check_records(flash, findings)
    stored = stores.host_receipts(e.host)
    audit.check_store(stored, findings)
    audit.check_greens(e.greens, findings)
    audit.check_rights(findings)
    macs = audit.check_disclosed(entries, findings)
    stores.check_marks(e.images, e.host, e.controller, findings)
    assigned = stores.assigned_slices(e.host)
    replayed = replay.Replayed()
    in_order = {brick: [records[seq] for seq in sorted(records)] for brick, records in flash.items()}
    heads = stores.heads_lists(e.controller)
    told = [audit.named(cose) for cose in stored]
    for brick, records in in_order.items():
        others = {other: found for other, found in in_order.items() if other != brick}
        is_lane = lane is not None and brick == lane[0]
        spoken = [] if lane is None else in_order[lane[0]]
        kit = Kit(e.ruleset, findings.slices, assigned.get(brick, []), others, heads, told, is_lane, spoken)
        replayed.add(replay.check_replay(records, kit, findings))
    kept = {
        "the ledger": b"".join(entries),
        "the host's store": stores.host_plaintext(e.host),
        "the controller's database": stores.controller_bytes(e.controller),
    }
    privacy.check_private(e.secrets, kept | dict(e.places), findings)
    return Counts(audit.decisions(flash), len(stored), macs, replayed)
