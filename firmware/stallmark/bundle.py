"""Signed bundles: what a brick may install, and the one place that decides it. docs/formats/bundle.md"""

from collections import namedtuple
from struct import pack, unpack_from

from stallmark import cbor, form
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.numbers import (
    ARTEFACT_RULESET,
    INSTALL_ALREADY,
    INSTALL_EXPIRED,
    INSTALL_HARDWARE,
    INSTALL_OK,
    INSTALL_OLDER,
    INSTALL_THRESHOLD,
    INSTALL_UNREADABLE,
)

TYPE = "application/vnd.stallmark.bundle+cbor"
MAX_ENVELOPE = 4096
MAX_SIGNATURES = 4
MAX_FALLBACK = 4
MAX_GOLDEN = 32
OLDEST_ENGINE = 1  # what this program still decides by

# digest: SHA-256 of the envelope, the bundle's name; fields: the payload map
Bundle = namedtuple("Bundle", "type payload signatures digest fields")


def manifest(
    artefact, rev, kind=ARTEFACT_RULESET, fallback=(), engine=(1, 1), hardware=(), valid_until_ms=None,
    golden=(), name="", terms16=None, since_ms=0,
):  # fmt: skip
    """Payload bytes that name an artefact (bytes) and say where and when it may be installed. Raises
    FormatError."""
    return cbor.encode(check_fields({
        0: 1, 1: kind, 2: sha256(artefact), 3: len(artefact), 4: rev, 5: list(fallback), 6: list(engine),
        7: list(hardware), 8: valid_until_ms, 9: [list(vector) for vector in golden], 10: name, 11: terms16,
        12: since_ms,
    }))  # fmt: skip


def check_fields(f):
    """The payload map itself, its fields checked. Raises FormatError."""
    form.fields(f, "bundle", range(13))
    form.version1(f, "bundle")
    form.uint(f[1], "bundle artefact kind (1)", 255)
    form.octets(f[2], "bundle artefact digest (2)", 32)
    form.uint(f[3], "bundle artefact length (3)", form.U32)
    form.uint(f[4], "bundle rev (4)")
    for digest in form.array(f[5], "bundle fallback (5)", MAX_FALLBACK):
        form.octets(digest, "bundle fallback (5)", 32)
    form.array(f[6], "bundle engine (6)", 2, 2)
    form.uint(f[6][1], "bundle engine (6)", 0xFFFF, form.uint(f[6][0], "bundle engine (6)", 0xFFFF))
    for hardware in form.array(f[7], "bundle hardware (7)", 16):
        form.text(hardware, "bundle hardware (7)", 32)
    if f[8] is not None:
        form.uint(f[8], "bundle valid until (8)")
    for vector in form.array(f[9], "bundle golden vectors (9)", MAX_GOLDEN):
        form.array(vector, "bundle golden vector (9)", 4, 4)
        form.fields(vector[0], "bundle golden event (9)", ())
        form.uint(vector[1], "bundle golden kind (9)", 0xFFFF)
        if vector[2] is not None:
            form.uint(vector[2], "bundle golden rule (9)", 0xFFFF)
        form.uint(vector[3], "bundle golden reason (9)", 0xFFFF)
    form.text(f[10], "bundle name (10)", 48)
    if f[11] is not None:
        form.octets(f[11], "bundle terms (11)", 16)
    form.uint(f[12], "bundle since (12)")
    return f


def pae(payload_type, payload):
    """DSSE pre-authentication encoding: what the authors sign."""
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))


def envelope(payload_type, payload, signatures):
    """Envelope bytes; signatures are `(kid8, signature64)`, at most four. Raises FormatError, LimitError."""
    fields = {0: 1, 1: payload_type, 2: payload, 3: [list(pair) for pair in signatures]}
    data = cbor.encode(_check_envelope(fields))
    if len(data) > MAX_ENVELOPE:
        raise LimitError("envelope of {} bytes: expected at most {}".format(len(data), MAX_ENVELOPE))
    return data


