"""Bad input through the real firmware, a real host and a real controller: each has its outcome and its count,
none stops a brick, none costs a record. The rows of docs/bad-input.md that a whole kit shows."""

import asyncio
import random
import resource

import pytest
from stallmark import cbor, frame
from stallmark import registry as reg
from virtualkit import cards, dumps, othertags
from virtualkit.demo.stall import Stall, public_keys
from virtualkit.faults import WireFaults
from virtualkit.kitplan import BrickPlan, KitPlan
from virtualkit.newkit import free_ports, new_kit
from virtualkit.pins import ASK, FAULT, GRANTED, NOTHING
from virtualkit.reference import audit, stores
from virtualkit.reference.judge import all_records

SEED = 47
OPENS_MS = 1_790_924_400_000
PATIENCE_SECONDS = 60.0
SCENE_SECONDS = 150.0
HINT_SECONDS = 1.2
AGE_ERROR_SECONDS = 0.05  # ages are told in tenths of a second


class Market:
    """A stall of two bricks with controller and host, all of them running, and what its tests ask of it."""

    def __init__(self, folder, runner):
        fleet_port, host_port = free_ports()
        plan = KitPlan(
            name="bad-input",
            bricks=(BrickPlan("brick-1", ("nfc",)), BrickPlan("brick-2", ("qr",))),
            start_ms=OPENS_MS,
            market_clock=True,
            fleet_port=fleet_port,
            host_port=host_port,
        )
        made = new_kit(folder, plan, print)
        self.folder, self.event_key = made.folder, made.event_key
        self.rng = random.Random(SEED)
        self.runner = runner

    async def open(self):
        """Starts everything and waits until the bricks can decide."""
        self.stall = Stall(self.folder, "fast", SEED)
        try:
            await self.stall.start()
            self.stall.clock.set(OPENS_MS + 60_000)
            await self.stall.armed(print)
        except BaseException:
            await self.stall.stop()
            raise
        self.nfc, self.qr = self.stall.kit.bricks
        for brick in self.stall.kit.bricks:
            # On a loaded machine a part's model may answer late: the brick rightly blinks red, and goes on.
            brick.patience, brick.overlooked = PATIENCE_SECONDS, frozenset((FAULT,))

    def play(self, scene):
        """Runs a test's scene, and after it what must hold after every one."""

        async def whole():
            await scene
            await self.still_good()
            await self.nothing_lost()

        self.runner.run(asyncio.wait_for(whole(), SCENE_SECONDS))

    # --- looking

    async def until(self, condition, what):
        """Waits until a condition, or the status that it is given, is true; returns its value."""
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            for brick in self.stall.kit.bricks:
                brick.process.check()
            assert asyncio.get_running_loop().time() < end, f"waited {PATIENCE_SECONDS:g} s for {what}"
            await asyncio.sleep(0.02)

    async def status(self):
        """What the host says; {} while it does not."""
        return await self.stall.host_status() or {}

    async def line(self, brick):
        """What the host says of a brick."""
        found = (await self.status()).get("bricks", [])
        return next((line for line in found if line["name"] == brick.name), None)

    async def counts(self, brick):
        """A brick's counters by their words, as the diagnostics of a new session bring them to the status."""
        await self.until(lambda: self.line(brick), "the host")
        loop = asyncio.get_running_loop()
        asked = loop.time()
        hinted = 0.0

        async def told():
            nonlocal hinted
            # Anybody can send such a hint, and at most once a second it brings a new session.
            if loop.time() - hinted > HINT_SECONDS:
                hinted = loop.time()
                hint = frame.notice(reg.NOTICE_NO_SESSION, "as the test asks")
                brick.wire.inject(brick.wire.down, b"\x00" + hint)
            said = ((await self.line(brick)) or {}).get("diagnostics")
            heard_since = said and said["age_s"] + AGE_ERROR_SECONDS < loop.time() - asked
            return said["counters"] if heard_since else None

        return await self.until(told, f"the counters of {brick.name}")

    def denied_for(self, brick, after):
        """Reason codes of the denials on a brick's flash that came after this record."""
        records = self.stall.evidence.watches[brick.name].image.records()
        fields = [records[seq].fields for seq in sorted(records) if seq > after]
        return [one[14][0] for one in fields if one[10] == reg.KIND_DENY]

    # --- customers

    def issued(self):
        """A tag that the hub issued, to somebody who has not been here."""
        return dumps.parse(cards.issued_tag(self.rng, self.event_key).image)

    def passed(self):
        """A pass, likewise."""
        return cards.pass_code(self.rng, self.event_key).text.encode()

    async def traffic(self):
        """A blank tag and somebody else's code: nothing this time, and a record each."""
        assert (await self.nfc.tap(dumps.parse(cards.blank_tag(self.rng).image))).outcome == NOTHING
        assert (await self.qr.scan(cards.foreign_code(self.rng).text.encode())).outcome == NOTHING

    async def still_good(self):
        """A good tap and a good scan are granted as if nothing had been."""
        assert (await self.nfc.tap(self.issued())).outcome == GRANTED
        assert (await self.qr.scan(self.passed())).outcome == GRANTED

    async def nothing_lost(self):
        """Every record on flash reaches the ledger once, byte for byte, in an unbroken chain."""
        stall = self.stall
        stall.check()
        await self.until(stall.drained, "every record in the ledger")
        findings = audit.Findings()
        keys = public_keys(self.folder)
        watches = list(stall.evidence.watches.values())
        entries = audit.read_ledger(
            self.folder.controller / "ledger", keys, stall.feed.checkpoints, findings
        )
        audit.read_receipts(entries, keys, findings)
        images = {watch.identity: watch.image for watch in watches}
        audit.check_records(all_records(images, stores.lane_records(self.folder.host)), findings)
        audit.check_greens({watch.identity: watch.greens for watch in watches}, findings)
        audit.check_rights(findings)
        assert findings.violations + stall.evidence.violations == []
        health = (await stall.http.get(f"{stall.fleet_url}/healthz")).json()
        assert (health["status"], health["findings"]) == ("ok", 0)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """One kit for all tests of this file."""
    print("seed", SEED)
    with asyncio.Runner() as runner:
        market = Market(tmp_path_factory.mktemp("bad-input") / "kit", runner)
        runner.run(market.open())
        yield market
        runner.run(market.stall.stop())


