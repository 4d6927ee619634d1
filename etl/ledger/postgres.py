"""A ledger in the schema `ledger` of a PostgreSQL. Processes of many machines may share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine.interfaces import ExecutionContext

from etl import database as databases
from etl.errors import DiskFull, LedgerError, LedgerUnavailable
from etl.ledger.tables import metadata
from etl.ledger.types import json_text
from etl.settings import Database

SCHEMA = "ledger"
WRITERS_LOCK = int.from_bytes(b"mlledger")
"""Of pg_advisory_xact_lock: whoever writes holds it, so that writers follow one another as on SQLite."""

SESSION = {
    "search_path": SCHEMA,
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "3s",  # a frozen process does not hold up who takes over from it
}
NO_RIGHTS = ("42501", "3F000")  # not allowed; no schema in the search path that it may use


class PostgresSchema:
    """The schema, made where missing and where the role may."""

    another = "Name another database with METALAYER_LEDGER."

    def __init__(self, url: str, database: Database) -> None:
        self.name = f"{databases.address_of(url)}, schema {SCHEMA}"
        self.reading: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._url = url
        self._database = database

    def connect(self) -> sa.Engine:
        """No connection is made yet."""
        own = self._database.ledger_password
        engine = databases.engine_of(
            self._url,
            self._database,
            name="metalayer ledger",
            password=self._database.password if own is None else own,
            options=SESSION,
            json_serializer=json_text,
        )
        sa.event.listen(engine, "begin", _on_begin)
        sa.event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
        return engine

    def prepare(self, engine: sa.Engine) -> None:
        """Nothing: the server does it."""

    def make_room(self, connection: sa.Connection) -> None:
        """Create the schema, unless it is there: a role need not be allowed to."""
        there = sa.text("select 1 from pg_namespace where nspname = :name")
        if connection.scalar(there, {"name": SCHEMA}) is None:
            connection.execute(sa.schema.CreateSchema(SCHEMA))

    def worded(self, error: sa.exc.DBAPIError) -> LedgerError | DiskFull:
        """By the SQLSTATE, or the lack of one where the connection itself failed."""
        why, state = databases.told(error), databases.sqlstate(error)
        if state.startswith(databases.DISK_FULL):
            return DiskFull(
                f"The disk is full: the ledger {self.name} cannot grow.", "Free some space and try again."
            )
        cure = databases.refusal(error)
        if cure:
            return LedgerError(f"The ledger {self.name} refuses the connection: {why}", cure)
        if databases.is_lost(error) or error.connection_invalidated:
            return LedgerUnavailable(
                f"The ledger {self.name} cannot be reached: {why}.", "It is tried again; see that it runs."
            )
        if databases.is_transient(error) or state == "57014":
            return LedgerUnavailable(
                f"The ledger {self.name} could not answer: {why}.", "It is tried again; see what holds it."
            )
        if state in NO_RIGHTS:
            role = sa.make_url(self._url).username
            return LedgerError(
                f"The ledger {self.name} refused: {why}.",
                f'Let an administrator run: create schema {SCHEMA} authorization "{role}"; '
                f'where the schema is there: grant usage, create on schema {SCHEMA} to "{role}".',
            )
        return LedgerError(f"The ledger {self.name} refused: {why}.", "See METALAYER_LEDGER.")

    def size_bytes(self, connection: sa.Connection) -> int:
        """Tables with their indexes, as the server counts them."""
        size = sa.text(
            "select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class as c "
            "join pg_namespace as n on n.oid = c.relnamespace where n.nspname = :name and c.relkind = 'r'"
        )
        return int(connection.scalar(size, {"name": SCHEMA}) or 0)

    def count_on(self, connection: sa.Connection) -> None:
        """Set every sequence to the highest id of its table."""
        for table, column in _counted():
            highest = connection.scalar(sa.select(sa.func.max(column)))
            if highest is not None:
                connection.execute(sa.select(sa.func.setval(_sequence_of(table, column), highest)))

    def behind(self, connection: sa.Connection) -> tuple[str, ...]:
        """The tables that hold a higher id than their sequence has given."""
        found = []
        for table, column in _counted():
            highest = connection.scalar(sa.select(sa.func.max(column))) or 0
            given = (
                connection.scalar(sa.select(sa.func.pg_sequence_last_value(_sequence_of(table, column)))) or 0
            )
            if highest > given:
                found.append(table.name)
        return tuple(found)


def _counted() -> Iterator[tuple[sa.Table, sa.Column[Any]]]:
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and table.name:
            yield table, column


def _sequence_of(table: sa.Table, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.func.pg_get_serial_sequence(table.name, column.name), REGCLASS)


def _on_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writes"):
        return
    # Without a wait for the disk a kill of the server can cost the last moments, a kill of this process nothing.
    at_ease = "" if options.get("durable") else "set local synchronous_commit = off; "
    connection.exec_driver_sql(f"{at_ease}select pg_advisory_xact_lock({WRITERS_LOCK})")


def _without_nul(
    _connection: sa.Connection,
    _cursor: object,
    statement: str,
    parameters: Any,
    _context: ExecutionContext | None,
    _many: bool,
) -> tuple[str, Any]:
    """PostgreSQL stores no NUL in a text: it is written out, as a person would write it."""
    return statement, _written_out(parameters)


def _written_out(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", r"\x00") if "\0" in value else value
    if isinstance(value, dict):
        return {name: _written_out(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_written_out(inner) for inner in value)
    return value
