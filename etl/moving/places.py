"""A PostgreSQL that warehouse and ledger are written into, in one transaction where they share a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from etl.database import FITNESS, address_of, engine_of, faults, require_fit
from etl.errors import WarehouseUnavailable
from etl.lease import LOCK
from etl.ledger.postgres import SCHEMA, PostgresSchema
from etl.settings import Settings
from etl.warehouse.postgres_held import OPTIONS
from etl.warehouse.postgres_within import WithinPostgres

AT_WORK = {
    "statement_timeout": "0", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "0",
}  # fmt: skip
"""A large table takes its time, also on this side of the connection."""


@dataclass
class Places:
    """Open transactions: nothing is there before `commit`."""

    warehouse: WithinPostgres
    raw: Any  # the connection of psycopg2 behind the warehouse
    ledger: sa.Connection
    schema: PostgresSchema
    shared: bool  # whether both are one transaction
    forgotten: bool = False

    def forget(self) -> None:
        """Let nothing of it take effect."""
        self.forgotten = True

    @contextmanager
    def as_ledger(self) -> Iterator[sa.Connection]:
        """The transaction with the names of the ledger."""
        self._names(SCHEMA)
        try:
            with faults(self.schema.name):
                yield self.ledger
        finally:
            if not self.ledger.invalidated and self.ledger.in_transaction():
                self._names("pg_catalog")

    def _names(self, path: str) -> None:
        if self.shared:
            with self.raw.cursor() as cursor:
                cursor.execute("select pg_catalog.set_config('search_path', %s, true)", [path])

    def require_free(self) -> None:
        """Hold off every engine until the end. Raises WarehouseUnavailable when one has the lease."""
        with faults(self.schema.name):
            free = self.ledger.exec_driver_sql(f"select pg_try_advisory_xact_lock({LOCK})").scalar()
        if not free:
            raise WarehouseUnavailable(
                f"An engine works on {self.schema.name}.",
                "Stop every MetaLayer that uses it, then try again.",
            )


@contextmanager
def opened(settings: Settings) -> Iterator[Places]:
    """Connections to both, each in a transaction; committed at the end, the ledger first, or rolled back."""
    shared = settings.ledger == settings.warehouse
    schema = PostgresSchema(settings.ledger, settings.database)
    with ExitStack() as stack, faults(address_of(settings.warehouse)):
        ledger_engine = schema.connect()
        stack.callback(ledger_engine.dispose)
        ledger = stack.enter_context(ledger_engine.connect().execution_options(writes=True, durable=True))
        begun = ledger.begin()
        _set(ledger, AT_WORK)
        connection, warehouse_begun = ledger, None
        if shared:
            _set(ledger, {"search_path": "pg_catalog", "timezone": "UTC", "datestyle": "ISO,YMD"})
        else:
            engine = engine_of(
                settings.warehouse, settings.database, name="metalayer moving", options=OPTIONS, pool_size=0
            )
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            warehouse_begun = connection.begin()
            _set(connection, AT_WORK)
        raw = connection.connection
        encoding, version = connection.exec_driver_sql(FITNESS).one()
        require_fit(encoding, version, address_of(settings.warehouse))
        places = Places(WithinPostgres(settings, raw), raw, ledger, schema, shared)
        transactions = [open_one for open_one in (begun, warehouse_begun) if open_one is not None]
        try:
            yield places
            for transaction in transactions:
                (_roll_back if places.forgotten else sa.RootTransaction.commit)(transaction)
        except BaseException:
            for transaction in transactions:
                if transaction.is_active:
                    _roll_back(transaction)
            raise


def _roll_back(transaction: sa.RootTransaction) -> None:
    try:
        transaction.rollback()
    except sa.exc.DBAPIError:  # the connection is lost: the server has rolled it back
        transaction.close()


def _set(connection: sa.Connection, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        connection.exec_driver_sql("select pg_catalog.set_config(%s, %s, true)", (name, value))
