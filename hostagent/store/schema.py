"""The store's tables. A new layout gets a new number; user_version in the file says which one it has."""

SCHEMA_VERSION = 1

SCHEMA = """
-- recovered: name of the damaged file before this one; base: where chain and batches go on in its stead.
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- next_seq, prev16: the record expected next; ledger_seq, ledger_tag: the controller's mark for this brick.
CREATE TABLE bricks (
    number INTEGER PRIMARY KEY,
    brick BLOB NOT NULL UNIQUE,
    next_seq INTEGER NOT NULL DEFAULT 1,
    prev16 BLOB NOT NULL DEFAULT x'00000000000000000000000000000000',
    ledger_seq INTEGER,
    ledger_tag BLOB
);

-- ms: host time of receipt (field 6); private: until the batch that holds it sealed is closed.
CREATE TABLE receipts (
    host_seq INTEGER PRIMARY KEY,
    brick INTEGER NOT NULL REFERENCES bricks (number),
    seq INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    cose BLOB NOT NULL,
    private BLOB
);
CREATE UNIQUE INDEX receipts_record ON receipts (brick, seq);

CREATE TABLE link_keys (
    brick BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (brick, epoch)
) WITHOUT ROWID;

-- With header and sealed section the body of a batch can be made again, byte for byte, from its receipts.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    closed_ms INTEGER NOT NULL,
    header BLOB NOT NULL,
    sealed BLOB NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batches_waiting ON batches (number) WHERE accepted = 0;

-- One key per event and subject, one per event for records without a subject (then subject is empty).
CREATE TABLE private_keys (
    event BLOB NOT NULL,
    subject BLOB NOT NULL,
    id BLOB NOT NULL UNIQUE,
    key BLOB NOT NULL,
    posted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (event, subject)
) WITHOUT ROWID;
CREATE INDEX private_keys_unposted ON private_keys (id) WHERE posted = 0;

-- brick: to whom a slice is assigned, once and for good; result: what that brick last said of it.
CREATE TABLE slices (
    id INTEGER PRIMARY KEY,
    rule BLOB NOT NULL,
    unit INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL,
    brick BLOB,
    result INTEGER,
    withheld TEXT
);

-- Short and whole digest of every ruleset seen, and its terms where they are known.
CREATE TABLE rulesets (digest8 BLOB PRIMARY KEY, digest BLOB NOT NULL, terms BLOB) WITHOUT ROWID;

-- The bundle that the controller offers now: at most one row.
CREATE TABLE bundle (number INTEGER PRIMARY KEY CHECK (number = 1), etag TEXT NOT NULL, bundle BLOB NOT NULL);

-- What could not be signed as a record: kept as it came. seq 0 where the message had none.
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    brick BLOB NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    public BLOB NOT NULL,
    mac BLOB NOT NULL,
    private BLOB NOT NULL
);

-- Records that a brick no longer has and this host never got.
CREATE TABLE gaps (
    brick BLOB NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (brick, first_seq)
) WITHOUT ROWID;
"""

