"""SQL that means on PostgreSQL what it means on DuckDB. What is for DuckDB goes through untouched.

sqlglot translates words; what the words compute otherwise (quotients, rounding, upper case, the order of texts) is
said in `etl.postgres_words`. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from etl.contracts import portable
from etl.postgres_functions import functions
from etl.postgres_words import averages, bytewise, ours, said

__all__ = ["POSTGRES", "condition", "functions", "once", "parsed", "query", "speedy"]

POSTGRES = "postgres"
BYTEWISE = "bytewise"  # what silver's expressions call a text in the order of its bytes
WHITE_SPACE = "[ \\t\\n\\r\\f]"


def speedy(sql: str, dialect: str) -> str:
    """A statement that Ibis compiled for a dialect, so that it computes the same, and each value once."""
    if dialect != POSTGRES:
        return sql
    tree = sqlglot.parse_one(sql, dialect=POSTGRES)
    for node in _deepest_first(tree):
        if isinstance(node, exp.Upper | exp.Lower):
            node.replace(ours(type(node).__name__.lower(), node.this))
        elif isinstance(node, exp.Anonymous) and node.name.lower() == BYTEWISE:
            node.replace(bytewise(node.expressions[0]))
        elif isinstance(node, exp.RegexpReplace):
            _spell_out_white_space(node)
        elif isinstance(node, exp.Subquery):
            _compute_once(node)
    return tree.sql(dialect=POSTGRES, pretty=True)


def _spell_out_white_space(node: exp.RegexpReplace) -> None:
    """PostgreSQL's \\s has more signs than DuckDB's, and which depends on the collation."""
    pattern = node.expression
    if isinstance(pattern, exp.Literal):
        pattern.set("this", pattern.name.replace(r"\s", WHITE_SPACE))


def _compute_once(node: exp.Subquery) -> None:
    """Keep PostgreSQL from moving what a derived table computes to each place that uses it: it would try every guard
    as often as rules name the value. On 1,000,000 sales that costs half as much again: 31 s for 21 s, on PostgreSQL
    15 and 18 of a busy machine. A materialized CTE is as quick within the noise, but nothing runs in parallel then.
    """
    select = node.this
    computes = isinstance(select, exp.Select) and any(
        not isinstance(one.unalias(), exp.Column | exp.Star) for one in select.expressions
    )
    if computes and isinstance(node.parent, exp.From | exp.Join) and not select.args.get("offset"):
        select.offset(0, copy=False)


def once(sql: str, name: str, of: str) -> str:
    """A statement for PostgreSQL whose table `name` is what another one selects, computed row by row but once."""
    return sql.replace(f'FROM "{name}" AS', f"FROM ({of}\nOFFSET 0) AS")


def parsed(sql: str, dialect: str) -> exp.Expr:
    """A query in DuckDB's dialect. PostgreSQL sees names quoted, so what was not is made small for it."""
    return portable.parse(sql) if dialect == POSTGRES else sqlglot.parse_one(sql, dialect=portable.DUCKDB)


def query(tree: exp.Expr, dialect: str) -> str:
    """A parsed query in DuckDB's dialect, said in another one. The tree is used up."""
    if dialect != POSTGRES:
        return tree.sql(dialect=dialect)
    averages(tree)
    for number, node in enumerate(_deepest_first(tree)):
        if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join) and not node.alias:
            node.set(
                "alias", exp.TableAlias(this=exp.to_identifier(f"_from_{number}"))
            )  # version 15 asks for one
        _put_instead(node)
    return tree.sql(dialect=POSTGRES, identify=True, comments=False)


def condition(sql: str, dialect: str) -> str:
    """A condition in DuckDB's dialect, said in another one."""
    return (
        query(parsed(f"select {sql}", dialect), dialect).removeprefix("SELECT ")
        if dialect == POSTGRES
        else sql
    )


def _deepest_first(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Every node, after all that it holds."""
    yield from reversed(list(tree.bfs()))


def _put_instead(node: exp.Expr) -> None:
    """Put what PostgreSQL says in the place of a node. Where the new one holds the old, the place is kept aside."""
    parent, key, index = node.parent, node.arg_key, node.index
    now = said(node)
    if now is node:
        return
    if parent is None or key is None:
        raise ValueError("a query is not an expression")
    parent.set(key, now, index)
