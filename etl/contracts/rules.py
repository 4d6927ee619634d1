"""The `quality` entries of a contract: their severity, and rules given as SQL."""

from __future__ import annotations

import re
from collections.abc import Collection

from etl.contracts.document import Section, did_you_mean, shown
from etl.contracts.values import NAME_HINT, is_name
from etl.declared import Rule, Severity

_TABLE = re.compile(r"\$?\{(table|object)\}")
_STAND_IN = "rows_of_this_table"
_SEVERITIES = {
    "warn": Severity.WARN, "warning": Severity.WARN, "info": Severity.WARN, "quarantine": Severity.QUARANTINE,
    "error": Severity.QUARANTINE, "block": Severity.BLOCK,
}  # fmt: skip
_QUERY_HINT = "Write: select count(*) from ${table} where <what a bad row looks like>"


def is_sql(entry: Section) -> bool:
    """Whether a quality entry is a rule in SQL."""
    return bool(entry.get("type", "library") == "sql")


def is_library(entry: Section) -> bool:
    """Whether a quality entry names a metric of the standard."""
    return bool(entry.get("type", "library") == "library")


def is_text(entry: Section) -> bool:
    """Whether a quality entry only tells people something."""
    return bool(entry.get("type") == "text")


def severity_of(entry: Section) -> Severity:
    """What a row that breaks the rule causes; the standard's own words count too."""
    return _SEVERITIES.get(entry.text("severity"), Severity.QUARANTINE)


def sql_rule(entry: Section, columns: Collection[str]) -> Rule | None:
    """The rule of a `type: sql` entry over the columns of a contract; None where it is refused."""
    must_be_zero(entry)
    name = entry.text("name")
    if not is_name(name):
        entry.refuse(f"{shown(name)} cannot be the name of a rule.", NAME_HINT, "name")
        return None
    condition = _condition(entry, columns)
    return Rule(name, condition, severity_of(entry), entry.line()) if condition else None


def must_be_zero(entry: Section) -> None:
    """Refuse an entry that accepts bad rows."""
    operators = [key for key in entry.value if key.startswith("must")]
    if operators != ["mustBe"] or entry.get("mustBe") != 0:
        entry.refuse(
            "A rule names bad rows, and there must be none.", "Write mustBe: 0.", (operators or [""])[0]
        )


def _condition(entry: Section, columns: Collection[str]) -> str:
    """The WHERE condition of the query in DuckDB's dialect, true for a row that breaks the rule."""
    # sqlglot takes 0.1 s to import; a contract without rules in SQL does not pay for it.
    from sqlglot import exp

    from etl.contracts import portable

    query = str(entry.get("query", ""))
    try:
        tree = portable.parse(_TABLE.sub(_STAND_IN, query))
    except portable.SqlFault as problem:
        entry.refuse(problem.fault.message, problem.fault.hint or _QUERY_HINT, "query")
        return ""
    where = tree.args.get("where")
    tables = [table.sql() for table in tree.find_all(exp.Table)]
    if not isinstance(tree, exp.Select) or where is None or tables != [_STAND_IN] or not _only_where(tree):
        entry.refuse(
            "The query of a rule names the bad rows of this table and nothing else.", _QUERY_HINT, "query"
        )
        return ""
    return "" if _refused(entry, where, columns) else portable.canonical(where.this)


def _only_where(tree: object) -> bool:
    from sqlglot import exp

    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        return False
    given = {name for name, value in tree.args.items() if value}
    selected = tree.expressions[0]
    counts = isinstance(selected, exp.Count) and isinstance(selected.this, exp.Star)
    return given <= {"expressions", "from", "from_", "where"} and (counts or isinstance(selected, exp.Star))


def _refused(entry: Section, where: object, columns: Collection[str]) -> bool:
    from sqlglot import exp

    from etl.contracts import portable

    assert isinstance(where, exp.Where)  # noqa: S101  # for mypy: sqlglot is imported late
    before = len(entry.problems)
    for fault in portable.faults(where):
        entry.refuse(fault.message, fault.hint, "query")
    if where.find(exp.AggFunc, exp.Window):
        entry.refuse(
            "A rule looks at one row at a time: no sum, count or window.", "Make it a check in gold.", "query"
        )
    for column in where.find_all(exp.Column):
        if column.table or column.name not in columns:
            hint = did_you_mean(column.name, list(columns)) or f"The columns are {', '.join(columns)}."
            entry.refuse(f"{column.sql()!r} is not a column of this contract.", hint, "query")
    return len(entry.problems) > before
