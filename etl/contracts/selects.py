"""The SELECT of a gold file: which tables and columns it reads, which columns it makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from etl.contracts import portable
from etl.contracts.document import did_you_mean
from etl.declared import Layer
from etl.errors import Problem

TABLE_STAND_IN = "rows_of_this_table"
_READABLE = (Layer.SILVER, Layer.GOLD)


@dataclass(frozen=True)
class Used:
    """A column that a SELECT names of one of its inputs."""

    table: str
    column: str
    line: int


@dataclass(frozen=True)
class SelectRead:
    """What a gold file's SELECT is: pretty and canonical text, inputs with their lines, columns it reads."""

    sql: str
    canonical: str
    inputs: dict[str, int]
    used: tuple[Used, ...]


@dataclass
class SelectReading:
    """Reads the SELECT that begins on a line of a file; what is wrong goes to `problems`."""

    file: str
    body: str
    first_line: int
    problems: list[Problem]

    def read(self, declared: dict[str, int]) -> SelectRead | None:
        """The SELECT, compared with the declared columns (and their lines); None where there is none."""
        tree = self.tree()
        if tree is None:
            return None
        inputs = self.inputs(tree)
        if declared:
            self.compare(tree, declared)
        pretty = tree.sql(dialect=portable.DUCKDB, pretty=True, comments=False)
        return SelectRead(pretty, portable.canonical(tree), inputs, tuple(dict.fromkeys(self.used(tree))))

    def refuse(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, self.first_line + line - 1, message, hint))

    def tree(self) -> exp.Select | None:
        try:
            tree = portable.parse(self.body)
        except portable.SqlFault as problem:
            self.refuse(*problem.fault)
            return None
        if not isinstance(tree, exp.Select):
            said = f"The statement is {tree.key.upper()}, not one SELECT."
            self.refuse(1, said, "A UNION goes into a CTE.")
            return None
        for fault in portable.faults(tree):
            self.refuse(*fault)
        return tree

    def inputs(self, tree: exp.Select) -> dict[str, int]:
        """The tables it reads, in the order of their names, with the line that names each."""
        found: dict[str, int] = {}
        for table in tables_of(tree):
            line = portable.line_of(table)
            if table.args.get("catalog") or not table.name or table.db not in _READABLE:
                written = table.sql(dialect=portable.DUCKDB)
                self.refuse(line, f"{written} cannot be read by gold.", "Name a table as silver.… or gold.…")
            else:
                found.setdefault(f"{table.db}.{table.name}", self.first_line + line - 1)
        if not tables_of(tree):
            self.refuse(1, "The SELECT reads no table.", "Read at least one silver.… or gold.… table.")
        return dict(sorted(found.items()))

    def compare(self, tree: exp.Select, declared: dict[str, int]) -> None:
        """The SELECT makes exactly the declared columns, in any order: the declared order is published."""
        made: list[str] = []
        for column in tree.selects:
            self.compare_one(column, made, declared)
            made.append(_output_name(column))
        if any(column.is_star for column in tree.selects):
            return
        for name, line in declared.items():
            if name not in made:
                hint = did_you_mean(name, made) or "Add it to the SELECT, or leave it out of the header."
                message = f"The header declares {name!r}, which the SELECT does not make."
                self.problems.append(Problem(self.file, line, message, hint))

    def compare_one(self, column: exp.Expr, made: list[str], declared: dict[str, int]) -> None:
        line, name = portable.line_of(column), _output_name(column)
        if column.is_star:
            self.refuse(line, "The outermost SELECT has a *.", "Name the columns.")
        elif not name:
            written = column.sql(dialect=portable.DUCKDB)
            self.refuse(line, f"The column {written} has no name.", "Add: as <name>")
        elif name in made:
            self.refuse(line, f"The SELECT has two columns named {name!r}.", "Rename one of them.")
        elif name not in declared:
            hint = did_you_mean(name, [*declared]) or "Declare it under columns, or leave it out."
            self.refuse(line, f"The SELECT makes {name!r}, which the header does not declare.", hint)

    def used(self, tree: exp.Select) -> Iterator[Used]:
        """Columns named as alias.column where the alias stands for a table of the same SELECT."""
        for select in tree.find_all(exp.Select):
            named = _aliases(select)
            for column in select.find_all(exp.Column):
                if column.table in named and column.find_ancestor(exp.Select) is select:
                    line = self.first_line + portable.line_of(column) - 1
                    yield Used(named[column.table], column.name, line)


def _aliases(select: exp.Select) -> dict[str, str]:
    sources = [join.this for join in select.args.get("joins") or []]
    sources += [clause.this for clause in select.find_all(exp.From) if clause.parent is select]
    tables = [source for source in sources if isinstance(source, exp.Table) and source.db]
    return {table.alias_or_name: f"{table.db}.{table.name}" for table in tables}


def _output_name(column: exp.Expr) -> str:
    """The name of a column, where it does not depend on how a warehouse names expressions."""
    return str(column.alias_or_name) if isinstance(column, exp.Alias | exp.Column) else ""


def tables_of(tree: exp.Expr) -> list[Any]:
    """The tables a statement reads, without its own CTEs."""
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return [table for table in tree.find_all(exp.Table) if table.db or table.name not in own]


def check_faults(sql: str) -> list[portable.Fault]:
    """What is wrong with the SELECT of a check, which names its table as `{table}`."""
    hint = "Write: select * from {table} where <what a bad row looks like>"
    try:
        tree = portable.parse(sql.replace("{table}", TABLE_STAND_IN))
    except portable.SqlFault as problem:
        return [problem.fault._replace(hint=problem.fault.hint or hint)]
    found = portable.faults(tree)
    if not isinstance(tree, exp.Select) or {table.sql() for table in tables_of(tree)} != {TABLE_STAND_IN}:
        message = "A check is one SELECT of the bad rows of {table} and of nothing else."
        found.insert(0, portable.Fault(1, message, hint))
    return found
