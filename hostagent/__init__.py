"""The host agent: signs, stores and forwards what the bricks decided. Runs on a Raspberry Pi.

What lives here: links to bricks (links/), intake and the receipt chain (intake, form, chain, signer), the
encrypted
store (store/), what goes up (batches, forwarder) and what comes down (puller, budgets, updater), and what
the host
says of itself (report, status, cli). `agent` builds the parts and hands them to each other. What does not
live here:
deciding, and the record keys: a host can neither make nor change what a brick decided.
"""
