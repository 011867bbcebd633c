"""
Parsers on request: the same functions on both interpreters, one line in and one line out.

A line is `target TAB hex`, the answer what the parser made of the bytes: a canonical text of the value, the
class of the error that the format allows, or CRASH with anything else. A new target is one line in TARGETS.
"""

import sys
from binascii import crc32

from brick.nfc import frame as nfc_frame
from brick.nfc import pn532, type2
from brick.qr import lines
from stallmark import (
    base32,
    batch,
    bundle,
    cbor,
    cobs,
    condition,
    event,
    frame,
    handshake,
    keystore,
    leaf,
    message,
    provision,
    receipt,
    record,
    rights,
    rules,
    token,
)
from stallmark.errors import StallmarkError

KEY = bytes(range(32))


def canonical(value):
    """ASCII text of a value, the same on both interpreters whatever the order of dictionaries."""
    if value is None or value is True or value is False or type(value) is int:
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return "h'" + bytes(value).hex() + "'"
    if isinstance(value, str):
        return "t'" + value.encode("utf-8").hex() + "'"
    if isinstance(value, dict):
        return "{" + ",".join(sorted([canonical(k) + ":" + canonical(v) for k, v in value.items()])) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([canonical(item) for item in value]) + "]"
    raise TypeError("no canonical text of " + type(value).__name__)


def _frames(data):
    """What a reader makes of a stream cut in pieces of every size, given by the bytes themselves."""
    reader = frame.Reader()
    out = []
    at = 0
    while at < len(data):
        step = 1 + data[at]
        out.extend(reader.feed(data[at : at + step]))
        at += step
    return out, reader.noise, reader.oversize, reader.unknown_version, reader.frames


def _pieces(data):
    """The bytes cut in pieces of every size up to 64, given by the bytes themselves."""
    at = 0
    while at < len(data):
        step = 1 + data[at] % 64
        yield data[at : at + step]
        at += step


def _nfc_frames(data):
    """What a PN532 driver finds in a stream."""
    reader = nfc_frame.Reader()
    out = []
    for piece in _pieces(data):
        reader.feed(piece, len(piece))
        while True:
            kind = reader.next()
            if not kind:
                break
            out.append((kind, bytes(reader.payload) if kind == nfc_frame.DATA else None))
    return out, reader.damaged


def _qr_lines(data):
    """What a QR driver finds in a stream."""
    reader = lines.Lines(20, 100)
    out = []
    for piece in _pieces(data):
        out.extend(reader.feed(piece, len(piece)))
    return out, reader.expire()


def _record(data):
    found = record.parse(data)
    return found.seq, found.public, found.mac, found.private, found.fields, found.private_fields


def _record_inside(data):
    """A page whose length and CRC are put right first, so that what is inside gets read."""
    size = record.stated_size(data) if len(data) >= 12 else 0
    if not size:
        return None
    page = (data[: size - 4] + b"\xff" * size)[: size - 4]
    return _record(page + crc32(page).to_bytes(4, "big"))


def _parts(data):
    """from_parts as the host calls it: message body [seq, public, mac, private]."""
    value = cbor.decode(data)
    if type(value) is not list or len(value) != 4:
        return None
    found = record.from_parts(value[0], value[1], value[2], value[3])
    return found.fields, found.private_fields


def _split(data):
    envelope, artefact = bundle.split(data)
    return envelope, artefact, tuple(bundle.parse(envelope))


def _leaf(data):
    kind, payload = leaf.parse(data)
    decoders = {
        3: leaf.decode_window,
        4: leaf.decode_key_event,
        5: leaf.decode_rights,
        6: leaf.decode_disclosure,
        7: leaf.decode_erasure,
        8: leaf.decode_finding,
    }
    return kind, decoders[kind](payload) if kind in decoders else payload


def _batch(data):
    return [canonical_parts(part) for part in batch.parse(data)]


