"""A kit's host release: ordered beside what bricks run, kept through every other order, told by why, refused where it is none."""

import io
import json
import zipfile

import pytest
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, receipt
from test_rollouts_controller import Town, stall  # noqa: F401
from typer.testing import CliRunner

from fleet import packs
from fleet.cli import app
from fleet.core import FormatError
from fleet.desired import look, stops, why
from fleet.desired.report import HostSaid, ReturnedSaid


def a_release(version="2.0"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        entry = zipfile.ZipInfo(packs.ABOUT, (1980, 1, 1, 0, 0, 0))  # the same words make the same bytes
        made.writestr(entry, json.dumps({"format": 1, "version": version, "python": [3, 11]}))
    return out.getvalue()


def signed(town, artefact, kind=4, rev=1, fallback=(), name="host 2.0"):
    payload = bundle.manifest(artefact, rev, kind=kind, name=name, fallback=fallback)
    pairs = []
    for seed in town.stall.world.author_seeds:
        public, secret = crypto_sign_seed_keypair(seed)
        pairs.append((receipt.kid(public), crypto_sign(bundle.pae(bundle.TYPE, payload), secret)[:64]))
    path = town.stall.folder / "host.smbundle"
    path.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), artefact))
    return path


def run(town, *words, code=0):
    done = CliRunner().invoke(app, ["host-release", *map(str, words), "--config", town.config])
    assert done.exit_code == code, done.output
    return done.output


def test_a_host_release_stands_beside_every_other_order_and_why_says_how_far_it_is(stall, monkeypatch):  # noqa: F811
    monkeypatch.setattr(look, "open_clock", lambda path: stall.clock)
    town = Town(stall)
    path = signed(town, a_release())
    before = town.ordered()
    digest = town.one(path).digest.hex()
    assert f"host release {digest[:8]} is ordered for 1 kits" in run(town, path)
    town.desired.renew()
    head = town.desired.head(town.kit)
    assert head.order.host_release == digest and town.ordered() == before
    assert town.desired.target(town.one(path).artefact) == a_release(), "hosts fetch it as any target"
    town.desired.set(town.kit, head.order.items, "rules again")
    stops.stop(town.desired, [town.kit], "a test")
    assert town.desired.head(town.kit).order.host_release == digest, "other orders leave it"
    with stall.controller.database.read() as connection:
        stops.lift(town.desired, connection, [town.kit])
    assert town.desired.head(town.kit).order.host_release == digest

    def words(**said):
        head = town.desired.head(town.kit)
        stall.world.now_ms += 1000
        from fleet.desired.report import Report

        town.desired.report(town.kit, bytes(8), Report(etag=head.etag, number=head.number, host=HostSaid(**said)))
        found = [one for one in why.reasons(town.desired.facts(town.kit)) if one.code == "host-release"]
        return found[0].text if found else ""

    name = f"release {digest[:8]}"
    assert words() == f"its host does not install {name} by itself"
    assert words(installs=True) == f"its host has not taken up {name} yet"
    assert words(installs=True, trouble="the disk is full") == f"its host could not install {name}: the disk is full"
    older = words(installs=True, trouble="release host 1.0 has revision 1: older than host 2.0", result=4)
    assert older == f"its host refuses {name}: release host 1.0 has revision 1: older than host 2.0"
    waits = words(installs=True, waits="customers are there", waits_ms=1)
    assert waits == f"its host has {name}, which waits: customers are there"
    assert words(installs=True, release=digest, phase="trial") == f"its host has {name} on trial"
    gone = ReturnedSaid(release=digest, why="no longer there: left", at_ms=1)
    assert words(installs=True, returned=gone) == f"its host tried {name} and went back: no longer there: left"
    assert words(installs=True, release=digest) == ""
    assert "no host release is ordered any more" in run(town)
    town.desired.renew()
    assert town.desired.head(town.kit).order.host_release is None


def test_what_is_no_host_release_is_not_ordered(stall, monkeypatch):  # noqa: F811
    monkeypatch.setattr(look, "open_clock", lambda path: stall.clock)
    town = Town(stall)
    assert "no release of a host" in run(town, town.old, code=1)
    assert "No such file" in run(town, town.stall.folder / "nothing", code=1)
    for wrong in (b"", b"zip", a_release("x" * 49)):
        with pytest.raises(FormatError):
            packs.host_version(wrong)
    with pytest.raises(FormatError, match="not the project's folder"):
        packs.host_release(stall.folder, "1")
