"""The ceremony as people type it: keys, root in two sittings, releases, revocation, a stick, and a host that reads it."""

import base64
import json
import os

import pytest
from stallmark import bundle
from typer.testing import CliRunner

from fleet.cli import app as fleet_app
from fleet.trust import keyfile
from hostagent.cli import app as host_app

WORDS = "correct horse battery"


def run(*words, app=fleet_app, code=0, **env):
    """A command's output; fails where its exit code is another."""
    found = CliRunner().invoke(app, [str(word) for word in words], env=env, catch_exceptions=False)
    assert found.exit_code == code, found.output
    return found.output


class Office:
    """A folder with the controller's configuration, and each holder's folder."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "controller" / "config.json"
        self.config.parent.mkdir()
        self.config.write_text(json.dumps({"origin": "stallmark.example/eu/2026"}))
        self.write_keys(
            {name: os.urandom(32).hex() for name in ("checkpoint_seed", "director_seed", "seal_key")}
        )
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text(WORDS + "\n")
        self.passphrase.chmod(0o600)

    def write_keys(self, value):
        path = self.config.parent / "keys.json"
        path.write_text(json.dumps(value))
        path.chmod(0o600)

    def key(self, role, name):
        """A holder's sealed key file, made cheaply, and the public file beside it."""
        key = keyfile.new(role, name)
        path = self.folder / f"{name}.key"
        path.write_bytes(keyfile.seal(key, WORDS, (1, 8192)))
        path.with_name(path.name + ".pub").write_bytes(keyfile.public_file(key.holder, role))
        return path, path.with_name(path.name + ".pub"), key

    def sign(self, draft, path):
        return run("keys", "sign", draft, "--key", path, "--yes", STALLMARK_PASSPHRASE=WORDS)


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def a_bundle(folder, keys, rev=1):
    artefact = b"rules of the day"
    payload = bundle.manifest(artefact, rev, name="market rules")
    message = bundle.pae(bundle.TYPE, payload)
    path = folder / "market.smbundle"
    pairs = [(key.holder.kid, key.sign(message)) for key in keys]
    path.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), artefact))
    return path


def test_a_new_key_is_sealed_and_its_passphrase_never_on_the_command_line(office, monkeypatch):
    monkeypatch.setattr(
        keyfile.seal, "__defaults__", ((1, 8192),)
    )  # a second and 256 MiB are for thieves, not for tests
    out = office.folder / "new.key"
    said = run("keys", "new", "Ana", "--role", "root", "--out", out, "--passphrase-file", office.passphrase)
    assert "sealed" in said
    assert out.stat().st_mode & 0o077 == 0
    assert WORDS not in said
    assert keyfile.open_file(out, WORDS).name == "Ana"
    assert "never overwritten" in run("keys", "new", "Ana", "--role", "root", "--out", out, code=1)
    office.passphrase.chmod(0o644)
    other = office.folder / "other.key"
    said = run(
        "keys", "new", "B", "--role", "root", "--out", other, "--passphrase-file", office.passphrase, code=1
    )
    assert "read by others" in said
    said = run("keys", "new", "B", "--role", "root", "--out", other, code=1, STALLMARK_PASSPHRASE="short")
    assert "at least 8" in said
    assert not other.exists()


