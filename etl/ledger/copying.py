"""A whole ledger carried over into another, such as from a file into a PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from etl.errors import LedgerError
from etl.ledger.place import Place
from etl.ledger.records import by_name
from etl.ledger.store import Store
from etl.ledger.tables import changes, lease, metadata

ROWS_AT_ONCE = 1_000
TABLES = tuple(table for table in metadata.sorted_tables if table not in (lease, changes))
"""What a ledger remembers, in an order that satisfies foreign keys; not who works on that copy of it at present."""


def copy_ledger(source: Store, target: Store) -> dict[str, int]:
    """Copy everything in one transaction into an open, empty ledger; rows per table.

    Raises LedgerError when the target holds anything.
    """
    with target._writing(durable=True) as writing:  # noqa: SLF001 - the same package
        return copy_into(source, writing, target.place)


def copy_into(source: Store, writing: sa.Connection, place: Place) -> dict[str, int]:
    """As `copy_ledger`, in a transaction that the caller ends, whose tables are those of this version."""
    with source._reading() as reading:  # noqa: SLF001 - the same package
        _must_be_empty(writing, place)
        copied = {table.name: _copy(table, reading, writing) for table in TABLES}
    place.count_on(writing)
    return copied


def rows_in(connection: sa.Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table.name: int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
        for table in TABLES
    }


def _must_be_empty(connection: sa.Connection, place: Place) -> None:
    for table in TABLES:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise LedgerError(
                f"The ledger {place.name} is not empty: it has rows in {table.name}.",
                "A ledger is copied into a new one only.",
            )


def _copy(table: sa.Table, source: sa.Connection, target: sa.Connection) -> int:
    in_order = sa.select(table).order_by(*table.primary_key)  # a run continues an earlier one
    copied = 0
    with source.execute(in_order.execution_options(yield_per=ROWS_AT_ONCE)) as found:
        for rows in found.partitions():
            target.execute(table.insert(), [_values(table, row) for row in rows])
            copied += len(rows)
    return copied


def _values(table: sa.Table, row: sa.Row[Any]) -> dict[str, Any]:
    found = by_name(row)
    return {column.key: found[column] for column in table.c}
