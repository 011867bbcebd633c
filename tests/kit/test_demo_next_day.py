"""The next start of the demo: today's campaign counts above yesterday's, and above whatever a rollout brought meanwhile."""

import json

import pytest
from stallmark import bundle
from virtualkit import campaign
from virtualkit.folder import KitFolder

from tests.fleet.test_rollouts_controller import Town
from tests.stall import Stall

DAY_MS = 86_400_000


@pytest.fixture
def folder(tmp_path):
    """A kit's folder with a controller's database, three development authors and a small campaign of yesterday."""
    made = KitFolder(tmp_path)
    made.controller.mkdir()
    made.authors.mkdir()
    for number in range(1, 4):
        seed = {"seed": bytes([number] * 32).hex()}
        (made.authors / f"author-{number}.json").write_text(json.dumps(seed))
    made.kit_json.write_text(json.dumps({"campaign": "market-hour", "voucher_issuer": "ab" * 32}))
    yield made


def on_offer(folder):
    data = (folder.controller / "rules" / "active.smbundle").read_bytes()
    return bundle.parse(bundle.split(data)[0]).fields[4]


def test_a_new_day_has_a_revision_above_everything_that_was_ordered(folder):
    stall = Stall(folder.controller, bricks=1)
    now_ms = stall.world.now_ms
    campaign.write_bundle(folder, "market-hour", now_ms, 1, [bytes([n] * 32) for n in (1, 2)], [bytes(32)])
    assert not campaign.renew_campaign(folder, now_ms + 60_000) and on_offer(folder) == 1, "the market is on"
    town = Town(stall)
    ordered = town.release("brought", 7)
    town.desired.add(ordered.read_bytes())
    town.desired.set(town.kit, town.one(ordered).items(town.desired.bricks(town.kit)), "a rollout")
    stall.close()
    began = (folder.authors / "market-start").read_text()
    assert campaign.renew_campaign(folder, now_ms + 3 * DAY_MS)
    assert on_offer(folder) == 8 and (folder.authors / "market-start").read_text() > began
    assert (folder.controller / "rules" / "rev-7.smbundle").exists(), "sentences of its records need the earlier one"
