"""How many loyalty tokens everybody has: sums in a table of their own, written with the receipts that change them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from hostagent.core import Fields, cbor, reg
from hostagent.store import records
from hostagent.store.database import Sql
from hostagent.store.store import Store

SUBJECT = 6
MOST_TOKENS = 0xFFFFFFFF
PRACTICE = reg.FLAG_TRAINING | reg.FLAG_SHADOW
CHANGES = (reg.KIND_GRANT, reg.KIND_VOID, reg.KIND_REFUND)
# A grant of tokens as field 12 has it, [8, …]: most records have none and are not looked into.
MARK = bytes((0x83, reg.GRANT_TOKENS))
# In the store's meta: the sums count every receipt, also of before there was the table.
WHOLE = "token_sums"
PAGE = 500
_ADD = (
    "INSERT INTO token_sums VALUES (?1, max(0, min(?2, 4294967295)), ?3) ON CONFLICT (subject) DO UPDATE SET "
    "tokens = max(0, min(min(tokens, 4294967295) + ?2, 4294967295)), host_seq = ?3"
)
_PUT = "INSERT INTO token_sums VALUES (?, ?, ?)"


class Known(NamedTuple):
    """Sums of everything durable. `sums`: (subject6, tokens), who changed last at the end; `counted`: of each brick
    the last record that is in them; `host_seq`: the last receipt."""

    sums: list[tuple[bytes, int]]
    counted: dict[bytes, int]
    host_seq: int


def change(public: Fields, private: Fields) -> tuple[bytes, int] | None:
    """(subject6, tokens that it got or, below 0, gave back) of a record, None where it changes no sum. Never more than
    a sum may be, whatever a brick wrote."""
    subject = private.get(1)
    if public[10] not in CHANGES or subject is None or public[0] & PRACTICE:
        return None
    grants: list[list[int | None]] = public.get(12) or []
    tokens = min(sum(grant[1] or 0 for grant in grants if grant[0] == reg.GRANT_TOKENS), MOST_TOKENS)
    if not tokens:
        return None
    return subject[:SUBJECT], tokens if public[10] == reg.KIND_GRANT else -tokens


def changed(tokens: int, by: int) -> int:
    """A sum after a change: never below none."""
    return max(0, min(tokens + by, MOST_TOKENS))


def statements(
    kind: int, public: bytes, private: bytes, host_seq: int
) -> Sequence[tuple[str, tuple[Any, ...]]]:
    """What a record changes in the sums, for the transaction of its receipt."""
    if kind not in CHANGES or MARK not in public or not private:
        return ()
    found = change(cbor.decode(public), cbor.decode(private))
    return () if found is None else ((_ADD, (*found, host_seq)),)


class Tokens:
    """The table."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def whole(self) -> bool:
        """Whether every receipt is counted."""
        return WHOLE in self._store.meta

    def load(self, most: int) -> "Future[Known]":
        """What is durable now, of the `most` people whose sums changed last."""

        def query(sql: Sql) -> Known:
            with sql:
                rows = sql.execute(
                    "SELECT subject, tokens FROM token_sums ORDER BY host_seq DESC LIMIT ?", (most,)
                ).fetchall()
                counted = {brick: seq - 1 for brick, seq in sql.execute("SELECT brick, next_seq FROM bricks")}
                newest = sql.execute("SELECT ifnull(max(host_seq), 0) FROM receipts").fetchall()
            # A program before this one did not bound the first grant of a person.
            sums = [(row[0], changed(row[1], 0)) for row in reversed(rows)]
            return Known(sums, counted, newest[0][0])

        return self._store.read(query)

    def forget(self) -> "Future[None]":
        """Nobody has any: another rental began."""

        def work(sql: Sql) -> None:
            sql.execute("DELETE FROM token_sums")

        return self._store.write(work)

    def count(self) -> "Future[None]":
        """Counts every receipt anew, for a store from before there was the table. Nothing is to be written meanwhile:
        a host does it once, before it takes records."""

        def work(sql: Sql) -> None:
            sums: dict[bytes, tuple[int, int]] = {}
            after = 0
            while page := records.page(sql, after, PAGE):
                after = page[-1].host_seq
                for stored in page:
                    found = change(stored.record.fields, stored.record.private_fields or {})
                    if found is not None:
                        sums[found[0]] = changed(sums.get(found[0], (0, 0))[0], found[1]), stored.host_seq
            sql.execute("DELETE FROM token_sums")
            sql.executemany(_PUT, [(subject, *sum_) for subject, sum_ in sums.items()])
            sql.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (WHOLE,))

        done = self._store.write(work)
        done.add_done_callback(self._counted)
        return done

    def _counted(self, done: "Future[None]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._store.meta[WHOLE] = 1
