"""An application bundle as authors make it: packed, signed in several sittings, on the list of releases; what is refused."""

import hashlib
import json
import struct

import pytest
from stallmark import bundle
from test_trust_cli import WORDS, Office, run

from fleet import packs
from fleet.core import FormatError
from fleet.trust import files


def a_pack(content=b"programs"):
    return b"SMPK\x01\x00" + struct.pack(">HII", 0, 48 + len(content), 0) + hashlib.sha256(content).digest() + content


@pytest.fixture
def office(tmp_path):
    """A fleet with two of three authors."""
    found = Office(tmp_path)
    roots = [found.key("root", name) for name in ("Ana", "Ben", "Cleo")]
    found.authors = [found.key("author", name) for name in ("Dora", "Eli", "Fay")]
    publics = [word for _, pub, _ in roots for word in ("--root", pub)]
    publics += [word for _, pub, _ in found.authors for word in ("--author", pub)]
    keys = [word for key, _, _ in (*roots[:2], *found.authors[:2]) for word in ("--key", key)]
    run("keys", "init", "--config", found.config, *publics, *keys, STALLMARK_PASSPHRASE=WORDS)
    found.trust = found.config.parent / "trust"
    return found


def test_an_application_is_signed_in_two_sittings_and_then_its_place_on_the_list(office):
    config, pack = ("--config", office.config), office.folder / "app.pack"
    pack.write_bytes(a_pack())
    said = run("release", "application", *config, "--pack", pack, "--name", "brick", "--why", "a faster reader")
    assert "brick revision 1: a faster reader" in said and "waiting for the first signature of 2" in said
    assert packs.digest(a_pack()).hex() in said
    draft = office.trust / "drafts" / "application-1.json"
    assert "waiting for the second" in office.sign(draft, office.authors[2][0])
    assert "waiting for the second" in run("release", "publish", draft, *config, code=1)
    assert "Enough have signed" in office.sign(draft, office.authors[0][0])
    said = run("release", "publish", draft, *config)
    assert "signed: " in said and "list of releases 1: adds brick revision 1" in said
    (path,) = (office.trust / "bundles").iterdir()
    envelope, artefact = bundle.split(path.read_bytes())
    found = bundle.parse(envelope)
    assert artefact == a_pack() and found.fields[1] == 2 and len(found.signatures) == 2
    listing = office.trust / "drafts" / "release-1.json"
    for key, _, _ in office.authors[:2]:
        office.sign(listing, key)
    run("release", "publish", listing, *config)
    assert "brick" in run("release", "list", *config)
    # The next one names it as what bricks may go back to, has the next revision, and is done in one sitting.
    pack.write_bytes(a_pack(b"other programs"))
    keys = [word for key, _, _ in office.authors[:2] for word in ("--key", key)]
    said = run("release", "application", *config, "--pack", pack, "--fallback", path, *keys, STALLMARK_PASSPHRASE=WORDS)
    assert "revision 2" in said and "published: release 2" in said
    assert f"go back to {hashlib.sha256(a_pack()).hexdigest()} without authors" in said


def test_what_is_no_pack_or_not_what_was_drafted_is_refused_before_anybody_signs(office):
    config, pack = ("--config", office.config), office.folder / "app.pack"
    for wrong in (b"", b"programs", a_pack()[:-1], a_pack()[:-1] + b"X", b"SMPK\x02" + a_pack()[5:]):
        pack.write_bytes(wrong)
        assert "pack" in run("release", "application", *config, "--pack", pack, code=1)
        with pytest.raises(FormatError):
            packs.digest(wrong)
    pack.write_bytes(a_pack())
    run("release", "application", *config, "--pack", pack)
    path = office.trust / "drafts" / "application-1.json"
    value = json.loads(path.read_text())
    value["artefact"] = json.loads(json.dumps(value["artefact"]))[:-8] + "AAAAAAAA"
    files.write_json(path, value)
    said = run("keys", "sign", path, "--key", office.authors[0][0], "--yes", code=1, STALLMARK_PASSPHRASE=WORDS)
    assert "another pack than it carries" in said
    value["compact"] = []
    files.write_json(path, value)
    assert "without its manifest" in run("keys", "sign", path, "--key", office.authors[0][0], "--yes", code=1)
    rules = office.folder / "rules.smbundle"
    rules.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, bundle.manifest(b"rules", 1), []), b"rules"))
    pack.write_bytes(a_pack())
    assert "no application" in run("release", "application", *config, "--pack", pack, "--fallback", rules, code=1)


def test_a_host_release_is_signed_as_an_application_is(office):
    keys = [word for key, _, _ in office.authors[:2] for word in ("--key", key)]
    said = run("release", "host", "--config", office.config, "--version", "2.0", *keys, STALLMARK_PASSPHRASE=WORDS)
    assert "host release host 2.0 revision 1" in said and "`stallmark fleet host-release " in said
    (path,) = (office.trust / "bundles").iterdir()
    envelope, artefact = bundle.split(path.read_bytes())
    assert bundle.parse(envelope).fields[1] == 4 and packs.host_version(artefact) == "2.0"
    assert "published: release 1" in said
    assert bundle.parse(envelope).fields[5] == [], "there is none before it"


def test_a_host_release_names_the_newest_before_it_as_fallback_or_what_is_said(office):
    keys = [word for key, _, _ in office.authors[:2] for word in ("--key", key)]
    made = {}

    def sign(version, *more, code=0):
        again = ("release", "host", "--config", office.config, "--version", version, *more, *keys)
        said = run(*again, code=code, STALLMARK_PASSPHRASE=WORDS)
        for path in (office.trust / "bundles").iterdir():
            envelope, artefact = bundle.split(path.read_bytes())
            made[packs.host_version(artefact)] = (path, hashlib.sha256(artefact).digest(), bundle.parse(envelope).fields)
        return said

    sign("1.0")
    assert f"hosts may go back to {made['1.0'][1].hex()} without authors" in sign("2.0")
    assert made["2.0"][2][4] == 2 and made["2.0"][2][5] == [made["1.0"][1]]
    sign("3.0", "--fallback", made["1.0"][0], "--fallback", made["2.0"][0])
    assert made["3.0"][2][5] == [made["1.0"][1], made["2.0"][1]]
    sign("4.0", "--no-fallback")
    assert made["4.0"][2][5] == []
    assert "say one" in sign("5.0", "--no-fallback", "--fallback", made["1.0"][0], code=1)
    rules = office.folder / "rules.smbundle"
    rules.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, bundle.manifest(b"rules", 1), []), b"rules"))
    assert "no release of a host" in sign("5.0", "--fallback", rules, code=1)
