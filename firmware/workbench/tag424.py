"""Making an NTAG 424 DNA one of an event's: keys, link, settings, and the proof that it works. docs/formats/tag.md

`exchange(apdu) -> answer` is the tag, whatever reader it lies on. What was begun and interrupted is taken up again:
the tag's own key changes last."""

import os
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from stallmark import sdm as _sdm
from stallmark import tagauth as _tagauth
from stallmark.errors import FormatError, StallmarkError

from workbench.tagmaster import EventKeys, make_ecb, make_inverse, tag_keys

_core: Any = _tagauth
_messages: Any = _sdm
Exchange = Callable[[bytes], bytes]
Progress = Callable[[str], None]

FACTORY_KEY = bytes(16)
OURS = 1  # version that our keys are given
_SELECT = bytes.fromhex("00a4040007d276000085010100")
_SELECT_FILE = bytes.fromhex("00a4000c02e104")
_GET_VERSION, _MORE = bytes.fromhex("9060000000"), bytes.fromhex("90af000000")
_CHANGE_SETTINGS, _CHANGE_KEY, _KEY_VERSION, _COUNTERS, _SETTINGS = 0x5F, 0xC4, 0x64, 0xF6, 0xF5
_FILE = b"\x02"
_OPEN_SETTINGS = bytes.fromhex("00e0ee")  # plain; everybody reads and writes, key 0 changes: as sold
_HTTPS = 4  # NFC Forum URI RTD §3.2.2
_MOST_LINK = 120  # bytes of a link's beginning
MOST_READINGS = 1_000  # by which a counter is brought back to where it was: a minute or so on the reader
_Held = tuple[bytes, ...]  # five keys that we know
_FACTORY: _Held = (FACTORY_KEY,) * 5


class TagError(StallmarkError):
    """The tag cannot be made one of ours; the message says why and what to do."""


class NotThisKind(TagError):
    """It is no NTAG 424 DNA."""


class Locked(TagError):
    """Its keys are neither those of the factory nor ours."""


class AlreadyOurs(TagError):
    """It is one of this event's tags already."""


class Link(NamedTuple):
    """A message file's content, and where the tag puts what it makes: offsets from the file's start."""

    file: bytes
    picc_at: int
    mac_at: int


class Made(NamedTuple):
    """What was made: the tag's number, its read counter, its first link as a customer's phone opens it.

    `restarted`: it was one of ours and its counter began anew from where nobody knows: bricks may refuse it."""

    uid: bytes
    counter: int
    link: str
    restarted: bool = False


def link_file(address: str) -> Link:
    """The message file for links that begin with `address` (https://…). Raises ValueError for any other."""
    if not address.startswith("https://") or not address.isascii() or len(address) > _MOST_LINK:
        raise ValueError(
            f"the link's address is https://…, ASCII, at most {_MOST_LINK} characters: found {address!r}"
        )
    mark = "&" if "?" in address else "?"
    rest = f"{address[8:]}{mark}e={'0' * 32}&c={'0' * 16}".encode()
    payload = bytes((_HTTPS,)) + rest
    message = bytes((0xD1, 1, len(payload))) + b"U" + payload
    file = len(message).to_bytes(2, "big") + message
    return Link(file, len(file) - 16 - 3 - 32, len(file) - 16)


def settings(link: Link) -> bytes:
    """ChangeFileSettings' data: everybody reads, key 0 writes; number and counter sealed under key 2, MAC under 3,
    the counter readable after authentication with key 1 (NT4H2421Gx §10.7.1)."""
    at = link.picc_at.to_bytes(3, "little"), link.mac_at.to_bytes(3, "little")
    return bytes.fromhex("4000e0c1f123") + at[0] + at[1] + at[1]


