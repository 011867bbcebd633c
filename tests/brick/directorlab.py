"""A root and a director for the lab's brick, and a host that tells it what they say."""

from typing import Any

import nacl.signing
from bricklab import KIT, START_MS, Authors, Host, Lab, seeded
from stallmark import bundle, control, directive, rootmeta
from stallmark import registry as reg
from stallmark.crypt import sha256

DAY = 86_400_000
RENTAL = 1


class Office:
    """Root keys, the lab's authors and director, and what they sign. Directives count up by themselves."""

    def __init__(self, authors: Authors) -> None:
        self.authors = authors
        self.roots = [nacl.signing.SigningKey(seeded(f"root {n}")) for n in range(3)]
        self.director = authors.director
        self.number = 0

    def root(self, version: int = 1, more: tuple[Any, ...] = (), **change: Any) -> bytes:
        """An envelope signed by two roots and by `more`; `change`: fields of the payload by name."""
        given: dict[str, Any] = {
            "issued_ms": START_MS - DAY, "expires_ms": START_MS + 365 * DAY, "roots": public(self.roots),
            "root_threshold": 2, "directors": public([self.director]), "director_threshold": 1,
            "authors": public(self.authors.signers), "author_threshold": 2,
        }  # fmt: skip
        return sealed(rootmeta.TYPE, rootmeta.payload(version, **given | change), [*self.roots[:2], *more])

    def first_root(self) -> bytes:
        """The root that begins, signed by two authors, too."""
        return self.root(1, tuple(self.authors.signers[:2]))

    def item(self, brick8: bytes, data: bytes, **change: Any) -> tuple[Any, ...]:
        """An item that names a bundle for a brick."""
        found = bundle.parse(bundle.split(data)[0])
        f = found.fields
        given = {
            "kind": f[1],
            "artefact": f[2],
            "length": f[3],
            "rev": f[4],
            "hardware": "",
            "bundle": found.digest,
        }
        return (brick8, *(given | change).values())

    def order(
        self, *items: tuple[Any, ...], number: int | None = None, kit: bytes = KIT, **more: Any
    ) -> bytes:
        """The envelope of the next directive."""
        self.number = number or self.number + 1
        more = {"rental": RENTAL, "expires_ms": START_MS + 14 * DAY, "issued_ms": START_MS} | more
        payload = directive.payload(kit, self.number, items=items, **more)
        return sealed(directive.TYPE, payload, [self.director])


def public(signers: list[Any]) -> list[bytes]:
    return [signer.verify_key.encode() for signer in signers]


def sealed(kind: str, payload: bytes, signers: list[Any]) -> bytes:
    message = bundle.pae(kind, payload)
    pairs = [(sha256(signer.verify_key.encode())[:8], signer.sign(message).signature) for signer in signers]
    return bytes(bundle.envelope(kind, payload, pairs))


def tag(host: Host, envelope: bytes, version: int = 1) -> bytes:
    """What the controller says of a first root."""
    digest = sha256(bundle.opened(envelope, rootmeta.TYPE)[0])
    return bytes(control.root_tag(host.control_key, host.brick8, version, digest))


async def tell(lab: Lab, host: Host, what: int, envelope: bytes, **more: Any) -> dict[int, Any]:
    """Tells a root (1) or directive (2) and waits for the result. `tag`; `whole=False`: by pieces, however short."""
    digest8 = sha256(envelope)[:8]
    value: dict[int, Any] = {0: what, 1: digest8, 2: len(envelope), 4: more.get("tag")}
    if more.get("whole", len(envelope) <= 400):
        value[3] = envelope
    host.answers.clear()
    host.send(reg.MSG_TRUST, value)
    while True:
        await lab.until(lambda: host.answers, "what the brick says")
        kind, answer = host.answers.pop(0)
        if kind == reg.MSG_TRUST_WANTED:
            offset = answer[1]
            host.send(reg.MSG_TRUST_PIECE, {0: digest8, 1: offset, 2: envelope[offset : offset + 256]})
        elif kind == reg.MSG_TRUST_RESULT:
            assert answer[0] == digest8
            return answer


async def rooted(lab: Lab, host: Host) -> Office:
    """Tells the brick its first root."""
    office = Office(lab.authors)
    first = office.first_root()
    assert (await tell(lab, host, 1, first, tag=tag(host, first)))[1] == reg.INSTALL_OK
    return office
