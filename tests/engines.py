"""DuckDB and PostgreSQL behind one small face, for tests that ask both the same."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import duckdb
import pytest

from etl.dialects import functions
from tests.postgres import Server, drop_fresh, fresh_database

DIALECTS = ("duckdb", "postgres")


class Engine(Protocol):
    """Where SQL runs."""

    dialect: str

    def execute(self, sql: str) -> None: ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...

    def table(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """A table of that name alone; `text` columns have the order of the database, others what SQL says."""


class Duck:
    """A DuckDB in memory."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.execute("set TimeZone = 'UTC'")
        self.execute("create schema bronze")
        self.execute("create schema silver")

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def table(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        self.execute(f"drop table if exists {name}")
        self.execute(
            f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"
        )
        if rows:
            lists = [list(values) for values in zip(*rows, strict=True)]
            kinds = [f"unnest(?::{kind}[])" for kind in columns.values()]
            self._connection.execute(f"insert into {name} select {', '.join(kinds)}", lists)


class Postgres:
    """A database of PostgreSQL whose own order of texts is not that of bytes, where the server knows another."""

    dialect = "postgres"

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()
        self.execute("set time zone 'America/New_York'")  # whatever it is, nothing may depend on it
        self.execute("create schema bronze")
        self.execute("create schema silver")
        self.execute(functions())

    def execute(self, sql: str) -> None:
        self._cursor.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return list(self._cursor.fetchall())

    def table(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        self.execute(f"drop table if exists {name}")
        self.execute(
            f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"
        )
        written = "".join("\t".join(map(_copied, row)) + "\n" for row in rows)
        self._cursor.copy_expert(f"copy {name} from stdin", io.StringIO(written))


def _copied(value: Any) -> str:
    if value is None:
        return r"\N"
    text = str(value)
    for sign, escaped in (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\r", r"\r")):
        text = text.replace(sign, escaped)
    return text


@contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine that a fixture is parametrised with."""
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield Duck(connection)
        return
    with on_postgres(request.getfixturevalue("postgres")) as engine:
        yield engine


@contextmanager
def on_postgres(server: Server) -> Iterator[Postgres]:
    url = fresh_database(server)
    connection = server.connect(url.rpartition("/")[2])
    try:
        yield Postgres(connection)
    finally:
        connection.close()
        drop_fresh(server, url)


__all__ = ["DIALECTS", "Duck", "Engine", "Postgres", "on_postgres", "opened"]
