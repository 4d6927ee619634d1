"""The embedded warehouse: one DuckDB file held by one process, bronze as one Parquet file per batch."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from etl.errors import LeaseLost, MetaLayerError, WarehouseError, WarehouseUnavailable
from etl.facts import Rows
from etl.model import Batch, Contract, MoneyAccount, Published, RowAccount
from etl.settings import Settings, embedded_path
from etl.warehouse import Arrival, Landing, Publication, Session
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb_session import DuckDBSession, connect
from etl.warehouse.duckdb_sql import (
    BUILD,
    bronze_part,
    empty_bronze,
    faults,
    physical,
    quoted,
)

VALUE_BYTES = 8  # of a number; text is counted as one, for want of better
BLOCK_BYTES = 262_144
QUERY_SECONDS = 60.0
NEVER_STORED = 1 << 62


class DuckDBWarehouse:
    """Threads use cursors of one connection; writers take turns."""

    dialect = "duckdb"

    def __init__(self, settings: Settings) -> None:
        self._path = embedded_path(settings.warehouse)
        self.address = str(self._path)
        self.bronze_files = settings.files / "bronze"
        self._writing = threading.RLock()
        self._fence = 0
        self._version: int | None = None  # this process is the only writer
        self._connection: duckdb.DuckDBPyConnection | None = connect(self._path, self.bronze_files, settings)

    def close(self) -> None:
        """Checkpoint and let go of the file."""
        with self._writing:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _cursor(self) -> DuckDBSession:
        if self._connection is None:
            raise WarehouseUnavailable(f"The warehouse {self.address} is closed.", "Start MetaLayer again.")
        with faults():
            return DuckDBSession(self._connection.cursor())

    def ping(self) -> None:
        """Ask the database itself for an answer."""
        with self.session() as session:
            session.rows("select 1")

    @contextmanager
    def session(self) -> Iterator[DuckDBSession]:
        """Statements on their own, each committed at once."""
        session = self._cursor()
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Reads of one published version."""
        with self.session() as session:
            session.run("begin transaction read only")
            try:
                yield session
            finally:
                with suppress(MetaLayerError):  # a failed statement has ended the transaction already
                    session.run("rollback")

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBSession]:
        with self._writing, self.session() as session:
            self._version = None  # not known until this has ended
            session.run("begin transaction")
            try:
                self._check_fence(session)
                yield session
                session.run("commit")
            except BaseException:
                with suppress(MetaLayerError):  # the first error is the one to tell
                    session.run("rollback")
                raise
            with suppress(MetaLayerError):  # it is committed; whoever asks reads the version again
                self._version = _newest(session)

    def _check_fence(self, session: DuckDBSession) -> None:
        found = session.rows("select fence from bronze._fence")
        if not found or found[0][0] != self._fence:
            raise LeaseLost(
                "Another engine has taken over this warehouse.", "This one may not commit any more."
            )

    # -- preparing -------------------------------------------------------------------------------------------

    def prepare(self, contracts: Sequence[Contract]) -> None:
        """Create what is missing, sweep what a crash left behind."""
        with self._writing, self.session() as session:
            for schema in books.SCHEMAS:
                session.run(f"create schema if not exists {schema}")
            for table, columns in books.TABLES.items():
                session.run(f"create table if not exists {table} ({columns})")
            session.run("begin transaction")
            for contract in contracts:
                self._bronze_view(session, contract)
                self._publish_renamed(session, contract)
            session.run("commit")
            self._version = _newest(session)
        self.drop_builds()
        self._sweep_files()

    def take_fence(self) -> int:
        """Replace the fencing number by the next higher one."""
        with self._writing, self.session() as session:
            session.run("begin transaction")
            highest = session.rows("select coalesce(max(fence), 0) from bronze._fence")[0][0]
            self._fence = int(highest) + 1
            session.run("delete from bronze._fence")
            session.run("insert into bronze._fence values (?)", [self._fence])
            session.run("commit")
        return self._fence

    def drop_builds(self) -> None:
        """Remove tables built aside and never published."""
        with self._writing, self.session() as session:
            left = session.rows(
                "select schema_name, table_name from duckdb_tables() where starts_with(table_name, ?)",
                [BUILD],
            )
            for schema, table in left:
                session.run(f"drop table {quoted(schema)}.{quoted(table)}")

    def _sweep_files(self) -> None:
        """Parquet files are written before their batch is committed; those without a batch are leftovers.

        So are a reader's scratch folders: nothing is at work when this is called.
        """
        for folder in (self.bronze_files.parent / "scratch").glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
        known = {batch.batch_id for batch in self.batches()}
        for path in self.bronze_files.glob("*/*"):
            if path.suffix != ".parquet" or path.stem not in known:
                path.unlink(missing_ok=True)

    def bronze_path(self, contract: Contract, batch_id: str) -> Path:
        """Where the records of a batch are kept."""
        return self.bronze_files / contract.bronze_table / f"{batch_id}.parquet"

    def _kept_at(self, contract: Contract, batch_id: str) -> Path:
        """Where a landed batch lies: under the name that its bronze table had then."""
        path = self.bronze_path(contract, batch_id)
        return path if path.exists() else next(self.bronze_files.glob(f"*/{batch_id}.parquet"), path)

    def _publish_renamed(self, session: DuckDBSession, contract: Contract) -> None:
        """A contract that names its bronze table anew keeps its batches: they stand under the new name too."""
        table = f"bronze.{contract.bronze_table}"
        if session.rows("select 1 from bronze._publications where table_name = ? limit 1", [table]):
            return
        session.run(
            "insert into bronze._publications select ?, arg_max(run_id, batch_seq), ?, ?, '[]', sum(rows), ?, "
            "max(arrived_at) from bronze._batches where source = ? and state = 'landed' having count(*) > 0",
            [_newest(session) + 1, table, contract.fingerprint, self._fence, contract.source],
        )

    def _bronze_view(self, session: DuckDBSession, contract: Contract) -> None:
        """`bronze.<table>` over the files of the landed batches; part of the transaction that lands one."""
        landed = session.rows(
            "select batch_id, first_line, columns from bronze._batches where source = ? and state = 'landed' "
            "order by batch_seq",
            [contract.source],
        )
        groups: dict[tuple[int | None, str], list[str]] = {}
        for batch_id, first_line, columns in landed:
            groups.setdefault((first_line, columns), []).append(str(self._kept_at(contract, batch_id)))
        names = [column.name for column in contract.columns]
        parts = [
            bronze_part(names, line, json.loads(columns), files) for (line, columns), files in groups.items()
        ]
        body = " union all ".join(parts or [empty_bronze(names)])
        session.run(f"create or replace view bronze.{quoted(contract.bronze_table)} as {body}")

    # -- writing ---------------------------------------------------------------------------------------------

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """Batch record, unreadable lines, arrival and the view that shows the rows: together or not at all."""
        with self._transaction() as session:
            batch = self._insert_batch(session, landing.batch, landing.first_line, landing.columns)
            session.many(
                "insert into quarantine.unreadable_lines values (?, ?, ?, ?, ?)",
                [
                    (batch.source, batch.batch_id, line.line_number, line.raw, line.reason)
                    for line in landing.unreadable
                ],
            )
            self._insert_arrival(session, landing.arrival)
            self._bronze_view(session, contract)
            rows = session.rows(
                "select coalesce(sum(rows), 0) from bronze._batches where source = ? and state = 'landed'",
                [batch.source],
            )[0][0]
            self._insert_publication(
                session,
                batch.version,
                batch,
                f"bronze.{contract.bronze_table}",
                contract.fingerprint,
                int(rows),
            )
        return batch

    def refuse(self, batch: Batch, arrival: Arrival) -> None:
        """Record a refused file; a new reason replaces the old one for the same bytes."""
        with self._transaction() as session:
            session.run(
                "delete from bronze._batches where source = ? and sha256 = ? and state = 'refused'",
                [batch.source, batch.sha256],
            )
            self._insert_batch(session, batch, None, ())
            self._insert_arrival(session, arrival)

    def see(self, arrival: Arrival) -> None:
        """Record a sighting of bytes already known."""
        with self._transaction() as session:
            self._insert_arrival(session, arrival)

    def _insert_batch(
        self, session: DuckDBSession, batch: Batch, first_line: int | None, columns: Sequence[str]
    ) -> Batch:
        next_seq = session.rows("select coalesce(max(batch_seq), 0) + 1 from bronze._batches")[0][0]
        version = _newest(session) + (1 if batch.state.value == "landed" else 0)
        numbered = replace(batch, batch_seq=int(next_seq), version=version)
        session.run(
            "delete from bronze._batches where source = ? and sha256 = ? and state = 'refused'",
            [batch.source, batch.sha256],
        )
        marks = ", ".join("?" * 19)
        session.run(
            f"insert into bronze._batches ({books.BATCH_COLUMNS}, first_line, columns) values ({marks})",  # noqa: S608
            [*books.batch_values(numbered), first_line, json.dumps(list(columns))],
        )
        return numbered

    def _insert_arrival(self, session: DuckDBSession, arrival: Arrival) -> None:
        marks = ", ".join("?" * 9)
        session.run(f"insert into bronze._arrivals values ({marks})", books.arrival_values(arrival))  # noqa: S608

    def _insert_publication(
        self, session: DuckDBSession, version: int, batch: Batch, table: str, fingerprint: str, rows: int
    ) -> None:
        session.run(
            "insert into bronze._publications values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                version,
                batch.run_id,
                table,
                fingerprint,
                "[]",
                rows,
                self._fence,
                books.naive(batch.arrived_at),
            ],
        )

    def publish(self, publication: Publication) -> int:
        """Every built table takes the place of the old one, with its accounts, in one transaction."""
        with self._transaction() as session:
            version = _newest(session) + (1 if publication.built else 0)
            for built in publication.built:
                for table in (built.table, *built.beside):
                    _switch(session, table)
                inputs = [[name, number or version] for name, number in built.inputs]
                session.run(
                    "insert into bronze._publications values (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        version, publication.run_id, built.table, built.fingerprint, json.dumps(inputs),
                        built.rows, self._fence, books.naive(publication.at),
                    ],
                )  # fmt: skip
            self._insert_accounts(session, version, publication)
        return version

    def _insert_accounts(self, session: DuckDBSession, version: int, publication: Publication) -> None:
        for table, accounts in (("_accounts", publication.rows), ("_money_accounts", publication.money)):
            again = {(version, account.source) for account in accounts}
            session.many(f"delete from bronze.{table} where version = ? and source = ?", list(again))  # noqa: S608
        session.many(
            f"insert into bronze._accounts (version, {books.ROW_COLUMNS}) values ({', '.join('?' * 17)})",  # noqa: S608
            [(version, *books.account_values(account)) for account in publication.rows],
        )
        session.many(
            f"insert into bronze._money_accounts (version, {books.MONEY_COLUMNS}) values ({', '.join('?' * 14)})",  # noqa: S608
            [(version, *books.money_values(account)) for account in publication.money],
        )

    # -- reading ---------------------------------------------------------------------------------------------

    def batches(self) -> list[Batch]:
        """Every batch, in `batch_seq` order."""
        with self.session() as session:
            found = session.rows(f"select {books.BATCH_COLUMNS} from bronze._batches order by batch_seq")  # noqa: S608
        return [books.to_batch(row) for row in found]

    def arrivals(self) -> list[Arrival]:
        """Every sighting, oldest first."""
        with self.session() as session:
            found = session.rows(f"select {books.ARRIVAL_COLUMNS} from bronze._arrivals order by arrived_at")  # noqa: S608
        return [books.to_arrival(row) for row in found]

    def published(self) -> dict[str, Published]:
        """What stands now, by qualified table."""
        with self.session() as session:
            return {
                row[0]: books.to_published(row, json.loads(row[4])) for row in session.rows(books.PUBLISHED)
            }

    def history(self, limit: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """(version, rows) of the last publications of each table, oldest first."""
        with self.session() as session:
            found = session.rows(
                "select table_name, version, rows from bronze._publications "
                "qualify row_number() over (partition by table_name order by version desc) <= ? order by version",
                [limit],
            )
        lines: dict[str, list[tuple[int, int]]] = {}
        for table, version, rows in found:
            lines.setdefault(table, []).append((version, rows))
        return {table: tuple(line) for table, line in lines.items()}

    def version(self) -> int:
        """The newest version; 0 when nothing was ever published."""
        known = self._version
        if known is not None:
            return known
        with self.session() as session:  # kept only by who writes: what is read here may be old in a moment
            return _newest(session)

    def accounts(self) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The newest row and money accounts of every batch."""
        newest = "qualify rank() over (partition by source order by version desc) = 1"
        with self.session() as session:
            rows = session.rows(f"select {books.ROW_COLUMNS} from bronze._accounts {newest}")  # noqa: S608
            money = session.rows(f"select {books.MONEY_COLUMNS} from bronze._money_accounts {newest}")  # noqa: S608
        return [books.to_account(row) for row in rows], [books.to_money(row) for row in money]

    def query(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One SELECT in a read-only transaction; one row more than `limit` tells that there is more."""
        with self.session() as session, faults(), _at_most(session, QUERY_SECONDS):
            cursor = session._cursor  # noqa: SLF001
            cursor.execute("begin transaction read only")
            try:
                cursor.execute(sql, list(params))
                described = cursor.description or []
                found = cursor.fetchmany(limit + 1)
            finally:
                with suppress(duckdb.Error):  # a failed statement has ended the transaction already
                    cursor.execute("rollback")
        names = tuple(str(column[0]) for column in described)
        types = tuple(str(column[1]) for column in described)
        return Rows(names, types, tuple(found[:limit]), truncated=len(found) > limit)

    def sizes(self) -> Mapping[str, int]:
        """Bronze: bytes of its Parquet files. Others: their blocks of the file, at most their plain width.

        Small tables share a block, and a table has none until the next checkpoint.
        """
        with self.session() as session:
            tables = session.rows(
                "select schema_name, table_name, estimated_size, column_count from duckdb_tables() "
                "where not internal and not starts_with(table_name, '_')"
            )
            sizes = {
                f"{schema}.{table}": min(_stored(session, f"{schema}.{table}"), rows * columns * VALUE_BYTES)
                for schema, table, rows, columns in tables
            }
        for folder in self.bronze_files.glob("*"):
            sizes[f"bronze.{folder.name}"] = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        return sizes

    def physical(self, table: str, built: bool) -> str:
        """The name under which a table, or its build aside, is read in SQL."""
        return physical(table, built)


@contextmanager
def _at_most(session: DuckDBSession, seconds: float) -> Iterator[None]:
    """Raises WarehouseError when what is asked takes longer."""
    watch = threading.Timer(seconds, session._cursor.interrupt)  # noqa: SLF001
    watch.daemon = True
    watch.start()
    try:
        yield
    except duckdb.InterruptException as late:
        raise WarehouseError(
            f"The query was stopped after {seconds:g} seconds.", "Ask for less, or for a part at a time."
        ) from late
    finally:
        watch.cancel()


def _newest(session: DuckDBSession) -> int:
    return int(session.rows("select coalesce(max(version), 0) from bronze._publications")[0][0])


def _switch(session: DuckDBSession, table: str) -> None:
    schema, name = table.split(".", 1)
    session.run(f"drop table if exists {physical(table, built=False)}")
    session.run(f"alter table {quoted(schema)}.{quoted(BUILD + name)} rename to {quoted(name)}")


def _stored(session: DuckDBSession, table: str) -> int:
    found = session.rows(
        "select count(distinct block_id) from pragma_storage_info(?) where block_id >= 0", [table]
    )
    blocks = int(found[0][0])
    return blocks * BLOCK_BYTES if blocks else NEVER_STORED