# Tables that came later: made where they are missing, whatever the file's age. An older program leaves them alone.
ADDED = """
-- Lists of heads that records of a batch name in their field 21: they travel in it as evidence.
CREATE TABLE IF NOT EXISTS evidence (
    number INTEGER NOT NULL,
    digest BLOB NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (number, digest)
) WITHOUT ROWID;

-- Lists of heads that a brick was told, noted before the message went out; number: their order. Until a batch has its records.
CREATE TABLE IF NOT EXISTS heads_told (
    brick BLOB NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (brick, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS heads_told_list ON heads_told (brick, digest);

-- What each brick may have of the others, so that a host that starts anew goes on where the last one ended.
CREATE TABLE IF NOT EXISTS heads_standing (
    brick BLOB PRIMARY KEY,
    boot INTEGER NOT NULL,
    ruleset BLOB NOT NULL,
    heads BLOB NOT NULL
) WITHOUT ROWID;

-- The bundle whose rules the host's own lane decides by: at most one row.
CREATE TABLE IF NOT EXISTS lane_rules (number INTEGER PRIMARY KEY CHECK (number = 1), bundle BLOB NOT NULL);

-- Answers to tills, byte for byte, by the till's own key: kept for two days, so that a repeat gets the same.
-- digest: of what was asked, under a key of this host; nothing of it can be read from the digest.
CREATE TABLE IF NOT EXISTS till_calls (
    till TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (till, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS till_calls_age ON till_calls (at_ms);

-- What the lane's records up to `seq` come to (hostagent.lane.fold): at most one row, made anew where it is missing.
CREATE TABLE IF NOT EXISTS lane_fold (number INTEGER PRIMARY KEY CHECK (number = 1), seq INTEGER NOT NULL, data BLOB NOT NULL);

-- What record `seq` of a lane took back of a grant: CBOR of its field 12, and the basket given back so far (NULL: all).
-- lane: empty where a program did not say yet which it was.
CREATE TABLE IF NOT EXISTS taken_back (
    lane BLOB NOT NULL,
    seq INTEGER NOT NULL,
    brick BLOB NOT NULL,
    grant_seq INTEGER NOT NULL,
    grants BLOB NOT NULL,
    basket INTEGER,
    PRIMARY KEY (lane, seq)
);
CREATE INDEX IF NOT EXISTS taken_back_of ON taken_back (brick, grant_seq);

-- Which records of a lane a till's own reference stands for: what a refund looks up. lane: empty as in taken_back.
CREATE TABLE IF NOT EXISTS till_sales (
    till TEXT NOT NULL,
    reference TEXT NOT NULL,
    lane BLOB NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (till, reference, lane, first_seq)
) WITHOUT ROWID;

-- Whom the forecast had in mind for a slice.
CREATE TABLE IF NOT EXISTS slice_hints (id INTEGER PRIMARY KEY, brick BLOB NOT NULL);

-- Vouchers that were paid, or promised to be: apart from receipts and outbox, never emptied. brick and nonce: whom a yes
-- was given to; seq: the record that paid it; brick is empty for what the controller told of other kits.
CREATE TABLE IF NOT EXISTS spent (
    serial BLOB PRIMARY KEY,
    brick BLOB NOT NULL,
    nonce BLOB,
    seq INTEGER,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Loyalty tokens of everybody (first 6 bytes of the pseudonym), as of all receipts; host_seq: the one that changed it
-- last. Written with the receipts.
CREATE TABLE IF NOT EXISTS token_sums (
    subject BLOB PRIMARY KEY,
    tokens INTEGER NOT NULL,
    host_seq INTEGER NOT NULL
) WITHOUT ROWID;

-- Keys of the event's tags, sealed by the controller for each brick: nobody here can open them (docs/formats/tag.md).
CREATE TABLE IF NOT EXISTS tag_keys (
    brick BLOB PRIMARY KEY,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    tag BLOB NOT NULL
) WITHOUT ROWID;

-- How long vouchers last that a rule of a ruleset grants: also of rules that are not in use any more.
CREATE TABLE IF NOT EXISTS voucher_days (
    ruleset BLOB NOT NULL,
    rule INTEGER NOT NULL,
    series INTEGER NOT NULL,
    days INTEGER NOT NULL,
    PRIMARY KEY (ruleset, rule, series)
) WITHOUT ROWID;

-- The grants of rules of which something stays with the customer when a sale is taken back: CBOR [[type, quantity, kept] …].
CREATE TABLE IF NOT EXISTS kept_grants (
    ruleset BLOB NOT NULL,
    rule INTEGER NOT NULL,
    grants BLOB NOT NULL,
    PRIMARY KEY (ruleset, rule)
) WITHOUT ROWID;

-- The newest directive that the director signed for this kit, byte for byte, and when (market ms) it came, was last confirmed
-- and was first run by every brick: at most one row.
CREATE TABLE IF NOT EXISTS intent (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    etag TEXT NOT NULL,
    envelope BLOB NOT NULL,
    fetched_ms INTEGER NOT NULL,
    confirmed_ms INTEGER NOT NULL,
    active_ms INTEGER
);

-- What that directive was judged to be: its number, digest and instant under its directors, a map as bricks keep it
-- (docs/formats/directive.md, State). At most one row.
CREATE TABLE IF NOT EXISTS intent_state (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    state BLOB NOT NULL
);

-- Envelopes and artefacts by their SHA-256; whole = 0: the beginning of one whose download broke off.
CREATE TABLE IF NOT EXISTS targets (
    digest BLOB PRIMARY KEY,
    whole INTEGER NOT NULL,
    used INTEGER NOT NULL,
    data BLOB NOT NULL
);
"""

# Tables whose key was too short: numbers of records are those of one lane, and a host may be given another lane. Made anew
# with what stood in them: (table, how it is put aside, how its rows come back).
REMADE = (
    (
        "taken_back",
        "DROP INDEX IF EXISTS taken_back_of; ALTER TABLE taken_back RENAME TO taken_back_1",
        "INSERT INTO taken_back SELECT x'', seq, brick, grant_seq, grants, basket FROM taken_back_1; "
        "DROP TABLE taken_back_1",
    ),
    (
        "till_sales",
        "ALTER TABLE till_sales RENAME TO till_sales_1",
        "INSERT INTO till_sales SELECT till, reference, x'', first_seq, last_seq FROM till_sales_1; "
        "DROP TABLE till_sales_1",
    ),
)
