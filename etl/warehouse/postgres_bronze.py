"""Bronze in PostgreSQL: one table per source, filled by COPY from what the reader took apart."""
# ruff: noqa: S608  # names are quoted, values bound

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from etl.declared import Contract
from etl.errors import MetaLayerError, WarehouseError
from etl.model import Batch
from etl.warehouse import Landing, Session
from etl.warehouse import postgres_parquet as parquet
from etl.warehouse.columns import note_columns
from etl.warehouse.duckdb_sql import os_faults
from etl.warehouse.naming import literal, quoted
from etl.warehouse.postgres_held import PostgresHeld
from etl.warehouse.postgres_indexes import Index
from etl.warehouse.postgres_session import PostgresSession
from etl.warehouse.postgres_sql import LONGEST_NAME, TEXT, corrected_texts, named, received
from etl.warehouse.writing import Writing

READING_PATIENCE = "30min"  # with a file that is turned into CSV
MUCH_LARGER = 10  # a tenth more
PATIENCE = (
    "2s"  # behind a reader that lasts: meanwhile all others would queue up behind this; it is tried again
)
OWNED = "MetaLayer: records of "  # begins the comment of a bronze table; the source follows


class PostgresBronze(PostgresHeld, Writing):
    """What is written about files, batches and their rows."""

    def _bronze_table(self, session: PostgresSession, contract: Contract) -> None:
        """The table of a source, under its present name, with every column of the contract."""
        table = f"bronze.{contract.bronze_table}"
        self._rename_bronze(session, contract, table)
        own = [column.name for column in contract.columns]
        _require_names([contract.bronze_table, contract.source, contract.silver_table or "", *own])
        there = session.columns(named(table))
        if there is None:
            make_bronze_table(session, table, own, contract.source)
            return
        self._add_columns(session, table, [name for name in own if name not in there])

    def _rename_bronze(self, session: PostgresSession, contract: Contract, table: str) -> None:
        """A contract that names its bronze table anew keeps its rows."""
        found = session.rows(
            "select c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = 'bronze' and obj_description(c.oid, 'pg_class') = ?",
            [OWNED + contract.source],
        )
        for (name,) in found:
            if name != contract.bronze_table and session.columns(named(table)) is None:
                session.run(f"alter table bronze.{quoted(name)} rename to {quoted(contract.bronze_table)}")

    def _add_columns(self, session: PostgresSession, table: str, names: Sequence[str]) -> None:
        if not names:
            return
        session.run(f"set lock_timeout = '{PATIENCE}'")
        try:
            for name in names:
                session.run(f"alter table {named(table)} add column if not exists {quoted(name)} {TEXT}")
        finally:
            with suppress(MetaLayerError):  # the first error is the one to tell
                session.run("set lock_timeout = default")

    def received(self, contract: Contract, batch_ids: Collection[str]) -> str:
        """A SELECT of the records of some batches as received: the contract's columns, `_batch_id`, `_row_number`."""
        with self.session() as session:
            columns = self._columns_of(session, contract)
        return received(f"bronze.{contract.bronze_table}", columns, frozenset(batch_ids))

    def corrections(self, contract: Contract) -> str:
        """A SELECT of a source's corrections: the contract's columns as text, and the three columns of their place."""
        with self.session() as session:
            columns = self._columns_of(session, contract)
            found = session.rows(
                "select distinct batch_id from bronze._corrections where source = ?", [contract.source]
            )
        only = frozenset(batch_id for (batch_id,) in found)
        rows = received(f"bronze.{contract.bronze_table}", columns, only)
        return corrected_texts(contract.source, list(columns), rows)

    def _columns_of(self, session: PostgresSession, contract: Contract) -> dict[str, bool]:
        """The contract's columns, and whether bronze has them: a contract may have gained one since the last run."""
        there = session.columns(named(f"bronze.{contract.bronze_table}")) or {}
        return {column.name: column.name in there for column in contract.columns}

    # -- landing ---------------------------------------------------------------------------------------------

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """Batch record, unreadable lines, arrival and the rows: together or not at all."""
        table = f"bronze.{contract.bronze_table}"
        with self.session() as session:  # before: within, readers would wait for the end of the COPY
            there = session.columns(named(table)) or {}
            self._add_columns(session, table, [name for name in landing.columns if name not in there])
        landed = super().land(landing, contract)
        Path(landing.parquet).unlink(missing_ok=True)
        with suppress(MetaLayerError):  # it has landed; without statistics silver is only built more slowly
            self._take_statistics(table, landed.rows)
        return landed

    def _take_statistics(self, table: str, rows: int) -> None:
        """After a file that makes a table much larger: the server's own would come a minute too late for silver."""
        with self.session() as session:
            known = session.rows(
                "select reltuples::bigint from pg_class where oid = to_regclass(?)", [named(table)]
            )
            if rows * MUCH_LARGER > max(known[0][0], 0):
                session.run(f"analyze {named(table)}")

    def _keep_records(self, session: Session, batch: Batch, landing: Landing, contract: Contract) -> None:
        """The rows of the file take the place of those that the batch had."""
        session = cast("PostgresSession", session)  # its own ones alone come here
        table, columns = f"bronze.{contract.bronze_table}", list(landing.columns)
        if batch.revision:
            session.run(f"delete from {named(table)} where _batch_id = ?", [batch.batch_id])
        # Meanwhile the server hears nothing; whoever takes over ends this transaction all the same.
        session.run(f"set local idle_in_transaction_session_timeout = '{READING_PATIENCE}'")
        folder = self._settings.files / "copy"
        target = folder / f"{self._fence}-{batch.batch_id}.csv"
        with parquet.opened(self._settings) as looking:
            note_columns(
                session, batch, parquet.records_of(landing.parquet), columns, landing.seen, contract, looking
            )
            try:
                with os_faults(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                rows = parquet.write_csv(
                    looking, landing.parquet, target, columns, batch.batch_id, landing.first_line
                )
                with os_faults(target), target.open("rb") as file:
                    came = session.copy(named(table), [*columns, "_batch_id", "_row_number"], file)
                if came != rows:
                    raise WarehouseError(
                        f"{came:,} of the {rows:,} rows of {batch.path} reached {self.address}.",
                        "Nothing of it has landed. Run again.",
                    )
            finally:
                with suppress(OSError):  # swept at the next start
                    target.unlink(missing_ok=True)

    def _sweep_files(self) -> None:
        """Nothing of a file is kept outside the database: what lies here was left by a crash."""
        for name in ("scratch", "arriving", "copy"):
            shutil.rmtree(self._settings.files / name, ignore_errors=True)


def make_bronze_table(session: PostgresSession, table: str, columns: Sequence[str], source: str) -> None:
    """The table of a source, with the index by which the rows of a batch are found."""
    listed = "".join(f"{quoted(name)} {TEXT}, " for name in columns)
    session.run(
        f"create table {named(table)} ({listed}_batch_id {TEXT} not null, _row_number bigint not null)"
    )
    session.run(Index(table, ("_batch_id",), brin=True).sql)
    session.run(f"comment on table {named(table)} is {literal(OWNED + source)}")


def _require_names(names: Sequence[str]) -> None:
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise WarehouseError(
                f"{name!r} has {len(name.encode())} bytes; a name in PostgreSQL has {LONGEST_NAME} at most.",
                "Shorten it in its contract.",
            )
