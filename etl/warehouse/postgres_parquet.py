"""The reader's Parquet file on its way into PostgreSQL: looked at and turned into CSV by a DuckDB of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from etl.settings import Settings
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.duckdb_sql import faults
from etl.warehouse.naming import literal, quoted


@contextmanager
def opened(settings: Settings) -> Iterator[DuckDBSession]:
    """A DuckDB in memory that reaches `<state>/files` and nothing else."""
    with faults():
        connection = duckdb.connect(
            ":memory:", config={"threads": settings.threads} if settings.threads else {}
        )
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set allowed_directories = [{literal(str(settings.files))}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    session = DuckDBSession(connection)
    try:
        yield session
    finally:
        session.close()


def records_of(parquet: str) -> str:
    """A FROM clause over the records of a file, with their number in it from 0."""
    return f"read_parquet({literal(parquet)}, file_row_number = true)"


def write_csv(
    session: DuckDBSession,
    parquet: str,
    target: Path,
    columns: Sequence[str],
    batch_id: str,
    first_line: int | None,
) -> int:
    """Write the records as CSV: the columns, the batch, the physical line; how many there are.

    Texts stand in quotes, so that NULL is not an empty one.
    """
    number = "_row_number" if first_line is None else f"file_row_number + {int(first_line)}"
    listed = ", ".join(
        [*map(quoted, columns), f"{literal(batch_id)} as _batch_id", f"{number} as _row_number"]
    )
    forced = ", ".join([*map(quoted, columns), "_batch_id"])
    (count,) = session.rows(
        f"copy (select {listed} from {records_of(parquet)}) to {literal(str(target))} "  # noqa: S608
        f"(format csv, header false, force_quote ({forced}), nullstr '')"
    )[0]
    return int(count)
