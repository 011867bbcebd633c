"""However a demo ends, nothing of it is left running, and the next start resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from virtualkit.kitplan import KitPlan
from virtualkit.newkit import free_ports, new_kit

SECONDS = 120


def wait_for(condition, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {SECONDS} s for {what}")


def answers(port, path):
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def left_running(folder):
    """Processes that have the kit's folder in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see what is left running")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_is_left_behind_and_the_next_start_resumes(tmp_path, how):
    fleet_port, host_port = free_ports()
    plan = KitPlan(fleet_port=fleet_port, host_port=host_port, start_ms=time.time_ns() // 1_000_000)
    folder = new_kit(tmp_path / "kit", plan, print).folder.path

    def leaves():
        try:
            return httpx.get(f"http://127.0.0.1:{fleet_port}/healthz", timeout=SECONDS).json()["receipts"]
        except httpx.HTTPError:
            return 0  # it starts, or a busy machine did not let it answer

    def start():
        arguments = ["demo", "--state", str(folder), "--timing", "fast", "--pause", "0.2"]
        demo = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        wait_for(lambda: demo.poll() is not None or answers(host_port, "/v1/status"), "the host")
        assert demo.poll() is None, demo.stdout.read()
        return demo

    first = start()
    wait_for(lambda: leaves() > 12, "receipts in the ledger")
    first.send_signal(how)
    first.wait(SECONDS)
    wait_for(lambda: not left_running(folder), "the last program to end")
    second = start()
    try:
        wait_for(lambda: leaves() > 12, "the receipts of before")
        before = leaves()
        wait_for(lambda: leaves() > before, "more receipts")
    finally:
        second.send_signal(signal.SIGINT)
        second.wait(SECONDS)
    assert second.returncode == 0
    wait_for(lambda: not left_running(folder), "the last program to end")
