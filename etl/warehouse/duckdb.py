"""The embedded warehouse: one DuckDB file held by one process, bronze as one Parquet file per batch."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb

from etl.declared import Contract
from etl.errors import WarehouseError
from etl.facts import Rows
from etl.model import Batch, MoneyAccount, Published, RowAccount
from etl.warehouse import Arrival, Built, Publication
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb_bronze import Bronze
from etl.warehouse.duckdb_held import newest
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.duckdb_sql import ASIDE, BUILD, CUT, PUT, faults, physical, quoted, side

VALUE_BYTES = 8  # of a number; text is counted as one, for want of better
BLOCK_BYTES = 262_144
QUERY_SECONDS = 60.0
NEVER_STORED = 1 << 62


class DuckDBWarehouse(Bronze):
    """What is published, and reading it."""

    # -- preparing -------------------------------------------------------------------------------------------

    def prepare(self, contracts: Sequence[Contract]) -> None:
        """Create what is missing, sweep what a crash left behind."""
        with self._writing, self.session() as session:
            for schema in books.SCHEMAS:
                session.run(f"create schema if not exists {schema}")
            for table, columns in books.TABLES.items():
                session.run(f"create table if not exists {table} ({columns})")
            for table, added in books.ADDED.items():
                for name, kind in added.items():
                    session.run(f"alter table {table} add column if not exists {name} {kind}")
            session.run("begin transaction")
            for contract in contracts:
                self._bronze_view(session, contract)
                self._publish_renamed(session, contract)
            session.run("commit")
            self._version, self._kept = newest(session), {}
        self.drop_builds()
        self._sweep_files()

    def drop_builds(self) -> None:
        """Remove what was built aside and never published; views first, they read the tables."""
        with self._writing, self.session() as session:
            for kind in ("view", "table"):
                left = session.rows(
                    f"select schema_name, {kind}_name from duckdb_{kind}s() where regexp_matches({kind}_name, ?)",  # noqa: S608
                    [f"^({'|'.join(ASIDE)})"],
                )
                for schema, name in left:
                    session.run(f"drop {kind} {quoted(schema)}.{quoted(name)}")

    def _sweep_files(self) -> None:
        """Parquet files are written before their batch is committed; those without a batch are leftovers.

        So are a reader's scratch folders: nothing is at work when this is called.
        """
        for folder in (self.bronze_files.parent / "scratch").glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
        known = {(f"{batch.batch_id}.parquet", batch.revision) for batch in self.batches()}
        for path in [path for path in self.bronze_files.rglob("*") if path.is_file()]:
            within = path.relative_to(self.bronze_files).parts
            revision = int(within[1]) if len(within) == 3 and within[1].isdigit() else 0  # noqa: PLR2004
            if (path.name, revision) not in known:
                path.unlink(missing_ok=True)

    # -- publishing ------------------------------------------------------------------------------------------

    def publish(self, publication: Publication) -> int:
        """Every built table takes the place of the old one, with its accounts, in one transaction."""
        with self._transaction() as session:
            version = newest(session) + (1 if publication.built else 0)
            for built in publication.built:
                for table in (built.table, *built.beside):
                    (_merge if built.merged else _switch)(session, table)
                self._insert_publication(session, version, built, publication)
            self._insert_accounts(session, version, publication)
        return version

    def _insert_publication(
        self, session: DuckDBSession, version: int, built: Built, publication: Publication
    ) -> None:
        inputs = [[name, number or version] for name, number in built.inputs]
        session.run(
            "insert into bronze._publications values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                version, publication.run_id, built.table, built.fingerprint, json.dumps(inputs), built.rows,
                self._fence, books.naive(publication.at),
            ],
        )  # fmt: skip

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
        return list(self._keep("batches", self._read_batches))

    def _read_batches(self) -> list[Batch]:
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
        return dict(self._keep("published", self._read_published))

    def _read_published(self) -> dict[str, Published]:
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
            return newest(session)

    def accounts(self) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The newest row and money accounts of every batch, by source and batch."""
        newest = "qualify rank() over (partition by source order by version desc) = 1"
        with self.session() as session:
            rows = session.rows(f"select {books.ROW_COLUMNS} from bronze._accounts {newest}")  # noqa: S608
            money = session.rows(f"select {books.MONEY_COLUMNS} from bronze._money_accounts {newest}")  # noqa: S608
        place = {batch.batch_id: batch.batch_seq for batch in self.batches()}
        return (
            sorted(map(books.to_account, rows), key=lambda a: (a.source, place.get(a.batch_id, 0))),
            sorted(map(books.to_money, money), key=lambda a: (a.source, place.get(a.batch_id, 0), a.column)),
        )

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
        return dict(self._keep("sizes", self._read_sizes))

    def _read_sizes(self) -> dict[str, int]:
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
            sizes[f"bronze.{folder.name}"] = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        return sizes

    def coming(self, table: str) -> str:
        """The name under which the rows that a merge brings into a table are read in SQL."""
        return side(table, PUT)

    def leaving(self, table: str) -> str:
        """The name under which is read what a merge cuts from a table."""
        return side(table, CUT)

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


def _switch(session: DuckDBSession, table: str) -> None:
    """The build takes the place of the table."""
    schema, name = table.split(".", 1)
    session.run(f"drop table if exists {physical(table, built=False)}")
    session.run(f"alter table {quoted(schema)}.{quoted(BUILD + name)} rename to {quoted(name)}")


def _merge(session: DuckDBSession, table: str) -> None:
    """What was cut leaves the table, what was put comes in; the view that showed both goes."""
    cut, put, stands = side(table, CUT), side(table, PUT), physical(table, built=False)
    session.run(f"drop view {physical(table, built=True)}")
    if session.rows(f"select 1 from {cut} limit 1"):  # noqa: S608
        session.run(f"delete from {stands} as t using {cut} as c where {session.shared(cut)}")  # noqa: S608
    session.run(f"insert into {stands} by name from {put}")
    session.run(f"drop table {cut}")
    session.run(f"drop table {put}")


def _stored(session: DuckDBSession, table: str) -> int:
    found = session.rows(
        "select count(distinct block_id) from pragma_storage_info(?) where block_id >= 0", [table]
    )
    blocks = int(found[0][0])
    return blocks * BLOCK_BYTES if blocks else NEVER_STORED
