"""The reference model can fail: one planted breach for each invariant that it watches, in copies of one real market hour."""

import asyncio
import base64
import dataclasses
import shutil

import cbor2
import pytest
from forger import RECEIPT, Forger
from virtualkit import firmware
from virtualkit.demo.once import Hour, MarketHour
from virtualkit.pins import Program
from virtualkit.reference.audit import DECISIONS
from virtualkit.reference.flashimage import PAGE, RING_OFFSET, FlashImage
from virtualkit.reference.order import Order
from virtualkit.reference.privacy import spellings

SEED = 21
GRANT, DENY = 1, 2


@pytest.fixture(scope="module")
def exhibits(tmp_path_factory):
    """What a short hour left behind: nothing wrong with it."""
    hour = MarketHour(tmp_path_factory.mktemp("market") / "kit", Hour(12, SEED, timing="fast"), print)
    result = asyncio.run(hour.run())
    assert result["violations"] == []
    assert result["checked"]["skipped_decisions"] == result["checked"]["unreplayed_decisions"] == 0
    return hour.exhibits


@pytest.fixture
def forger(exhibits, tmp_path):
    return Forger(exhibits, tmp_path / "case")


def decision(forger, kind, after=0):
    """(brick, record) of some decision of this kind that is not the last record of its brick."""
    return next(
        (brick, one)
        for brick, records in forger.flash.items()
        for one in records.values()
        if one.fields[10] == kind and after < one.seq < max(records)
    )


def test_an_untouched_copy_has_no_violations(forger):
    assert forger.found() == (set(), "")


def test_signing_everything_again_unchanged_has_no_violations(forger):
    forger.sign_again(forger.parts())
    assert forger.found() == (set(), "")


# --- 1: a green light means that the decision is durable on the brick


def lines(records, start=1):
    """P lines of these records as a brick writes them: whole pages, in order of seq."""
    pages = [one.page + more for one in records for more in range(one.pages)]
    return [Program(start, count, RING_OFFSET + page * PAGE, PAGE) for count, page in enumerate(pages, 1)]


@pytest.fixture
def story(forger):
    """(image, the records of a start up to a grant): a start, a boot record and what came after it."""
    brick, grant = decision(forger, GRANT)
    records = forger.flash[brick]
    return FlashImage(forger.images[brick]), [records[seq] for seq in sorted(records) if seq <= grant.seq]


def green(image, programs, start=1, said=None):
    order = Order(image)
    for program in programs:
        order.programmed(program)
    count = programs[-1].count if programs and programs[-1].start == start else 0
    return order.edge(start, count if said is None else said, green=True)


def test_a_light_after_its_page_is_as_it_should_be(story):
    image, records = story
    judged = green(image, lines(records))
    assert judged.breach is None
    assert judged.decisions[-1] == records[-1]


def test_a_light_before_its_page_is_found_though_the_page_is_there_when_one_looks(story):
    image, records = story
    programs = lines(records)
    assert "was green" in green(image, programs[:-1]).breach
    only_its_own = [*(one for one in records if one.fields[10] not in DECISIONS), records[-1]]
    assert "none held a new grant" in green(image, lines(only_its_own)[:-1]).breach


def test_a_light_in_the_middle_of_its_page_is_found(story):
    image, records = story
    *before, last = lines(records)
    assert green(image, [*before, dataclasses.replace(last, size=PAGE - 1)]).breach
    rest = Program(1, last.count + 1, last.offset + PAGE - 1, 1)
    assert green(image, [*before, dataclasses.replace(last, size=PAGE - 1), rest]).breach is None


def test_a_grant_of_an_earlier_start_pays_for_no_light(story):
    image, records = story
    assert green(image, lines(records), start=2).breach
    again = lines(records[-1:], start=2)  # the head is written again, and then it is dark until a customer comes
    assert green(image, lines(records) + again, start=2).breach


def test_one_grant_pays_for_one_light(story):
    image, records = story
    order = Order(image)
    programs = lines(records)
    for program in programs:
        order.programmed(program)
    assert order.edge(1, len(programs), green=True).breach is None
    assert order.edge(1, len(programs), green=True).breach


def test_a_green_light_for_a_refusal_is_found(forger):
    brick, refusal = decision(forger, DENY)
    records = forger.flash[brick]
    upto = [records[seq] for seq in sorted(records) if seq <= refusal.seq]
    assert "is no grant" in green(FlashImage(forger.images[brick]), lines(upto)).breach


@pytest.mark.parametrize("said", [0, 10**6])
def test_a_light_that_counts_other_programs_than_were_told_is_found(story, said):
    image, records = story
    assert "lines of its flash are missing" in green(image, lines(records), said=said).breach


def test_a_lost_line_is_found(story):
    image, records = story
    programs = lines(records)
    assert "lines of its flash are missing" in green(image, programs[:1] + programs[2:]).breach