def canonical_parts(part):
    """Named tuples and lists of them, as plain ones."""
    if isinstance(part, (list, tuple)):
        return [canonical_parts(item) for item in part]
    return part


def _ruleset(data):
    ruleset = rules.Ruleset(data)
    return ruleset.id, ruleset.rev, ruleset.currency, ruleset.digest8, canonical_parts(tuple(ruleset.rules))


class _Few:
    """What a condition may name of its ruleset."""

    signals = experiments = open_values = ((), ())


def _condition(data):
    """The condition language alone: deeper than whole rulesets get."""
    parser = condition.Parser(_Few())
    found = parser.condition(cbor.decode(data, 16), 3, 2)
    return canonical_parts(found), canonical_parts(parser.tables()), parser.flags


class _Blank:
    """A key partition that stays blank."""

    size = 8192

    def read_into(self, offset, buf):
        buf[:] = b"\xff" * len(buf)

    def program(self, offset, data):
        raise OSError(5)

    def erase(self, offset):
        raise OSError(5)


class _Holds(_Blank):
    """A key partition whose first sector begins with these bytes."""

    def __init__(self, data):
        self._data = data[:4096]

    def read_into(self, offset, buf):
        part = self._data[offset : offset + len(buf)]
        buf[:] = part + b"\xff" * (len(buf) - len(part))


def _provision(data):
    brick = provision.Provisioner(("virtual", 8388608, KEY), bytes, keystore.KeyStore(_Blank()))
    return brick.handle(data)


TARGETS = {
    "base32.decode": lambda data: base32.decode("".join([chr(byte) for byte in data])),
    "batch.parse": _batch,
    "bundle.parse": lambda data: tuple(bundle.parse(data)),
    "bundle.split": _split,
    "cbor.decode": cbor.decode,
    "cbor.decode text keys": lambda data: cbor.decode(data, text_keys=True),
    "cbor.decode_prefix": lambda data: cbor.decode_prefix(data, 1, 4, 20),
    "cobs.decode": cobs.decode,
    "event.decode": lambda data: canonical_parts(event.decode(data)),
    "expr.condition": _condition,
    "frame.Reader": _frames,
    "frame.parse_text": frame.parse_text,
    "handshake.parse_m1": lambda data: tuple(handshake.parse_m1(data)),
    "handshake.parse_m2": lambda data: tuple(handshake.parse_m2(data)),
    "keystore.load": lambda data: keystore.KeyStore(_Holds(data)).load(),
    "leaf.parse": _leaf,
    "message.decode": message.decode,
    "nfc frame.Reader": _nfc_frames,
    "nfc parse_targets": lambda data: [(t.atqa, t.sak, t.uid) for t in pn532.parse_targets(data)],
    "nfc type2.locate": type2.locate,
    "provision.handle": _provision,
    "provision.parse_identity": provision.parse_identity,
    "qr Lines": _qr_lines,
    "receipt.parse": lambda data: tuple(receipt.parse(data)),
    "record.from_parts": _parts,
    "record.parse": _record,
    "record.parse with its CRC put right": _record_inside,
    "rights.decode_slice": lambda data: tuple(rights.decode_slice(data)),
    "rules.Ruleset": _ruleset,
    "token.find_issued": token.find_issued,
    "token.from_text": lambda data: token.from_text(data, KEY, KEY),
}


def answer(target, data):
    """What this interpreter makes of the bytes."""
    try:
        return canonical(TARGETS[target](data))
    except StallmarkError as error:
        return type(error).__name__
    except Exception as error:  # noqa: BLE001 (a crash is the finding)
        return "CRASH {}: {}".format(type(error).__name__, error).replace("\n", " ")


def main():
    """Answers lines until the input ends."""
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        target, _, data = line.rstrip("\n").rpartition("\t")
        print(answer(target, bytes.fromhex(data)))


if __name__ == "__main__":
    main()
