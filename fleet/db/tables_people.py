"""The tables of people and of devices that wait: accounts, sessions, tokens, approvals, audit, pending, host credentials.

Instants are the machine's own time in ms, not market time: sessions and codes end by the wall's clock. Secrets stand here
as digests only (passwords as argon2id)."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from fleet.db.tables import Big, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),  # what one signs in with; never given to somebody else
    Column("tenant", Text, nullable=False),  # "*": every tenant
    Column("shown", Text, nullable=False),
    Column("roles", Text, nullable=False),  # JSON list
    Column("hubs", Text, nullable=False),  # JSON list of hub ids in hex; empty: all of the tenant
    Column("tags", Text, nullable=False),  # JSON list; empty: any
    Column("password", Text, nullable=True),  # argon2id, PHC string format
    Column("handle", LargeBinary, nullable=False),  # 32 random bytes: what a passkey stores of its person
    Column("made_ms", Big, nullable=False),
    Column("disabled_ms", Big, nullable=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", LargeBinary, primary_key=True),
    Column("account", Text, nullable=False),
    Column("public", LargeBinary, nullable=False),  # COSE key
    Column("uses", Big, nullable=False),  # the authenticator's own counter
    Column("name", Text, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("last_ms", Big, nullable=True),
)
Index("passkeys_account", passkeys.c.account)

sessions = Table(
    "sessions",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("account", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the cookie that counts
    Column("before", LargeBinary, nullable=True),  # of the one before it, good for a moment after a rotation
    Column("made_ms", Big, nullable=False),
    Column("seen_ms", Big, nullable=False),
    Column("turned_ms", Big, nullable=False),  # when the cookie last changed
)
Index("sessions_digest", sessions.c.digest)
Index("sessions_before", sessions.c.before)
Index("sessions_account", sessions.c.account)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("number", Text, primary_key=True),  # the token's own beginning: names it, opens nothing
    Column("digest", LargeBinary, nullable=False),
    Column("account", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list of permissions
    Column("made_ms", Big, nullable=False),
    Column("expires_ms", Big, nullable=False),
    Column("last_ms", Big, nullable=True),
    Column("ended_ms", Big, nullable=True),
)

# Where a kit belongs; one without a row is of tenant "main", of no hub.
kit_places = Table(
    "kit_places",
    metadata,
    Column("kit", LargeBinary, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("hub", Text, nullable=False),
    Column("tags", Text, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("thing", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("hub", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of exactly what is agreed to
    Column("author", Text, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("expires_ms", Big, nullable=False),
)

approval_votes = Table(
    "approval_votes",
    metadata,
    Column("approval", Integer, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("yes", Integer, nullable=False),
    Column("kid", LargeBinary, nullable=True),  # of the offline key that signed, where one must
    Column("signature", LargeBinary, nullable=True),
    Column("words", Text, nullable=False),
    Column("at_ms", Big, nullable=False),
)

# Each row's text names the hash of the row before it. Rows are never changed.
audit = Table(
    "audit",
    metadata,
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("line", Text, nullable=False),
)

# --- devices

pending = Table(
    "pending",
    metadata,
    Column("kind", Text, primary_key=True),  # host, brick
    Column("device", LargeBinary, primary_key=True),
    Column("proven", Integer, nullable=False),  # 1: it signed with its own key, or a known host reported it
    Column("public", LargeBinary, nullable=True),
    Column("kit", LargeBinary, nullable=True),  # where it says it belongs, or the reporting host's
    Column("seen_by", LargeBinary, nullable=True),  # the host that reported a brick
    Column("said", Text, nullable=False),  # what it says of itself: shown, never believed
    Column("first_ms", Big, nullable=False),
    Column("last_ms", Big, nullable=False),
    Column("times", Big, nullable=False),
    Column("state", Text, nullable=False),  # pending, accepted, rejected, replaced
    Column("by", Text, nullable=True),
    Column("reason", Text, nullable=True),
    Column("decided_ms", Big, nullable=True),
)

host_credentials = Table(
    "host_credentials",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("public", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("kit", LargeBinary, nullable=False),
    Column("rental", Big, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
)

# Hosts that may deliver nothing more, of whatever credential.
host_ends = Table(
    "host_ends",
    metadata,
    Column("host", LargeBinary, primary_key=True),
    Column("ended_ms", Big, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
)

# One-time codes of labels, for a brick or a host that is to take another's place.
claim_codes = Table(
    "claim_codes",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("device", LargeBinary, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("made_ms", Big, nullable=False),
    Column("expires_ms", Big, nullable=False),
    Column("by", Text, nullable=False),
    Column("used_ms", Big, nullable=True),
    Column("used_by", Text, nullable=True),
)