def test_a_firmware_that_lights_before_it_writes_is_found_at_every_green_light(tmp_path):
    source = tmp_path / "firmware"
    for package in firmware.PACKAGES:
        shutil.copytree(firmware.folder() / package, source / package)
    decider = source / "brick" / "decider.py"
    text = decider.read_text()
    writes = "        record = self._guarded(event, decisions[0], self._written,"
    early = "        self._lamp.show(indicator.GRANTED if decisions[0].kind == reg.KIND_GRANT else indicator.NOTHING)\n"
    shows = "                    self._lamp.show(pattern)\n"
    assert text.count(writes) == text.count(shows) == 1
    decider.write_text(text.replace(shows, "").replace(writes, early + writes))
    hour = MarketHour(tmp_path / "kit", Hour(6, SEED, timing="fast", source=source), print)
    result = asyncio.run(hour.run())
    assert {breach["invariant"] for breach in result["violations"]} == {1}
    assert len(result["violations"]) == result["outcomes"]["granted"]
    assert result["checked"]["greens"] == 0


def test_a_green_light_without_its_grant_in_the_ledger_is_found(forger):
    brick, refusal = decision(forger, DENY)
    forger.exhibits.greens[brick].append(refusal.seq)
    assert forger.found()[0] == {1}


# --- 2: what is acknowledged is durable where it was acknowledged


@pytest.mark.parametrize(("host", "ledger", "place"), [(1, 0, "host"), (1, 1, "controller")])
def test_a_mark_beyond_what_is_held_is_found(forger, host, ledger, place):
    brick, records = next(iter(forger.flash.items()))
    last = max(records)
    forger.mark(brick, last + host, last + ledger)
    found, words = forger.found()
    assert found == {2}
    assert f"the {place} acknowledged" in words


def test_a_store_that_lost_a_receipt_is_found(forger):
    brick, grant = decision(forger, GRANT)
    with forger.store() as store:
        store.execute(
            "DELETE FROM receipts WHERE seq = ? AND brick = (SELECT number FROM bricks WHERE brick = ?)",
            (grant.seq, brick),
        )
    found, words = forger.found()
    assert found == {2, 3}
    assert f"does not hold [{grant.seq}]" in words


# --- 3: nothing is lost, nothing is counted twice, gaps are visible


def leaf_of(forger, brick, seq):
    return next(index for index, payload in forger.receipts() if own(payload) == (brick, seq))


def own(payload):
    public = cbor2.loads(payload[1])
    return public[1], public[2]


def test_a_leaf_that_was_dropped_is_found(forger):
    brick, grant = decision(forger, GRANT)
    del forger.entries[leaf_of(forger, brick, grant.seq)]
    forger.publish()
    found, words = forger.found()
    # The light was green, and the ledger knows of no such grant.
    assert found == {1, 3}
    assert f"seq {grant.seq} is on flash and not in the ledger" in words
    assert f"seq {grant.seq} to {grant.seq} are missing" in words


def test_a_leaf_that_stands_twice_is_found(forger):
    brick, refusal = decision(forger, DENY)
    forger.entries.append(forger.entries[leaf_of(forger, brick, refusal.seq)])
    forger.publish()
    found, words = forger.found()
    assert found == {3}
    assert f"seq {refusal.seq} stands twice" in words


def test_a_record_that_the_host_altered_before_it_signed_is_found(forger):
    brick, grant = decision(forger, GRANT)
    fields = grant.fields
    fields[6] += 1
    forger.sign_again(forger.parts() | {(brick, grant.seq): (cbor2.dumps(fields, canonical=True), grant.mac)})
    found, words = forger.found()
    # The brick's MAC, whose key is published by now, does not fit either.
    assert found == {3, 9}
    assert f"seq {grant.seq}: flash and ledger differ" in words
    assert "the chain is broken" in words


def test_a_record_that_everybody_lost_leaves_a_gap(forger):
    brick, refusal = decision(forger, DENY)
    for page in forger.pages(brick, refusal.seq):
        forger.write(brick, RING_OFFSET + page * PAGE, bytes(refusal.pages * PAGE))
    del forger.flash[brick][refusal.seq]
    forger.sign_again(forger.parts())
    found, words = forger.found()
    assert found == {2, 3}
    assert f"seq {refusal.seq} to {refusal.seq} are missing" in words
    later = sum(
        one.seq > refusal.seq and one.fields[10] in DECISIONS for one in forger.flash[brick].values()
    )
    assert f"{later} decisions stay unreplayed" in words


def test_a_record_that_was_never_on_flash_is_found(forger):
    brick, _ = decision(forger, GRANT)
    last = max(forger.flash[brick])
    for page in forger.pages(brick, last):
        forger.write(brick, RING_OFFSET + page * PAGE, b"\xff" * PAGE)
    found, words = forger.found()
    assert found == {3}
    assert f"seq {last} is in the ledger and was never on flash" in words


# --- 7: same events, same ruleset: same decision


def test_a_grant_of_another_amount_is_found(forger):
    brick, grant = decision(forger, GRANT)

    def generous(fields):
        fields[12][0][1] += 1

    forger.rewrite(brick, grant.seq, generous)
    found, words = forger.found()
    assert found == {7}
    assert f"seq {grant.seq}: the brick decided" in words


