"""DuckDB's names, statements and errors: text in, text out, and faults as ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from etl.errors import DiskFull, MetaLayerError, WarehouseError, WarehouseUnavailable
from etl.warehouse.naming import literal, quoted

_HELD = re.compile(r"PID (\d+)")


def bronze_part(
    names: Sequence[str], first_line: int | None, held: Sequence[str], files: Sequence[str]
) -> str:
    columns = ", ".join(
        quoted(name) if name in held else f"null::varchar as {quoted(name)}" for name in names
    )
    number = "_row_number" if first_line is None else f"file_row_number + {int(first_line)}"
    listed = ", ".join(literal(path) for path in files)
    return (
        f"select {columns}, parse_filename(_file, true) as _batch_id, ({number})::bigint as _row_number "  # noqa: S608
        f"from read_parquet([{listed}], file_row_number = true, filename = '_file')"
    )


def empty_bronze(names: Sequence[str]) -> str:
    columns = ", ".join(f"null::varchar as {quoted(name)}" for name in names)
    return f"select {columns}, null::varchar as _batch_id, null::bigint as _row_number where false"


def corrected_texts(source: str, names: Sequence[str], received: str) -> str:
    """A source's corrections as rows of text: what was changed, laid over the row as received."""

    def text(name: str) -> str:
        path = f"c.texts, '$.\"{name}\"'"
        changed = f"json_extract_string({path})"
        return f"case when json_exists({path}) then {changed} else r.{quoted(name)} end as {quoted(name)}"

    place = "c.batch_id as _batch_id, c.row_number as _row_number, c.correction::integer as _correction"
    return (
        f"select {', '.join(map(text, names))}, {place} from bronze._corrections as c left join ({received}) as r "  # noqa: S608
        f"on r._batch_id = c.batch_id and r._row_number = c.row_number where c.source = {literal(source)}"
    )


@contextmanager
def faults(path: Path | None = None) -> Iterator[None]:
    """DuckDB's errors as ours, their cause kept."""
    try:
        yield
    except duckdb.Error as fault:
        raise _translated(fault, path) from fault


def _translated(fault: duckdb.Error, path: Path | None) -> MetaLayerError:
    text = str(fault).strip()
    held = _HELD.search(text)
    if "lock" in text and held:
        return WarehouseUnavailable(
            f"The warehouse {path or ''} is held by process {held.group(1)}.",
            "Wait until it has finished, or stop it.",
        )
    if "No space left" in text or "failed to offload" in text or "max_temp_directory_size" in text:
        return DiskFull(f"No space is left for the warehouse: {text}", "Free some space, then run again.")
    if isinstance(fault, (duckdb.TransactionException, duckdb.ConnectionException)):
        return WarehouseUnavailable(
            f"The warehouse could not take the statement: {text}", "It is tried again."
        )
    if path is not None:
        return WarehouseUnavailable(
            f"The warehouse {path} cannot be opened: {text}", "Check the file and its folder."
        )
    return WarehouseError(text, "See the statement in the log of this run.")


@contextmanager
def os_faults(path: Path) -> Iterator[None]:
    """Errors of the file system as ours."""
    try:
        yield
    except OSError as fault:
        if fault.errno == 28:  # noqa: PLR2004 - ENOSPC
            raise DiskFull(f"No space is left at {path}.", "Free some space, then run again.") from fault
        raise WarehouseUnavailable(
            f"{path} cannot be used: {os.strerror(fault.errno or 0)}.",
            "Check METALAYER_STATE and its permissions.",
        ) from fault
