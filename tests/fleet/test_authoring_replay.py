"""Replay: the same recorded events through two rulesets; counts by hand, any split into processes the same answer."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from stallmark import cbor, leaf, receipt
from typer.testing import CliRunner

from fleet.authoring import library, place, recorded, replay, synthetic
from fleet.authoring.candidates import instant
from fleet.authoring.cli import app
from fleet.authoring.compile import compile_campaign
from fleet.authoring.engine import event, reg
from fleet.authoring.recorded import Source, StreamError
from fleet.authoring.replay import Candidate, Plan, Share
from fleet.authoring.replay_report import Words, as_json
from fleet.ledger.tiles import ENTRIES, encode_bundle, tile_at

RUN = CliRunner()
START = 1_790_000_000_000
MINUTE = 60_000


def campaign(**rule: Any) -> dict[str, Any]:
    """2.00 off a basket of 10.00, once in the slot."""
    one = {
        "id": "two-off", "on": ["till sale"], "minimum_trust": "issued", "slots": ["day"],
        "when": {"ge": ["basket", {"money": "10.00"}]}, "grants": [{"money_now": "2.00"}],
        "rights": {"money": {"slice": "4.00", "count": 100}}, "limits": [{"per": "slot", "most": 1}],
        "intent": "conversion",
    }  # fmt: skip
    return {
        "$schema": "stallmark-campaign/2", "id": "two-off", "rev": 1, "market": "Day", "currency": "EUR", "people": 100,
        "timezone": "Europe/Berlin", "slots": {"day": {"start": "PT0S", "duration": "PT6H"}}, "rules": [one | rule],
    }  # fmt: skip


def candidate(value: dict[str, Any], name: str = "one") -> Candidate:
    data, report = compile_campaign(value, START)
    return Candidate(
        name, data, tuple(Share(one.rule, one.unit, one.slice, one.count) for one in report.rights)
    )


def sale(person: int, minute: int, basket: int | None) -> Any:
    return event.make(
        type=reg.EVENT_TILL_SALE, trust=3, subject=sha256(bytes([person])).digest()[:8], wall_ms=START + minute * MINUTE,
        quality=2, spread_ms=0, nonce=minute.to_bytes(8, "big"), basket_minor=basket,
    )  # fmt: skip


def stream(path: Path, events: list[tuple[int, Any]], compact: bool = False) -> recorded.Index:
    places = [Source("north", "kit-1", "b1"), Source("north", "kit-1", "b2"), Source("south", "kit-2", "b3")]
    recorded.write(path, START, places, events, compact)
    return recorded.index(path)


SALES = [
    (0, sale(1, 1, 1200)),
    (1, sale(2, 2, 800)),
    (2, sale(3, 3, 3000)),
    (0, sale(1, 4, 1500)),
    (2, sale(4, 5, None)),
]


@pytest.mark.parametrize("compact", [False, True])
def test_flips_and_money_are_what_one_counts_by_hand(tmp_path: Path, compact: bool) -> None:
    """Old: 2.00 from 10.00 on. New: 3.00 from 8.00 on. Person 1 twice, person 2 with 8.00, person 3 with 30.00."""
    index = stream(tmp_path / "events", SALES, compact)
    new = campaign(
        when={"ge": ["basket", {"money": "8.00"}]}, grants=[{"money_now": "3.00"}],
        rights={"money": {"slice": "6.00", "count": 100}},
    )  # fmt: skip
    tally = replay.run(Plan(candidate(campaign()), candidate(new), index, workers=1)).tally
    assert tally.events == 5
    assert (tally.old.minor, tally.new.minor) == (400, 900)
    assert dict(tally.flips) == {("deny", "grant"): 1}
    assert (tally.flipped, tally.money_changed) == (1, 3)
    assert {name: (row.old_minor, row.new_minor) for name, row in tally.by_hub.items()} == {
        "north": (200, 600), "south": (200, 300),
    }  # fmt: skip
    assert tally.by_event["till sale"].events == 5
    worst = tally.worst[0]
    assert (worst.kit, worst.basket, worst.new.minor - worst.old.minor) == ("kit-1", 800, 300)
    assert worst.old.sentence
    assert worst.new.sentence


def test_the_same_ruleset_flips_nothing(tmp_path: Path) -> None:
    index = stream(tmp_path / "events", SALES)
    one = candidate(campaign())
    tally = replay.run(Plan(one, one, index, workers=1)).tally
    assert (tally.flipped, tally.money_changed, tally.examples) == (0, 0, [])


def test_bricks_of_a_kit_hear_of_each_other_unless_they_are_alone(tmp_path: Path) -> None:
    """One of three people taps at the other brick: more than two is true for the kit, for no brick alone."""
    rule = campaign(when={"gt": [{"people": {"first": "PT1H"}}, 2]}, limits=[])
    one = candidate(rule)
    index = stream(tmp_path / "events", [(0, sale(1, 1, 1)), (1, sale(2, 2, 1)), (0, sale(3, 3, 1))])
    together = replay.run(Plan(one, one, index, workers=1)).tally
    alone = replay.run(Plan(one, one, index, exchange=False, workers=1)).tally
    assert (together.old.kinds["grant"], alone.old.kinds["grant"]) == (1, 0)


def test_a_shared_budget_is_never_more_than_was_minted_and_an_endless_one_never_ends(tmp_path: Path) -> None:
    sales = [(number % 3, sale(number, number, 2000)) for number in range(1, 40)]
    index = stream(tmp_path / "events", sales)
    one = candidate(campaign(rights={"money": {"slice": "4.00", "count": 3}}))
    spent = {
        budget: replay.run(Plan(one, one, index, budget=budget, workers=1)).tally.old.minor
        for budget in ("shared", "each", "endless")
    }
    assert spent == {"shared": 1200, "each": 2400, "endless": 7800}


def test_any_number_of_processes_gives_the_same_report(tmp_path: Path) -> None:
    places = synthetic.sources(6_000)
    path = tmp_path / "events.cbor"
    recorded.write(path, START, places, synthetic.events(6_000, 3, START), True)
    index = recorded.index(path)
    other = candidate(campaign(when={"ge": ["basket", {"money": "12.00"}]}), "two")
    found = []
    for workers in (1, 2):
        plan = Plan(candidate(campaign()), other, index, workers=workers)
        report = as_json(plan, replay.run(plan), "EUR")
        found.append(
            {
                key: value
                for key, value in report.items()
                if key not in ("seconds", "events_per_second", "processes")
            }
        )
    assert found[0] == found[1]
    assert found[0]["events"] == 6_000
    assert found[0]["flipped"] > 0


def test_progress_is_told_within_a_kit_and_ends_with_the_last_event(tmp_path: Path) -> None:
    path = tmp_path / "events.cbor"
    recorded.write(path, START, synthetic.sources(2_500), synthetic.events(2_500, 3, START), True)
    heard: list[int] = []
    one = candidate(campaign())
    replay.run(Plan(one, one, recorded.index(path), workers=1), heard.append)
    assert heard == sorted(heard)
    assert {1_000, 2_000} <= set(heard)
    assert heard[-1] == 2_500


def test_both_forms_of_a_stream_hold_the_same_events(tmp_path: Path) -> None:
    found = []
    for compact in (False, True):
        path = tmp_path / f"events-{compact}"
        recorded.write(path, START, synthetic.sources(500), synthetic.events(500, 9, START), compact)
        index = recorded.index(path)
        assert (index.count, index.start_ms) == (500, START)
        with recorded.opened(path) as data:
            found.append(
                [
                    (source, e._replace(nonce=b""))
                    for kit in index.kits
                    for source, e in recorded.events_of(index, kit, data)
                ]
            )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]\n",
        b'{"kit": 5}\n',
        b'{"kit": "a", "type": "dance"}\n',
        b'{"kit": "a", "type": 1, "colour": 3}\n',
        b"\xff\n",
    ],
)
def test_a_line_that_is_no_event_is_named_and_nothing_is_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line)
    one = candidate(campaign())
    with pytest.raises(StreamError):
        replay.run(Plan(one, one, recorded.index(path), workers=1))


def test_a_compact_stream_that_is_cut_says_where(tmp_path: Path) -> None:
    path = tmp_path / "events.cbor"
    recorded.write(path, START, synthetic.sources(50), synthetic.events(50, 1, START), True)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StreamError, match="event 50, at byte"):
        recorded.index(path)


def test_the_command_makes_events_replays_them_and_writes_json_and_a_page(tmp_path: Path) -> None:
    old, new, events, page = (
        tmp_path / name for name in ("old.json", "new.json", "events.cbor", "report.html")
    )
    old.write_text(json.dumps(campaign()))
    new.write_text(json.dumps(campaign(when={"ge": ["basket", {"money": "12.00"}]}) | {"rev": 2}))
    made = RUN.invoke(app, ["events", "--count", "3000", "--seed", "5", "--out", str(events)])
    assert made.exit_code == 0, made.output
    assert "3,000 events of 1 kit," in made.output
    args = ["replay", str(old), str(new), "--events", str(events), "--hubs"]
    shown = RUN.invoke(app, args)
    assert shown.exit_code == 1, shown.output
    for words in ("decisions are flipped", "by hub", "by kind of event", "the worst examples", "events/s"):
        assert words in shown.output
    told = RUN.invoke(app, [*args, "--json", "--html", str(page)])
    found = json.loads(told.stdout)
    assert found["events"] == 3000
    assert found["before"]["minor"] != found["after"]["minor"]
    html = page.read_text()
    assert html.count("<svg ") >= 2
    assert "src=" not in html
    assert "<script" not in html
    assert RUN.invoke(app, [*args[:2], str(old), *args[3:]]).exit_code == 0, "a ruleset against itself"


def test_what_cannot_be_replayed_is_said_in_words(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(campaign()))
    nothing = RUN.invoke(app, ["replay", str(old), str(old)])
    assert nothing.exit_code == 2
    assert "--events" in nothing.output
    missing = RUN.invoke(app, ["replay", str(old), str(old), "--events", str(tmp_path / "none")])
    assert missing.exit_code == 2
    assert "cannot be read" in missing.output


# --- a ledger: public parts only


def ledger(folder: Path, digest8: bytes, receipts: list[tuple[int, int, int, int | None]]) -> None:
    """A folder of receipts (minute, trust, kind, minor given), unsigned: replay reads, `stallmark verify` verifies."""
    entries = []
    for number, (minute, trust, kind, minor) in enumerate(receipts, 1):
        public = {
            0: 0, 1: b"brick--A", 2: number, 3: 0, 4: 1, 5: START + minute * MINUTE, 6: 0, 7: [2, 0], 8: digest8, 9: 0,
            10: kind, 11: reg.EVENT_TILL_SALE * 16 + trust, 14: [1 if minor else 19, 0], 15: minute.to_bytes(8, "big"),
            16: 1, 18: bytes(16),
        }  # fmt: skip
        if minor:
            public |= {12: [[2, 1, minor]], 23: "EUR"}
        fields = {
            0: 1, 1: cbor.encode(public), 2: bytes(16), 3: bytes(8), 4: number, 5: bytes(16), 6: START + minute * MINUTE,
            7: 0, 8: 1, 11: bytes(16), 15: 1, 16: b"hub-0001",
        }  # fmt: skip
        cose = receipt.assemble(receipt.protected(bytes(8)), receipt.encode_payload(fields), bytes(64))
        entries.append(leaf.entry(reg.LEAF_RECEIPT, cose))
    path = folder / tile_at(ENTRIES, 0, len(entries)).path
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_bundle(entries))
    root = "A" * 43 + "="
    (folder / "checkpoint").write_text(
        f"example/eu/2026\n{len(entries)}\n{root}\n\n— example/eu/2026 {'A' * 96}\n"
    )


def test_a_ledger_says_what_is_certain_and_what_it_cannot_know(tmp_path: Path) -> None:
    """Four receipts: two grants of 2.00, a denial of an issued tag, one of a blank tag."""
    old = candidate(campaign())
    digest8 = replay.rules.Ruleset(old.data).digest8
    ledger(tmp_path / "ledger", digest8, [(1, 3, 1, 200), (2, 3, 2, None), (3, 2, 2, None), (400, 3, 1, 200)])
    path = {name: tmp_path / f"{name}.json" for name in ("old", "same", "basket", "all", "staff")}
    path["old"].write_text(json.dumps(campaign()))
    path["basket"].write_text(json.dumps(campaign(when={"ge": ["basket", {"money": "12.00"}]})))
    path["all"].write_text(json.dumps(campaign(when=True, limits=[], minimum_trust="bare")))
    path["staff"].write_text(json.dumps(campaign(minimum_trust="staff")))

    def ask(name: str) -> dict[str, Any]:
        start = "2026-09-21T14:13:20+00:00"
        args = [
            "replay",
            str(path["old"]),
            str(path[name]),
            "--ledger",
            str(tmp_path / "ledger"),
            "--json",
            "--start",
            start,
        ]
        found: dict[str, Any] = json.loads(RUN.invoke(app, args).stdout)
        return found

    same = ask("old")
    assert (same["receipts"], same["same_rules"], same["recorded"], same["low"], same["high"]) == (
        4,
        4,
        400,
        400,
        400,
    )
    basket = ask("basket")  # nobody knows the baskets; a blank tag, and the one after the slot, are certain
    assert (basket["open"], basket["certain_lost"], basket["certain_same"]) == (2, 1, 1)
    assert (basket["low"], basket["high"]) == (0, 400)
    everyone = ask("all")
    assert (everyone["certain_gained"], everyone["certain_lost"], everyone["low"], everyone["high"]) == (
        2,
        1,
        600,
        600,
    )
    staff = ask("staff")
    assert (staff["certain_lost"], staff["open"], staff["high"]) == (2, 0, 0)
    assert "baskets" in staff["unknown"]


def test_records_of_one_event_are_one_event(tmp_path: Path) -> None:
    """Two rules granted together: the new one could give 2.00 once, not twice."""
    digest8 = replay.rules.Ruleset(candidate(campaign()).data).digest8
    ledger(tmp_path / "ledger", digest8, [(1, 3, 1, 200), (1, 3, 1, 100), (2, 3, 2, None)])
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(campaign()))
    new.write_text(json.dumps(campaign(limits=[], when=True)))
    args = [
        "replay",
        str(old),
        str(new),
        "--ledger",
        str(tmp_path / "ledger"),
        "--start",
        "2026-09-21T14:13:20+00:00",
    ]
    found = json.loads(RUN.invoke(app, [*args, "--json"]).stdout)
    assert (found["receipts"], found["events"], found["recorded"], found["low"], found["high"]) == (
        3,
        2,
        300,
        400,
        400,
    )


def test_the_page_of_a_ledger_is_one_file_with_its_bounds(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(campaign()))
    digest8 = replay.rules.Ruleset(candidate(campaign()).data).digest8
    ledger(tmp_path / "ledger", digest8, [(1, 3, 1, 200)])
    new = tmp_path / "new.json"
    new.write_text(json.dumps(campaign(limits=[])))
    args = [
        "replay",
        str(old),
        str(new),
        "--ledger",
        str(tmp_path / "ledger"),
        "--start",
        "2026-09-21T14:13:20+00:00",
    ]
    shown = RUN.invoke(app, [*args, "--hubs", "--html", str(tmp_path / "page.html")])
    assert shown.exit_code == 1, shown.output
    assert "cannot be known from the ledger" in shown.output
    page = (tmp_path / "page.html").read_text()
    assert "<svg" in page
    assert "0.00 EUR to 2.00 EUR" in page


def test_amounts_are_told_with_their_currency() -> None:
    words = Words("JPY")
    assert (words.amount(500), words.change(-20), words.change(20)) == ("500 JPY", "-20 JPY", "+20 JPY")


def test_the_quick_state_decides_as_the_cores_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen rules of the library; few people are remembered, so that tables fill and make room again."""
    names = (
        "surprise-15", "basket-2-off", "next-visit-10", "first-20-sample", "tip-match", "early-access", "micro-drop",
        "attendance-unlock", "community-unlock", "walk-in", "token-drip", "rush-and-rhythm",
    )  # fmt: skip
    old = library.combined(names) | {"people": 60}
    new = json.loads(json.dumps(old))
    for rule in new["rules"]:
        if rule["id"] == "surprise-15":
            rule["when"] = {"gt": [{"people": {"first": "PT1H"}}, 3]}
    start = instant("2026-10-03T09:00:00+02:00")
    path = tmp_path / "events.cbor"
    recorded.write(path, start, synthetic.sources(4_000), synthetic.events(4_000, 5, start), True)
    candidates = []
    for value in (old, new):
        data, report = compile_campaign(value, start)
        candidates.append(
            Candidate(
                "one", data, tuple(Share(one.rule, one.unit, one.slice, one.count) for one in report.rights)
            )
        )
    found = []
    for less in (True, False):
        monkeypatch.setattr(place, "QUICK", less)
        found.append(replay.run(Plan(*candidates, recorded.index(path), budget="each", workers=1)).tally)
    assert found[0] == found[1]
    assert found[0].flipped > 0
    assert len(found[0].old.rules) > 6
    assert len(found[0].old.reasons) > 6


def test_many_kits_are_replayed_by_two_processes_as_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "EVENTS_PER_KIT", 10)
    path = tmp_path / "events.cbor"
    recorded.write(path, START, synthetic.sources(400), synthetic.events(400, 7, START), True)
    one = candidate(campaign())
    tallies = [
        replay.run(replay.Plan(one, one, recorded.index(path), workers=workers)).tally for workers in (1, 2)
    ]
    assert tallies[0].events == 400 and len(recorded.index(path).counts) > 32
    assert dict(tallies[0].old.kinds) == dict(tallies[1].old.kinds)