def test_a_fleet_begins_releases_revokes_and_carries_a_stick(office):
    roots = [office.key("root", name) for name in ("Ana", "Ben", "Cleo")]
    authors = [office.key("author", name) for name in ("Dora", "Eli", "Fay")]
    publics = [word for _, pub, _ in roots for word in ("--root", pub)]
    publics += [word for _, pub, _ in authors for word in ("--author", pub)]
    config = ("--config", office.config)

    said = run("keys", "init", *config, *publics)
    assert "waiting for the first signature of 2" in said
    trust = office.config.parent / "trust"
    draft = trust / "drafts" / "root-1.json"
    stranger, _, _ = office.key("root", "Mallory")
    said = run("keys", "sign", draft, "--key", stranger, "--yes", code=1, STALLMARK_PASSPHRASE=WORDS)
    assert "counts for nothing here" in said
    assert "waiting for the second signature" in office.sign(draft, roots[0][0])
    assert "waiting for the second" in run("keys", "publish", draft, *config, code=1)
    assert "authors: waiting for the first" in office.sign(draft, roots[1][0])
    office.sign(draft, authors[2][0])
    assert "Enough have signed" in office.sign(draft, authors[1][0])
    assert "published: root 1" in run("keys", "publish", draft, *config)

    path = a_bundle(office.folder, [key for _, _, key in authors[:2]])
    said = run("release", "add", path, *config, "--key", authors[0][0], STALLMARK_PASSPHRASE=WORDS)
    assert "waiting for the second signature" in said
    draft = trust / "drafts" / "release-1.json"
    assert "market rules rev 1" in office.sign(draft, authors[1][0])
    assert "timestamp 1" in run("release", "publish", draft, *config)
    assert "market rules" in run("release", "list", *config)
    found = json.loads(run("keys", "status", *config, "--json"))
    assert (found["root"], found["releases"], found["insecure"], found["trouble"]) == (1, 1, False, [])
    assert "Nothing to do. First to run out: timestamp." in run("keys", "status", *config)

    # a host that knows root 1, without a network
    host = office.folder / "host"
    host.mkdir()
    run("keys", "root", *config, "--out", host / "root.json", "--version", "1")
    host_config = a_host(host)
    assert "cannot be reached" in run("update", "--config", host_config, app=host_app, code=1)
    stick = office.folder / "stick"
    assert "1 releases" in run("release", "export", *config, "--to", stick)
    said = run("update", "--config", host_config, "--from", stick, app=host_app)
    assert "1 bundles are here, verified." in said

    # Dora's key was stolen: the root without her, the list signed anew by the others
    dora = authors[0][2].holder.kid.hex()
    keys = [word for key, _, _ in roots[:2] for word in ("--key", key)]
    said = run("keys", "revoke", dora, *config, "--why", "stolen", *keys, STALLMARK_PASSPHRASE=WORDS)
    assert "published: root 2" in said
    assert "1 good signatures, 2 needed" in run("keys", "status", *config, code=1)
    keys = [word for key, _, _ in authors[1:] for word in ("--key", key)]
    path = a_bundle(office.folder, [key for _, _, key in authors[1:]], rev=2)
    said = run("release", "add", path, *config, *keys, STALLMARK_PASSPHRASE=WORDS)
    assert "published: release 2" in said
    run("release", "export", *config, "--to", stick)
    found = json.loads(run("update", "--config", host_config, "--from", stick, "--json", app=host_app))
    assert found["state"] == "good"
    assert found["versions"]["root"] == 2
    assert found["kept"] == 2


def a_host(folder):
    """The least that a host's configuration says, with a controller that nobody is."""
    seed = os.urandom(32)
    host = keyfile.Key("host", "host", seed).holder.kid.hex()
    config = {
        "name": "host-1", "host": host, "kit": "11" * 8, "hub": "22" * 8, "event": "33" * 8, "rental": 1,
        "store": "host.db", "controller": "http://127.0.0.1:9", "port": 0, "bricks": [], "trust": {"root": "root.json"},
    }  # fmt: skip
    keys = {
        "signing_seed": seed.hex(), "store_key": "44" * 32, "handle_key": "55" * 32,
        "api_token": base64.b64encode(seed).decode(), "links": [],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "keys.json").chmod(0o600)
    return folder / "config.json"


def test_the_development_profile_says_insecure_wherever_it_shows(office):
    said = run("keys", "init", "--config", office.config, "--development", code=1)
    assert "not a development controller" in said
    value = json.loads(office.config.read_text()) | {"development": True}
    office.config.write_text(json.dumps(value))
    run("keys", "init", "--config", office.config, "--development")
    trust = office.config.parent / "trust"
    assert "INSECURE" in run("keys", "status", "--config", office.config)
    assert json.loads(run("keys", "status", "--config", office.config, "--json"))["insecure"]
    for name in ("keys.json", "online.json", "root-INSECURE.json", "metadata/1.root.json"):
        assert "INSECURE" in (trust / name).read_text(), name
    author = keyfile.open_file(trust / "author-INSECURE.json", None)
    path = a_bundle(office.folder, [author])
    key = ("--key", trust / "author-INSECURE.json")
    assert "INSECURE" in run("release", "add", path, "--config", office.config, *key)
    run(
        "keys",
        "rotate",
        "--config",
        office.config,
        "--role",
        "timestamp",
        "--key",
        trust / "root-INSECURE.json",
    )
    assert json.loads(run("keys", "status", "--config", office.config, "--json"))["root"] == 2
    assert "has a root already" in run("keys", "init", "--config", office.config, "--development", code=1)


def test_what_is_missing_is_said_in_one_line(office):
    for words in (("keys", "status"), ("keys", "renew"), ("release", "list"), ("keys", "rotate")):
        said = run(*words, "--config", office.config, code=1 if words != ("release", "list") else 0)
        assert "Traceback" not in said
        assert len(said.splitlines()) == 1
