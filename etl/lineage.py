"""From a gold row to the silver rows it adds up, read off the gold file's own SQL and the contracts' references."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etl.catalog import Catalog
from etl.declared import Layer, Reconcile, Table
from etl.errors import UsageError
from etl.facts import GoldRow, Rows
from etl.model import written_short
from etl.warehouse import Warehouse

if TYPE_CHECKING:
    from sqlglot.lineage import Node

NOTHING = Rows((), (), ())
UNDECLARED = "The table declares no total that it reconciles with."
TOO_FAR = "Its key is not made from the rows that it adds up, nor from those they refer to."


@dataclass(frozen=True)
class _Trace:
    """The silver rows of a gold key: what to select from, and one condition a part of the key (`?` its text)."""

    source: str  # the short name, under which the columns are read
    tables: str
    conditions: tuple[str, ...]

    @property
    def where(self) -> str:
        return " and ".join(self.conditions)


def gold_row(catalog: Catalog, warehouse: Warehouse, table_name: str, key: str, limit: int) -> GoldRow:
    """A row of gold, the silver rows of its key, and whether they add up to it. Raises UsageError."""
    table = catalog.table(table_name)
    if table.layer is not Layer.GOLD:
        raise UsageError(f"{table.name} is no gold table.", f"./metalayer explain {table.short} {key}")
    if table.name not in warehouse.published():
        raise UsageError(f"{table.name} has never been built.", f"Run {table.name} first.")
    parts = _parts(table, key)
    found = warehouse.query(*_one(table, parts))
    if not found.rows:
        return GoldRow(table.name, key, NOTHING)
    if not table.reconcile:
        return GoldRow(table.name, key, found, why_not=UNDECLARED)
    trace = _trace(catalog, table, warehouse.dialect)
    if trace is None:
        return GoldRow(table.name, key, found, why_not=TOO_FAR)
    return _added_up(warehouse, table, key, parts, found, trace, limit)


def _parts(table: Table, key: str) -> list[str]:
    parts = [part.strip() for part in key.split(",")] if len(table.key) > 1 else [key.strip()]
    if len(parts) != len(table.key):
        raise UsageError(
            f"The key of {table.name} is {', '.join(table.key)}; {len(parts)} parts were given.",
            "Join them by commas.",
        )
    return parts


def _one(table: Table, parts: list[str]) -> tuple[str, list[str]]:
    wanted = " and ".join(f'cast("{name}" as varchar) = ?' for name in table.key)
    return f'select * from gold."{table.short}" where {wanted}', parts  # noqa: S608


def _added_up(
    warehouse: Warehouse, table: Table, key: str, parts: list[str], found: Rows, trace: _Trace, limit: int
) -> GoldRow:
    reconcile = table.reconcile[0]
    sums = f'select count(*), coalesce(sum("{trace.source}"."{reconcile.source_column}"), 0) '
    count, total = warehouse.query(f"{sums} from {trace.tables} where {trace.where}", parts).rows[0]
    rows = warehouse.query(
        f'select "{trace.source}".* from {trace.tables} where {trace.where} '  # noqa: S608
        f'order by "{trace.source}"."{reconcile.source_column}" desc, "{trace.source}"._batch_id, '
        f'"{trace.source}"._row_number',
        parts,
        limit,
    )
    own = dict(zip(found.columns, found.rows[0], strict=True))[reconcile.column]
    return GoldRow(
        table.name, key, found, column=reconcile.column, gold=_exact(own), source_table=reconcile.source,
        source_column=reconcile.source_column, count=int(count), total=_exact(total), rows=rows,
    )  # fmt: skip


def _exact(amount: Any) -> Decimal:
    return written_short(Decimal(amount or 0))


def _trace(catalog: Catalog, table: Table, dialect: str) -> _Trace | None:
    """How the rows behind a key are found; None where the key comes from elsewhere."""
    reconcile = table.reconcile[0]
    joined = _joined(catalog, reconcile)
    conditions = []
    for name in table.key:
        expression, tables = _made_from(catalog, table, name, dialect)
        if not tables <= joined.keys():
            return None
        conditions.append(f"cast({expression} as varchar) = ?")
    return _Trace(reconcile.source.split(".", 1)[1], " ".join(joined.values()), tuple(conditions))


def _joined(catalog: Catalog, reconcile: Reconcile) -> dict[str, str]:
    """By table: the rows that are added up, then those that they refer to, as a FROM clause part by part."""
    silver = catalog.tables[reconcile.source]
    joined = {silver.name: f'silver."{silver.short}"'}
    for reference in catalog.contracts[silver.source or ""].references:
        parent = catalog.contracts[reference.source].silver_table
        same = " and ".join(
            f'"{silver.short}"."{own}" = "{parent}"."{to}"'
            for own, to in zip(reference.columns, reference.to, strict=True)
        )
        joined.setdefault(f"silver.{parent}", f'left join silver."{parent}" on {same}')
    return joined


def _made_from(catalog: Catalog, table: Table, column: str, dialect: str) -> tuple[str, frozenset[str]]:
    """The expression over silver columns that a gold column is, and the tables of those columns."""
    from sqlglot import exp
    from sqlglot.lineage import lineage

    columns = {t.short: {field.name: "text" for field in t.fields} for t in catalog.layer(Layer.SILVER)}
    traced = lineage(column, table.sql, {"silver": columns}, dialect="duckdb")
    if isinstance(traced, dict):  # of every column, when none is asked for
        traced = traced[column]
    expression = _composed(traced)
    tables = {found.text("table") for found in expression.find_all(exp.Column)}
    return expression.sql(dialect=dialect, identify=True), frozenset(f"silver.{name}" for name in tables)


def _composed(node: Node) -> Any:
    """The expression of a node with each column replaced by what it is made from, down to the silver tables."""
    from sqlglot import exp

    if isinstance(node.source, exp.Table):
        return exp.column(node.name.rsplit(".", 1)[-1], table=node.source.name)
    below = {child.name: child for child in node.downstream}
    made = node.expression.unalias().copy()

    def replaced(part: Any) -> Any:
        child = below.get(part.sql(dialect="duckdb")) if isinstance(part, exp.Column) else None
        return exp.paren(_composed(child)) if child is not None else part

    return made.transform(replaced)
