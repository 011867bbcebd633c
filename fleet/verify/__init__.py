"""Verification for strangers: public keys and files in, verdicts in plain words out.

No server, no network, no extras: it imports PyNaCl, rich, typer, the core, and the pure half of fleet.ledger.
"""
