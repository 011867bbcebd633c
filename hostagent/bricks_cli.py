"""`stallmark host bricks`: which bricks are near, which place each has, and how a dead one is replaced."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from hostagent import config as configuration
from hostagent.errors import ConfigError, HostError
from hostagent.placing import Places, handover, serial_ports

app = typer.Typer(
    no_args_is_help=True, help="Bricks near this host: find them, give them a place, replace one."
)
Config = Annotated[Path, typer.Option("--config", help="The host's config.json.")]
Key = Annotated[
    Path | None, typer.Option("--key", help="The bench's hand-over file of this brick; deleted once taken.")
]
NEAR_DBM, FAR_DBM = -70, -85
TAKEN = "The host has taken it up."
LATER = "The host program takes it up when it starts."
NOT_YET = "The host program has not taken it up yet: stallmark host status says why."
TAKEN_UP_S = 10.0
ANSWER_S = 10.0  # for a brick with a link to say how it is
DIAGNOSTICS_S = 3.0  # and of that for its diagnostics, which older programs do not send when they are asked
BLINKS = "it blinks white three times and beeps: look and listen whether it does; a tint means that a colour is dead"
# Records that a replaced brick may write between its last word and the end of its link: they are honest.
MEANWHILE = 32


@app.command()
def scan(
    config: Config,
    seconds: Annotated[float, typer.Option(help="How long to listen.", min=0.5, max=60)] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Lists bricks heard by radio, bricks that are connected, and serial ports. Changes nothing."""
    try:
        told = configuration.load(config)
        found, trouble = asyncio.run(_heard(seconds))
    except HostError as failed:
        raise _stop(str(failed)) from None
    rows = _rows(told, found, _running(told))
    ports = [_port(told, name) for name in serial_ports()]
    if as_json:
        json.dump({"bricks": rows, "serial": ports, "trouble": trouble}, sys.stdout, indent=1)
        print()
        return
    console = Console()
    if trouble is not None:
        console.print(f"By radio nothing can be heard: {trouble}", markup=False)
    table = Table("brick", "place", "links", "radio", "what to do")
    for row in rows:
        table.add_row(
            row["brick"], row["place"] or "–", " and ".join(row["links"]) or "–", row["radio"], row["advice"]
        )
    console.print(table if rows else "No brick is near or has a place here. Is one switched on?")
    for port in ports:
        console.print(
            f"serial port {port['name']}: {port['place'] or 'no brick has its place here'}", markup=False
        )


@app.command()
def pair(
    brick: Annotated[
        str, typer.Argument(help="The brick: 16 digits from its label, or its name if it has a place.")
    ],
    config: Config,
    name: Annotated[str | None, typer.Option(help="The name of its place; a new one gets brick-N.")] = None,
    links: Annotated[
        str | None, typer.Option(help="serial, ble, or both with a comma, the preferred first.")
    ] = None,
    port: Annotated[Path | None, typer.Option(help="Its serial port, where it has a cable.")] = None,
    key: Key = None,
) -> None:
    """Gives a brick a place here, or changes how it is reached. No PIN and no Bluetooth pairing: the link's key is enough."""
    try:
        places = Places(config)
        if key is not None:
            places.take(handover(key))
        entry = places.pair(
            _identity(places, brick), name, None if links is None else tuple(links.split(",")), port
        )
        places.save()
    except (HostError, OSError) as failed:
        raise _stop(str(failed)) from None
    print(f"{entry['name']} is {entry['brick']}, reached by {' and '.join(entry['links'])}.")
    if port is not None and entry["port"] != str(port):
        print(
            f"Its port is kept as {entry['port']}: this name stays when cables are plugged in another order."
        )
    if any(gone["brick"] == entry["brick"] for gone in places.ended):
        print("It was replaced here: it is only read out now, and gets neither rights nor rules.")
    print(_taken_up(places.told, entry["brick"]))


