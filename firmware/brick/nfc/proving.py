"""What a card proves: an NTAG 424 DNA of this event by live authentication, else by its dynamic link. docs/formats/tag.md

Loaded once a brick has tag keys. A proof is `(trust, number 7 bytes, read counter)`."""

from stallmark import sdm, tagauth, tagkeys, token
from stallmark.constant import const
from stallmark.errors import FormatError
from stallmark.numbers import TRUST_LIVE, TRUST_SDM

_COUNTERS = const(0xF6)  # GetFileCounters
_MESSAGE_FILE = b"\x02"


async def live(exchange, uid, keys, port):
    """The proof of a card whose NDEF application is selected; None where it is no such tag, or does not know the key.

    One try for each tap: a tag slows down after many wrong ones. `keys`: (meta16, file16, live16) of the event; `port`
    offers make_ecb, make_inverse, random."""
    if len(uid) != tagkeys.UID_BYTES:
        return None
    session = tagauth.Session(port.make_ecb, port.make_inverse, port.random)
    answer = await exchange(session.begin(tagkeys.KEY_LIVE))
    if answer[-2:] != b"\x91\xaf":
        return None
    key = tagkeys.diversified(port.make_ecb, keys[2], uid, tagkeys.KEY_LIVE)
    try:
        session.proved(await exchange(session.challenged(answer, key)))
        counters = session.opened(await exchange(session.command(_COUNTERS, _MESSAGE_FILE)))
    except FormatError:
        return None
    if len(counters) < 3:
        return None
    return TRUST_LIVE, bytes(uid), int.from_bytes(counters[:3], "little")


def by_link(ndef, uid, keys, port):
    """The proof of the dynamic link in a card's message, or None. The number in it must be the card's own, unless the card
    shows another one each time."""
    found = None if ndef is None else sdm.find(ndef)
    if found is None:
        return None
    picc, mac = found
    try:
        number, counter = sdm.open_picc(picc, port.make_inverse(keys[0]))
    except FormatError:
        return None
    if number != uid and not token.random_uid(uid):
        return None
    key = tagkeys.diversified(port.make_ecb, keys[1], number, tagkeys.KEY_FILE)
    if not sdm.check(port.make_ecb, key, number, counter, mac):
        return None
    return TRUST_SDM, number, counter
