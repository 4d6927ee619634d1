"""A gold file: a header of YAML in leading comment lines, then one SELECT in DuckDB's dialect → `Table`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contracts import digest
from etl.contracts.checks import EXAMINED, key_checks
from etl.contracts.document import Section, did_you_mean, read_yaml, shown
from etl.contracts.keys import unknown_key_hint, well_formed
from etl.contracts.properties import properties
from etl.contracts.values import MOST_DECIMALS, NAME_HINT, is_name
from etl.contracts.vocabulary import Where
from etl.declared import Check, Field, Kind, Layer, Reconcile, Severity, Table
from etl.errors import CatalogError, Problem

if TYPE_CHECKING:
    from etl.contracts.selects import SelectRead, Used

RATIO_DECIMALS = 6
_COMMENT = re.compile(r"^--( |$)")
_RECONCILE = re.compile(r"^([a-z][a-z0-9_]*) *= *(silver\.[a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)$")
_ADDED_UP = {Kind.DECIMAL, Kind.INTEGER}


@dataclass(frozen=True)
class GoldFile:
    """What was read of one gold file; `table` is None where its SELECT could not be read.

    `lines` says where inputs and reconciled columns stand, `used` which columns of inputs are named.
    """

    file: str
    name: str
    table: Table | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int] = field(default_factory=dict)
    used: tuple[Used, ...] = ()


def parse_gold(path: Path, root: Path) -> Table:
    """The table in a gold file; messages name it relative to `root`. Raises CatalogError with all problems."""
    gold = read_gold(path, root)
    if gold.table is None or gold.problems:
        raise CatalogError(gold.problems)
    return gold.table


def render(sql: str, dialect: str) -> str:
    """SQL in DuckDB's dialect said in `duckdb`, `postgres` or `spark`, names quoted. Raises SqlFault."""
    from etl.contracts import portable

    return portable.render(sql, dialect)


def read_gold(path: Path, root: Path) -> GoldFile:
    """The table, the problems and the places of one gold file."""
    file, name = path.relative_to(root).as_posix(), f"{Layer.GOLD}.{path.stem}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        wrong = Problem(file, 0, f"The file cannot be read: {fault}.", "It must be readable UTF-8 text.")
        return GoldFile(file, name, None, (wrong,))
    header, body, first_line, body_line = _split(text)
    if not header.strip():
        hint = "Begin with comment lines: -- description: …, -- grain: …, -- key: …, -- columns: …"
        return GoldFile(file, name, None, (Problem(file, 1, "The file has no header.", hint),))
    document, problems = read_yaml(header, file, first_line)
    if document is None:
        return GoldFile(file, name, None, tuple(problems))
    return _GoldReading(Section(document, (), problems), path.stem).gold_file(body, body_line)


