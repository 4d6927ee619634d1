"""Which warehouse the workspaces of a test lie in: the embedded one, or a database of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
        if state not in self.databases:
            self.databases[state] = fresh_database(self.server)
        return self.databases[state], self.databases[state]

    def drop(self, state: Path) -> None:
        """Let go of the database of a state folder."""
        if self.server is not None and state in self.databases:
            drop_fresh(self.server, self.databases.pop(state))


NOW = Lying()


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
