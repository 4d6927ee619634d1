"""The mark of a restore that has begun: until it has ended, nobody works on what lies there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from etl.errors import WarehouseError
from etl.ledger.postgres import SCHEMA, PostgresSchema
from etl.settings import Settings, is_postgres

UNFINISHED = "MetaLayer: a restore has begun here and has not ended"
MARKED = f"{SCHEMA}.runs"  # a table: its comment needs no rights on the schema


def mark_of(settings: Settings) -> Path:
    """There as long as a restore of an embedded installation is at work, or after it was broken off."""
    return settings.state / "restore-unfinished"


def require_restored(settings: Settings) -> None:
    """Raises WarehouseError when a restore was broken off half-way, LedgerError when a ledger in a database of its own
    cannot be asked.
    """
    if _in_two_databases(settings):
        place = PostgresSchema(settings.ledger, settings.database).name
        with _ledger(settings) as connection:
            unfinished = is_marked(connection)
    else:
        place, unfinished = str(settings.state), not settings.on_postgres and mark_of(settings).exists()
    if unfinished:
        raise WarehouseError(
            f"A restore into {place} was broken off: what lies there is not whole.",
            "Run ./metalayer restore FOLDER --replace once more.",
        )


def mark(connection: sa.Connection) -> None:
    """Say in a ledger that its warehouse, in another database, is still to come."""
    connection.exec_driver_sql(f"comment on table {MARKED} is '{UNFINISHED}'")


def is_marked(connection: sa.Connection) -> bool:
    """Whether the warehouse of a ledger never came, or nobody has said that it did."""
    found = connection.exec_driver_sql("select obj_description(to_regclass(%s), 'pg_class')", (MARKED,))
    return bool(found.scalar() == UNFINISHED)


def unmark(settings: Settings) -> None:
    """Both are there."""
    if _in_two_databases(settings):
        with _ledger(settings) as connection:
            connection.exec_driver_sql(f"comment on table {MARKED} is null")
            connection.commit()


def _in_two_databases(settings: Settings) -> bool:
    return settings.on_postgres and is_postgres(settings.ledger) and settings.ledger != settings.warehouse


@contextmanager
def _ledger(settings: Settings) -> Iterator[sa.Connection]:
    schema = PostgresSchema(settings.ledger, settings.database)
    engine = schema.connect()
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as fault:
        raise schema.worded(fault) from fault
    finally:
        engine.dispose()