def personalise(
    exchange: Exchange,
    uid: bytes,
    keys: EventKeys,
    address: str,
    again: bool = False,
    progress: Progress = lambda text: None,
    random: Callable[[int], bytes] = os.urandom,
    former: Sequence[EventKeys] = (),
) -> Made:
    """Makes the tag `uid` one of the event's. `again`: also one that is already; `former`: of earlier events of this hub,
    whose tags are taken over. Raises TagError, ValueError.

    A tag's read counter starts anew when its link's settings are taken off (NT4H2421Gx §9.3.2), and bricks that know a
    higher one would take it for a copy. So a tag whose link is right keeps it, and another one is read until it counts
    what it counted before."""
    own = tag_keys(keys, uid)
    link = link_file(address)
    try:
        progress("looking at the tag")
        _identify(exchange)
        held = _holds(exchange, (_FACTORY, own, *(tag_keys(earlier, uid) for earlier in former)), random)
        counted: int | None = 0
        if held == own:
            if not again:
                raise AlreadyOurs("this tag is one of this event already; --again writes it anew")
            if _is_right(exchange, own, link, random):
                progress("checking that it proves itself")
                return check(exchange, uid, keys, random)
            counted = _counter(exchange, own, random)
            if (counted or 0) > MOST_READINGS:
                raise TagError(
                    f"this tag's link is another one, and it was read {counted} times: written anew its counter would start "
                    "from 0 and bricks would refuse it as a copy. Take another tag"
                )
        old = _old_keys(exchange, held, own, random)
        progress("its link")
        _selected(exchange)
        session = _open(exchange, 0, held[0], random)
        _done(exchange, session, _CHANGE_SETTINGS, _FILE, _OPEN_SETTINGS)
        _plain(exchange, _SELECT, "select")
        _plain(exchange, _SELECT_FILE, "select the message file")
        update = bytes((0, 0xD6, 0, 0, len(link.file))) + link.file
        _plain(exchange, update, "write the message")
        progress("its keys")
        _selected(exchange)
        session = _open(exchange, 0, held[0], random)
        for number in (1, 2, 3, 4):
            version = _done(exchange, session, _KEY_VERSION, bytes((number,)))
            # A tag from the factory, or half made, holds zeros where no key of ours was written.
            before = old[number] if version[:1] == bytes((OURS,)) else FACTORY_KEY
            _change(exchange, session, number, before, own[number])
        _done(exchange, session, _CHANGE_SETTINGS, _FILE, settings(link))
        _done(exchange, session, _CHANGE_KEY, b"\x00", own[0] + bytes((OURS,)), ends=True)
        progress("checking that it proves itself")
        made = check(exchange, uid, keys, random)
        if made.counter < (counted or 0):
            progress("bringing its counter to where it was")
            for _ in range(made.counter, counted or 0):
                _read_once(exchange)
            made = check(exchange, uid, keys, random)
        return made._replace(restarted=counted is None)
    except FormatError as failed:
        raise TagError(
            f"the tag did not do as it was told ({failed}): put it down flat and start again"
        ) from failed


def _is_right(exchange: Exchange, own: _Held, link: Link, random: Callable[[int], bytes]) -> bool:
    """Whether a tag of ours has its keys, its settings and this very link already."""
    _selected(exchange)
    session = _open(exchange, 0, own[0], random)
    for number in (1, 2, 3, 4):
        if _done(exchange, session, _KEY_VERSION, bytes((number,)))[:1] != bytes((OURS,)):
            return False
    # type u8, option u8, rights u16, size u24, then as in ChangeFileSettings (NT4H2421Gx §10.7.2)
    found = _done(exchange, session, _SETTINGS, _FILE)
    if found[1:4] + found[7:] != settings(link):
        return False
    message = _read_once(exchange, len(link.file))
    return message[: link.picc_at] == link.file[: link.picc_at]


def _counter(exchange: Exchange, own: _Held, random: Callable[[int], bytes]) -> int | None:
    """The read counter of a tag of ours; None where its settings do not let us read it."""
    try:
        _selected(exchange)
        session = _open(exchange, 1, own[1], random)
        return int.from_bytes(_done(exchange, session, _COUNTERS, _FILE)[:3], "little")
    except FormatError:
        return None


def _read_once(exchange: Exchange, length: int = 2) -> bytes:
    """A reading as a phone does it: the counter goes on by one."""
    _selected(exchange)
    _plain(exchange, _SELECT_FILE, "select the message file")
    return _plain(exchange, bytes((0, 0xB0, 0, 0, length)), "read")


