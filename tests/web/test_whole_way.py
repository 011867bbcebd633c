"""The pages over a real controller: a batch comes in, its receipt checks itself and goes with a stranger."""

import json
import time
from dataclasses import dataclass

import httpx
import pytest
from stallmark import base32
from stallmark.registry import (
    FLAG_GATEWAY,
    KIND_BOOT,
    KIND_CLOSE,
    KIND_DENY,
    KIND_GRANT,
    KIND_REFUND,
    KIND_START,
)
from typer.testing import CliRunner

from fleet import app as fleet_app
from fleet.clock import open_clock
from fleet.config import load
from fleet.controller import initialise
from fleet.ledger.cli import app as ledger_cli
from fleet.verify.cli import app as verify_cli
from tests.web.webserver import serving
from tests.world import World

RUNNER = CliRunner()
CHECKED = "document.querySelector('#verification').dataset.verdict"


@dataclass
class Stall:
    """A controller that has taken in one market morning, and the way to each receipt."""

    world: World
    folder: object
    url: str
    handles: dict

    def link(self, name, suffix=""):
        return f"{self.url}/r/{base32.encode(self.handles[name])}{suffix}"


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    world = World(91)
    brick, lane = world.brick(), world.brick()
    config = load(world.controller(folder))
    clock = open_clock(config.clock_file)
    initialise(config, clock)
    decided = {
        "start": world.record(KIND_START, brick),
        "boot": world.record(KIND_BOOT, brick),
        "granted": world.record(KIND_GRANT, brick, f12=[[1, 1500, 500]]),
        "near": world.record(KIND_DENY, brick),
        "refunded": world.record(KIND_GRANT, brick),
    }
    decided["refund"] = world.record(KIND_REFUND, brick, f20=decided["refunded"].seq)
    decided["close"] = world.record(KIND_CLOSE, brick)  # ends the epoch: its key will be published
    decided["lane"] = world.record(KIND_START, lane, f0=FLAG_GATEWAY)
    body = world.batch([world.receipt(item) for item in decided.values()])
    with serving(fleet_app.create(config, clock)) as port:
        url = f"http://127.0.0.1:{port}"
        answer = httpx.post(
            f"{url}/v1/batches", content=body, headers={"Authorization": f"Bearer {world.host.token}"}
        )
        assert answer.status_code == 200, answer.text
        handles = {name: world.handle(item) for name, item in decided.items()}
        stall = Stall(world, folder, url, handles)
        published(stall.link("granted", ".record-key"))  # the last thing to come: after the epoch's checkpoint
        yield stall


def published(address):
    """Until a file of a receipt can be had; the controller publishes in the background."""
    end = time.monotonic() + 60
    while httpx.get(address).status_code != 200:
        assert time.monotonic() < end, f"{address} never came"


def verdicts(page):
    page.wait(CHECKED)
    rows = "[...document.querySelectorAll('#checks li')].map((li) => [li.dataset.check, li.dataset.verdict])"
    return dict(page.do(rows))


@pytest.mark.browser
def test_receipts_of_a_real_controller_check_themselves(browser, stall):
    page = browser.page()
    page.open(stall.link("granted"))
    page.wait("document.querySelector('#checks [data-check=mac][data-verdict=ok]')")
    assert verdicts(page) == {
        "signed": "ok",
        "handle": "ok",
        "mac": "ok",
        "ledger": "ok",
        "reversed": "unknown",
    }
    assert page.text(".slip h1") == "15 % off now, at most 5.00 EUR"
    assert "World market" in page.text(".slip")
    page.do("document.querySelector('#whole').click()")
    page.wait("document.querySelector('#checks [data-check=reversed][data-verdict=ok]')")
    assert page.text("#total") == "Nothing failed."
    assert page.trouble == []
    page.open(stall.link("refunded"))
    page.wait("document.querySelector('#checks [data-check=reversed][data-verdict=failed]')")
    page.open(stall.link("lane"))
    page.wait("document.querySelector('#checks [data-code=host-lane]')")
    page.close()


@pytest.mark.browser
def test_the_live_page_of_a_real_controller_is_live(browser, stall):
    page = browser.page()
    page.open(f"{stall.url}/live")
    page.wait("document.querySelector('#state').dataset.state === 'good'")
    page.wait("document.querySelectorAll('#feed li').length >= 8")
    assert page.text("[data-kind=grant]") == "2"
    item = stall.world.record(KIND_DENY, stall.world.bricks[0], f14=[3])
    body = stall.world.batch([stall.world.receipt(item)])
    headers = {"Authorization": f"Bearer {stall.world.host.token}"}
    assert httpx.post(f"{stall.url}/v1/batches", content=body, headers=headers).status_code == 200
    page.wait("document.querySelector('#feed li .sentence').innerText === 'This person already had it.'")
    assert page.trouble == []
    page.close()


def test_the_files_of_the_page_are_enough_for_the_command(stall, tmp_path):
    for name, address in {
        "r.cose": stall.link("granted", ".cose"),
        "r.tlog-proof": stall.link("granted", ".tlog-proof"),
        "r.record-key": stall.link("granted", ".record-key"),
        "keys.json": f"{stall.url}/keys.json",
    }.items():
        answer = httpx.get(address)
        assert answer.status_code == 200, address
        (tmp_path / name).write_bytes(answer.content)
    copy = tmp_path / "ledger"
    answer = RUNNER.invoke(ledger_cli, ["export", str(stall.folder), str(copy)])
    assert answer.exit_code == 0, answer.stderr
    answer = RUNNER.invoke(ledger_cli, ["fsck", str(copy), "--json"])
    assert answer.exit_code == 0, answer.stdout
    assert json.loads((copy / "keys.json").read_text()) == json.loads((tmp_path / "keys.json").read_text())
    keys = ["--keys", str(tmp_path / "keys.json"), "--json"]
    files = ["--proof", str(tmp_path / "r.tlog-proof"), "--record-key", str(tmp_path / "r.record-key")]
    found = json.loads(RUNNER.invoke(verify_cli, [str(tmp_path / "r.cose"), *keys, *files]).stdout)
    assert [one["verdict"] for one in found["checks"]] == ["ok", "ok", "ok", "unknown"]
    found = json.loads(
        RUNNER.invoke(verify_cli, [str(tmp_path / "r.cose"), *keys, "--ledger", str(copy)]).stdout
    )
    assert [one["verdict"] for one in found["checks"]] == ["ok", "ok", "ok", "ok"]
    (tmp_path / "back.cose").write_bytes(httpx.get(stall.link("refunded", ".cose")).content)
    answer = RUNNER.invoke(verify_cli, [str(tmp_path / "back.cose"), *keys, "--ledger", str(copy)])
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["checks"][3]["code"] == "reversed"


def test_pages_and_files_answer_as_they_should(stall):
    html = {"accept": "text/html"}
    assert httpx.get(stall.link("near")).status_code == 200
    assert httpx.get(f"{stall.url}/r/ABC", headers=html).status_code == 422
    assert "No such receipt" in httpx.get(f"{stall.url}/r/{'A' * 26}", headers=html).text
    assert httpx.get(f"{stall.url}/r/{'A' * 26}.cose").status_code == 404
    page = httpx.get(f"{stall.url}/nowhere", headers=html)
    assert page.status_code == 404 and "There is no page at this address." in page.text
    digest = httpx.get(stall.link("near")).text.split("/terms/")[1][:32]
    assert "One gift a person and day" in httpx.get(f"{stall.url}/terms/{digest}").text
    for path in ("/", "/live", "/verify"):
        assert httpx.get(stall.url + path).status_code == 200
