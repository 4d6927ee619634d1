"""Which warehouse the workspaces of a test lie in: the embedded one, or a database of a real PostgreSQL."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from weakref import WeakKeyDictionary

from etl.ledger import Ledger
from etl.service import utc_now
from etl.settings import ROOT, Settings
from etl.warehouse.postgres import PostgresWarehouse
from tests.postgres import Server, drop_fresh, fresh_database

DUCKDB, POSTGRES = "duckdb", "postgres"
KINDS = (DUCKDB, POSTGRES)


@dataclass
class Lying:
    """Where workspaces are made now. On PostgreSQL each state folder has a database of its own."""

    server: Server | None = None
    databases: dict[Path, str] = field(default_factory=dict)

    def urls(self, state: Path) -> tuple[str, str]:
        """Warehouse and ledger of the workspace with that state folder; the same ones when asked again."""
        if self.server is None:
            return f"duckdb:///{state / 'warehouse.duckdb'}", f"sqlite:///{state / 'ledger.sqlite'}"
        url = self.made(state)
        return url, url

    def made(self, place: Path, like: str = "") -> str:
        """The database of a place, an empty one when it is new or a copy of `like`, to which nobody is connected."""
        assert self.server is not None
        if place not in self.databases:
            # A server that asks for a password lets in only those who know it; its databases are made as they come.
            empty = self.server.password is not None and not like
            self.databases[place] = (
                fresh_database(self.server) if empty else copied(self.server, like or prepared(self.server))
            )
        return self.databases[place]

    def drop(self, state: Path) -> None:
        """Let go of the database of a state folder."""
        if self.server is not None and state in self.databases:
            drop_fresh(self.server, self.databases.pop(state))


NOW = Lying()
_copies = itertools.count()
_prepared: WeakKeyDictionary[Server, str] = WeakKeyDictionary()


def prepared(server: Server) -> str:
    """The URL of a database in which all is made that needs no contract; one for each server."""
    if server not in _prepared:
        url = fresh_database(server)
        state = Path(mkdtemp())
        made = Settings(ROOT, state, state, state, url, url)
        PostgresWarehouse(made).close()
        with Ledger(url, utc_now, made.database):
            pass
        state.rmdir()
        _prepared[server] = url
    return _prepared[server]


def copied(server: Server, url: str) -> str:
    """The URL of a copy of a database. The server itself waits some seconds for connections that are just ending."""
    return server.make_database(f"c{os.getpid()}_{next(_copies)}", url.rpartition("/")[2])


@contextmanager
def on_postgres(server: Server) -> Iterator[None]:
    """Workspaces made meanwhile lie in databases of this server, which are dropped at the end."""
    before = NOW.server
    NOW.server = server
    try:
        yield
    finally:
        for state in list(NOW.databases):
            NOW.drop(state)
        NOW.server = before
