"""The hub's desk reader: a PN532 on a serial port, driven by nfcpy; looks at tags and makes them the event's. docs/readers.md"""

import json
import os
import stat
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nfc
import nfc.clf
import nfc.tag
import serial
from nfc.clf import pn532, transport
from stallmark import keys as _keys
from stallmark import token as _token
from stallmark.errors import StallmarkError

from workbench import tag424, tagmaster

token: Any = _token
keys: Any = _keys
Progress = Callable[[str], None]
# nfcpy waits 100 ms for an acknowledgement: a loaded machine takes longer to hand it over.
_PATIENCE_MS = 1000
# Each is one more key to try on a tag, and a tag counts the wrong ones.
MOST_FORMER = 16
_RESTARTED = "its read counter began anew: bricks that know it refuse it until it was read as often as before"
Unplugged = (OSError, termios.error)
"""What the port of a reader raises that was pulled out; termios.error is no OSError."""
TRUST_WORDS = {2: "bare number", 3: "issued tag", 5: "known by its link", 6: "proves itself"}


class DeskError(StallmarkError):
    """The desk cannot go on; the message says what happened and what to do."""


class NoReader(DeskError):
    """No reader answers at that port."""


class NoTag(DeskError):
    """No tag was put down in time."""


class Keys(NamedTuple):
    """desk/tags.json: what the desk holds of one event."""

    master: bytes
    event: bytes
    event_key: bytes
    address: str
    former: tuple[bytes, ...] = ()

    @property
    def tags(self) -> tagmaster.EventKeys:
        """The event's tag keys."""
        return tagmaster.event_keys(self.master, self.event)

    @property
    def earlier(self) -> list[tagmaster.EventKeys]:
        """Tag keys of earlier events of this hub, the newest first."""
        return [tagmaster.event_keys(self.master, event) for event in self.former]


class Seen(NamedTuple):
    """What the desk found or made: no tag number, only what a brick will call it."""

    kind: str
    trust: int
    subject: str
    protected: bool
    link: str | None = None
    warning: str | None = None

    @property
    def words(self) -> str:
        """In words."""
        lock = "protected" if self.protected else "anybody can write it"
        return f"{self.kind}, {TRUST_WORDS.get(self.trust, '?')}, {lock}: subject {self.subject}"


def load_keys(path: Path) -> Keys:
    """Reads the desk's file. Raises DeskError."""
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DeskError(f"{path} can be read by others and holds the tags' master key: chmod 600 {path}")
        f = json.loads(path.read_text())
        found = Keys(
            bytes.fromhex(f["master"]),
            bytes.fromhex(f["event"]),
            bytes.fromhex(f["event_key"]),
            f["address"],
            tuple(bytes.fromhex(event) for event in f.get("former", [])),
        )
        if len(found.former) > MOST_FORMER:
            raise ValueError(f"former: at most {MOST_FORMER} events")
        for event in (found.event, *found.former):
            tagmaster.event_keys(found.master, event)  # lengths
        if not isinstance(f["address"], str):
            raise TypeError("address is no text")
        tag424.link_file(found.address)
    except OSError as failed:
        raise DeskError(
            f"{path}: {failed.strerror}: `stallmark kit new` makes a kit with a desk's keys"
        ) from failed
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise DeskError(f"{path} is not a desk's key file ({wrong})") from wrong
    return found


class _Tty(transport.TTY):
    def read(self, timeout: int) -> Any:
        return super().read(max(timeout, _PATIENCE_MS))


def open_reader(device: str) -> Any:
    """nfcpy's frontend on a PN532 at a serial port (any path, a pseudo-terminal too). Raises NoReader."""
    if not Path(device).exists():
        raise NoReader(f"there is no port {device}: plug the reader in, or name its port with --device")
    try:
        # The device is made here and not by path: nfcpy looks for ports directly in /dev only.
        made: Any = pn532.init(_Tty(device))
    except PermissionError as refused:
        raise NoReader(f"{device} may not be opened: join the group dialout, then log in again") from refused
    except (OSError, serial.SerialException) as failed:
        if "ermission" in str(failed):
            raise NoReader(
                f"{device} may not be opened: join the group dialout, then log in again"
            ) from failed
        raise NoReader(
            f"nothing at {device} answers as a PN532 ({failed}): check power, crossed TX and RX, and that its switches say HSU"
        ) from failed
    made._path = device
    frontend = nfc.ContactlessFrontend()
    frontend.device = made
    return frontend


