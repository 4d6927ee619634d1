"""SQL in DuckDB's dialect that means the same in PostgreSQL and Spark: parsed, checked, rendered.

sqlglot passes much through that the other dialect lacks, or turns it into something else without a word. So
functions are on a list of those tried, and constructs without a counterpart are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, UnsupportedError

DIALECTS = ("duckdb", "postgres", "spark")
DUCKDB = "duckdb"


class Fault(NamedTuple):
    """Something wrong in a piece of SQL. `line` counts from 1 within that piece."""

    line: int
    message: str
    hint: str


class SqlFault(Exception):
    """A piece of SQL that cannot be parsed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.And, exp.Or, exp.Xor, exp.Not, exp.Case, exp.If, exp.Cast, exp.Coalesce, exp.Nullif, exp.Greatest,
    exp.Least, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.RowNumber, exp.Rank,
    exp.DenseRank, exp.PercentRank, exp.CumeDist,
    exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Abs, exp.Round, exp.Floor, exp.Ceil,
    exp.Sqrt, exp.Pow, exp.Ln, exp.Exp, exp.Sign, exp.Lower, exp.Upper, exp.Trim, exp.Length,
    exp.Substring, exp.Concat, exp.Replace, exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year,
    exp.Month, exp.Day, exp.Quarter, exp.Exists,
)  # fmt: skip
_EXTRACTED = {"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"}
_DEVIATION = (
    "Its last digits depend on the order of the rows; write it out with sum( ) and count(*) of decimals."
)
_HINTS = {
    **dict.fromkeys(
        ("STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE", "VAR_SAMP", "VAR_POP", "VARIANCE_POP"), _DEVIATION
    ),
    "ARG_MAX": "Use row_number() over (partition by … order by …) and keep the first row.",
    "ARG_MIN": "Use row_number() over (partition by … order by …) and keep the first row.",
    "ANY_VALUE": "Say which one: min(…) or max(…).",
    "NOW": "A result must not depend on when it was made; take the newest date of the data.",
    "CURRENT_DATE": "A result must not depend on when it was made; take the newest date of the data.",
    "CURRENT_TIMESTAMP": "A result must not depend on when it was made; take the newest date of the data.",
    "RANDOM": "A result must not depend on chance.",
}
_NAMES = {
    exp.ArgMax: "ARG_MAX",
    exp.ArgMin: "ARG_MIN",
    exp.Rand: "RANDOM",
    exp.Array: "[ ]",
    exp.Struct: "{ }",
}
_CONSTRUCTS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Qualify: ("qualify", "Put the window function into a CTE and filter on it with where."),
    exp.Pivot: ("pivot", "Write one sum(case when … end) for each column."),
    exp.Lambda: ("->", "Write the expression out."),
    exp.Unnest: ("unnest", "Gold reads tables only."),
    exp.Lateral: ("lateral", "Use a CTE and a join."),
    exp.TableSample: ("using sample", "A result must not depend on chance."),
    exp.Bracket: ("[ ]", "Silver has no lists."),
    exp.Glob: ("glob", "Use like."),
    exp.SimilarTo: ("similar to", "Use like, or a pattern in the contract."),
    exp.IntDiv: ("//", "Use floor(a / b)."),
    exp.Distinct: (
        "distinct on",
        "Use row_number() over (partition by … order by …) and keep the first row.",
    ),
    exp.TryCast: ("try_cast", "Silver is typed already; use cast(… as …)."),
    exp.Columns: ("columns( )", "Name the columns."),
}


def parse(sql: str) -> exp.Expr:
    """The one statement in a piece of SQL, with unquoted names in lower case. Raises SqlFault."""
    try:
        statements = [one for one in sqlglot.parse(sql, dialect=DUCKDB) if one is not None]
    except ParseError as fault:
        first = fault.errors[0] if fault.errors else {}
        said = str(first.get("description") or "it cannot be parsed").rstrip(".")
        near = str(first.get("highlight") or "")
        where = f" near {near!r}" if near else ""
        raise SqlFault(
            Fault(int(first.get("line") or 1), f"This is not SQL that DuckDB reads: {said}{where}.", "")
        ) from None
    except SqlglotError as fault:
        raise SqlFault(
            Fault(1, f"This is not SQL that DuckDB reads: {str(fault).splitlines()[0]}.", "")
        ) from None
    if len(statements) != 1:
        what = "There is no SELECT." if not statements else f"There are {len(statements)} statements."
        raise SqlFault(Fault(1, what, "Write exactly one SELECT."))
    for name in statements[0].find_all(exp.Identifier):
        if not name.args.get("quoted"):
            # DuckDB takes Region and region for one name, a quoted name in PostgreSQL is taken as written.
            name.set("this", name.name.lower())
    return statements[0]


def canonical(tree: exp.Expr) -> str:
    """The same text for SQL that differs in comments, blanks and case of keywords only."""
    return tree.sql(dialect=DUCKDB, comments=False, identify=True)


