"""Tables of what gates compare: figures of bricks by the rules that they had in use, and what rules gave in each hour."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from fleet.db.tables import Big, metadata

# What a brick said of itself between a start-up (or change of rules) and the next. Lights only count up; of memory the least
# that was ever said stands. The host's word.
brick_figures = Table(
    "brick_figures",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("boot", Big, primary_key=True, autoincrement=False),
    Column("ruleset", LargeBinary, primary_key=True),  # the first 8 bytes of its digest
    Column("first_ms", Big, nullable=False),
    Column("last_ms", Big, nullable=False),
    Column("lights", Text, nullable=False),  # JSON: 16 counts, docs/formats/link.md message 6
    Column("free", Big, nullable=True),  # bytes of heap
    Column("block", Big, nullable=True),  # bytes of its largest block
    Column("battery", Integer, nullable=True),  # percent, the newest
)

# Decisions without a finding, by hour of their market time. `windows`: bit n is set where the n-th five minutes had one.
given_hours = Table(
    "given_hours",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("ruleset", LargeBinary, primary_key=True),
    Column("hour", Big, primary_key=True, autoincrement=False),  # since 1970
    Column("windows", Integer, nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("minor", Big, nullable=False),  # granted, in minor units
)

# Which bricks are to try which bundle beside the rules in use, for a rollout (docs/formats/shadow.md).
shadow_orders = Table(
    "shadow_orders",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("kit", LargeBinary, nullable=False),
    Column("rollout", Text, nullable=False),
    Column("bundle", LargeBinary, nullable=False),  # digest32 of the envelope
    Column("artefact", LargeBinary, nullable=False),
    Column("artefact_length", Big, nullable=False),
    Column("length", Big, nullable=False),
    Column("until_ms", Big, nullable=False),
)

# What bricks said of it, proven by their tags: the newest summary of each start-up.
shadow_said = Table(
    "shadow_said",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("bundle", LargeBinary, primary_key=True),  # the first 8 bytes
    Column("boot", Big, primary_key=True, autoincrement=False),
    Column("number", Big, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("summary", LargeBinary, nullable=False),
)