def wait_for_tag(frontend: Any, seconds: float) -> Any:
    """The tag that is put down, activated. Raises NoTag, NoReader."""
    end = time.monotonic() + seconds
    while True:
        try:
            target = frontend.sense(nfc.clf.RemoteTarget("106A"))
            tag = None if target is None else nfc.tag.activate(frontend, target)
        except Unplugged as failed:
            raise _stopped(failed) from failed
        if tag is not None:
            return tag
        if time.monotonic() > end:
            raise NoTag(f"no tag within {seconds:.0f} s: put one flat on the reader's middle")
        time.sleep(0.05)


def wait_until_gone(frontend: Any) -> None:
    """Waits until nothing is on the reader. Raises NoReader."""
    try:
        while frontend.sense(nfc.clf.RemoteTarget("106A")) is not None:
            time.sleep(0.1)
    except Unplugged as failed:
        raise _stopped(failed) from failed


def _stopped(failed: BaseException) -> NoReader:
    return NoReader(f"the reader stopped answering ({failed}): plug it in again")


def look(tag: Any, held: Keys) -> Seen:
    """What a brick of the event will make of a tag; nothing is written. Raises DeskError."""
    uid = _number(tag)
    try:
        if _is_type4(tag):
            return _look424(tag, uid, held)
        return _look2(tag, uid, held)
    except nfc.tag.TagCommandError as failed:
        raise DeskError(
            "the tag left the reader or does not answer: put it down flat and start again"
        ) from failed
    except Unplugged as failed:
        raise _stopped(failed) from failed


def write(tag: Any, held: Keys, again: bool = False, progress: Progress = lambda text: None) -> Seen:
    """Makes a tag the event's: an NTAG21x issued and locked by its own password, an NTAG 424 DNA personalised.

    Raises DeskError, tag424.TagError (Locked, AlreadyOurs, NotThisKind)."""
    uid = _number(tag)
    try:
        if _is_type4(tag):
            made = tag424.personalise(
                _exchange(tag), uid, held.tags, held.address, again, progress, former=held.earlier
            )
            return _proved(uid, held, made.link)._replace(warning=_RESTARTED if made.restarted else None)
        return _write2(tag, uid, held, again, progress)
    except nfc.tag.TagCommandError as failed:
        raise DeskError(
            "the tag left the reader before it was done: put it down flat and start again"
        ) from failed
    except Unplugged as failed:
        raise _stopped(failed) from failed


# --- NTAG 424 DNA


def _exchange(tag: Any) -> Callable[[bytes], bytes]:
    def exchange(apdu: bytes) -> bytes:
        return bytes(tag.transceive(bytearray(apdu)) or b"")

    return exchange


def _look424(tag: Any, uid: bytes, held: Keys) -> Seen:
    try:
        made = tag424.check(_exchange(tag), uid, held.tags)
    except tag424.TagError:
        return Seen("Type 4 tag", 2, _subject(token.TOKEN_UID, uid, held), False)
    return _proved(uid, held, made.link)


def _proved(uid: bytes, held: Keys, link: str) -> Seen:
    return Seen("NTAG 424 DNA", 6, _subject(token.TOKEN_PROVED, uid, held), True, link)


# --- NTAG21x


def _look2(tag: Any, uid: bytes, held: Keys) -> Seen:
    trust, subject8 = token.from_uid(
        uid, _payload(tag), keys.token_key(held.event_key), keys.subject_key(held.event_key)
    )
    return Seen(_product(tag), trust, subject8.hex(), _protected(tag))


