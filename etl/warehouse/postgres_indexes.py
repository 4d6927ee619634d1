"""Which indexes the tables in PostgreSQL have: for lookups of rows by their batch, their place or their key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from etl.warehouse import Session
from etl.warehouse.naming import ASIDE, quoted
from etl.warehouse.postgres_sql import SCHEMAS, named

BOOKS = {
    "bronze._arrivals": "batch_id",
    "bronze._publications": "table_name, version",
    "bronze._accounts": "source, version",
    "bronze._money_accounts": "source, version",
    "bronze._columns": "batch_id",
    "bronze._drift": "batch_id",
    "bronze._marks": "batch_id",
    "quarantine.unreadable_lines": "batch_id, line_number",
}
UNINDEXED = (
    "bronze._batches",
    "bronze._corrections",
    "bronze._mends",
    "bronze._fence",
    "bronze._commits",
)  # small, or unique anyway


@dataclass(frozen=True)
class Index:
    """An index of a table, as it should be."""

    table: str
    columns: tuple[str, ...]
    brin: bool = False

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        listed = ", ".join(map(quoted, self.columns))
        if self.brin:  # rows of a batch lie together, so the least of indexes finds them
            return f"create index on {named(self.table)} using brin ({listed}) with (pages_per_range = 32)"
        return f"create index on {named(self.table)} ({listed})"


def index_of(table: str, columns: Collection[str]) -> Index | None:
    """The index that a table has beside its unique ones; `columns` are its own, in order."""
    if table in BOOKS:
        return Index(table, tuple(BOOKS[table].split(", ")))
    if table in UNINDEXED or not columns:
        return None
    if table.startswith("bronze."):
        return Index(table, ("_batch_id",), brin=True)
    if table.startswith(("quarantine.", "silver._")):
        return Index(table, ("_batch_id", "_row_number"))
    if table.startswith("silver."):
        return Index(table, (next(iter(columns)),))
    return None


def missing_indexes(session: Session) -> list[Index]:
    """Those that somebody has dropped, or whose making broke off."""
    tables = session.rows(
        "select n.nspname || '.' || c.relname, (select array_agg(attname::text order by attnum) from pg_attribute "
        "where attrelid = c.oid and attnum > 0 and not attisdropped) from pg_class as c "
        "join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = any(?) and c.relkind = 'r' and c.relname !~ ? order by 1",
        [list(SCHEMAS), f"^({'|'.join(ASIDE)})"],
    )
    there = session.rows(
        "select n.nspname || '.' || c.relname, (select array_agg(a.attname::text order by k.place) "
        "from unnest(i.indkey::int[]) with ordinality as k(attnum, place) "
        "join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum) "
        "from pg_index as i join pg_class as c on c.oid = i.indrelid "
        "join pg_namespace as n on n.oid = c.relnamespace where n.nspname = any(?) and i.indisvalid",
        [list(SCHEMAS)],
    )
    known = {(table, tuple(columns or ())) for table, columns in there}
    wanted = [index_of(table, columns or ()) for table, columns in tables]
    return [index for index in wanted if index and (index.table, index.columns) not in known]
