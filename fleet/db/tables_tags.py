"""Tables of tag keys: what bricks of an event need of them, as the desk gave it. docs/formats/tag.md"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from fleet.db.tables import Big, metadata

# One row for each event. `sealed`: meta16 ‖ file16 ‖ live16 under the controller's seal key; `version` grows with each change.
tag_keys = Table(
    "tag_keys",
    metadata,
    Column("event", LargeBinary, primary_key=True),
    Column("version", Big, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("taken_ms", Big, nullable=False),
)
