"""The embedded warehouse: one DuckDB file held by one process, bronze as one Parquet file per batch."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from etl.declared import Contract
from etl.errors import MetaLayerError, WarehouseError
from etl.facts import Rows
from etl.warehouse import Session
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb_bronze import Bronze
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.duckdb_sql import faults
from etl.warehouse.naming import ASIDE, BUILD, CUT, PUT, literal, physical, quoted, side
from etl.warehouse.reading import Reading
from etl.warehouse.writing import newest

VALUE_BYTES = 8  # of a number; text is counted as one, for want of better
BLOCK_BYTES = 262_144
QUERY_SECONDS = 60.0
NEVER_STORED = 1 << 62


@dataclass(frozen=True)
class Copied:
    """What a copy holds."""

    version: int
    rows: int
    bronze_files: tuple[Path, ...]


class DuckDBWarehouse(Bronze, Reading):
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
        landed = set(self._landed_files())
        for path in [path for path in self.bronze_files.rglob("*") if path.is_file()]:
            if path not in landed:
                path.unlink(missing_ok=True)

    def _landed_files(self) -> Iterator[Path]:
        """The Parquet files of the batches as they were last read."""
        known = {(f"{batch.batch_id}.parquet", batch.revision) for batch in self.batches()}
        for path in [path for path in self.bronze_files.rglob("*") if path.is_file()]:
            within = path.relative_to(self.bronze_files).parts
            revision = int(within[1]) if len(within) == 3 and within[1].isdigit() else 0  # noqa: PLR2004
            if (path.name, revision) in known:
                yield path

    # -- copying ---------------------------------------------------------------------------------------------

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Nothing lands, is mended or published meanwhile; builds aside go on."""
        with self._writing:
            yield

    def copy_into(self, target: Path) -> Copied:
        """Everything of one version into a new file below `<state>/files`, and which bronze files belong to it."""
        with self.session() as session:
            session.run("begin transaction")
            try:
                (name,) = session.rows("select current_catalog()")[0]
                session.run(f"attach {literal(str(target))} as copied")
                session.run(f"copy from database {quoted(name)} to copied")
                version, rows = newest(session), self._rows_kept(session)
                session.run("commit")
                session.run("detach copied")
            except BaseException:
                with suppress(MetaLayerError):  # the first error is the one to tell
                    session.run("rollback")
                with suppress(MetaLayerError):
                    session.run("detach copied")
                raise
        return Copied(version, rows, tuple(self._landed_files()))

    def _rows_kept(self, session: Session) -> int:
        """Of the tables in the file, and of the bronze that lies beside it."""
        tables = session.rows(
            "select schema_name, table_name from duckdb_tables() where database_name = current_catalog() "
            "and not regexp_matches(table_name, ?)",
            [f"^({'|'.join(ASIDE)})"],
        )
        counts = [f"select count(*) as n from {quoted(schema)}.{quoted(name)}" for schema, name in tables]  # noqa: S608
        bronze = "select coalesce(sum(rows), 0) from bronze._batches where state = 'landed'"
        every = f"select sum(n) from ({' union all '.join([*counts, bronze])}) as counted"  # noqa: S608
        return int(session.rows(every)[0][0])

    # -- publishing ------------------------------------------------------------------------------------------

    def _switch(self, session: Session, table: str) -> None:
        """The build takes the place of the table."""
        schema, name = table.split(".", 1)
        session.run(f"drop table if exists {physical(table, built=False)}")
        session.run(f"alter table {quoted(schema)}.{quoted(BUILD + name)} rename to {quoted(name)}")

    def _merge(self, session: Session, table: str) -> None:
        """What was cut leaves the table, what was put comes in; the view that showed both goes."""
        cut, put, stands = side(table, CUT), side(table, PUT), physical(table, built=False)
        session.run(f"drop view {physical(table, built=True)}")
        if session.rows(f"select 1 from {cut} limit 1"):  # noqa: S608
            session.run(f"delete from {stands} as t using {cut} as c where {session.shared(cut)}")  # noqa: S608
        session.run(f"insert into {stands} by name from {put}")
        session.run(f"drop table {cut}")
        session.run(f"drop table {put}")

    # -- reading ---------------------------------------------------------------------------------------------

    def version(self) -> int:
        """The newest version; 0 when nothing was ever published."""
        known = self._version
        if known is not None:
            return known
        with self.session() as session:  # kept only by who writes: what is read here may be old in a moment
            return newest(session)

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

    def ask(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """As `query`: a read-only transaction of a connection that reaches nothing but its own files."""
        return self.query(sql, params, limit)

    def reading_role(self) -> str:
        """How people's own queries are kept from writing."""
        return "whole: queries are read-only transactions of an embedded database."

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


def _stored(session: DuckDBSession, table: str) -> int:
    found = session.rows(
        "select count(distinct block_id) from pragma_storage_info(?) where block_id >= 0", [table]
    )
    blocks = int(found[0][0])
    return blocks * BLOCK_BYTES if blocks else NEVER_STORED
