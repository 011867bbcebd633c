"""The spent set of vouchers: a table of its own, apart from receipts and outbox, written with the receipt that pays."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from hostagent.core import Fields, cbor, reg
from hostagent.store.database import Sql
from hostagent.store.store import Store

ELSEWHERE = b""
PRACTICE = reg.FLAG_TRAINING | reg.FLAG_SHADOW
# A record that pays makes a promise to its brick a payment; whoever was there first stays.
_PAID = (
    "INSERT INTO spent VALUES (?, ?, NULL, ?, ?) ON CONFLICT (serial) DO UPDATE SET seq = excluded.seq "
    "WHERE spent.brick = excluded.brick AND spent.seq IS NULL"
)
_FREED = "DELETE FROM spent WHERE brick = ? AND nonce = ? AND seq IS NULL"
# A voucher whose grant was taken back: promised to the lane that does so, then never payable again.
REVERSED = b"reversed"
_WITHDRAWN = "UPDATE spent SET seq = ?, nonce = ? WHERE serial = ? AND brick = ? AND seq IS NULL"
_CLAIMED = "INSERT OR IGNORE INTO spent VALUES (?, ?, ?, NULL, ?)"


class Paid(NamedTuple):
    """A voucher that is spent or promised. `brick` empty: paid at another kit; `seq` None: promised."""

    serial: bytes
    brick: bytes
    nonce: bytes | None
    seq: int | None
    at_ms: int

    @property
    def reversed(self) -> bool:
        """Whether it was never paid: the grant that promised it was taken back by record `seq`."""
        return self.nonce == REVERSED and self.seq is not None


def statements(kind: int, public: bytes, ms: int) -> Sequence[tuple[str, tuple[Any, ...]]]:
    """What a record changes in the set, for the transaction of its receipt: a *redeem* pays, a *release* gives a
    promise back. `ms`: host time."""
    if kind not in (reg.KIND_REDEEM, reg.KIND_RELEASE):
        return ()
    fields: Fields = cbor.decode(public)
    brick: bytes = fields[1]
    if kind == reg.KIND_RELEASE:
        nonce = fields.get(15)
        return () if nonce is None else ((_FREED, (brick, nonce)),)
    serial = serial_of(fields)
    return () if serial is None else ((_PAID, (serial, brick, fields[2], ms)),)


def withdrawn(serial: bytes, brick: bytes, seq: int) -> tuple[str, tuple[Any, ...]]:
    """The statement by which a void or refund (`seq` of `brick`, to which the voucher is promised) ends a voucher."""
    return _WITHDRAWN, (seq, REVERSED, serial, brick)


def serial_of(fields: Fields) -> bytes | None:
    """The voucher that a *redeem* record pays, None for any other record and for practice."""
    detail = fields.get(24)
    if fields[10] != reg.KIND_REDEEM or fields[0] & PRACTICE or not detail:
        return None
    serial: Any = detail[0]
    return serial if type(serial) is bytes and len(serial) == 8 else None


class Spent:
    """The table."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, serial: bytes) -> "Future[Paid | None]":
        """What is known of a voucher."""

        def query(sql: Sql) -> Paid | None:
            row = sql.execute("SELECT * FROM spent WHERE serial = ?", (serial,)).fetchone()
            return None if row is None else Paid(*row)

        return self._store.read(query)

    def all(self) -> "Future[list[Paid]]":
        """Every one, the oldest first."""

        def query(sql: Sql) -> list[Paid]:
            return [Paid(*row) for row in sql.execute("SELECT * FROM spent ORDER BY at_ms, serial")]

        return self._store.read(query)

    def claim(self, serial: bytes, brick: bytes, nonce: bytes, ms: int) -> "Future[bool]":
        """Promises a voucher to one question of one brick, durable when done: False where it is spent or promised to
        another. The same question again gets the same answer."""

        def work(sql: Sql) -> bool:
            sql.execute(_CLAIMED, (serial, brick, nonce, ms))
            row = sql.execute("SELECT brick, nonce, seq FROM spent WHERE serial = ?", (serial,)).fetchone()
            return row is not None and row[:2] == (brick, nonce) and row[2] is None

        return self._store.write(work)

    def free(self, brick: bytes, nonce: bytes | None = None) -> "Future[None]":
        """Takes back promises to a brick that nothing was paid of: to one question, or (the host's own lane after a
        start, whose questions end with the host) to all."""

        def work(sql: Sql) -> None:
            if nonce is None:
                sql.execute("DELETE FROM spent WHERE brick = ? AND seq IS NULL", (brick,))
            else:
                sql.execute(_FREED, (brick, nonce))

        return self._store.write(work)

    def learn(self, serials: Sequence[bytes], last: int, ms: int) -> "Future[None]":
        """Takes in what the controller told: vouchers that were paid anywhere, up to its number `last`."""

        def work(sql: Sql) -> None:
            sql.executemany(
                "INSERT OR IGNORE INTO spent VALUES (?, ?, NULL, 0, ?)",
                [(serial, ELSEWHERE, ms) for serial in serials],
            )
            sql.execute("INSERT OR REPLACE INTO meta VALUES ('spent_last', ?)", (last,))

        return self._store.write(work)

    def last(self) -> "Future[int]":
        """Up to which number the controller's list is known here."""

        def query(sql: Sql) -> int:
            row = sql.execute("SELECT value FROM meta WHERE name = 'spent_last'").fetchone()
            return 0 if row is None else int(row[0])

        return self._store.read(query)
