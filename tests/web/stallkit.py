"""A stall for browser tests: a real host agent with a lane, a brick that decides, rules, rights and operators, in a
thread of its own, so that a browser can be driven beside it."""

import asyncio
import base64
import json
import os
import sys
import threading
import time
from pathlib import Path

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import keys, rights, token
from stallmark import registry as reg

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))

from exchangekit import Thinking, rule, ruleset, signed
from hostkit import OnDemand, host_folder, running, until
from test_host_updater import as_config

from hostagent.screen.pin import hash_pin
from tests.world import World

PIN = "246810"
HOUR_MS = 3_600_000
OFF = rule(
    "fifteen-off", [11, [22], 1000], [[1, 1500, 500]], [1],
    f1=[reg.EVENT_TILL_SALE, reg.EVENT_OPERATOR_ENTRY], f2=0, f8=[], f9=[14, 1, 0, 0],
)  # fmt: skip
TEA = rule(
    "tea",
    [11, [22], 100],
    [[reg.GRANT_UNLOCK, 1, 0, "tea"]],
    [],
    f1=[reg.EVENT_NFC_TAP],
    f2=3,
    f9=[14, 1, 0, 0],
)
MENU = rule("menu", [0], [[reg.GRANT_UNLOCK, 1, 0, "secret menu"]], [], f1=[reg.EVENT_POSTER_QR], f2=0, f8=[])

# Nobody shares here: tokens come of grants that a test writes.
CLUB = rule(
    "club", [10, [30], -1], [[reg.GRANT_TOKENS, 2, 0, 30]], [], f1=[reg.EVENT_SHARE], f2=3, f8=[],
)  # fmt: skip


class Stall:
    """`with Stall(folder) as stall`: up, and at `stall.base`. `operators`: with a person who has PIN."""

    def __init__(self, folder: Path, operators: bool = True, seed: int = 881) -> None:
        print(f"stall of seed {seed}")
        self.world = World(seed, start_ms=int(time.time() * 1000))
        self.folder = folder
        self.world.brick(), self.world.brick()
        self.world.new_lane()
        self.rules = ruleset(self.world, OFF, TEA, MENU, CLUB)
        self.controller = OnDemand(self.world)
        self.controller.bundle = ('"1"', signed(self.world, self.rules))
        self._slice(1, "fifteen-off", 1, 2000)
        self._operators = operators
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall")
        self._failed: BaseException | None = None

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30) and self._failed is None, self._failed
        return self

    def __exit__(self, *error):
        self.end()

    def end(self):
        """Ends the host: nothing answers any more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)
        assert not self._thread.is_alive() and self._failed is None, self._failed

    def do(self, call):
        """Calls something in the stall's loop; a coroutine is waited for."""

        async def work():
            found = call()
            return await found if asyncio.iscoroutine(found) else found

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(20)

    def tap(self, person: int):
        """Somebody holds an issued tag to the first brick: its records."""
        return self.do(lambda: self.brick.tap(person))

    def give_tokens(self, number: int, tokens: int):
        """The first brick gave so many tokens to the holder of a pass."""
        serial = number.to_bytes(10)
        whose = token.subject(keys.subject_key(self.world.event_key), token.TOKEN_PASS, serial)

        def note():
            made = self.world.record(
                reg.KIND_GRANT, self.brick.brick, subject=whose, f8=self.brick.rules.digest8, f9=3,
                f11=reg.EVENT_SHARE * 16 + reg.TRUST_ISSUED, f12=[[reg.GRANT_TOKENS, tokens, 0]], f23=None,
            )  # fmt: skip
            self.brick.note(made)
            self.brick._turn()

        self.do(note)
        return whose

    def pass_text(self, number: int = 1) -> str:
        """A pass of this event."""
        return token.pass_text(number.to_bytes(10), keys.token_key(self.world.event_key))

    def _slice(self, number, name, unit, amount):
        expires = int(time.time() * 1000) + 24 * HOUR_MS
        payload = rights.encode_slice(
            number, rights.rule8(name), unit, amount, self.world.kit, self.world.rental, expires
        )
        secret = crypto_sign_seed_keypair(self.world.director_seed)[1]
        signature = crypto_sign(rights.slice_message(payload), secret)[:64]
        both = {"payload": payload, "signature": signature}
        self.controller.slices.append({name: base64.b64encode(data).decode() for name, data in both.items()})

    def _run(self):
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as failed:
            self._failed = failed
            raise
        finally:
            self._ready.set()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.close()

    async def _main(self):
        await self.controller.start()
        director = crypto_sign_seed_keypair(self.world.director_seed)[0].hex()
        path = host_folder(
            self.world, self.folder, self.controller.address,
            authors=as_config(self.world), director=director, name="Tea stall",
        )  # fmt: skip
        secrets = path.with_name("keys.json")
        told = json.loads(secrets.read_text())
        if self._operators:
            told["operators"] = [{"name": "Ana", "pin_scrypt": hash_pin(PIN)}]
        secrets.write_text(json.dumps(told))
        os.chmod(secrets, 0o600)
        self.brick = Thinking(self.world, 0, self.folder, self.rules)
        async with running(path) as agent:
            self.agent = agent
            self.base = f"http://127.0.0.1:{agent.address[1]}"
            self.brick.plug()
            await until(
                lambda: agent.lane.ruleset is not None and agent.lane.state.slices_left(), "the lane is up"
            )
            await until(lambda: self.brick.link is not None and self.brick.link.up, "the brick is up")
            self._ready.set()
            await self._stop.wait()
            self.brick.unplug()
        await self.controller.stop()


def fill(page, selector, text):
    """Types into a field as a person does."""
    page.wait(f"document.querySelector({selector!r})")
    page.do(f"document.querySelector({selector!r}).focus(), document.querySelector({selector!r}).select?.()")
    page.call("Input.insertText", text=text)


def click(page, words, within="document"):
    """Presses the button (or tab) that says these words."""
    page.wait(f"{find(words, within)}")
    page.do(f"{find(words, within)}.click()")


def click_until(page, words, condition):
    """Presses the button until the condition is true: a page that is drawn anew in that moment loses a press."""
    for _ in range(12):
        click(page, words)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if page.do(f"Boolean({condition})"):
                return
            time.sleep(0.05)
    raise AssertionError(f"{words!r} was pressed again and again, and never came true: {condition}")


def find(words, within="document"):
    return (
        f"[...{within}.querySelectorAll('button, .q-tab, a')]"
        f".find((one) => one.innerText.split('\\n').some((line) => line.trim() === {words!r}) && one.offsetParent)"
    )