# --- the link


def test_noise_loss_and_doubling_on_the_cables_cost_resends_and_no_record(market):
    async def scene():
        bricks = market.nfc, market.qr
        for brick in bricks:
            for lane in (brick.wire.up, brick.wire.down):
                lane.faults = WireFaults(flipped=0.001, dropped=0.0005, inserted=0.0005, lost=0.05, doubled=0.05)
        met = ("noise", "repeats", "resends", "dropped")
        noticed = set()
        while len(noticed) < len(bricks) or not await all_lines(market, lambda link: all(link[key] for key in met)):
            await market.traffic()
            for brick in bricks:
                counts = await market.counts(brick)
                if counts.get("link noise") and counts.get("link frames resent"):
                    noticed.add(brick.name)
        for brick in bricks:
            brick.wire.up.faults = WireFaults()
            brick.wire.down.faults = WireFaults()

    market.play(scene())


async def all_lines(market, good):
    """Whether the link of every brick is as wanted."""
    lines = (await market.status()).get("bricks", [])
    return lines and all(good(line["link"]) for line in lines)


def test_frames_of_every_wrong_kind_are_told_apart_at_both_ends(market):
    async def scene():
        brick = market.nfc
        up, down = [], []
        feeds = brick.wire.up.feed, brick.wire.down.feed
        brick.wire.up.feed = lambda data: (up.append(data), feeds[0](data))
        brick.wire.down.feed = lambda data: (down.append(data), feeds[1](data))
        await market.still_good()
        await market.until(market.stall.drained, "traffic in both directions")
        before = await market.counts(brick)  # a new session: what was recorded belongs to the one before
        heard = (await market.line(brick))["link"]
        brick.wire.up.feed, brick.wire.down.feed = feeds
        good = frame.build(reg.FRAME_SEALED, bytes(range(1, 60)))
        spoilt = [
            (good[:20] + b"\x00", "link noise", "noise"),  # cut short
            (good[:30] + bytes((good[30] ^ 1,)) + good[31:], "link noise", "noise"),  # its CRC is wrong
            (b"\x07" * 3000 + b"\x00", "link frames too long", "oversize"),
            (frame.build(77, b"newer"), "link frames of unknown version or type", "unknown"),
            (frame.build(reg.FRAME_M2, bytes(46)), "link frames with a wrong tag", None),
            (frame.build(reg.FRAME_M1, bytes(52)), None, "bad_handshakes"),
            (frame.build(reg.FRAME_M3, bytes(16)), None, "bad_handshakes"),
            (frame.build(reg.FRAME_SEALED, cbor.encode({0: "foreign"}) * 4), "link frames of another session", "strays"),
        ]
        for data, _, _ in spoilt:
            for lane in (brick.wire.up, brick.wire.down):
                brick.wire.inject(lane, b"\x00" + data)
        for lane, recorded in ((brick.wire.up, up), (brick.wire.down, down)):
            for data in recorded[::-1]:  # everything that was said before, last first
                brick.wire.inject(lane, data)
                await asyncio.sleep(0)
        await market.still_good()
        counts = await market.counts(brick)
        told = (await market.line(brick))["link"]
        for _, word, key in spoilt:
            assert word is None or counts.get(word, 0) > before.get(word, 0), word
            assert key is None or told[key] > heard[key], key

    market.play(scene())


