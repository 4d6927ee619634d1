"""Gold: one SELECT per table, run on silver, its columns cast to what the header declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from etl.declared import Field, Kind, Table
from etl.warehouse import Session

SQL_TYPES = {
    Kind.TEXT: "varchar",
    Kind.INTEGER: "bigint",
    Kind.RATIO: "decimal(38, 6)",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
    Kind.BOOLEAN: "boolean",
}


def build(session: Session, table: Table, names: Mapping[str, str], dialect: str) -> int:
    """Build one gold table aside; `names` says how SQL reads each input in this run. Returns its rows."""
    return session.build(table.name, select(table, names, dialect))


def select(table: Table, names: Mapping[str, str], dialect: str) -> str:
    """The SELECT that builds a gold table: declared columns in declared order, each cast to its type."""
    columns = ", ".join(f'{_declared(field, dialect)} as "{field.name}"' for field in table.fields)
    body = read_as(table.sql, tuple(sorted(names.items())), dialect)
    return f"select {columns} from ({body}) as declared"  # noqa: S608


def sql_type(field: Field) -> str:
    """The column type of a declared field. Quotients of decimals are floats in some dialects, so money is cast."""
    if field.kind is Kind.DECIMAL:
        return f"decimal(38, {field.decimals})"
    return SQL_TYPES[field.kind]


@lru_cache(maxsize=512)
def _declared(field: Field, dialect: str) -> str:
    from etl.dialects import condition

    return condition(f'cast("{field.name}" as {sql_type(field)})', dialect)


@lru_cache(maxsize=512)
def read_as(sql: str, names: tuple[tuple[str, str], ...], dialect: str) -> str:
    """A query in DuckDB's dialect with its tables replaced, in the warehouse's dialect."""
    from sqlglot import exp

    from etl.dialects import parsed, query

    wanted = dict(names)
    tree = parsed(sql, dialect)
    for found in list(tree.find_all(exp.Table)):
        logical = f"{found.db}.{found.name}"
        if logical in wanted:
            replacement = exp.to_table(wanted[logical], dialect="duckdb")
            replacement.set(
                "alias", found.args.get("alias") or exp.TableAlias(this=exp.to_identifier(found.name))
            )
            found.replace(replacement)
    for column in tree.find_all(exp.Column):  # `silver.sales_clean.quantity`: the alias has no schema
        if f"{column.text('db')}.{column.table}" in wanted:
            column.set("db", None)
    return query(tree, dialect)