@app.command()
def swap(
    old: Annotated[
        str, typer.Argument(help="The brick that goes: its name, or the first digits of its identity.")
    ],
    new: Annotated[str, typer.Argument(help="The brick that takes its place: 16 digits from its label.")],
    config: Config,
    key: Key = None,
) -> None:
    """Replaces a brick by another, which takes over its name and its way to be reached. The old one's identity ends.

    Its link is refused here at once, and the controller ends it, now or as soon as it can be reached. What it wrote before
    still counts: paired again it is read out, and nothing else. With a link it blinks and is asked how far it wrote; without
    one nobody knows, and all that its journal can hold counts. Works while the host program runs, and while it does not."""
    try:
        places = Places(config)
        before = places.find(old)["brick"]
        said, now = _asked(places.told, before)
        known = None
        if said is not None and now:
            known = max(said["status"]["next_seq"] - 1, said["records"]["durable_seq"]) + MEANWHILE
        if key is not None:
            places.take(handover(key))
        entry = places.swap(old, _digits(new), time.time_ns() // 1_000_000, known)
        places.save()
    except (HostError, OSError) as failed:
        raise _stop(str(failed)) from None
    print(f"{entry['name']} is {entry['brick']} now, in the place of {before}, whose identity ends.")
    _left_behind(before, said, now)
    print(
        f"What customers got at {before} stays with its receipts. Rights that it held go back when their time is up."
    )
    print("The controller is told, now or as soon as it can be reached.")
    print(_taken_up(places.told, entry["brick"]))


@app.command("test")
def test_brick(
    brick: Annotated[str, typer.Argument(help="Its name, or the first digits of its identity.")],
    config: Config,
    tap: Annotated[
        float,
        typer.Option(
            "--tap", help="Seconds to wait for a tag or a code held to it; 0: none.", min=0, max=600
        ),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tests a working brick over its sealed link: it blinks, and says how its parts are. The host program has to run.

    Nothing is erased and nobody is kept waiting. With --tap the reader or scanner is proven by a real decision, which is
    recorded like any other: switch training on at the stall screen first if it is to count for nothing. Exit code 1 where
    a part needs somebody."""
    from hostagent import bricktest

    try:
        places = Places(config)
        identity = places.find(brick)["brick"]
        here = identity in _running(places.told)
        seen = max((one["host_seq"] for one in _decisions(places.told, identity)), default=0) if here else 0
        entry, _ = _asked(places.told, identity, ANSWER_S - DIAGNOSTICS_S)
        if entry is None:
            raise ConfigError(
                "no host program answers, or it does not have this brick yet: `stallmark host run` starts it"
            )
        found = bricktest.results(entry)
        if entry["link"]["up"]:
            found.append(bricktest.Result("light and sound", bricktest.LOOK, BLINKS))
        if tap:
            found.append(_tapped(places.told, entry, seen, tap))
    except (HostError, httpx.HTTPError, ValueError, KeyError) as failed:
        raise _stop(str(failed)) from None
    bad = bricktest.failed(found)
    if as_json:
        parts = [one._asdict() for one in found]
        json.dump(
            {"name": entry["name"], "brick": identity, "good": not bad, "parts": parts}, sys.stdout, indent=1
        )
        print()
    else:
        table = Table("part", "", "what it says", title=f"{entry['name']} ({identity})")
        for one in found:
            table.add_row(*one)
        Console().print(table)
    if bad:
        raise typer.Exit(1)


def _address(told: configuration.Config) -> str:
    return f"http://{told.listen}:{told.port}"


def _blink(told: configuration.Config, name: str) -> None:
    answer = httpx.post(f"{_address(told)}/v1/identify", json={"brick": name}, timeout=5, trust_env=False)
    answer.raise_for_status()


def _tapped(told: configuration.Config, before: dict[str, Any], seen: int, seconds: float) -> Any:
    """Whether a decision of this brick comes within `seconds`; `seen`: the newest receipt `before`, the brick as it was then."""
    from hostagent.bricktest import FAULT, GOOD, LOOK, Result, came

    name = before["name"]
    Console(stderr=True).print(f"Hold a tag or a code to {name} now ({seconds:.0f} s) …", markup=False)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in _decisions(told, before["brick"]):
            if one["host_seq"] > seen and one["outcome"]:
                return Result("tap", GOOD, f"{one['outcome']}: {one['sentence']}")
        time.sleep(0.2)
    # The same tag again writes no receipt of its own: the brick counts it.
    after, _ = _asked(told, before["brick"], ANSWER_S - DIAGNOSTICS_S)
    if after is not None and came(before, after):
        words = "something was read; it was refused like the one before and counted with it: use another tag to see a decision"
        return Result("tap", LOOK, words)
    return Result(
        "tap", FAULT, f"no decision within {seconds:.0f} s: nothing was read, or nobody held anything to it"
    )


def _decisions(told: configuration.Config, brick: str) -> list[dict[str, Any]]:
    """The newest of one brick: however busy the others and the till are."""
    asked = {"limit": 20, "brick": brick}
    answer = httpx.get(f"{_address(told)}/v1/links", params=asked, timeout=5, trust_env=False)
    answer.raise_for_status()
    return answer.json()["links"]


# --- what the commands ask


async def _heard(seconds: float) -> tuple[list[Any], str | None]:
    from hostagent.links.radio import Radio, RadioFailed, plain

    try:
        return await Radio().scan(seconds), None
    except RadioFailed as failed:
        return [], plain(failed)


def _running(told: configuration.Config) -> dict[str, dict[str, Any]]:
    """What a running agent says of its bricks, by identity; {} where none answers."""
    return _said(told) or {}


def _said(told: configuration.Config) -> dict[str, dict[str, Any]] | None:
    """The same; None where no agent runs, {} where one is there and too busy to say."""
    try:
        answer = httpx.get(f"http://{told.listen}:{told.port}/v1/status", timeout=2, trust_env=False)
        answer.raise_for_status()
        return {brick["brick"]: brick for brick in answer.json()["bricks"]}
    except httpx.TimeoutException:
        return {}
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def _asked(
    told: configuration.Config, identity: str, grace: float = ANSWER_S
) -> tuple[dict[str, Any] | None, bool]:
    """What the running host says of a brick that was just asked how it is (it blinks), and whether that is its own word of
    now: False without a link, and where no answer came. (None, False): no host program answers, or it does not have it.
    Diagnostics are waited for, too, up to `grace` seconds before the end."""
    entry = _running(told).get(identity)
    if entry is None or not entry["link"]["up"]:
        return entry, False
    said, told_too = entry["counters"].get("statuses", 0), entry["counters"].get("diagnostics", 0)
    end = time.monotonic() + ANSWER_S
    try:
        _blink(told, entry["name"])
        while time.monotonic() < end:
            entry = _running(told).get(identity)
            if entry is None or not entry["link"]["up"]:
                return entry, False
            whole = entry["counters"].get("diagnostics", 0) > told_too or time.monotonic() > end - grace
            if whole and entry["counters"].get("statuses", 0) > said and entry["status"] is not None:
                return entry, True
            time.sleep(0.1)
    except httpx.HTTPError:
        pass
    return entry, False


def _left_behind(brick: str, said: dict[str, Any] | None, now: bool) -> None:
    """Says what the brick that was replaced may still hold, and what to do with it."""
    waiting = None if said is None or not now else said["records"]["waiting_on_brick"]
    if waiting == 0:
        return
    if waiting:
        print(f"{brick} still holds {waiting} records that never came here.")
    else:
        age = None if said is None else said["link"]["heard_s_ago"]
        heard = "No host program knows" if age is None else f"It was last heard {_ago(age)} ago: nobody knows"
        print(f"{heard} what {brick} decided since. All of it is on the brick, and still counts.")
    print(
        "Do not erase it, keep it: give it a place again (stallmark host bricks pair, its 16 digits), and it is"
    )
    print("read out: customers' lights get their receipts. It then gets neither rights nor rules.")


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _taken_up(told: configuration.Config, identity: str) -> str:
    """Whether a running host has followed the changed file; waits for it a while."""
    if _said(told) is None:
        return LATER
    end = time.monotonic() + TAKEN_UP_S
    while time.monotonic() < end:
        found = _running(told)
        if identity in found:
            return TAKEN
        time.sleep(0.2)
    return NOT_YET


def _rows(
    told: configuration.Config, found: list[Any], running: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    heard = {one.brick.hex(): one for one in found}
    places = {brick.brick.hex(): brick for brick in told.bricks}
    rows: list[dict[str, Any]] = []
    for identity in sorted(heard.keys() | places.keys(), key=lambda known: (known not in places, known)):
        place, one, said = places.get(identity), heard.get(identity), running.get(identity)
        rows.append(
            {
                "brick": identity,
                "place": None if place is None else place.name,
                "links": [] if place is None else list(place.links),
                "rssi": None if one is None else one.rssi,
                "radio": _radio_words(one, said),
                "advice": _advice(identity, place, one, said),
            }
        )
    return rows


def _radio_words(one: Any, said: dict[str, Any] | None) -> str:
    if one is not None:
        return f"{_strength(one.rssi)} ({one.rssi} dBm)"
    ports: list[dict[str, Any]] = [] if said is None else said["ports"]
    return "connected" if any(port["kind"] == "ble" and port["open"] for port in ports) else "not heard"


def _strength(rssi: int) -> str:
    if rssi >= NEAR_DBM:
        return "near"
    return "far" if rssi >= FAR_DBM else "too far: bring it nearer"


def _advice(identity: str, place: Any, one: Any, said: dict[str, Any] | None) -> str:
    if place is None:
        return f"stallmark host bricks pair {identity}"
    if said is not None and said["link"]["up"]:
        return "nothing, its link is up"
    if "ble" in place.links and one is None:
        return "switch it on, bring it nearer"
    return "look at its cable" if place.links == ("serial",) else "nothing, wait a moment"


def _port(told: configuration.Config, name: Path) -> dict[str, Any]:
    users = [
        brick.name
        for brick in told.bricks
        if brick.port is not None and brick.port.resolve() == name.resolve()
    ]
    return {"name": str(name), "place": users[0] if users else None}


def _identity(places: Places, text: str) -> bytes:
    try:
        return bytes.fromhex(places.find(text)["brick"])
    except ConfigError:
        return _digits(text)


def _digits(text: str) -> bytes:
    digits = text.replace("-", "").replace(" ", "").lower()
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 8:
        raise ConfigError(f"{text}: a brick's identity has 16 digits, 0 to 9 and a to f, as on its label")
    return found


def _stop(message: str) -> typer.Exit:
    """One line of what is wrong; the exit code says so too."""
    print(message, file=sys.stderr)
    return typer.Exit(1)