def render(sql: str, dialect: str) -> str:
    """SQL in DuckDB's dialect said in `duckdb`, `postgres` or `spark`, names quoted. Raises SqlFault."""
    return _rendered(parse(sql), dialect)


def _rendered(tree: exp.Expr, dialect: str) -> str:
    try:
        return tree.sql(
            dialect=dialect, comments=False, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
    except UnsupportedError as fault:
        said = str(fault).splitlines()[0].rstrip(".")
        raise SqlFault(Fault(1, f"{dialect} cannot say this: {said}.", "Write it in another way.")) from None


def faults(tree: exp.Expr) -> list[Fault]:
    """Everything in a statement that one of the dialects has no counterpart for, in order of lines."""
    found = {fault: None for node in tree.walk() for fault in _of_node(node)}
    if not found:
        found = dict.fromkeys(_unrendered(tree))
    return sorted(found, key=lambda fault: fault.line)


def _unrendered(tree: exp.Expr) -> Iterator[Fault]:
    for dialect in DIALECTS:
        try:
            _rendered(tree, dialect)
        except SqlFault as problem:
            yield problem.fault


def _of_node(node: exp.Expr) -> Iterator[Fault]:
    if isinstance(node, exp.Func) and not isinstance(node, (*_FUNCTIONS, *_CONSTRUCTS)):
        yield _unknown_function(node)
    for kind, (said, hint) in _CONSTRUCTS.items():
        if isinstance(node, kind) and not (kind is exp.Distinct and not node.args.get("on")):
            yield _without_counterpart(node, said, hint)
    yield from _of_clause(node)


def _of_clause(node: exp.Expr) -> Iterator[Fault]:
    if isinstance(node, exp.Star) and any(
        node.args.get(part) for part in ("except_", "except", "replace", "rename")
    ):
        yield _without_counterpart(node, "* exclude", "Name the columns.")
    if isinstance(node, exp.Group | exp.Order) and _takes_all(node):
        name = "group by all" if isinstance(node, exp.Group) else "order by all"
        yield _without_counterpart(node, name, "Name the columns.")
    if isinstance(node, exp.Join) and (
        node.args.get("kind") in {"SEMI", "ANTI", "ASOF", "POSITIONAL"} or node.method
    ):
        name = f"{node.args.get('kind') or node.method} join".lower()
        yield _without_counterpart(node, name, "Use where exists (…), where not exists (…) or an inner join.")
    if isinstance(node, exp.Extract) and node.name.upper() not in _EXTRACTED:
        yield _without_counterpart(
            node, f"extract({node.name.lower()} …)", "Use year, quarter, month, day or a time part."
        )
    if isinstance(node, exp.Substring) and not _from_the_front(node):
        hint = "Give the start as a number from 1 on; with another start than 1 the length too."
        yield _without_counterpart(node, "substring from a place that is computed, 0 or from the end", hint)
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        yield _without_counterpart(node, "ignore nulls", "Filter the NULLs in a CTE.")


def _from_the_front(node: exp.Substring) -> bool:
    """Whether a part of a text begins where both databases begin to count, and has no length below nothing."""
    start, length = (node.args.get(name) for name in ("start", "length"))
    if start is None or not isinstance(start, exp.Literal) or start.name in {"", "0"}:
        return False
    return length is None or isinstance(length, exp.Literal) or start.name == "1"


def _takes_all(node: exp.Expr) -> bool:
    if node.args.get("all"):
        return True
    ordered = node.expressions[0] if isinstance(node, exp.Order) and len(node.expressions) == 1 else None
    return (
        ordered is not None
        and ordered.this.name.lower() == "all"
        and isinstance(ordered.this, exp.Column | exp.Var)
    )


def _unknown_function(node: exp.Func) -> Fault:
    name = _NAMES.get(type(node)) or node.sql(dialect=DUCKDB).split("(")[0]
    hint = _HINTS.get(name.upper(), "docs/contract-reference.md lists the functions that can be used.")
    message = f"`{name.lower()}` is not known to mean the same in DuckDB, PostgreSQL and Spark."
    return Fault(line_of(node), message, hint)


def _without_counterpart(node: exp.Expr, said: str, hint: str) -> Fault:
    return Fault(line_of(node), f"`{said}` has no counterpart in PostgreSQL or Spark.", hint)


def line_of(node: exp.Expr) -> int:
    """The line of a node, as near as sqlglot kept it: its own, of what it holds, or of what holds it."""
    for below in node.walk():
        if "line" in below.meta:
            return int(below.meta["line"])
    return line_of(node.parent) if node.parent else 1


def function_names() -> tuple[str, ...]:
    """The functions that can be used, as SQL writes them; for the reference."""
    operators = (exp.And, exp.Or, exp.Xor, exp.Not, exp.If)
    functions = [kind for kind in _FUNCTIONS if kind not in operators]
    return tuple(sorted({kind.sql_name().lower() for kind in functions if issubclass(kind, exp.Func)}))
