"""The ledger in C2SP form: signed notes, checkpoints, tiles, proofs.

Knows leaves as bytes; what they mean is `fleet.ingest`'s business.
"""
