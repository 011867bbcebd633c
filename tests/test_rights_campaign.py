"""No budget, stock or first-N is ever overspent: at least 2,000 random schedules against the real parts.

`python -m tests.campaigns.rights --schedules 50000` runs more; `--only SEED -v` one of them, step by step."""

import os

from fleet import settlement, spending
from tests.campaigns import hosts, market, rights

SCHEDULES = 2000
# Another start for other schedules: STALLMARK_SEED=… pytest tests/test_rights_campaign.py
SEED = int(os.environ.get("STALLMARK_SEED", "20261003"))


def test_two_thousand_schedules_of_partitions_cuts_and_crashes_overspend_nothing():
    print("seeds from", SEED)
    broken, told = rights.campaign(SCHEDULES, SEED, 2)
    assert not broken, "\n".join(broken[:10])
    assert told["came back"] > SCHEDULES and told["releases"] > SCHEDULES / 4, told
    assert told["vouchers paid twice"] > SCHEDULES / 100 and told["cuts"] > SCHEDULES / 10, told


def broken_within(schedules=40):
    """What the campaign finds in its first schedules."""
    return rights.many(SEED, schedules)[0]


def test_the_campaign_sees_a_host_that_forgets_to_whom_it_gave_a_slice(monkeypatch):
    real = hosts.Host.start

    def forgets(self):
        for row in self.disk.rows.values():
            row[2] = None
        real(self)

    monkeypatch.setattr(hosts.Host, "start", forgets)
    assert any("at two bricks" in line for line in broken_within())


def test_the_campaign_sees_a_slice_that_comes_back_too_early(monkeypatch):
    monkeypatch.setattr(market.Controller, "_beyond", lambda self, brick, ended, one: True)
    assert any("overspent" in line or "findings" in line for line in broken_within())


def test_the_campaign_sees_a_release_that_gives_nothing_back(monkeypatch):
    real = spending.Spending._release

    def keeps(self, fields, holder, missing, after):
        codes = real(self, fields, holder, missing, after)
        after.slices.clear()
        return codes

    monkeypatch.setattr(spending.Spending, "_release", keeps)
    assert any("the ledger knows" in line for line in broken_within())


def test_the_campaign_sees_a_voucher_that_nobody_settles(monkeypatch):
    monkeypatch.setattr(settlement.Settling, "take", lambda self, made: None)
    assert any("settled" in line for line in broken_within())
