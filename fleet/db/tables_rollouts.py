"""Tables of rollouts: plans, their logs (rows are only ever added), what people ask for, and who leads."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from fleet.db.tables import Big, metadata

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("made_ms", Big, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("plan", Text, nullable=False),  # JSON: fleet.rollouts.plan
    Column("fleet", Text, nullable=False),  # JSON {kit: [facts, [brick …]]} as it was then
)

# What was heard, in the order in which it counted. `data`: JSON list of facts. The state is what the engine makes of them.
rollout_events = Table(
    "rollout_events",
    metadata,
    Column("rollout", Text, primary_key=True),
    Column("n", Big, primary_key=True, autoincrement=False),
    Column("at_ms", Big, nullable=False),
    Column("token", Big, nullable=False),  # of the lease under which it was written
    Column("data", Text, nullable=False),
)

# The state after event `n`: a short cut that may be thrown away.
rollout_snapshots = Table(
    "rollout_snapshots",
    metadata,
    Column("rollout", Text, primary_key=True),
    Column("n", Big, nullable=False),
    Column("data", Text, nullable=False),
)

# Facts from people and other programs, until the leader has taken them into the log; `n`: where.
rollout_asks = Table(
    "rollout_asks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("rollout", Text, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("data", Text, nullable=False),
    Column("n", Big, nullable=True),
)

# One leader by name. Instants are the machine's clock, never the market's; the token rises with every new holder.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", Big, nullable=False),
    Column("until_ms", Big, nullable=False),
)
