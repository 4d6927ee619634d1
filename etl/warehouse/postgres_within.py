"""The warehouse in PostgreSQL as one open transaction sees it: for work that takes effect whole or not at all."""
# names are quoted, values bound

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etl.database import address_of
from etl.declared import Contract
from etl.errors import WarehouseError
from etl.settings import Settings
from etl.warehouse.naming import literal, quoted
from etl.warehouse.postgres import PostgresWarehouse
from etl.warehouse.postgres_bronze import OWNED, make_bronze_table
from etl.warehouse.postgres_session import PostgresSession
from etl.warehouse.postgres_sql import SCHEMAS, TEXT, named

TYPES = {
    "VARCHAR": TEXT, "VARCHAR[]": f"text[] {TEXT.removeprefix('text ')}", "BIGINT": "bigint", "INTEGER": "integer",
    "DATE": "date", "TIMESTAMP": "timestamp without time zone", "BOOLEAN": "boolean", "HUGEINT": "numeric(38,0)",
}  # fmt: skip
"""DuckDB's types of a build as PostgreSQL's of the same build."""


class WithinPostgres(PostgresWarehouse):
    """Every session is that of the transaction, which is somebody else's to end."""

    def __init__(
        self, settings: Settings, connection: Any
    ) -> None:  # super: would open connections of its own
        self.address = address_of(settings.warehouse)
        self._settings = settings
        self._fence = 0
        self._only_writer = False
        self._version = None
        self._kept = None
        self._within = PostgresSession(connection, self.address)

    @contextmanager
    def session(self) -> Iterator[PostgresSession]:
        """The one there is."""
        yield self._within

    def found(self) -> list[str]:
        """What stands in the schemas of a warehouse, whoever made it."""
        rows = self._within.rows(
            "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = any(?) and c.relkind in ('r', 'v', 'm', 'p', 'f') order by 1",
            [list(SCHEMAS)],
        )
        return [str(name) for (name,) in rows]

    def make_books(self) -> None:
        """Schemas and bookkeeping tables."""
        self._make_books_in(self._within)

    def make_bronze(self, source: str, table: str, columns: Sequence[str], contract: Contract | None) -> None:
        """The bronze table of a source, laid out as the warehouse itself would."""
        first = [column.name for column in contract.columns] if contract else list(columns)
        if contract:
            self._bronze_table(self._within, contract)
        else:
            make_bronze_table(self._within, table, first, source)
        self._add_columns(self._within, table, [name for name in columns if name not in first])

    def make_table(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        """A table of silver, gold or quarantine; columns with their types in PostgreSQL."""
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
        self._within.run(f"create table {named(table)} ({listed})")

    def index(self, table: str) -> None:
        """The indexes that a first build gets."""
        self._index(self._within, table, self._within.columns(named(table)) or {})

    def note_source(self, table: str, source: str) -> None:
        """Write down whose records a bronze table holds."""
        self._within.run(f"comment on table {named(table)} is {literal(OWNED + source)}")

    def copy_in(self, table: str, columns: Sequence[str], file: Any) -> None:
        """Rows from CSV."""
        self._within.copy(named(table), columns, file)


def type_in_postgres(kind: str) -> str:
    """The type of a column that DuckDB has as `kind`. Raises WarehouseError for one that no table of ours has."""
    if kind.startswith("DECIMAL("):
        return f"numeric{kind.removeprefix('DECIMAL').replace(' ', '')}"
    if kind not in TYPES:
        raise WarehouseError(f"A column of the type {kind} has no counterpart in PostgreSQL.")
    return TYPES[kind]
