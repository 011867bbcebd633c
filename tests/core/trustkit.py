"""A small world of keys for tests of trust: signatures here are hashes, those of Ed25519 are in the vectors."""

from stallmark import bundle, cbor, directive, rootmeta, trust
from stallmark.crypt import sha256
from stallmark.truststate import Me

DAY = 86400000
T0 = 1790000000000
KIT, OTHER_KIT, BRICK, SISTER, RENTAL = b"kit-0001", b"kit-0002", b"brick-01", b"brick-02", 3
HARDWARE = "esp32s3"


class Key:
    """A key pair; `name` tells keys apart."""

    def __init__(self, name):
        self.public = sha256(b"public " + name.encode())
        self.kid8 = sha256(self.public)[:8]

    def sign(self, message):
        one = sha256(self.public, message)
        return one + one


def verify(public, message, signature):
    one = sha256(public, message)
    return signature == one + one


def ring(name, count):
    return [Key(name + str(number)) for number in range(count)]


ROOTS, NEW_ROOTS = ring("root", 3), ring("new root", 3)
DIRECTORS, AUTHORS = ring("director", 3), ring("author", 3)
THIEF = Key("thief")


def sealed(kind, payload, signers):
    """Envelope bytes; no limit is looked at, a thief has none."""
    message = bundle.pae(kind, payload)
    return cbor.encode({0: 1, 1: kind, 2: payload, 3: [[key.kid8, key.sign(message)] for key in signers]})


def publics(keys):
    return [key.public for key in keys]


def root(version=1, signers=None, roots=ROOTS, directors=None, authors=AUTHORS, issued=None, expires=T0 + 365 * DAY, few=1):
    directors = DIRECTORS[:1] if directors is None else directors
    issued = T0 + (version - 1) * DAY if issued is None else issued
    made = rootmeta.payload(version, issued, expires, publics(roots), 2, publics(directors), few, publics(authors), 2)
    return sealed(rootmeta.TYPE, made, ROOTS[:2] + AUTHORS[:2] if signers is None else signers)


def provisioned(**more):
    return trust.Trust(None, [(key.kid8, key.public) for key in AUTHORS], 2, **more)


def told(*more):
    """Trust with the first root, and more of them."""
    held = provisioned()
    for one in (root(),) + more:
        result, fields = held.take_root(one, verify, lambda version, digest: True)
        assert result == 1, result
        held = trust.Trust(fields)
    return held


def release(rules=b"rules", rev=11, signers=None, **more):
    """(envelope, parsed bundle) of a ruleset."""
    made = bundle.manifest(rules, rev, since_ms=T0, **more)
    envelope = sealed(bundle.TYPE, made, AUTHORS[:2] if signers is None else signers)
    return envelope, bundle.parse(envelope)


def item(found, brick=BRICK, **change):
    f = found.fields
    given = {"kind": f[1], "artefact": f[2], "length": f[3], "rev": f[4], "hardware": "", "bundle": found.digest}
    given.update(change)
    return (brick,) + tuple([given[name] for name in ("kind", "artefact", "length", "rev", "hardware", "bundle")])


def order(number, items=(), signers=None, kit=KIT, issued=None, expires=None, **more):
    issued = T0 + number * DAY if issued is None else issued
    expires = issued + 14 * DAY if expires is None else expires
    more.setdefault("rental", RENTAL)
    made = directive.payload(kit, number, issued, expires, items, **more)
    return sealed(directive.TYPE, made, DIRECTORS[:1] if signers is None else signers)


def me(installed=None, hardware=HARDWARE):
    """This brick, with a Bundle installed or none."""
    have = {}
    if installed is not None:
        f = installed.fields
        have = {f[1]: (f[2], f[4], f[5])}
    return Me(KIT, BRICK, RENTAL, hardware, have)


def obeyed(held, envelope, who=None, signed_ms=0):
    """Trust after a directive that must be good."""
    result, fields, _ = held.take_directive(envelope, verify, who or me(), signed_ms)
    assert result == 1, result
    return trust.Trust(fields)


def answer(held, envelope, who=None, signed_ms=0):
    """The result of a directive that must change nothing."""
    result, fields, found = held.take_directive(envelope, verify, who or me(), signed_ms)
    assert fields is None and found is None, result
    return result


def install(held, found, installed=None, who=None, clock_ms=None, signed_ms=0):
    """The result of an install."""
    return held.may_install(found, verify, who or me(installed), installed, 1, signed_ms, clock_ms)