def test_another_reason_for_the_same_outcome_is_found(forger):
    brick, refusal = decision(forger, DENY)

    def unkind(fields):
        fields[14] = [fields[14][0] + 1, *fields[14][1:]]

    forger.rewrite(brick, refusal.seq, unkind)
    assert forger.found()[0] == {7}


@pytest.mark.parametrize("digest8", [b"unsigned", None])
def test_a_decision_under_another_ruleset_than_the_active_one_is_found(forger, digest8):
    brick, refusal = decision(forger, DENY)

    def elsewhere(fields):
        if digest8 is None:
            del fields[8]
        else:
            fields[8] = digest8

    forger.rewrite(brick, refusal.seq, elsewhere)
    found, words = forger.found()
    assert found == {7}
    assert "which is not the active one" in words


# --- 8: no tag number leaves a brick


def number_of(exhibits):
    return next(secret for secret in sorted(exhibits.secrets) if len(secret) == 7)


@pytest.mark.parametrize("place", ["the log brick-1.log", "the host's status"])
@pytest.mark.parametrize(
    "spelling",
    [
        bytes,
        lambda uid: uid.hex().encode(),
        lambda uid: uid.hex(":").upper().encode(),
        lambda uid: base64.b64encode(b"\x01" + uid + b"\x02"),
        lambda uid: base64.urlsafe_b64encode(b"ab" + uid),
        base64.b32encode,
        lambda uid: str(int.from_bytes(uid, "big")).encode(),
        lambda uid: str(int.from_bytes(uid, "little")).encode(),
    ],
)
def test_a_tag_number_is_found_however_spelt(forger, place, spelling):
    written = b"a line before\nread " + spelling(number_of(forger.exhibits)) + b" at the reader\n"
    forger.exhibits = dataclasses.replace(
        forger.exhibits, places={**forger.exhibits.places, place: written}
    )
    found, words = forger.found()
    assert found == {8}
    assert place in words


def test_a_tag_number_in_the_ledger_is_found(forger):
    forger.entries.append(b"\x04" + cbor2.dumps({1: number_of(forger.exhibits)}))
    forger.publish()
    found, words = forger.found()
    assert found == {8}
    assert "the ledger" in words


def test_a_pass_in_the_clear_is_found_by_its_serial_alone(forger):
    serial = next(secret for secret in sorted(forger.exhibits.secrets) if len(secret) == 10)
    forger.exhibits = dataclasses.replace(forger.exhibits, places={"the log host.log": serial.hex().encode()})
    assert forger.found()[0] == {8}


def test_spellings_of_other_numbers_are_told_apart():
    one, other = bytes.fromhex("04a1b2c3d4e580"), bytes.fromhex("04a1b2c3d4f580")
    assert not spellings(one) & spellings(other)


# --- 9: a stranger can verify


def test_a_forged_signature_is_found(forger):
    index, _ = forger.receipts()[3]
    entry = bytearray(forger.entries[index])
    entry[-1] ^= 1
    forger.entries[index] = bytes(entry)
    forger.publish()
    found, words = forger.found()
    assert 9 in found
    assert f"leaf {index}: the host's signature is wrong" in words


def test_a_receipt_of_a_host_that_nobody_knows_is_found(forger):
    index, payload = forger.receipts()[3]
    forger.entries[index] = bytes([RECEIPT]) + forger.sign(payload).replace(forger.kid, bytes(8))
    forger.publish()
    found, words = forger.found()
    assert 9 in found
    assert f"leaf {index}: not a receipt of a known host" in words


def test_a_rewritten_tile_is_found(forger):
    tile = next(path for path in (forger.exhibits.ledger / "tile" / "entries").rglob("*") if path.is_file())
    entries = [path for path in tile.parent.iterdir() if path.is_file()]
    for path in entries:
        path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    found, words = forger.found()
    assert 9 in found
    assert "is not a prefix of the ledger: history was rewritten" in words


def test_a_tile_that_is_gone_is_found(forger):
    shutil.rmtree(forger.exhibits.ledger / "tile" / "entries")
    found, words = forger.found()
    assert 9 in found
    assert "is missing" in words


@pytest.mark.parametrize("grown", [-1, 1])
def test_a_checkpoint_that_is_no_prefix_is_found(forger, grown):
    forger.exhibits.checkpoints.append(forger.note(len(forger.entries) + grown, bytes(32)))
    found, words = forger.found()
    assert found == {9}
    assert "not a prefix" in words or "was published, the last one has" in words


def test_a_checkpoint_of_somebody_else_is_found(forger):
    note = (forger.exhibits.ledger / "checkpoint").read_bytes()
    text, _, line = note.decode().rpartition("\n\n")
    dash, name, blob = line.split(" ")
    wrong = bytearray(base64.b64decode(blob))
    wrong[-1] ^= 1
    forger.exhibits.checkpoints.append(
        f"{text}\n\n{dash} {name} {base64.b64encode(bytes(wrong)).decode()}\n".encode()
    )
    found, words = forger.found()
    assert 9 in found
    assert "signature is wrong" in words
