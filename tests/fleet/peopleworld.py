"""A controller with people for tests: accounts made as on the command line, browsers that sign in, light password hashes."""

import ssl
from contextlib import contextmanager

import httpx
from argon2 import PasswordHasher
from sqlalchemy import create_engine

from fleet.db import tables
from fleet.people import accounts
from fleet.people.actors import COMMAND
from fleet.people.passkeys import Passkeys
from fleet.people.passwords import Passwords
from tests.fleet.serving import served
from tests.stall import Stall

WORDS = "tent pole lantern"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # each client would read the list of authorities anew
LIGHT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class WallClock:
    """The machine's clock as a test wants it."""

    def __init__(self, now_ms=1_800_000_000_000):
        self.now = now_ms

    def __call__(self):
        return self.now


class Office:
    """A running controller, its accounts and its clock."""

    def __init__(self, running):
        self.running = running
        self.url = running.url
        self.people = running.app.state.people
        self.people.passwords = Passwords(LIGHT)
        self.clock = self.people.now_ms = WallClock()
        self.database = self.people.database

    def account(self, name, *roles, password=WORDS, **more):
        """Makes an account as the command line does."""
        with self.database.write() as connection:
            made = accounts.add(connection, COMMAND, name, roles, self.clock(), **more)
            if password:
                stored = self.people.passwords.make(password, name)
                accounts.set_password(connection, COMMAND, name, stored, self.clock())
        return made

    def browser(self, name=None, password=WORDS):
        """A client with its own cookies; signed in where a name is given."""
        client = httpx.Client(base_url=self.url, timeout=60, verify=NO_TLS)
        if name:
            answer = client.post("/v1/admin/session", json={"name": name, "password": password})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    def at_localhost(self):
        """Has people's browsers find the pages at a name: passkeys belong to one."""
        self.people.origin = self.url.replace("127.0.0.1", "localhost")
        self.people.passkeys = Passkeys(self.people.origin)
        return self.people.origin

    def with_token(self, token):
        """A program's client."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, timeout=60, headers=headers, verify=NO_TLS)


@contextmanager
def only_tables():
    """A connection to a database in memory with every table and nothing in it."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        yield connection
    engine.dispose()


@contextmanager
def office(folder, **config):
    """A controller behind its web server, with `people` configured unless told otherwise."""
    stall = Stall(folder, seed=41, bricks=2, **({"people": {}} | config))
    with served(stall) as running:
        yield Office(running)