def _split(text: str) -> tuple[str, str, int, int]:
    """Header without its dashes, SQL, and the line each begins on."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    end = start
    while end < len(lines) and _COMMENT.match(lines[end]):
        end += 1
    header = "\n".join(line[3:] for line in lines[start:end])
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith("--")):
        end += 1  # so that the first line of the SQL is one that says something
    return header, "\n".join(lines[end:]), start + 1, end + 1


class _GoldReading:
    """Reads one gold file; each method refuses what is wrong with its part."""

    def __init__(self, top: Section, short: str) -> None:
        self.top, self.file = top, top.document.file
        self.short, self.name = short, f"{Layer.GOLD}.{short}"
        self.declared = {
            section.text("name"): section.line("name")
            for section in top.sections("columns")
            if section.get("name") is not None
        }

    def gold_file(self, body: str, body_line: int) -> GoldFile:
        from etl.contracts.selects import SelectReading

        if not is_name(self.short):
            hint = f"Rename the file. {NAME_HINT}"
            self.top.refuse(f"{self.short!r} cannot be the name of a table.", hint)
        given = self.well_formed(self.top, Where.GOLD)
        select = SelectReading(self.file, body, body_line, self.top.problems).read(self.declared)
        fields = tuple(self.fields())
        table = None if select is None else self.table(given, fields, select)
        if select is None:  # its header is looked at all the same
            self.parts(given, fields)
        problems = tuple(sorted(self.top.problems, key=lambda problem: problem.line))
        lines = self.reconcile_lines() | ({} if select is None else select.inputs)
        return GoldFile(self.file, self.name, table, problems, lines, () if select is None else select.used)

    def table(self, given: Mapping[str, Any], fields: tuple[Field, ...], select: SelectRead) -> Table:
        key, severity, reconcile, checks = self.parts(given, fields)
        return Table(
            name=self.name,
            layer=Layer.GOLD,
            grain=self.top.text("grain"),
            key=key,
            fields=fields,
            inputs=tuple(select.inputs),
            fingerprint=_fingerprint(select.canonical, fields, key, reconcile, checks),
            file=self.file,
            sql=select.sql,
            description=self.top.text("description"),
            reconcile=reconcile,
            checks=checks,
            severity=severity,
        )

    def parts(
        self, given: Mapping[str, Any], fields: tuple[Field, ...]
    ) -> tuple[tuple[str, ...], Severity, tuple[Reconcile, ...], tuple[Check, ...]]:
        """Key, severity of the built-in checks, reconciliations, all checks."""
        severity = Severity(given.get("severity", Severity.BLOCK))
        key = _listed(given.get("key", []))
        for name in key:
            self.refuse_undeclared("key", name)
        reconcile = tuple(self.reconcile(given, fields))
        return key, severity, reconcile, (*key_checks(self.name, key, severity), *self.checks())

    def well_formed(self, section: Section, where: Where) -> dict[str, Any]:
        """The values under known names; unknown names, wrong forms and missing ones are refused."""
        known = properties(where)
        for name in section.value:
            if name not in known:
                hint = unknown_key_hint(section, name, [*known])
                section.refuse(f"{name!r} is not a property of {where}.", hint, name)
        for name, wanted in known.items():
            if section.get(name) is None and wanted.required:
                hint = f"For example: {name}: {wanted.example}"
                section.refuse(f"{where[0].upper()}{where[1:]} has no {name!r}.", hint)
        given = {name: value for name, value in section.value.items() if name in known and value is not None}
        return {name: value for name, value in given.items() if self.fits(section, name, where)}

    def fits(self, section: Section, name: str, where: Where) -> bool:
        one_of_many = name in {"key", "reconcile"} and isinstance(section.get(name), str)
        return one_of_many or well_formed(section, name, properties(where)[name])

    def fields(self) -> Iterator[Field]:
        seen: set[str] = set()
        for section in self.top.sections("columns"):
            given = self.well_formed(section, Where.GOLD_COLUMN)
            name = str(given.get("name", ""))
            self.refuse_name(section, "column", name, seen)
            if {"name", "type"} <= given.keys():
                kind = Kind(given["type"])
                decimals = self.decimals(section, given, kind)
                yield Field(name, kind, given.get("unit", ""), section.text("meaning"), decimals)

    def refuse_name(self, section: Section, what: str, name: str, seen: set[str]) -> None:
        if name and not is_name(name):
            section.refuse(f"{name!r} cannot be the name of a {what}.", NAME_HINT, "name")
        if name in seen:
            section.refuse(f"There are two {what}s named {name!r}.", "Rename one of them.", "name")
        seen |= {name} - {""}

    def decimals(self, section: Section, given: Mapping[str, Any], kind: Kind) -> int:
        decimals = int(given.get("decimals", 2))
        if "decimals" in given and kind is not Kind.DECIMAL:
            section.refuse(f"decimals is for a decimal, not for type {kind}.", "Leave it out.", "decimals")
        if not 0 <= decimals <= MOST_DECIMALS:
            section.refuse(f"decimals is {decimals}.", f"It can be 0 to {MOST_DECIMALS}.", "decimals")
        return RATIO_DECIMALS if kind is Kind.RATIO else decimals

    def refuse_undeclared(self, key: str, name: str) -> None:
        if self.declared and name not in self.declared:
            hint = did_you_mean(name, [*self.declared]) or f"The columns are {', '.join(self.declared)}."
            self.top.refuse(f"{key} names {name!r}, which is not a declared column.", hint, key)

    def reconcile(self, given: Mapping[str, Any], fields: tuple[Field, ...]) -> Iterator[Reconcile]:
        kinds = {field.name: field.kind for field in fields}
        for text in _listed(given.get("reconcile", [])):
            found = _RECONCILE.match(text)
            if not found:
                hint = "For example: total_revenue = silver.sales_clean.sale_amount"
                self.top.refuse(f"{shown(text)} is not a reconciliation.", hint, "reconcile")
                continue
            self.refuse_undeclared("reconcile", found[1])
            if kinds.get(found[1], Kind.DECIMAL) not in _ADDED_UP:
                message = f"reconcile names {found[1]!r}, which is of type {kinds[found[1]]}."
                self.top.refuse(
                    message, "Name a decimal or an integer: only those add up to the cent.", "reconcile"
                )
            yield Reconcile(found[1], found[2], found[3])

    def reconcile_lines(self) -> dict[str, int]:
        """The line of each reconciliation, as `reconcile <column>`."""
        texts = _listed(self.top.get("reconcile", []))
        found = {index: _RECONCILE.match(text) for index, text in enumerate(texts)}
        line = self.top.document.line
        return {f"reconcile {one[1]}": line(("reconcile", index)) for index, one in found.items() if one}

    def checks(self) -> Iterator[Check]:
        from etl.contracts.selects import check_faults

        seen: set[str] = {"key_present", "key_unique"}
        for section in self.top.sections("checks"):
            given = self.well_formed(section, Where.GOLD_CHECK)
            name, sql = str(given.get("name", "")), str(given.get("sql", ""))
            self.refuse_name(section, "check", name, seen)
            for fault in check_faults(sql) if sql else ():
                section.refuse(fault.message, fault.hint, "sql")
            severity = Severity(given.get("severity", Severity.BLOCK))
            yield Check(name, self.name, severity, sql.strip(), EXAMINED, section.text("description"))


def _fingerprint(
    canonical: str,
    fields: tuple[Field, ...],
    key: tuple[str, ...],
    reconcile: tuple[Reconcile, ...],
    checks: tuple[Check, ...],
) -> str:
    """What the table means; its descriptions, units and meanings may be reworded without building it anew."""
    types = [(one.name, one.kind, one.decimals) for one in fields]
    sums = [(one.column, one.source, one.source_column) for one in reconcile]
    rules = [(one.name, one.sql, one.severity) for one in checks]
    return digest([canonical, types, key, sums, rules])


def _listed(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()
