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
def test_however_it_ends_nothing_is_left_behind_and_the_next_start_resumes(tmp_path):
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

    before = 0
    # The last one is Ctrl-C: an end in order, which its code says.
    for how in (signal.SIGKILL, signal.SIGHUP, signal.SIGINT):
        demo = start()
        try:
            wait_for(lambda least=before: leaves() >= max(least, 1), "the receipts of before")
            resumed = leaves()
            wait_for(lambda least=resumed: leaves() > max(least, 12), "more receipts")
            before = leaves()
        finally:
            demo.send_signal(how)
            demo.wait(SECONDS)
        wait_for(lambda: not left_running(folder), "the last program to end")
    assert demo.returncode == 0