def _check_envelope(f):
    form.fields(f, "envelope", range(4))
    form.version1(f, "envelope")
    form.text(f[1], "envelope type (1)", 64)
    if type(f[2]) is not bytes:
        form.fail("envelope payload (2)", "bytes")
    for pair in form.array(f[3], "envelope signatures (3)", MAX_SIGNATURES):
        form.array(pair, "envelope signature (3)", 2, 2)
        form.octets(pair[0], "envelope kid (3)", 8)
        form.octets(pair[1], "envelope signature (3)", 64)
    return f


def join(envelope, artefact):
    """Bundle bytes: u32 length of the envelope, envelope, artefact."""
    return pack(">I", len(envelope)) + envelope + artefact


def split(data):
    """`(envelope, artefact)` of bundle bytes. Raises FormatError, LimitError."""
    if len(data) < 5:
        raise FormatError("bundle of {} bytes: expected an envelope".format(len(data)))
    size = envelope_size(data)
    if 4 + size > len(data):
        raise FormatError("bundle ends inside its envelope of {} bytes".format(size))
    return bytes(data[4 : 4 + size]), bytes(data[4 + size :])


def envelope_size(start):
    """Length of the envelope, from the first four bytes of a bundle. Raises LimitError over 4,096."""
    size = unpack_from(">I", start, 0)[0]
    if not 0 < size <= MAX_ENVELOPE:
        raise LimitError("envelope of {} bytes: expected 1 to {}".format(size, MAX_ENVELOPE))
    return size


def parse(data):
    """The Bundle of envelope bytes: form only, nothing is trusted yet. Raises FormatError, LimitError."""
    data = bytes(data)
    payload, signatures = opened(data, TYPE)
    return Bundle(TYPE, payload, signatures, sha256(data), check_fields(cbor.decode(payload)))


def opened(data, payload_type):
    """`(payload bytes, [(kid8, signature64)])` of envelope bytes whose payload is of this type; the payload is not looked
    into. Raises FormatError, LimitError."""
    if len(data) > MAX_ENVELOPE:
        raise LimitError("envelope of {} bytes: expected at most {}".format(len(data), MAX_ENVELOPE))
    f = _check_envelope(cbor.decode(data))
    if f[1] != payload_type:
        raise FormatError("envelope type (1): expected {}".format(payload_type))
    return f[2], [(pair[0], pair[1]) for pair in f[3]]


def signers(bundle, authors, verify):
    """Distinct kids among `authors` (`(kid8, public32)`) whose signature over the payload is good."""
    message = pae(bundle.type, bundle.payload)
    good = []
    for kid8, signature in bundle.signatures:
        if kid8 in good:
            continue
        for known, public in authors:
            if known == kid8 and verify(public, message, signature):
                good.append(kid8)
                break
    return good


def check(bundle, authors, threshold, verify, installed, hardware, engine, time_floor, kind=ARTEFACT_RULESET):
    """Install result for a parsed bundle: INSTALL_OK where it may be installed, else why not. Pure.

    `authors` are the installed `(kid8, public32)` and `threshold` the installed number of distinct ones that
    must have signed, `verify(public32, message, signature64) -> bool`, `installed` the Bundle in use or None,
    `hardware` the board's text, `engine` this program's number (it decides as all from OLDEST_ENGINE on
    did), `time_floor` the latest instant (ms) known from signed things, or None. The artefact itself is
    checked by `artefact_good` once its bytes are there."""
    f = bundle.fields
    if f[1] != kind:
        return INSTALL_UNREADABLE
    if installed is not None and installed.fields[2] == f[2]:
        return INSTALL_ALREADY
    if threshold < 1 or len(signers(bundle, authors, verify)) < threshold:
        return INSTALL_THRESHOLD
    if (f[7] and hardware not in f[7]) or engine < f[6][0] or f[6][1] < OLDEST_ENGINE:
        return INSTALL_HARDWARE
    if f[8] is not None and time_floor is not None and f[8] <= time_floor:
        return INSTALL_EXPIRED
    if installed is not None and f[4] <= installed.fields[4] and f[2] not in installed.fields[5]:
        return INSTALL_OLDER
    return INSTALL_OK


def artefact_good(bundle, length, digest32):
    """True where an artefact of this length and SHA-256 is the one that the payload names."""
    return bundle.fields[3] == length and bundle.fields[2] == digest32
