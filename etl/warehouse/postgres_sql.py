"""PostgreSQL's names and statements: text in, text out."""
# ruff: noqa: S608  # names are quoted, texts are literals of ours

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from etl.warehouse.naming import BUILD, literal, quoted

LONGEST_NAME = 63  # bytes; PostgreSQL cuts off what is longer
TEXT = 'text collate "C"'
"""Text is compared byte by byte, as on every warehouse, whatever the database is set to."""

PLACE = ("_batch_id", "_row_number", "_correction")
SCHEMAS = ("bronze", "silver", "gold", "quarantine")
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?|%""")


@lru_cache(maxsize=1024)
def bound(sql: str) -> str:
    """A statement with `?` for its values as psycopg2 wants it; what stands in quotes stays."""

    def turned(found: re.Match[str]) -> str:
        part = found.group()
        return "%s" if part == "?" else part.replace("%", "%%")

    return _PARTS.sub(turned, sql)


def short(name: str) -> str:
    """A name that fits: a longer one ends in a hash of the whole."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"


def named(table: str) -> str:
    """`silver.sales_clean` as SQL names it."""
    schema, name = table.split(".", 1)
    return f"{quoted(schema)}.{quoted(short(name))}"


def aside(table: str, fence: int, prefix: str = BUILD) -> str:
    """A table that belongs to a build of `table`: the build itself, the rows it cuts, the rows it puts.

    The fencing number is part of the name: an engine that was overtaken builds beside the one that works, not into it.
    """
    schema, name = table.split(".", 1)
    return f"{quoted(schema)}.{quoted(short(f'{prefix}{fence}_{name}'))}"


def fence_of(name: str) -> int:
    """The fencing number in the name of a table built aside; 0 where there is none."""
    found = re.match(r"_(?:new|cut|put)_([0-9]+)_", name)
    return int(found.group(1)) if found else 0


def typed(columns: str) -> str:
    """Columns of the bookkeeping in PostgreSQL's types."""
    return re.sub(r"\bvarchar\b", TEXT, columns)


def received(table: str, columns: Mapping[str, bool], only: Collection[str] | None) -> str:
    """Records of some batches, or of all: the contract's columns (null for one that the table does not have yet),
    `_batch_id`, `_row_number`.
    """
    blank = 'cast(null as text) collate "C" as '
    texts = [("" if there else blank) + quoted(name) for name, there in columns.items()]
    listed = ", ".join([*texts, *PLACE[:2]])
    where = (
        ""
        if only is None
        else f" where _batch_id = any(array[{', '.join(map(literal, sorted(only)))}]::text[])"
    )
    return f"select {listed} from {named(table)}{where}"


def corrected_texts(source: str, names: Sequence[str], received_rows: str) -> str:
    """A source's corrections as rows of text: what was changed, laid over the row as received."""

    def text(name: str) -> str:
        key = literal(name)
        # A key whose value is null was changed too; a missing one was not.
        changed = f'(c.texts::json ->> {key}) collate "C"'
        there = f"(c.texts::json -> {key}) is not null"
        return f"case when {there} then {changed} else r.{quoted(name)} end as {quoted(name)}"

    place = "c.batch_id as _batch_id, c.row_number as _row_number, c.correction::integer as _correction"
    return (
        f"select {', '.join(map(text, names))}, {place} from bronze._corrections as c left join ({received_rows}) as r "
        f"on r._batch_id = c.batch_id and r._row_number = c.row_number where c.source = {literal(source)}"
    )
