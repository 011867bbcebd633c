"""What all tests share: made-up examples are the same ones in every run (others with HYPOTHESIS_PROFILE=random), long files
come first, and programs that tests start find their modules compiled."""

import functools
import gc
import os
import ssl
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("random", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Hosts, controllers and demos are started dozens of times: without this each would compile all its modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Each new HTTP client reads all authorities (25 ms of CPU), also for an address of this machine: here once for all.
ssl.create_default_context = functools.cache(ssl.create_default_context)

TESTS = Path(__file__).parent
# Files of more than some five seconds (`pytest --durations=100`), the longest first: what runs last must be short, or one
# worker waits for the other. The order matters for nothing else.
LONG_FIRST = (
    "kit/test_market_hour.py",
    "fleet/test_fleet_process.py",
    "test_rights_campaign.py",
    "kit/test_bad_input.py",
    "kit/test_demo_ends.py",
    "kit/test_reference_model.py",
    "host/test_host_kill.py",
    "ledger/test_ledger_crash.py",
    "web/test_browser_pages.py",
    "brick/test_brick_power.py",
    "web/test_web_stall.py",
    "test_core_on_micropython.py",
    "test_engine_both.py",
    "core/test_journal_cuts.py",
    "fleet/test_fleet_api.py",
    "brick/test_brick_appliance.py",
    "host/test_host_bad_input.py",
    "host/test_host_status.py",
    "test_fuzz_both.py",
    "host/test_host_forwarder.py",
    "brick/test_brick_installs.py",
    "fleet/test_fleet_rogue.py",
    "host/test_host_store.py",
    "brick/test_brick_bad_input.py",
    "brick/test_brick_directing.py",
    "host/test_host_with_controller.py",
    "host/test_host_exchange.py",
    "brick/test_brick_safemode.py",
    "brick/test_brick_market.py",
    "brick/test_bench_faults.py",
    "ledger/test_ledger_fsck.py",
    "brick/test_bench_flash.py",
    "test_deciding_both.py",
    "kit/test_radio_kit.py",
    "host/test_host_till_keys.py",
    "brick/test_brick_asking.py",
    "test_state_properties.py",
    "fleet/test_fleet_risk_model.py",
    "ledger/test_ledger_go.py",
    "fleet/test_authoring_replay.py",
    "fleet/test_fleet_public.py",
    "brick/test_brick_tags.py",
    "brick/test_brick_exchange.py",
    "host/test_host_link.py",
    "web/test_browser_verdicts.py",
    "host/test_host_rekey.py",
    "host/test_host_parsers.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Workers take the files in the order below, not those of many tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, all others as they were found."""
    place = {TESTS / name: number for number, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="module", autouse=True)
def few_to_look_at() -> None:
    """What is there before a file stays: firmware that collects garbage in its quiet moments does not walk through all of it."""
    gc.collect()
    gc.freeze()
