"""Tables of desired state: what each kit is to run, as it was signed, and what its host and bricks said of it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from fleet.db.tables import Big, metadata

# One row for each kit: the directive that stands. `change` rises over all kits, so that others see what is new.
directive_heads = Table(
    "directive_heads",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("change", Big, nullable=False),
    Column("number", Big, nullable=False),
    Column("etag", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),  # exact bytes, stored before anybody gets them
    Column("made_ms", Big, nullable=False),
    Column("expires_ms", Big, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("origin", Text, nullable=False),  # "rules", "set", "kept", "stopped": see fleet.desired.head
    Column("reason", Text, nullable=False),
)
Index("directive_heads_change", directive_heads.c.change)

# What stood before, the newest few of each kit.
directives = Table(
    "directives",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("origin", Text, nullable=False),
)

# Envelopes and artefacts by their SHA-256.
directive_targets = Table(
    "directive_targets",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("made_ms", Big, nullable=False),
)

# What a kit's host said last, as JSON of docs/desired-state.md. The host's word: it proves nothing.
kit_reports = Table(
    "kit_reports",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("host", LargeBinary, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("body", Text, nullable=False),
)

# When a kit's host asked last, and what this controller knows of its bricks. `content`: SHA-256 of the items that all of its
# bricks proved to run, `active_ms` since when; `drift_ms`: since when one of them runs something else again.
kit_states = Table(
    "kit_states",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("seen_ms", Big, nullable=True),
    Column("held", Text, nullable=True),  # ETag of the newest that its host has
    Column("content", LargeBinary, nullable=True),
    Column("active_ms", Big, nullable=True),
    Column("drift_ms", Big, nullable=True),
)

# The newest boot record of each brick, proven by its MAC: what decides there.
brick_boots = Table(
    "brick_boots",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("seq", Big, nullable=False),
    Column("at_ms", Big, nullable=False),  # market time of the receipt
    Column("received_ms", Big, nullable=False),  # when it came here
    Column("ruleset", LargeBinary, nullable=True),
    Column("program", LargeBinary, nullable=True),
)
