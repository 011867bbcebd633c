"""Tables of trust: which directive and root each brick proved to follow, and what became of the keys."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text

from fleet.db.tables import Big, metadata

# What each brick's newest boot record says of directive and root. `before_ms`: an earlier start, ten minutes or more before,
# at which it had the same directive; None where the newest start is the first with it. Market ms of the receipts.
brick_orders = Table(
    "brick_orders",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("seq", Big, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("number", Big, nullable=False),  # 0: it has none
    Column("root", Big, nullable=False),  # 0: it has none, or an older program
    Column("before_ms", Big, nullable=True),
)

# The newest root that this controller has seen in its trust folder, so that each change of keys has its line in the audit log.
trust_seen = Table(
    "trust_seen",
    metadata,
    Column("what", Text, primary_key=True),  # "root" or "targets"
    Column("version", Big, nullable=False),
    Column("digest", Text, nullable=False),
)