# --- readers


def test_what_is_held_to_the_nfc_reader_has_an_answer_each(market):
    async def scene():
        brick, rng = market.nfc, market.rng
        before = await market.counts(brick)
        seen = max(market.stall.evidence.watches[brick.name].image.records())
        two = market.issued(), market.issued()
        since = brick.light.count
        for tag in two:
            brick.nfc.place(tag)
        await market.until(lambda: brick.light.count > since, "a light for two cards")
        assert brick.light.edges[-1].outcome == ASK
        for tag in two:
            brick.nfc.remove(tag)
        await market.until(lambda: not brick.nfc.field.cards, "an empty reader")
        for tag, outcome in (
            (othertags.Unreadable(b"\x04" + rng.randbytes(6)), ASK),
            (othertags.Phone(random.Random(SEED)), NOTHING),
            (othertags.classic(b"\x11" + rng.randbytes(3)), NOTHING),
            (dumps.parse(cards.blank_tag(rng).image), NOTHING),
            (market.issued(), GRANTED),
        ):
            shown = await brick.tap(tag)
            assert shown.outcome == outcome, tag
        assert market.denied_for(brick, seen) == [reg.REASON_TOKEN_KIND] * 3
        counts = await market.counts(brick)
        more = {word: counts[word] - before.get(word, 0) for word in counts}
        assert more["two cards at once"] == 1 and more["unreadable tags"] == 1
        assert more["decisions"] == 4

    market.play(scene())


def test_a_noisy_and_a_silent_nfc_chip_are_states_and_not_the_end(market):
    async def scene():
        brick = market.nfc
        brick.nfc.faults.corrupt_every = 7
        for _ in range(3):
            assert (await brick.tap(market.issued())).outcome == GRANTED
        brick.nfc.faults.corrupt_every = 0
        counts = await market.counts(brick)
        assert counts["NFC frames damaged"]
        brick.nfc.faults.silent = True
        words = f"{brick.name} says of itself: degraded (its reader does not answer)."
        await market.until(lambda: says(market, words), words)
        assert brick.light.edges[-1].outcome in (FAULT, None)
        brick.nfc.faults.silent = False
        await market.until(lambda: says_not(market, words), "a good reader")

    market.play(scene())


async def says(market, words):
    """Whether the host's words hold this sentence, or one that begins like it."""
    return [text for text in (await market.status()).get("words", []) if text.startswith(words)]


async def says_not(market, words):
    """Whether the host answers, and without that sentence."""
    found = await market.status()
    return found and not [text for text in found["words"] if text.startswith(words)]


