"""Tables of hosts' operating systems: which device is which kit's host, what it is to run, and what was seen of it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from fleet.db.tables import Big, metadata

# One row for each kit whose host is a device of the host OS service. Instants are market time.
host_devices = Table(
    "host_devices",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("device", Text, nullable=False),  # its number there, in full
    Column("made_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
    # What was wanted last: a release, "" to follow the application, NULL: nothing was.
    Column("wanted", Text, nullable=True),
    Column("wanted_ms", Big, nullable=True),
    Column("wanted_by", Text, nullable=True),
    Column("told_ms", Big, nullable=True),  # when the service took it
    Column("trouble", Text, nullable=True),  # why it did not
    Column("trouble_ms", Big, nullable=True),  # since when
    Column("tried_ms", Big, nullable=True),
    # As the service showed it last.
    Column("looked_ms", Big, nullable=True),
    Column("found", Integer, nullable=True),
    Column("online", Integer, nullable=True),
    Column("turned_ms", Big, nullable=True),  # when `online` changed, as far as it was seen
    Column("name", Text, nullable=True),
    Column("pinned", Text, nullable=True),
    Column("running", Text, nullable=True),
    Column("running_ms", Big, nullable=True),  # since when it runs that, as far as it was seen
    Column("os", Text, nullable=True),
)
Index("host_devices_device", host_devices.c.device, unique=True)
