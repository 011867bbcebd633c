"""What the commands of key holders do: sign a draft, pass it on, publish it, begin a development kit. No terminal here, but for
passphrases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleet.clock import open_clock
from fleet.config import Config, load
from fleet.trust import ceremony, developing, draft, files, keyfile
from fleet.trust.errors import DraftError, TrustError
from fleet.trust.passphrase import ask
from fleet.trust.repository import Repository


def opened(config: Path) -> tuple[Config, Repository, int]:
    """(configuration, its trust folder, the controller's time)."""
    read = load(config)
    return read, Repository(read.trust), open_clock(read.clock_file).now_ms()


def pass_on(
    repository: Repository,
    made: draft.Draft,
    keys: Sequence[Path] | None,
    passphrase_file: Path | None,
    config: Path,
    now_ms: int,
) -> list[str]:
    """Signs a new draft with the keys at hand; publishes it where that is enough, else leaves it as a file."""
    said = made.summary()
    for one in keys or []:
        sign_with(made, one, passphrase_file)
    path = repository.drafts / f"{made.kind}-{made.version}.json"
    draft.save(made, path)
    if draft.complete(made):
        return said + put_out(repository, made, config, now_ms, keys, passphrase_file)
    said += [one.words() for one in made.waiting()]
    said.append(
        f"Draft: {path}. Each holder: `stallmark fleet keys sign DRAFT --key FILE`; then `keys publish`."
    )
    return said


def sign_with(made: draft.Draft, path: Path, passphrase_file: Path | None) -> None:
    """One holder's signature. Raises TrustError where the key is none of the draft's."""
    _, stated = keyfile.read_public(path)
    known = next((one for one in made.may_sign() if one.public == stated.public), None)
    if known is None:
        who = ", ".join(f"{one.name} {one.kid.hex()}" for one in made.may_sign())
        raise DraftError(f"{path} is key {stated.kid.hex()}: it counts for nothing here; who can sign: {who}")
    text = ask(f"{stated.name} ({path})", passphrase_file) if keyfile.is_sealed(path) else None
    key = keyfile.open_file(path, text)
    made.sign(known.keyid, known.kid, key.sign)


def put_out(
    repository: Repository,
    made: draft.Draft,
    config: Path,
    now_ms: int,
    keys: Sequence[Path] | None = None,
    passphrase_file: Path | None = None,
) -> list[str]:
    """Publishes, renews, and puts the draft's file away. An application becomes a file and goes on the next list of releases,
    which `keys` sign at once where that is enough. Raises TrustError, OSError."""
    if isinstance(made, draft.BundleDraft):
        return _put_out_application(repository, made, config, now_ms, keys, passphrase_file)
    if isinstance(made, draft.RootDraft):
        repository.publish_root(made)
    else:
        repository.publish_release(made)
    said = [f"published: {made.kind} {made.version}", *ceremony.settle(repository, config, now_ms)]
    _put_away(repository, made)
    return said


def _put_out_application(
    repository: Repository,
    made: draft.BundleDraft,
    config: Path,
    now_ms: int,
    keys: Sequence[Path] | None,
    passphrase_file: Path | None,
) -> list[str]:
    made.check()
    # The authors of the root on disk count, not of the one that the draft brought along.
    real = draft.BundleDraft(made.payload, made.artefact, repository.root(), made.why)
    real.signatures = made.signatures
    draft.require_complete(real)
    data = real.bundle()
    entry = repository.take(data)
    path = repository.folder / "bundles" / f"{made.kind}-{made.version}-{entry.path[:8]}.smbundle"
    files.write(path, data)
    _put_away(repository, made)
    order = f"rollout plan NAME --application {path}`"
    if made.kind == "host":
        order = f"host-release {path}`, or `stallmark fleet rollout plan NAME --host-release {path}` in waves,"
    said = [f"signed: {path}, {len(data)} bytes: `stallmark fleet {order} brings it out."]
    number = 1 + ((found := repository.targets()) is not None and found.signed.version)
    if (repository.drafts / f"release-{number}.json").exists():
        return [
            *said,
            f"List of releases {number} is being signed. After it: `stallmark fleet release add {path}`.",
        ]
    said.append("Hosts pass it on once it is on the authors' list:")
    listing = ceremony.next_release(
        repository, [entry], (), now_ms, why=f"adds {made.fields[10]} revision {made.version}"
    )
    return said + pass_on(repository, listing, keys, passphrase_file, config, now_ms)


def _put_away(repository: Repository, made: draft.Draft) -> None:
    waiting = repository.drafts / f"{made.kind}-{made.version}.json"
    if waiting.exists():
        done = repository.folder / "published"
        done.mkdir(exist_ok=True)
        waiting.replace(done / waiting.name)


def begin_development(config: Path, days: int = ceremony.ROOT_DAYS) -> list[str]:
    """Root 1 of one key in the open; the authors of config.json, whose keys lie in the kit's folder, or one more key; and an
    empty list. Says in words what was done. Raises TrustError, ConfigError, OSError."""
    read, repository, now_ms = opened(config)
    if not read.development:
        raise TrustError(
            "config.json is not a development controller's: --development is for kits of `kit new`"
        )
    root = _in_the_open(repository, "root", "root-INSECURE")
    authors = developing.authors_beside(config.resolve().parent.parent)
    threshold = read.authors.threshold
    if len(authors) < threshold or not authors:
        authors, threshold = [_in_the_open(repository, "author", "author-INSECURE")], 1
    first = ceremony.first_root(
        repository,
        [root.holder],
        [one.holder for one in authors],
        (1, threshold),
        read.secrets.director_public,
        now_ms,
        days,
        development=True,
    )
    for one in (root, *authors[:threshold]):
        first.sign(one.holder.keyid, one.holder.kid, one.sign)
    said = first.summary() + put_out(repository, first, config, now_ms)
    empty = ceremony.next_release(repository, (), (), now_ms, why="the first list, empty")
    for one in authors[:threshold]:
        empty.sign(one.holder.keyid, one.holder.kid, one.sign)
    return said + put_out(repository, empty, config, now_ms)


def _in_the_open(repository: Repository, role: str, name: str) -> keyfile.Key:
    path = repository.folder / f"{name}.json"
    if path.exists():
        return keyfile.open_file(path, None)
    key = keyfile.new(role, name)
    files.write(path, keyfile.in_the_open(key), secret=True)
    return keyfile.open_file(path, None)