def _write2(tag: Any, uid: bytes, held: Keys, again: bool, progress: Progress) -> Seen:
    token_key = keys.token_key(held.event_key)
    payload: bytes = token.tag_payload(uid, token_key)
    ours = _payload(tag) == payload
    if ours and not again:
        raise tag424.AlreadyOurs("this tag is one of this event already; --again writes it anew")
    password, pack = tagmaster.password(held.tags, uid) if len(uid) == 7 else (b"", b"")
    can_lock = _product(tag).startswith("NXP NTAG21")
    if _protected(tag):
        tag = _unlocked(tag, uid, held) if can_lock else None
        if tag is None:
            raise tag424.Locked(
                "this tag is locked by somebody else's password. Take another one, or name its event under former in "
                "the desk's tags.json"
            )
    if tag.ndef is None and not tag.format():
        raise tag424.NotThisKind(
            "this tag holds no NDEF message and cannot be formatted. Take an NTAG213, 215 or 216"
        )
    place: Any = tag.ndef
    if not place.is_writeable:
        raise tag424.Locked("this tag is locked: it can only be read. Take another one")
    progress("its record")
    message: bytes = token.ndef_message(payload)
    if len(message) > place.capacity:
        raise tag424.NotThisKind(f"this tag holds {place.capacity} bytes; {len(message)} are needed")
    place.octets = message
    if can_lock:
        progress("its password")
        if not tag.protect(password + pack):
            raise DeskError("the tag did not take its password: start again")
    progress("reading it back")
    found = _look2(tag, uid, held)
    if found.trust != 3:
        raise DeskError("the tag does not read back as it was written: start again, or take another one")
    return found._replace(protected=can_lock)


def _unlocked(tag: Any, uid: bytes, held: Keys) -> Any:
    """The tag, opened by this event's password or an earlier one's; None where it is none of them."""
    for keys_ in (held.tags, *held.earlier):
        password, pack = tagmaster.password(keys_, uid)
        if tag.authenticate(password + pack):
            return tag
        # After a wrong password a tag has gone back to sleep: it is called anew (NTAG21x data sheet, PWD_AUTH).
        target = tag.clf.sense(nfc.clf.RemoteTarget("106A"))
        tag = None if target is None else nfc.tag.activate(tag.clf, target)
        if tag is None or bytes(tag.identifier) != uid:
            raise DeskError("the tag left the reader before it was done: put it down flat and start again")
    return None


def _payload(tag: Any) -> bytes | None:
    if tag.ndef is None:
        return None
    found: bytes | None = token.find_issued(bytes(tag.ndef.octets))
    return found


def _protected(tag: Any) -> bool:
    return bool(getattr(tag, "is_protected", False)) or _auth_page(tag) < 0xFF


def _auth_page(tag: Any) -> int:
    """The first page that wants a password (AUTH0 of an NTAG21x), FF for none."""
    page = getattr(tag, "_cfgpage", None)
    if page is None:
        return 0xFF
    return int(tag.read(page)[3])


def _product(tag: Any) -> str:
    return str(getattr(tag, "product", tag.type))


# --- any


def _number(tag: Any) -> bytes:
    uid = bytes(tag.identifier)
    if token.random_uid(uid):
        raise tag424.NotThisKind(
            "this is a phone, or a card that shows another number each time: it cannot be a tag"
        )
    sak = (
        bytes(tag.target.sel_res)[0] & 0x7F
    )  # AN10833: 00 Type 2, 20 Type 4; nfcpy takes a Classic's 08 for a Type 2
    if tag.type not in ("Type2Tag", "Type4Tag") or (sak and not sak & 0x20):
        raise tag424.NotThisKind(
            f"this card (kind {sak:02X}) cannot be written here: take an NTAG213, 215, 216 or an NTAG 424 DNA"
        )
    return uid


def _is_type4(tag: Any) -> bool:
    return tag.type == "Type4Tag"


def _subject(kind: int, ident: bytes, held: Keys) -> str:
    name: bytes = token.subject(keys.subject_key(held.event_key), kind, ident)
    return name.hex()
