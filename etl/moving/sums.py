"""What a table holds as two numbers that every warehouse works out alike: its rows, and a sum over their contents.

The sum does not depend on the order of the rows. Each row is written as one text, each value in it with its length
before it, and the first 60 bits of the MD5 of that text are added up: values alike give sums alike.
"""
# ruff: noqa: S608  # names are quoted

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etl.warehouse import Session
from etl.warehouse.naming import quoted

# A decimal without the zeros at its end: a column may keep more places than another.
SHORT = "case when strpos({0}, '.') > 0 then rtrim(rtrim({0}, '0'), '.') else {0} end"


@dataclass(frozen=True)
class Sum:
    """Of a table or of a part of it."""

    rows: int
    contents: int


def in_duckdb(session: Session, source: str, columns: Mapping[str, str]) -> Sum:
    """The sum over `source`, a FROM clause; `columns` have DuckDB's types."""

    def text(name: str, kind: str) -> str:
        column = quoted(name)
        if kind.startswith("DECIMAL"):
            return SHORT.format(f"{column}::varchar")
        if kind == "DATE":
            return f"date_diff('day', date '2000-01-01', {column})::varchar"
        if kind.startswith("TIMESTAMP"):
            return f"epoch_us({column})::varchar"
        if kind.endswith("[]"):
            return f"array_to_string({column}, chr(31))"
        return f"{column}::varchar"

    row = _row([(text(name, kind), "strlen", "varchar") for name, kind in sorted(columns.items())])
    number = f"('0x' || substr(md5({row}), 1, 15))::bigint"
    return _sum(session, f"select count(*), coalesce(sum({number}), 0) from {source}")


def in_postgres(session: Session, source: str, columns: Mapping[str, str]) -> Sum:
    """As `in_duckdb`; `columns` have PostgreSQL's types."""

    def text(name: str, kind: str) -> str:
        column = quoted(name)
        if kind.startswith("numeric"):
            return SHORT.format(f"{column}::text")
        if kind == "date":
            return f"({column} - date '2000-01-01')::text"
        if kind.startswith("timestamp"):
            return f"(extract(epoch from {column}) * 1000000)::bigint::text"
        if kind.endswith("[]"):
            return f"array_to_string({column}, chr(31))"
        return f"{column}::text"

    row = _row([(text(name, kind), "octet_length", "text") for name, kind in sorted(columns.items())])
    number = f"('x' || substr(md5({row}), 1, 15))::bit(60)::bigint"
    return _sum(session, f"select count(*), coalesce(sum({number}), 0) from {source}")


def _row(texts: list[tuple[str, str, str]]) -> str:
    parts = [f"coalesce({length}({text})::{kind} || ':' || ({text}), '-')" for text, length, kind in texts]
    return " || ".join(parts) or "''"


def _sum(session: Session, sql: str) -> Sum:
    rows, contents = session.rows(sql)[0]
    return Sum(int(rows), int(contents))
