"""A fleet's trust for tests: offline holders, a repository in a folder, a source that any attacker may have poisoned."""

import copy
import hashlib
import shutil
from contextlib import contextmanager

from stallmark import bundle
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from fleet.trust import ceremony, keyfile, metadata
from fleet.trust.ceremony import Change
from fleet.trust.repository import Repository
from hostagent.trust.client import Trust
from hostagent.trust.errors import TrustError
from hostagent.trust.fetcher import Source

NOW = 1_790_000_000_000
DAY = 86_400_000


class SetClock:
    """A clock that says what it is told."""

    def __init__(self, now=NOW, known=True):
        self.now, self._known = now, known

    def now_ms(self):
        return self.now

    def known(self):
        return self._known

    def unset(self):
        """As a host without a battery wakes up: 1970, and it does not know the time."""
        self.now, self._known = 1000, False


class Fleet:
    """Root 2 of 3, authors 2 of 3, all online keys, published in `folder`."""

    def __init__(self, folder, now=NOW, authors=None):
        self.now = now
        self.repository = Repository(folder)
        self.roots = [keyfile.new("root", name) for name in ("Ana", "Ben", "Cleo")]
        self.authors = authors or [keyfile.new("author", name) for name in ("Dora", "Eli", "Fay")]
        self.director = keyfile.new("root", "director")
        first = ceremony.first_root(
            self.repository,
            [key.holder for key in self.roots],
            [key.holder for key in self.authors],
            (2, 2),
            self.director.public,
            now,
        )
        self.sign(first, self.roots[:2] + self.authors[:2])
        self.repository.publish_root(first)
        self.release()
        self.bootstrap = self.repository.file("1.root.json")

    def moved(self, folder):
        """The same fleet with a trust folder of its own."""
        shutil.copytree(self.repository.folder, folder)
        other = copy.copy(self)
        other.repository = Repository(folder)
        return other

    @staticmethod
    def sign(draft, keys):
        for key in keys:
            draft.sign(key.holder.keyid, key.holder.kid, key.sign)
        return draft

    def release(self, *bundles, remove=(), signers=None, days=ceremony.RELEASE_DAYS):
        """A new list with these bundles more; snapshot and timestamp follow."""
        entries = [self.repository.take(data) for data in bundles]
        draft = ceremony.next_release(self.repository, entries, remove, self.now, days)
        self.repository.publish_release(self.sign(draft, signers or self.authors[:2]))
        self.repository.renew(self.now)

    def rotate(self, signers=None, days=365, **change):
        """The next root."""
        draft = ceremony.next_root(self.repository, Change(**change), self.now, days)
        self.repository.publish_root(self.sign(draft, signers or self.roots[:2]))
        return draft

    def bundle(self, text=b"rules", rev=1, signers=None):
        """Bundle bytes that two authors signed, or those who are named."""
        payload = bundle.manifest(text, rev, name=f"rules {rev}")
        message = bundle.pae(bundle.TYPE, payload)
        pairs = [(key.holder.kid, key.sign(message)) for key in signers or self.authors[:2]]
        return bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), text)

    def online(self, role):
        """The online key of a role, as a thief of the controller has it."""
        holders = {name: found for name, found, _ in self.repository.keys().roles}[role]
        return self.repository.online.seed_of(holders)

    def forge(self, role, made, key=None):
        """Signs metadata as a thief of that role's key would; its bytes."""
        key = key or self.online(role)
        metadata.add_signature(made, key.holder.keyid, key.sign(made.signed_bytes))
        return made.to_bytes()

    def copy(self):
        """Every file as clients see it now: what an attacker has recorded."""
        folder = self.repository.folder
        files = {f"tuf/{path.name}": path.read_bytes() for path in (folder / "metadata").iterdir()}
        files |= {f"targets/{path.name}": path.read_bytes() for path in (folder / "targets").glob("*")}
        return files | {f"roots/{path.name}": path.read_bytes() for path in (folder / "roots").iterdir()}


class Files(FetcherInterface):
    """A source out of a dictionary: bytes, or a function that makes an iterator."""

    def __init__(self, files):
        self.files = files
        self.asked = []

    def _fetch(self, url):
        self.asked.append(url)
        found = self.files.get(url)
        if found is None:
            raise DownloadHTTPError(f"{url} answers 404", 404)
        return iter([found]) if isinstance(found, bytes) else found()


def source(files):
    """A Source over a dictionary of files."""
    return Source("controller", Files(files), "tuf/", "targets/", "roots/")


def host(tmp_path, fleet, clock=None, name="host"):
    """A host that knows root 1 only."""
    return Trust(tmp_path / name, fleet.bootstrap, clock or SetClock(fleet.now), lock_s=60.0)


@contextmanager
def refused(trust, *kinds):
    """What follows is refused for one of these reasons, and nothing that was known is lost or raised by it."""
    before = trust.known
    try:
        yield
    except TrustError as failed:
        assert failed.kind in kinds, (failed.kind, str(failed))
        assert str(failed)
        assert trust.known == before
        return
    raise AssertionError(f"nothing was refused, expected {kinds}")


def digest(data):
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
