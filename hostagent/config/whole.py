"""config.json with the keys.json beside it: read, and held against each other."""

from pathlib import Path

from hostagent.config.fields import Fields, json_object, public, read
from hostagent.config.keys import load_keys
from hostagent.config.model import Config, Printer, TillLimits
from hostagent.config.sections import brick, ended, printer, quorum, till_limits, trust, updates
from hostagent.errors import ConfigError


def load(path: Path) -> Config:
    """Reads config.json and the keys.json beside it. Raises ConfigError."""
    folder = path.resolve().parent
    f = Fields(path.name, read(path))
    keys = load_keys(folder / "keys.json")
    controller = f.text("controller").rstrip("/")
    if not controller.startswith(("http://", "https://")):
        raise ConfigError(
            f"{path.name}: controller is {controller!r}, expected an address like http://127.0.0.1:8780"
        )
    bricks = tuple(
        brick(folder, f"{path.name}: bricks[{n}]", entry) for n, entry in enumerate(f.objects("bricks"))
    )
    for n, one in enumerate(bricks):
        for other in bricks[:n]:
            if one.brick == other.brick:
                raise ConfigError(
                    f"{path.name}: {other.name} and {one.name} are one brick, {one.brick.hex()}"
                )
            if one.port is not None and one.port == other.port:
                raise ConfigError(f"{path.name}: {other.name} and {one.name} are both on {one.port}")
    clock_file = f.optional("clock_file", f.text)
    update_lock = f.optional("update_lock", f.text)
    stated = f.optional("lane", lambda name: json_object(f"{path.name}: {name}", f.values[name]))
    lane = keys.lane
    if (None if lane is None else lane.brick.hex()) != (None if stated is None else stated.get("brick")):
        raise ConfigError(
            f"{path.name}: lane and keys.json: lane name different bricks: both come from one `stallmark kit new`"
        )
    if lane is not None and lane.brick in {brick.brick for brick in bricks}:
        raise ConfigError(f"{path.name}: lane: this identity is already that of a brick on a port")
    gone = f.optional("ended", f.objects) or []
    return Config(
        folder=folder,
        name=f.text("name"),
        development=bool(f.values.get("development", False)),
        host=f.octets("host", 8),
        kit=f.octets("kit", 8),
        hub=f.octets("hub", 8),
        event=f.octets("event", 8),
        rental=f.integer("rental", 0, 0xFFFFFFFF),
        store=folder / f.text("store"),
        controller=controller,
        public_url=(f.optional("public_url", f.text) or controller).rstrip("/"),
        listen=f.optional("listen", f.text) or "127.0.0.1",
        port=f.integer("port", 0, 65535),
        clock_file=None if clock_file is None else folder / clock_file,
        terms=f.optional("terms", lambda name: f.octets(name, 16)),
        poll_s=f.optional("poll_s", f.seconds) or 5.0,
        bricks=bricks,
        authors=f.optional("authors", lambda name: quorum(f"{path.name}: {name}", f.values[name])),
        director=f.optional("director", lambda name: public(f"{path.name}: {name}", f.values[name])),
        keys=keys,
        printer=f.optional("printer", lambda name: printer(folder, f"{path.name}: {name}", f.values[name]))
        or Printer(),
        till=f.optional("till", lambda name: till_limits(f"{path.name}: {name}", f.values[name]))
        or TillLimits(),
        trust=f.optional("trust", lambda name: trust(folder, f"{path.name}: {name}", f.values[name])),
        ended=tuple(ended(f"{path.name}: ended[{n}]", entry) for n, entry in enumerate(gone)),
        path=path.resolve(),
        update_lock=None if update_lock is None else folder / update_lock,
        updates=f.optional("updates", lambda name: updates(f"{path.name}: {name}", f.values[name])),
    )
