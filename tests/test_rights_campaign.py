"""No budget, stock or first-N is ever overspent: at least 2,000 random schedules against the real parts.

`python -m tests.campaigns.rights --schedules 50000` runs more; `--only SEED -v` one of them, step by step."""

import os

import pytest
from stallmark import exposure, reserves

from fleet import chains, settlement, spending
from tests.campaigns import hosts, market, rights

SCHEDULES = 2000
# Another start for other schedules: STALLMARK_SEED=… pytest tests/test_rights_campaign.py
SEED = int(os.environ.get("STALLMARK_SEED", "20261003"))

# A voucher paid by the records of a brick that went on from an old copy was not settled; other rules came while a
# question was open, and it ended under those.
REGRESSION = (342383669, 342385775)

# One in so many schedules, at least, has seen this.
LEAST = {
    "slips paid": 25, "slips given back": 8, "answers of people that grant": 20, "voids and refunds": 8,
    "practice records": 4, "rentals changed": 10, "grants alone at the limit": 40, "bricks set back": 20,
    "slices given twice": 4, "slices overspent by rogues, all charged": 40,
}  # fmt: skip


def test_two_thousand_schedules_of_partitions_cuts_and_crashes_overspend_nothing():
    print("seeds from", SEED)
    broken, told = rights.campaign(SCHEDULES, SEED, 2)
    assert not broken, "\n".join(broken[:10])
    assert told["came back"] > SCHEDULES and told["releases"] > SCHEDULES / 4, told
    assert told["vouchers paid twice"] > SCHEDULES / 100 and told["cuts"] > SCHEDULES / 10, told
    for what, least in LEAST.items():
        assert told[what] > SCHEDULES / least, (what, told)


def test_vouchers_paid_by_copies_of_bricks_are_settled_and_charged_once():
    print("seeds from", SEED)
    broken, told = rights.campaign(150, SEED, 2, copies=True)
    assert not broken, "\n".join(broken[:10])
    assert told["payments set aside and settled"] >= 5, told


@pytest.mark.parametrize("seed", REGRESSION)
def test_schedules_that_once_broke_hold(seed):
    rights.one(seed)


def seen(*words, schedules=80, copies=False):
    """Whether the campaign finds one of these in its first schedules."""
    return any(
        any(word in line for word in words)
        for seed in range(SEED, SEED + schedules)
        for line in rights.many(seed, 1, copies)[0]
    )


def test_the_campaign_sees_a_host_that_forgets_to_whom_it_gave_a_slice(monkeypatch):
    real = hosts.Host.start

    def forgets(self):
        for row in self.disk.rows.values():
            row[2] = None
        real(self)

    monkeypatch.setattr(hosts.Host, "start", forgets)
    assert seen("at two bricks")


def test_the_campaign_sees_a_slice_that_comes_back_too_early(monkeypatch):
    monkeypatch.setattr(market.Controller, "_beyond", lambda self, brick, ended, one: True)
    assert seen("overspent", "findings")


def test_the_campaign_sees_a_release_that_gives_nothing_back(monkeypatch):
    real = spending.Spending._release

    def keeps(self, fields, holder, missing, after):
        codes = real(self, fields, holder, missing, after)
        after.slices.clear()
        return codes

    monkeypatch.setattr(spending.Spending, "_release", keeps)
    assert seen("the ledger knows")


def test_the_campaign_sees_a_voucher_that_nobody_settles(monkeypatch):
    monkeypatch.setattr(settlement.Settling, "take", lambda self, made: None)
    assert seen("settled")


def test_the_campaign_sees_a_payment_that_was_set_aside_and_nobody_settles(monkeypatch):
    monkeypatch.setattr(settlement.Settling, "set_aside", lambda self, made: None)
    assert seen("settled", copies=True)


def test_the_campaign_sees_a_brick_that_goes_alone_too_far(monkeypatch):
    monkeypatch.setattr(exposure.Exposure, "of", lambda self, rule: 0)
    assert seen("at most 3 alone")


def test_the_campaign_sees_a_slip_that_is_paid_twice(monkeypatch):
    monkeypatch.setattr(reserves.Reserves, "end", lambda self, seq: None)
    assert seen("was paid twice")


def test_the_campaign_sees_a_cheat_that_is_not_charged(monkeypatch):
    monkeypatch.setattr(chains.Judge, "_charge", lambda self, code, fields, holder: None)
    assert seen("with charges")
