"""A gold file: a header of YAML in leading comment lines, then one SELECT in DuckDB's dialect → `Table`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contracts import digest
from etl.contracts.checks import EXAMINED, key_checks
from etl.contracts.document import Section, did_you_mean, read_yaml, shown
from etl.contracts.keys import unknown_key_hint, well_formed
from etl.contracts.properties import properties
from etl.contracts.values import MOST_DECIMALS, NAME_HINT, is_name
from etl.contracts.vocabulary import Where
from etl.errors import CatalogError, Problem
from etl.model import Check, Field, Kind, Layer, Reconcile, Severity, Table

if TYPE_CHECKING:
    from sqlglot.expressions import Expr, Select

_COMMENT = re.compile(r"^--( |$)")
_RECONCILE = re.compile(r"^([a-z][a-z0-9_]*) *= *(silver\.[a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)$")
_READABLE = (Layer.SILVER, Layer.GOLD)
_STAND_IN = "rows_of_this_table"


@dataclass(frozen=True)
class GoldFile:
    """What was read of one gold file; `table` is None where a problem left no table to speak of.

    `lines` says where each input and each reconciled column stands, `used` which columns of an input are named.
    """

    table: Table | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]
    used: tuple[tuple[str, str, int], ...] = ()  # (input, column, line)


def parse_gold(path: Path, root: Path) -> Table:
    """The table in a gold file, which messages name relative to `root`. Raises CatalogError with every problem."""
    gold = read_gold(path, root)
    if gold.table is None or gold.problems:
        raise CatalogError(gold.problems)
    return gold.table


def render(sql: str, dialect: str) -> str:
    """SQL in DuckDB's dialect said in `duckdb`, `postgres` or `spark`, names quoted. Raises portable.SqlFault."""
    from etl.contracts import portable

    return portable.render(sql, dialect)


def read_gold(path: Path, root: Path) -> GoldFile:
    """The table, the problems and the places of one gold file."""
    file = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        return _without_table(
            [Problem(file, 0, f"The file cannot be read: {fault}.", "It must be readable UTF-8.")]
        )
    header, body, first_line, body_line = _split(text)
    if not header.strip():
        hint = "Begin with comment lines: -- description: …, -- grain: …, -- key: …, -- columns: …"
        return _without_table([Problem(file, 1, "The file has no header.", hint)])
    document, problems = read_yaml(header, file, first_line)
    if document is None:
        return _without_table(problems)
    return _GoldReading(Section(document, (), problems), path.stem, body, body_line).gold_file()


def _without_table(problems: list[Problem]) -> GoldFile:
    return GoldFile(None, tuple(problems), {})