def test_codes_of_every_kind_have_an_answer_each_and_none_changes_the_scanner(market):
    async def scene():
        brick = market.qr
        zones = dict(brick.scanner.zones)
        expected = await market.counts(brick)
        seen = max(market.stall.evidence.watches[brick.name].image.records())
        words = set()
        good = market.passed()
        forged = good[:-1] + (b"A" if good[-1:] != b"A" else b"B")
        codes = (
            (b"", ASK, "codes without content"),
            (b"Y", NOTHING, None),
            (b"x" * 128, NOTHING, None),
            (b"x" * 129, ASK, "codes too long"),
            (b"\x1d0123456789" * 100, ASK, "scanner set-up codes and control characters"),
            (b"0" * 4000, ASK, "codes too long"),
            (b"bell \x07", ASK, "scanner set-up codes and control characters"),
            (b"_SET_CODE_ON", NOTHING, None),  # to the module it is one, and it is closed to them
            (b"@006000", ASK, "scanner set-up codes and control characters"),
            (b"%%SpecCode9B", ASK, "scanner set-up codes and control characters"),
            (b"Stra\xc3\x9fe", ASK, "codes with foreign characters"),
            (forged, NOTHING, "passes with a wrong MAC"),
            (good, GRANTED, None),
        )
        for code, outcome, word in codes:
            shown = await brick.scan(code)
            assert shown.outcome == outcome, code[:20]
            if word:
                words.add(word)
                expected[word] = expected.get(word, 0) + 1
        counts = await market.counts(brick)
        told = {word: counts[word] for word in words}
        # Only an end of line comes of a code without content: within 10 ms of the module's own answer to the brick's
        # regular questions it shows that the answer was a code. The module then reads the empty code once more.
        setup = "scanner set-up codes and control characters"
        assert told.pop(setup) - expected[setup] in range(4)
        # Each is counted. A brick that stands still for two seconds while a code is shown reads it anew, as it should then:
        # a few may be counted twice, all of them never.
        wanted = {word: expected[word] for word in words - {setup}}
        assert all(told[word] >= wanted[word] for word in wanted), (told, wanted)
        before = {word: wanted[word] - sum(word == one for _, _, one in codes) for word in wanted}
        made, due = (sum(found[word] - before[word] for word in wanted) for found in (told, wanted))
        assert made < 2 * due, (told, wanted)
        denied = market.denied_for(brick, seen)
        assert set(denied) == {reg.REASON_TOKEN_KIND} and 4 <= len(denied) < 8
        brick.scanner.faults.garbage = 9
        assert (await brick.scan(b"after some noise")).outcome is not None
        brick.scanner.faults.garbage = 0
        assert brick.scanner.zones == zones

    market.play(scene())


# --- host and controller away


def test_bricks_and_host_go_on_without_a_controller(market):
    async def scene():
        await market.stall.fleet.kill()
        for _ in range(3):
            await market.still_good()
        words = "Receipts wait here: the controller cannot be reached ("
        await market.until(lambda: says(market, words), words)
        found = await market.status()
        assert found["outbox"]["receipts"] >= 1 and found["controller"]["failures"]["offline"] >= 1
        await market.stall.fleet.start()
        await market.until(lambda: says_not(market, "Receipts wait"), "the controller again")

    market.play(scene())


def test_bricks_go_on_without_a_host(market):
    async def scene():
        await market.stall.host.kill()
        for _ in range(3):
            await market.still_good()
        heads = [max(watch.image.records()) for watch in market.stall.evidence.watches.values()]
        assert min(heads) > min(market.stall.ledger_heads.values())
        await market.stall.host.start()

    market.play(scene())


def test_bricks_go_on_while_the_disk_of_their_host_is_full(market):
    async def scene():
        stall, host = market.stall, market.stall.host
        await host.stop()  # in order: its write-ahead log is folded in, the next one begins small
        await host.start()
        await market.traffic()
        await market.until(stall.drained, "a log to write to")
        process = host._process.pid
        log = market.folder.host / "host.db-wal"
        resource.prlimit(process, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        words = "disk full (the file may not grow beyond a limit) for "
        for _ in range(200):
            await market.traffic()
            if await says(market, words):
                break
        assert await says(market, words)
        acknowledged = {line["name"]: line["records"]["durable_seq"] for line in (await market.status())["bricks"]}
        await market.still_good()
        for watch in stall.evidence.watches.values():
            line = await market.line(watch.brick)
            assert line["records"]["durable_seq"] == acknowledged[line["name"]] < max(watch.image.records())
        resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        await market.until(lambda: says_not(market, words), "room again")

    market.play(scene())
