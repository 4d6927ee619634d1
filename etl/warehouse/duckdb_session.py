"""One conversation with DuckDB, and the locked connection behind all of them."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from etl.settings import Settings
from etl.warehouse.duckdb_sql import faults, os_faults
from etl.warehouse.naming import CUT, PUT, literal, physical, quoted, side

ROWS_AT_ONCE = 500
HEADER_BYTES = 3 * 4096  # of a DuckDB file; a shorter one holds nothing yet


class DuckDBSession:
    """One cursor. Its temporary tables live as long as it does."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with faults():
            return self._cursor.execute(sql, list(params)).fetchall()

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """A statement without an answer."""
        with faults():
            self._cursor.execute(sql, list(params))

    def many(self, sql: str, params: Sequence[Sequence[Any]]) -> None:
        """A statement once for each set of values."""
        if params:
            with faults():
                self._cursor.executemany(sql, [list(values) for values in params])

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of all of a table's columns, many at a time: one statement for each row takes four times as long."""
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chunk = rows[start : start + ROWS_AT_ONCE]
            marks = f"({', '.join('?' * len(chunk[0]))})"
            values = [value for row in chunk for value in row]
            self.run(f"insert into {table} values {', '.join([marks] * len(chunk))}", values)  # noqa: S608

    def temporary(self, name: str, select: str) -> None:
        """Keep a SELECT's rows for the rest of this session; spills to disk when memory runs short."""
        self.run(f"create or replace temporary table {quoted(name)} as {select}")

    def view(self, name: str, select: str) -> None:
        """Read a SELECT under `name` for the rest of this session."""
        self.run(f"create or replace temporary view {quoted(name)} as {select}")

    def build(self, table: str, select: str) -> int:
        """Build `table` aside; returns its rows."""
        aside = physical(table, built=True)
        self.run(f"create or replace table {aside} as {select}")
        return int(self.rows(f"select count(*) from {aside}")[0][0])  # noqa: S608

    def merge(self, table: str, cut: str, put: str) -> tuple[int, int]:
        """Keep what a publication will change in `table`; `_new_<table>` is a view of how it will read."""
        cuts, puts = side(table, CUT), side(table, PUT)
        self.run(f"create or replace table {cuts} as {cut}")
        self.run(f"create or replace table {puts} as {put}")
        gone, come = (int(self.rows(f"select count(*) from {name}")[0][0]) for name in (cuts, puts))  # noqa: S608
        kept = f"select t.* from {physical(table, built=False)} as t"  # noqa: S608
        kept += f" anti join {cuts} as c on {self.shared(cuts)}" if gone else ""
        more = f" union all by name select * from {puts}" if come else ""  # noqa: S608
        self.run(f"create or replace view {physical(table, built=True)} as {kept}{more}")
        return gone, come

    def shared(self, cuts: str) -> str:
        """The condition under which a row `t` is one that `c` cuts: no column of either is ever blank."""
        names = [row[0] for row in self.rows(f"describe {cuts}")]
        return " and ".join(f"t.{quoted(name)} = c.{quoted(name)}" for name in names)

    def interrupt(self) -> None:
        """Stop the statement at work, if there is one."""
        self._cursor.interrupt()

    def close(self) -> None:
        """Give the cursor back."""
        self._cursor.close()


def connect(path: Path, bronze_files: Path, settings: Settings) -> duckdb.DuckDBPyConnection:
    """Open the file and lock the connection down: it reaches `<state>/files` and nothing else."""
    spill = settings.files / "spill"
    for folder in (path.parent, bronze_files, spill):
        with os_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {"preserve_insertion_order": False, "temp_directory": str(spill)}
    if settings.threads:
        config["threads"] = settings.threads
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    _remove_stillborn(path)
    with faults(path):
        connection = duckdb.connect(str(path), config=config)
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set autoload_known_extensions = false")
        connection.execute(f"set allowed_directories = [{literal(str(settings.files))}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    return connection


def _remove_stillborn(path: Path) -> None:
    """A file whose making broke off (full disk, kill) before its headers were whole: DuckDB would never open it.

    The size is asked first: opening a file that DuckDB holds in this process, and closing it, would drop its lock.
    """
    with suppress(OSError):  # not there, or another process is just making it
        if path.stat().st_size >= HEADER_BYTES or path.with_name(f"{path.name}.wal").exists():
            return
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun = file.read(HEADER_BYTES)
            if begun[8:12] == b"DUCK" or not begun.strip(b"\0"):
                path.unlink()
