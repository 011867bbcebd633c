"""Receipts of the host are, byte for byte, what the format page says, signed and chained."""

from stallmark import cbor, receipt
from stallmark import registry as reg

from hostagent import form, signer
from hostagent.chain import Chain, short, uint
from tests.world import World


def chain_of(world, rulesets, terms=None):
    host = world.host
    signing = signer.Signer(host.seed)
    return Chain(host.host8, signing.kid, world.hub, terms, host.handle_key, rulesets, signing.sign), signing


def test_receipts_are_the_core_s_own_encoding_and_name_each_other():
    world = World(11)
    terms = world.octets(16)
    chain, signing = chain_of(world, {world.ruleset_digest[:8]: (world.ruleset_digest, terms)})
    prev = bytes(16)
    for number in range(1, 300):
        made = world.record(reg.KIND_GRANT if number % 3 else reg.KIND_BOOT)
        found = form.from_fields(made.fields)
        cose = chain.add(made.seq, made.public, made.mac, found, world.now_ms, 5_966_667, 1)
        parsed = receipt.parse(cose)
        f = parsed.fields
        assert receipt.encode_payload(f) == parsed.payload
        assert receipt.assemble(parsed.protected, parsed.payload, parsed.signature) == cose
        assert signer.verify(signing.public, receipt.to_be_signed(parsed.protected, parsed.payload),
        parsed.signature)
        assert (f[1], f[2], f[3], f[4], f[5]) == (made.public, made.mac, world.host.host8, number, prev)
        assert (f[6], f[7], f[8], f[15], f[16]) == (world.now_ms, 5_966_667, 1, world.rental, world.hub)
        assert f[11] == receipt.holder(world.handle(made))
        assert chain.handle(made.fields[1], made.seq, made.mac) == world.handle(made)
        if 8 in made.fields:
            assert (f[9], f[10]) == (world.ruleset_digest, terms)
        else:
            assert 9 not in f and 10 not in f
        prev = receipt.short(cose)
        assert short(cose) == prev == chain.prev16


def test_a_ruleset_that_is_learnt_later_stands_in_later_receipts():
    world = World(12)
    rulesets = {}
    own = world.octets(16)
    chain, _ = chain_of(world, rulesets, terms=own)

    def fields():
        made = world.record()
        return receipt.parse(
            chain.add(made.seq, made.public, made.mac, form.from_fields(made.fields), 1, 0, 3)
        ).fields

    before = fields()
    assert 9 not in before and before[10] == own
    rulesets[world.ruleset_digest[:8]] = (world.ruleset_digest, None)
    chain.forget_rulesets()
    after = fields()
    assert after[9] == world.ruleset_digest and after[10] == own


def test_numbers_are_encoded_as_the_core_does():
    for power in range(63):
        for value in (2**power - 1, 2**power, 2**power + 1):
            assert uint(value) == cbor.encode(value)