def _split(text: str) -> tuple[str, str, int, int]:
    """Header without its dashes, SQL, and the line each begins on."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    end = start
    while end < len(lines) and _COMMENT.match(lines[end]):
        end += 1
    header = "\n".join(line[3:] for line in lines[start:end])
    return header, "\n".join(lines[end:]), start + 1, end + 1


class _GoldReading:
    """Reads one gold file; each method refuses what is wrong with its part."""

    def __init__(self, top: Section, short: str, body: str, body_line: int) -> None:
        self.top, self.short, self.body, self.body_line = top, short, body, body_line
        self.name = f"{Layer.GOLD}.{short}"
        self.lines: dict[str, int] = {"select": body_line}

    def gold_file(self) -> GoldFile:
        if not is_name(self.short):
            self.top.refuse(f"{self.short!r} cannot be the name of a table.", f"Rename the file. {NAME_HINT}")
        given = self.well_formed(self.top, Where.GOLD)
        fields = self.fields()
        tree = self.select()
        inputs: tuple[str, ...] = ()
        used: tuple[tuple[str, str, int], ...] = ()
        sql = canonical = ""
        if tree is not None:
            from etl.contracts import portable

            inputs, used = self.inputs(tree), tuple(self.used(tree))
            self.compare_columns(tree, fields)
            sql, canonical = tree.sql(dialect="duckdb", pretty=True, comments=False), portable.canonical(tree)
        severity = Severity(given.get("severity", Severity.BLOCK))
        key, reconcile = self.key(given, fields), tuple(self.reconcile(given, fields))
        checks = (*key_checks(self.name, key, severity), *self.checks())
        meaning = [canonical, [(f.name, f.kind, f.decimals) for f in fields], key, severity]
        meaning += [[(r.column, r.source, r.source_column) for r in reconcile]]
        meaning += [[(c.name, c.sql, c.severity) for c in checks]]
        table = Table(
            name=self.name, layer=Layer.GOLD, grain=self.top.text("grain"), key=key, fields=fields, inputs=inputs,
            fingerprint=digest(meaning), file=self.top.document.file, sql=sql,
            description=self.top.text("description"), reconcile=reconcile, checks=checks, severity=severity,
        )  # fmt: skip
        problems = tuple(sorted(self.top.problems, key=lambda problem: problem.line))
        return GoldFile(table if tree is not None else None, problems, self.lines, used)

    def well_formed(self, section: Section, where: Where) -> dict[str, Any]:
        """The values given under known names; unknown names, wrong forms and missing required ones are refused."""
        known = properties(where)
        for name in section.value:
            if name not in known:
                section.refuse(
                    f"{name!r} is not a property of {where}.", unknown_key_hint(section, name, [*known]), name
                )
        for name, wanted in known.items():
            if section.get(name) is None and wanted.meaning.endswith("Required."):
                section.refuse(
                    f"{where[0].upper()}{where[1:]} has no {name!r}.",
                    f"For example: {name}: {wanted.example}",
                )
        given = {name: value for name, value in section.value.items() if name in known and value is not None}
        return {name: value for name, value in given.items() if self.fits(section, name, where)}

    def fits(self, section: Section, name: str, where: Where) -> bool:
        one_of_many = name in {"key", "reconcile"} and isinstance(section.get(name), str)
        return one_of_many or well_formed(section, name, properties(where)[name])

    def fields(self) -> tuple[Field, ...]:
        fields: list[Field] = []
        for section in self.top.sections("columns"):
            given = self.well_formed(section, Where.GOLD_COLUMN)
            name = str(given.get("name", ""))
            if "name" in given and not is_name(name):
                section.refuse(f"{name!r} cannot be the name of a column.", NAME_HINT, "name")
            if name in [field.name for field in fields]:
                section.refuse(f"The column {name!r} is declared twice.", "Keep one of them.", "name")
            if {"name", "type"} <= given.keys():
                kind = Kind(given["type"])
                decimals = self.decimals(section, given, kind)
                fields.append(Field(name, kind, given.get("unit", ""), section.text("meaning"), decimals))
                self.lines[name] = section.line("name")
        return tuple(fields)

    def decimals(self, section: Section, given: Mapping[str, Any], kind: Kind) -> int:
        decimals = int(given.get("decimals", 2))
        if "decimals" in given and kind is not Kind.DECIMAL:
            section.refuse(f"decimals is for a decimal, not for {kind}.", "Leave it out.", "decimals")
        if not 0 <= decimals <= MOST_DECIMALS:
            section.refuse(f"decimals is {decimals}.", f"It can be 0 to {MOST_DECIMALS}.", "decimals")
        return 6 if kind is Kind.RATIO else decimals

    def key(self, given: Mapping[str, Any], fields: tuple[Field, ...]) -> tuple[str, ...]:
        key = _listed(given.get("key", []))
        for name in key:
            self.refuse_unknown_column(self.top, "key", name, fields)
        return key

    def refuse_unknown_column(self, section: Section, key: str, name: str, fields: tuple[Field, ...]) -> None:
        names = [field.name for field in fields]
        if names and name not in names:
            hint = did_you_mean(name, names) or f"The columns are {', '.join(names)}."
            section.refuse(f"{key} names {name!r}, which is not a declared column.", hint, key)

    def reconcile(self, given: Mapping[str, Any], fields: tuple[Field, ...]) -> Iterator[Reconcile]:
        kinds = {field.name: field.kind for field in fields}
        for index, text in enumerate(_listed(given.get("reconcile", []))):
            found = _RECONCILE.match(text)
            line = self.top.document.line(("reconcile", index))
            if not found:
                hint = "For example: total_revenue = silver.sales_clean.sale_amount"
                self.top.refuse(f"{shown(text)} is not a reconciliation.", hint, "reconcile")
                continue
            column, source, source_column = found.groups()
            self.refuse_unknown_column(self.top, "reconcile", column, fields)
            if kinds.get(column, Kind.DECIMAL) not in {Kind.DECIMAL, Kind.INTEGER}:
                message = f"reconcile names {column!r}, which is a {kinds[column]} and cannot be added up to the cent."
                self.top.refuse(message, "Name a decimal or an integer.", "reconcile")
            self.lines[f"reconcile {column}"] = line
            yield Reconcile(column, source, source_column)

    def checks(self) -> Iterator[Check]:
        seen: list[str] = []
        for section in self.top.sections("checks"):
            given = self.well_formed(section, Where.GOLD_CHECK)
            name, sql = str(given.get("name", "")), str(given.get("sql", ""))
            if "name" in given and not is_name(name):
                section.refuse(f"{name!r} cannot be the name of a check.", NAME_HINT, "name")
            if name in seen:
                section.refuse(f"Two checks are called {name!r}.", "Rename one of them.", "name")
            seen.append(name)
            if name and sql and self.sound_check(section, sql):
                severity = Severity(given.get("severity", Severity.BLOCK))
                yield Check(
                    name, self.name, severity, " ".join(sql.split()), EXAMINED, section.text("description")
                )

    def sound_check(self, section: Section, sql: str) -> bool:
        from sqlglot import exp

        from etl.contracts import portable

        before, hint = (
            len(self.top.problems),
            "Write: select * from {table} where <what a bad row looks like>",
        )
        try:
            tree = portable.parse(sql.replace("{table}", _STAND_IN))
        except portable.SqlFault as problem:
            section.refuse(problem.fault.message, problem.fault.hint or hint, "sql")
            return False
        if not isinstance(tree, exp.Select) or {t.sql() for t in _tables(tree)} != {_STAND_IN}:
            section.refuse(
                "A check is one SELECT of the bad rows of {table} and of nothing else.", hint, "sql"
            )
        for fault in portable.faults(tree):
            section.refuse(fault.message, fault.hint, "sql")
        return len(self.top.problems) == before

    def select(self) -> Select | None:
        from sqlglot import exp

        from etl.contracts import portable

        try:
            tree = portable.parse(self.body)
        except portable.SqlFault as problem:
            self.refuse_sql(*problem.fault)
            return None
        if not isinstance(tree, exp.Select):
            self.refuse_sql(
                1,
                f"The statement is {type(tree).__name__.upper()}, not one SELECT.",
                "A UNION goes into a CTE.",
            )
            return None
        for fault in portable.faults(tree):
            self.refuse_sql(*fault)
        return tree

    def refuse_sql(self, line: int, message: str, hint: str = "") -> None:
        self.top.problems.append(Problem(self.top.document.file, self.body_line + line - 1, message, hint))

    def inputs(self, tree: Expr) -> tuple[str, ...]:
        """The tables the SELECT reads, in the order of their names."""
        from etl.contracts import portable

        found: dict[str, int] = {}
        for table in _tables(tree):
            name, line = f"{table.db}.{table.name}", portable.line_of(table)
            if table.args.get("catalog") or not table.name or table.db not in _READABLE:
                written = table.sql(dialect="duckdb")
                self.refuse_sql(
                    line, f"{written} cannot be read by gold.", "Name a table as silver.… or gold.…"
                )
                continue
            found.setdefault(name, line)
        if not found:
            self.refuse_sql(1, "The SELECT reads no table.", "Read at least one silver.… or gold.… table.")
        self.lines |= {name: self.body_line + line - 1 for name, line in found.items()}
        return tuple(sorted(found))

    def compare_columns(self, tree: Select, fields: tuple[Field, ...]) -> None:
        """The SELECT's columns and the declared ones must be the same; the declared order is the published one."""
        from etl.contracts import portable

        declared = [field.name for field in fields]
        made: list[str] = []
        for column in tree.selects:
            line, name = portable.line_of(column), column.alias_or_name
            if column.is_star:
                self.refuse_sql(line, "The outermost SELECT has a *.", "Name the columns.")
                return
            if not name:
                self.refuse_sql(
                    line, f"The column {column.sql(dialect='duckdb')} has no name.", "Add: as <name>"
                )
            elif name in made:
                self.refuse_sql(line, f"The SELECT has two columns named {name!r}.", "Rename one of them.")
            elif declared and name not in declared:
                hint = did_you_mean(name, declared) or "Declare it under columns, or leave it out."
                self.refuse_sql(line, f"The SELECT makes {name!r}, which the header does not declare.", hint)
            made.append(name)
        for name in declared:
            if name not in made:
                message = f"The header declares {name!r}, which the SELECT does not make."
                hint = did_you_mean(name, made) or "Add it to the SELECT, or leave it out of the header."
                self.top.problems.append(Problem(self.top.document.file, self.lines[name], message, hint))

    def used(self, tree: Expr) -> Iterator[tuple[str, str, int]]:
        """Columns named as alias.column where the alias stands for a table of the same SELECT."""
        from sqlglot import exp

        from etl.contracts import portable

        for select in tree.find_all(exp.Select):
            sources = [join.this for join in select.args.get("joins") or []]
            sources += [clause.this for clause in select.find_all(exp.From) if clause.parent is select]
            named = {
                t.alias_or_name: f"{t.db}.{t.name}" for t in sources if isinstance(t, exp.Table) and t.db
            }
            for column in select.find_all(exp.Column):
                if column.table in named and column.find_ancestor(exp.Select) is select:
                    line = self.body_line + portable.line_of(column) - 1
                    yield named[column.table], column.name, line


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _tables(tree: Expr) -> list[Any]:
    """The tables a statement reads, without its own CTEs."""
    from sqlglot import exp

    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return [table for table in tree.find_all(exp.Table) if table.db or table.name not in own]
