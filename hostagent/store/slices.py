"""Slices of rights: which there are and to whom each is assigned."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from hostagent.store.database import Sql
from hostagent.store.store import Store


class Slice(NamedTuple):
    """A slice as the controller minted it. `expires`: market ms."""

    id: int
    rule: bytes
    unit: int
    amount: int
    expires: int
    payload: bytes
    signature: bytes


class SliceRow(NamedTuple):
    """A slice and its fate here."""

    slice: Slice
    brick: bytes | None
    result: int | None
    withheld: str | None
    hint: bytes | None


class Slices:
    """The table of budgets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> "Future[list[SliceRow]]":
        """Every slice, by id."""

        def query(sql: Sql) -> list[SliceRow]:
            rows = sql.execute(
                "SELECT s.id, rule, unit, amount, expires, payload, signature, s.brick, result, withheld, h.brick "
                "FROM slices s LEFT JOIN slice_hints h ON h.id = s.id ORDER BY s.id"
            )
            return [SliceRow(Slice(*row[:7]), *row[7:]) for row in rows]

        return self._store.read(query)

    def add(
        self, slices: Sequence[tuple[Slice, str | None, bytes | None]], floor: int | None = None
    ) -> "Future[None]":
        """Takes in new slices, each with the reason why it must not be assigned, if there is one, and the brick that
        the forecast had in mind.

        `floor`: these were the first that the successor of a damaged store saw, and every slice up to this number may
        have been assigned by that one.
        """

        def work(sql: Sql) -> None:
            sql.executemany(
                "INSERT OR IGNORE INTO slices "
                "(id, rule, unit, amount, expires, payload, signature, withheld) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*parts, withheld) for parts, withheld, _ in slices],
            )
            sql.executemany(
                "INSERT OR IGNORE INTO slice_hints VALUES (?, ?)",
                [(parts.id, hint) for parts, _, hint in slices if hint is not None],
            )
            if floor is not None:
                sql.execute("INSERT OR REPLACE INTO meta VALUES ('slices_settled', ?)", (floor,))

        return self._store.write(work)

    def floor(self) -> "Future[int]":
        """Slices up to this number may have been assigned by a store before this one."""

        def query(sql: Sql) -> int:
            row = sql.execute("SELECT value FROM meta WHERE name = 'slices_settled'").fetchone()
            return 0 if row is None else int(row[0])

        return self._store.read(query)

    def sign_anew(self, slices: Sequence[tuple[int, bytes]]) -> "Future[None]":
        """Slices, by number, and the signatures that another director gave them."""

        def work(sql: Sql) -> None:
            sql.executemany(
                "UPDATE slices SET signature = ? WHERE id = ?", [(by, number) for number, by in slices]
            )

        return self._store.write(work)

    def assign(self, slice_id: int, brick: bytes) -> "Future[None]":
        """Gives a slice to a brick for good. The future fails with ValueError where another has it."""

        def work(sql: Sql) -> None:
            sql.execute("UPDATE slices SET brick = ? WHERE id = ? AND brick IS NULL", (brick, slice_id))
            row = sql.execute("SELECT brick FROM slices WHERE id = ?", (slice_id,)).fetchone()
            if row is None or row[0] != brick:
                raise ValueError(f"slice {slice_id} is assigned to another brick")

        return self._store.write(work)

    def set_result(self, slice_id: int, result: int) -> "Future[None]":
        """What the brick said of it."""

        def work(sql: Sql) -> None:
            sql.execute("UPDATE slices SET result = ? WHERE id = ?", (result, slice_id))

        return self._store.write(work)
