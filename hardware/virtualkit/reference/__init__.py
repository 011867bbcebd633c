"""The reference model: what must hold, checked from the outside.

It reads flash images, the ledger's files and the kit's own stamps with its own few lines (cbor2, hashlib, PyNaCl), not with
the code it judges; only the replay of invariant 7 runs the engine, because that is the claim: same events, same decision.
"""
