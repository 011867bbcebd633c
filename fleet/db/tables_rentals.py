"""Tables of rentals: kits' states, bookings, what is occupied when, custody and wipes (both only ever grow).

No thing (a kit, a brick) is occupied twice at one time: the database itself refuses it, whoever writes. Intervals are
[from, until) in market ms, until with the buffer; `late_ms` is how long a kit that is overdue keeps the thing at least."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from fleet.db.tables import Big, metadata

rental_kits = Table(
    "rental_kits",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("state", Text, nullable=False),  # fleet.rentals.states
    Column("since_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("rental", Big, nullable=False),  # of host credentials: rises whenever the kit changes hands
)

bookings = Table(
    "bookings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kit", LargeBinary, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("renter", Text, nullable=False),  # the hub's own reference, not a person's name
    Column("from_ms", Big, nullable=False),
    Column("to_ms", Big, nullable=False),
    Column("buffer_ms", Big, nullable=False),
    Column("state", Text, nullable=False),
    Column("since_ms", Big, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("key", Text, nullable=False),  # of whoever asked: the same one twice is one booking
    Column("asked", LargeBinary, nullable=False),  # SHA-256 of what was asked with it
    Column("rental", Big, nullable=True),  # since the hand-over
    Column("out_ms", Big, nullable=True),
    Column("back_ms", Big, nullable=True),
    Column("closed_ms", Big, nullable=True),
    Column("flag", Text, nullable=False),  # what threatens it, empty: nothing
    Column("flag_ms", Big, nullable=True),
    Column(
        "borne", Text, nullable=False
    ),  # JSON: what was not drained at its end, and who bears it; empty: nothing
    UniqueConstraint("tenant", "key"),
)
Index("bookings_kit", bookings.c.kit, bookings.c.from_ms)

# One row for each thing of a booking that holds it. `thing`: "kit:" or "brick:" and hex.
rental_occupied = Table(
    "rental_occupied",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("booking", Text, primary_key=True),
    Column("from_ms", Big, nullable=False),
    Column("until_ms", Big, nullable=False),
    Column("late_ms", Big, nullable=True),
    CheckConstraint("from_ms < until_ms"),
)

custody = Table(
    "custody",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("booking", Text, nullable=False),
    Column("kit", LargeBinary, nullable=False),
    Column("item", Text, nullable=False),
    Column(
        "what", Text, nullable=False
    ),  # packed, out, found, damaged, missing, swapped-in, swapped-out, inspected
    Column("at_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
    Column("grade", Text, nullable=False),  # A to D, or empty
    Column("photos", Text, nullable=False),  # JSON list of SHA-256 in hex
    Column("seals", Text, nullable=False),  # JSON list
    Column("note", Text, nullable=False),
)
Index("custody_booking", custody.c.booking)

# One row for each order to a brick to step to another rental; open until its record of kind 21 is in the ledger.
rental_steps = Table(
    "rental_steps",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("following", Big, primary_key=True),  # the rental that begins
    Column("kit", LargeBinary, nullable=False),
    Column("rental", Big, nullable=False),  # the one that it leaves
    Column("number", Big, nullable=False),  # of its link key, counted with the orders of fleet.rekeys
    Column("ordered_ms", Big, nullable=False),
    Column("why", Text, nullable=False),
    Column("answered_ms", Big, nullable=True),  # when an answer came whose tag is the brick's
    Column("result", Big, nullable=True),
    Column("said", Text, nullable=False),  # JSON: that answer with its tag, empty: none
)
Index("rental_steps_kit", rental_steps.c.kit)

# How far each host says that its receipts go, by its own signature: the newest word.
host_heads = Table(
    "host_heads",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("kit", LargeBinary, nullable=False),
    Column("host_seq", Big, nullable=False),
    Column("unsent", Big, nullable=False),
    Column("at_ms", Big, nullable=False),  # when it came
    Column("statement", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

# Orders to wipe what a renter left; hosts are told until each has given its proof.
wipe_orders = Table(
    "wipe_orders",
    metadata,
    Column("booking", Text, primary_key=True),
    Column("kit", LargeBinary, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
)

# Their proofs, word for word.
wipe_proofs = Table(
    "wipe_proofs",
    metadata,
    Column("booking", Text, primary_key=True),
    Column("who", Text, primary_key=True),  # host:HEX or brick:HEX
    Column("at_ms", Big, nullable=False),
    Column("statement", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

wipes = Table(
    "wipes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("booking", Text, nullable=False),
    Column("kit", LargeBinary, nullable=False),
    Column("what", Text, nullable=False),
    Column("keys", Text, nullable=False),  # JSON list of key ids, never keys
    Column("at_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
    Column("read", Text, nullable=False),  # what reading it afterwards gave
    Column("proven", Integer, nullable=False),  # 1: this controller read it; 0: a person says so
)

# alerts: whose hands each is in, and what was told to whom.
alert_owners = Table(
    "alert_owners",
    metadata,
    Column("key", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("quiet_ms", Big, nullable=True),  # so long nothing of it is sent
    Column("note", Text, nullable=False),
)

alert_sent = Table(
    "alert_sent",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # of urgency and owner as they were told
    Column("at_ms", Big, nullable=False),
    Column("tries", Integer, nullable=False),  # that failed since
    Column("next_ms", Big, nullable=False),
    Column("body", Text, nullable=False),  # JSON of the alert as it was told
)

BOOKED = "stallmark: occupied already"
# A booking that is late keeps its things: nobody books into that. Whoever was booked there before is flagged instead.
_MEETS = (
    "EXISTS (SELECT 1 FROM rental_occupied o WHERE o.thing = NEW.thing AND o.booking <> NEW.booking AND "
    "o.from_ms < NEW.until_ms AND "
    "(NEW.from_ms < o.until_ms OR (o.late_ms IS NOT NULL AND NEW.from_ms < o.late_ms)))"
)
_GROWS = (
    "(NEW.thing <> OLD.thing OR NEW.booking <> OLD.booking OR NEW.from_ms < OLD.from_ms "
    "OR NEW.until_ms > OLD.until_ms)"
)


def _on(table: Table, dialect: str, text: str) -> None:
    event.listen(table, "after_create", DDL(text.replace("%", "%%")).execute_if(dialect=dialect))


for _name, _when, _what in (("insert", "", "INSERT"), ("update", f"{_GROWS} AND ", "UPDATE")):
    _on(
        rental_occupied,
        "sqlite",
        f"CREATE TRIGGER rental_occupied_{_name} BEFORE {_what} ON rental_occupied WHEN {_when}{_MEETS} "
        f"BEGIN SELECT RAISE(ABORT, '{BOOKED}'); END",
    )
for _table in (custody, wipes):
    for _what in ("UPDATE", "DELETE"):
        _on(
            _table,
            "sqlite",
            f"CREATE TRIGGER {_table.name}_no_{_what.lower()} BEFORE {_what} ON {_table.name} "
            f"BEGIN SELECT RAISE(ABORT, 'stallmark: {_table.name} is only added to'); END",
        )
        _on(
            _table,
            "postgresql",
            f"CREATE OR REPLACE FUNCTION {_table.name}_kept() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION "
            f"'stallmark: {_table.name} is only added to' USING ERRCODE = '23514'; END $$ LANGUAGE plpgsql; "
            f"CREATE TRIGGER {_table.name}_no_{_what.lower()} BEFORE {_what} ON {_table.name} "
            f"FOR EACH ROW EXECUTE FUNCTION {_table.name}_kept()",
        )
# Two transactions about one thing wait for each other; the statement after the lock sees what the first one committed.
_on(
    rental_occupied,
    "postgresql",
    "CREATE OR REPLACE FUNCTION rental_occupied_free() RETURNS trigger AS $$ BEGIN "
    "PERFORM pg_advisory_xact_lock(7305522, hashtext(NEW.thing)); "
    f"IF {_MEETS} THEN RAISE EXCEPTION '{BOOKED}' USING ERRCODE = '23P01'; END IF; "
    "RETURN NEW; END $$ LANGUAGE plpgsql; "
    "CREATE TRIGGER rental_occupied_insert BEFORE INSERT ON rental_occupied FOR EACH ROW "
    "EXECUTE FUNCTION rental_occupied_free(); "
    "CREATE TRIGGER rental_occupied_update BEFORE UPDATE ON rental_occupied FOR EACH ROW "
    f"WHEN ({_GROWS}) EXECUTE FUNCTION rental_occupied_free()",
)
