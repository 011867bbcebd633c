"""The tables. Bytes are raw, instants are market time in ms, identities are 8 bytes; nothing personal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

SCHEMA = 4  # raised with every change; db.migration takes earlier ones over

# SQLite keeps every integer in up to 64 bits; only "INTEGER PRIMARY KEY" is its fast row id.
Big = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# --- the ledger

leaves = Table(
    "leaves",
    metadata,
    Column("position", Big, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),  # RFC 6962 leaf hash, worked out at ingest
    Column("entry", LargeBinary, nullable=False),  # type byte and exact bytes
)

# Running totals, changed with what they count: "leaf:<type>" and "kind:<record kind>".
totals = Table(
    "totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("n", Big, nullable=False),
)

# One row: what may be signed, and has been. The body is committed before any signature over it exists.
log = Table(
    "log",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", Big, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("stored_ms", Big, nullable=False),
)

# --- what arrived

batches = Table(
    "batches",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole body
    Column("header", LargeBinary, nullable=False),
    Column("first_index", Big, nullable=False),  # of its receipts' leaves, which stand together
    Column("count", Integer, nullable=False),
    Column("private", LargeBinary, nullable=False),  # CBOR of the private section, still encrypted
    Column("received_ms", Big, nullable=False),
    Column("answer", Text, nullable=False),  # JSON as answered
)

receipts = Table(
    "receipts",
    metadata,
    Column("position", Big, primary_key=True, autoincrement=False),  # of the leaf: its index in the ledger
    Column("host", LargeBinary, nullable=False),
    Column("host_seq", Big, nullable=False),
    Column("brick", LargeBinary, nullable=False),  # zeros where the record is unreadable
    Column("seq", Big, nullable=False),
    Column("epoch", Big, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("market_ms", Big, nullable=False),
    Column("received_ms", Big, nullable=False),
    Column("holder", LargeBinary, nullable=True),  # SHA-256(handle)[:16]
    Column("link", LargeBinary, nullable=False),  # chain value after the record
    Column("prev", LargeBinary, nullable=False),  # chain value that it names as before it
    Column("findings", Integer, nullable=False),  # bit n: finding code n, bit 0: unproven; any: not money
    Column("duplicate_of", Big, nullable=True),  # the earlier receipt of the very same record
    Column("reference", Big, nullable=True),  # seq that a void or refund takes back
    Column("takes_back", LargeBinary, nullable=True),  # the same by receipt16, of whichever brick
)
Index("receipts_record", receipts.c.brick, receipts.c.seq)
Index("receipts_holder", receipts.c.holder)
Index(
    "receipts_reference",
    receipts.c.brick,
    receipts.c.reference,
    sqlite_where=receipts.c.reference.is_not(None),
    postgresql_where=receipts.c.reference.is_not(None),
)
Index(
    "receipts_takes_back",
    receipts.c.takes_back,
    sqlite_where=receipts.c.takes_back.is_not(None),
    postgresql_where=receipts.c.takes_back.is_not(None),
)

evidence = Table(
    "evidence",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256[:16], as field 21 of a record has it
    Column("bytes", LargeBinary, nullable=False),
)

# A host's second batch of one number, signed by it: proof that its key works in two places. A few are kept.
conflicts = Table(
    "conflicts",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("header", LargeBinary, nullable=False),
    Column("received_ms", Big, nullable=False),
)

private_keys = Table(
    "private_keys",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("host", LargeBinary, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("subject", LargeBinary, nullable=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("received_ms", Big, nullable=False),
)

# --- who it comes from

hosts = Table(
    "hosts",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("number", Big, nullable=False),  # of the last batch
    Column("prev", LargeBinary, nullable=False),  # what the next batch must name
    Column("host_seq", Big, nullable=False),  # of the last receipt
    Column("prev_receipt", LargeBinary, nullable=False),
    Column("last_ms", Big, nullable=True),
)

bricks = Table(
    "bricks",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("head_seq", Big, nullable=False),
    Column("head_link", LargeBinary, nullable=False),
    Column("epoch", Big, nullable=False),
    Column("epoch_first", Big, nullable=False),  # seq of the first record of the epoch
    Column("epoch_exact", Boolean, nullable=False),  # no gap since: the 1,024th record can be told
    Column("last_ms", Big, nullable=True),
)

gaps = Table(
    "gaps",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("first", Big, primary_key=True, autoincrement=False),
    Column("last", Big, nullable=False),
)

roots = Table(
    "roots",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("first_epoch", Big, primary_key=True, autoincrement=False),
    Column("rental", Big, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# Epochs that have ended. `ready` is the tree size from which every record of it is in the tree.
epochs = Table(
    "epochs",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("epoch", Big, primary_key=True, autoincrement=False),
    Column("last_seq", Big, nullable=False),
    Column("ready", Big, nullable=True),
    Column("leaf", Big, nullable=True),  # index of the disclosure
    Column("tree_size", Big, nullable=True),
)

# --- keys in public, rights

key_events = Table(
    "key_events",
    metadata,
    Column("role", SmallInteger, primary_key=True),
    Column("kid", LargeBinary, primary_key=True),
    Column("subject", LargeBinary, nullable=False),
    Column("public", LargeBinary, nullable=False),
    Column("leaf", Big, nullable=False),
)

slices = Table(
    "slices",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False),  # id of the rule
    Column("unit", SmallInteger, nullable=False),
    Column("amount", Big, nullable=False),
    Column("kit", LargeBinary, nullable=False),
    Column("rental", Big, nullable=False),
    Column("expires_ms", Big, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("leaf", Big, nullable=False),
    Column("brick", LargeBinary, nullable=True),  # that first really spent from it
    Column("spent", Big, nullable=False),  # by records without a finding: never above the amount
    Column(
        "returned", Big, nullable=False
    ),  # went back to the budget after expiry: spent + returned ≤ amount
    Column("minted_ms", Big, nullable=False),
    Column("thought_for", LargeBinary, nullable=True),  # the brick that the forecast had in mind: a hint
)

# Rights that a reserve set aside, by the record that did; `state` as in fleet.spending.
reserves = Table(
    "reserves",
    metadata,
    Column("brick", LargeBinary, primary_key=True),
    Column("seq", Big, primary_key=True, autoincrement=False),
    Column("parts", Text, nullable=False),  # JSON [[slice, amount] …]
    Column("state", SmallInteger, nullable=False),
)

# What rentals bear because a record was set aside, next to the finding that says why.
charges = Table(
    "charges",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("code", SmallInteger, nullable=False),
    Column("kit", LargeBinary, nullable=True),
    Column("rental", Big, nullable=False),
    Column("brick", LargeBinary, nullable=False),
    Column("seq", Big, nullable=False),
    Column("part", Big, nullable=False),  # the slice, 0 where it is none
    Column("unit", SmallInteger, nullable=False),  # 0: of a slice that was never minted
    Column("amount", Big, nullable=False),
    Column("at_ms", Big, nullable=False),
)

# --- vouchers

# The redemption that stands for each serial: the only one, or the winner. `number` rises with every change.
redemptions = Table(
    "redemptions",
    metadata,
    Column("serial", LargeBinary, primary_key=True),
    Column("number", Big, nullable=False),
    Column("brick", LargeBinary, nullable=False),
    Column("seq", Big, nullable=False),
    Column("kit", LargeBinary, nullable=True),
    Column("rental", Big, nullable=False),
    Column("ms", Big, nullable=False),
    Column("spread", Big, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("minor", Big, nullable=False),
    Column("host", LargeBinary, nullable=False),
    Column("host_seq", Big, nullable=False),
)
Index("redemptions_number", redemptions.c.number)

# Payments of a serial for which no redemption stands, by records that were set aside: once one does, it wins.
redemptions_aside = Table(
    "redemptions_aside",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("serial", LargeBinary, nullable=False),
    Column("brick", LargeBinary, nullable=False),
    Column("seq", Big, nullable=False),
    Column("kit", LargeBinary, nullable=True),
    Column("rental", Big, nullable=False),
    Column("ms", Big, nullable=False),
    Column("spread", Big, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("minor", Big, nullable=False),
    Column("host", LargeBinary, nullable=False),
    Column("host_seq", Big, nullable=False),
)
Index("redemptions_aside_serial", redemptions_aside.c.serial)

# Vouchers that were paid twice, and who bears the second payment.
settlements = Table(
    "settlements",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("serial", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),  # why the winner won
    Column("winner", LargeBinary, nullable=False),
    Column("winner_seq", Big, nullable=False),
    Column("winner_kit", LargeBinary, nullable=True),
    Column("loser", LargeBinary, nullable=False),
    Column("loser_seq", Big, nullable=False),
    Column("loser_kit", LargeBinary, nullable=True),
    Column("loser_rental", Big, nullable=False),
    Column("minor", Big, nullable=False),
    Column("at_ms", Big, nullable=False),
)

# Parts with tables of their own, on the same metadata.
from fleet.db import (  # noqa: E402
    tables_desired,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_gates,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_hostos,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_people,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_rentals,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_rollouts,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    tables_tags,  # noqa: F401  # pyright: ignore[reportUnusedImport]
)