def check(
    exchange: Exchange, uid: bytes, keys: EventKeys, random: Callable[[int], bytes] = os.urandom
) -> Made:
    """What a brick will see: the link's MAC and the live authentication, both right. Raises TagError."""
    own = tag_keys(keys, uid)
    try:
        _selected(exchange)
        _plain(exchange, _SELECT_FILE, "select the message file")
        size = int.from_bytes(_plain(exchange, bytes.fromhex("00b0000002"), "read"), "big")
        message = _plain(exchange, bytes((0, 0xB0, 0, 2, min(size, 250))), "read the message")
        found = _messages.find(message)
        if found is None:
            raise TagError("the tag's message holds no link of ours")
        number, counter = _messages.open_picc(found[0], make_inverse(own[2]))
        if number != uid or not _messages.check(make_ecb, own[3], number, counter, found[1]):
            raise TagError("the link that the tag makes does not check: start again")
        _selected(exchange)
        session = _open(exchange, 1, own[1], random)
        live = int.from_bytes(_done(exchange, session, _COUNTERS, _FILE)[:3], "little")
    except FormatError as failed:
        raise TagError(f"the tag does not prove itself: {failed}") from failed
    payload = bytes(message[5:])
    return Made(uid, live, "https://" + payload.decode("ascii", "replace"))


def _identify(exchange: Exchange) -> None:
    if exchange(_SELECT)[-2:] != b"\x90\x00":
        raise NotThisKind("this is no NTAG 424 DNA: it has no such application")
    first = exchange(_GET_VERSION)
    # vendor NXP 04, type NTAG 04, major version 30 (NT4H2421Gx §10.5.2)
    if first[-2:] != b"\x91\xaf" or first[:2] != b"\x04\x04" or first[3:4] != b"\x30":
        raise NotThisKind("this is no NTAG 424 DNA: it says that it is something else")
    if exchange(_MORE)[-2:] != b"\x91\xaf" or exchange(_MORE)[-2:] != b"\x91\x00":
        raise NotThisKind("this is no NTAG 424 DNA: its version is incomplete")


def _holds(exchange: Exchange, known: Sequence[_Held], random: Callable[[int], bytes]) -> _Held:
    """Which of the key sets that we know its key 0 is of."""
    for keys in known:
        if _opens(exchange, 0, keys[0], random):
            return keys
    raise Locked(
        "this tag is locked: its keys are neither the factory's nor those of an event that this desk knows. Take another "
        "one, or name its event under former in the desk's tags.json"
    )


def _opens(exchange: Exchange, number: int, key: bytes, random: Callable[[int], bytes]) -> bool:
    try:
        _selected(exchange)
        _open(exchange, number, key, random)
    except FormatError:
        return False
    return True


def _old_keys(exchange: Exchange, held: _Held, own: _Held, random: Callable[[int], bytes]) -> _Held:
    """The keys that stand where ours are to be: those of an earlier event may be changed in part already."""
    if held in (_FACTORY, own):
        return own
    return tuple(own[n] if n and _opens(exchange, n, own[n], random) else key for n, key in enumerate(held))


def _selected(exchange: Exchange) -> None:
    _plain(exchange, _SELECT, "select")


def _plain(exchange: Exchange, apdu: bytes, what: str) -> bytes:
    answer = exchange(apdu)
    if answer[-2:] != b"\x90\x00":
        raise FormatError(f"{what}: status {bytes(answer[-2:]).hex()}")
    return bytes(answer[:-2])


def _open(exchange: Exchange, number: int, key: bytes, random: Callable[[int], bytes]) -> Any:
    session = _core.Session(make_ecb, make_inverse, random)
    answer = exchange(session.begin(number))
    session.proved(exchange(session.challenged(answer, key)))
    return session


def _done(
    exchange: Exchange, session: Any, ins: int, header: bytes, data: bytes = b"", ends: bool = False
) -> bytes:
    answer = exchange(session.command(ins, header, data))
    if (
        ends and answer == b"\x91\x00"
    ):  # the key of this session was changed: nothing is left to make a MAC with
        return b""
    opened: bytes = session.opened(answer, ins in (_KEY_VERSION, _SETTINGS))
    return opened


def _change(exchange: Exchange, session: Any, number: int, old: bytes, new: bytes) -> None:
    mixed = bytes(a ^ b for a, b in zip(old, new, strict=True))
    # NT4H2421Gx §10.6.1: CRC32 without its final inversion, low byte first
    check32 = (zlib.crc32(new) ^ 0xFFFFFFFF).to_bytes(4, "little")
    _done(exchange, session, _CHANGE_KEY, bytes((number,)), mixed + bytes((OURS,)) + check32)
