"""From a contract's YAML to a `Contract`: the standard's schema first, then MetaLayer's own rules."""

from __future__ import annotations

import codecs
from datetime import timedelta
from pathlib import Path
from typing import Any

from etl.contracts.columns import read_column
from etl.contracts.document import Section, did_you_mean, read_yaml, shown
from etl.contracts.fingerprint import contract_fingerprint
from etl.contracts.globs import path_fault
from etl.contracts.keys import custom_values, refuse_other_choices, refuse_unknown_keys
from etl.contracts.rules import is_sql, sql_rule
from etl.contracts.standard import standard_problems
from etl.contracts.values import NAME_HINT, is_name
from etl.contracts.vocabulary import SLA_DOCUMENTATION, Where
from etl.errors import CatalogError, Problem
from etl.model import Column, Contract, Dialect, Rule

ENDING = ".odcs.yaml"
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_RESERVED = {"unreadable_lines": "quarantine.unreadable_lines is a table of the engine"}
Lines = dict[str, int]
"""Where things stand in a contract: `name`, `bronzeName`, `physicalName`, `path`."""


def read_contract(path: Path, root: Path) -> Contract:
    """The contract in a file; messages name it relative to `root`. Raises CatalogError with all problems."""
    contract, _, problems = located_contract(path, root)
    if contract is None or problems:
        raise CatalogError(problems)
    return contract


def load_contracts(folder: Path) -> tuple[list[Contract], list[Problem]]:
    """The sound contracts of a folder in order of file name, and the problems of the others."""
    found, problems = located_contracts(folder)
    return [contract for contract, _ in found], problems


def located_contracts(folder: Path) -> tuple[list[tuple[Contract, Lines]], list[Problem]]:
    """As `load_contracts`, each contract with the lines of what other files can clash with."""
    found: list[tuple[Contract, Lines]] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*")):
        if path.name.endswith(ENDING):
            contract, lines, wrong = located_contract(path, folder.parent)
            problems += wrong
            found += [(contract, lines)] if contract and not wrong else []
        elif path.suffix in {".yaml", ".yml"}:
            name = f"{path.stem.removesuffix('.odcs')}{ENDING}"
            problems.append(
                Problem(f"{folder.name}/{path.name}", 0, "is not read.", f"Call it {name}, or move it away.")
            )
    if not found and not problems:
        problems.append(
            Problem(folder.name, 0, "There is no contract.", f"Add one *{ENDING} file per source.")
        )
    return found, problems


def located_contract(path: Path, root: Path) -> tuple[Contract | None, Lines, list[Problem]]:
    """A contract, the lines of what other files can clash with, and its problems."""
    file = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        return (
            None,
            {},
            [Problem(file, 0, f"The file cannot be read: {fault}.", "It must be readable UTF-8 text.")],
        )
    document, problems = read_yaml(text, file)
    if document is None:
        return None, {}, problems
    wrong = standard_problems(document)
    section = Section(document, (), problems + wrong)
    refuse_unknown_keys(section)
    # What has the wrong shape cannot be looked at more closely; a misspelt key can stand beside sound ones.
    contract = None if wrong else _Reading(section).contract()
    lines = {} if contract is None else _lines(section)
    return contract, lines, sorted(section.problems, key=lambda problem: problem.line)


def _lines(section: Section) -> Lines:
    schema, server = section.sections("schema")[0], section.sections("servers")[0]
    lines = {name: schema.line(name) for name in ("name", "physicalName")} | {"path": server.line("path")}
    for entry in schema.sections("customProperties"):
        lines[entry.text("property")] = entry.line("value")
    return lines


class _Reading:
    """Reads the sections of one contract; each method refuses what is wrong with its part."""

    def __init__(self, top: Section) -> None:
        self.top = top

    def contract(self) -> Contract | None:
        refuse_other_choices(self.top)
        server, schema = self.only("servers", "server named landing"), self.only("schema", "schema")
        if server is None or schema is None:
            return None
        custom = custom_values(schema, Where.SCHEMA)
        columns = self.columns(schema)
        bronze_only = custom.get("layers") == "bronze"
        source = self.source(schema)
        found = Contract(
            source=source,
            version=self.top.text("version"),
            file=self.top.document.file,
            pattern=self.pattern(server),
            dialect=self.dialect(server),
            bronze_table=self.table_name(schema, custom.get("bronzeName", f"{source}_raw"), "bronzeName"),
            silver_table=None if bronze_only else self.silver_table(schema),
            grain=self.grain(schema),
            columns=columns,
            key=self.key(schema, bronze_only=bronze_only),
            newest_by=self.newest_by(schema, custom, columns),
            fresh_within=self.fresh_within(),
            unknown_columns=custom.get("unknownColumns", "ignore"),
            rules=self.rules(schema, columns),
            fingerprint="",
        )
        if bronze_only:
            self.refuse_without_silver(schema, custom)
        return found if self.top.problems else contract_fingerprint(found)

    def only(self, key: str, what: str) -> Section | None:
        sections = self.top.sections(key)
        if len(sections) != 1:
            self.top.refuse(
                f"There are {len(sections)} entries under {key}.", f"Write exactly one {what}.", key
            )
            return None
        return sections[0]

    def source(self, schema: Section) -> str:
        name = schema.text("name")
        if not is_name(name):
            schema.refuse(f"{shown(name)} cannot be the name of a source.", NAME_HINT, "name")
        if name in _RESERVED:
            schema.refuse(
                f"{name!r} cannot be the name of a source: {_RESERVED[name]}.", "Choose another.", "name"
            )
        return name

    def table_name(self, schema: Section, name: str, key: str) -> str:
        if not is_name(name):
            schema.refuse(f"{shown(name)} cannot be the name of a table.", NAME_HINT, key)
        return name

    def silver_table(self, schema: Section) -> str:
        if schema.get("physicalName") is None:
            schema.refuse(
                "The schema has no physicalName.", "Add the name of the silver table, such as sales_clean."
            )
            return ""
        return self.table_name(schema, schema.text("physicalName"), "physicalName")

    def grain(self, schema: Section) -> str:
        grain = schema.text("dataGranularityDescription")
        if not grain:
            schema.refuse(
                "The schema has no dataGranularityDescription.", "Say what one row stands for: one row per …"
            )
        return grain

    def pattern(self, server: Section) -> str:
        if server.text("server") != "landing":
            server.refuse(
                f"{shown(server.text('server'))} is not the server that is read.",
                "Name it landing.",
                "server",
            )
        path = str(server.get("path", ""))
        fault = path_fault(path)
        if fault:
            server.refuse(f"The path {path!r} {fault}.", "For example: crm/crm_customers*.csv", "path")
        return path

    def dialect(self, server: Section) -> Dialect:
        custom = custom_values(server, Where.SERVER)
        delimiter, quote = custom.get("delimiter", ","), custom.get("quote", '"')
        delimiter = "\t" if delimiter == "tab" else delimiter
        if delimiter == quote or {delimiter, quote} & {"\n", "\r"}:
            server.refuse("delimiter and quote must be two different signs.", 'The usual ones are , and ".')
        return Dialect(delimiter, quote, self.encoding(server, custom.get("encoding", "utf-8")))

    def encoding(self, server: Section, name: str) -> str:
        try:
            "".encode(name)  # refuses codecs that turn bytes into bytes, such as base64
            return codecs.lookup(name).name
        except LookupError:
            server.refuse(
                f"{name!r} is not an encoding.", "For example: utf-8, latin-1, cp1252", "customProperties"
            )
            return "utf-8"

    def columns(self, schema: Section) -> tuple[Column, ...]:
        sections = schema.sections("properties")
        if not sections:
            schema.refuse("The schema has no columns.", "List them under properties.")
        columns = [column for section in sections if (column := read_column(section))]
        self.refuse_repeated(schema, sections)
        return tuple(columns)

    def refuse_repeated(self, schema: Section, sections: list[Section]) -> None:
        """No name or alias of a column may be another's: a header would mean two columns."""
        owners: dict[str, str] = {}
        for section in sections:
            name = section.text("name")
            aliases = [
                e.get("value") for e in section.sections("customProperties") if e.get("property") == "aliases"
            ]
            for spelling in [name, *(aliases[0] if aliases and isinstance(aliases[0], list) else [])]:
                owner = owners.setdefault(str(spelling).lower(), name)
                if owner != name or (spelling == name and section is not self.first(sections, name)):
                    section.refuse(
                        f"{spelling!r} is already a name of the column {owner!r}.", "Choose another.", "name"
                    )

    @staticmethod
    def first(sections: list[Section], name: str) -> Section:
        return next(section for section in sections if section.text("name") == name)

    def key(self, schema: Section, *, bronze_only: bool) -> tuple[str, ...]:
        parts = [section for section in schema.sections("properties") if section.get("primaryKey")]
        if not parts and not bronze_only:
            schema.refuse(
                "No column is the key.", "Set primaryKey: true on the column that identifies a row."
            )
        positions = [part.get("primaryKeyPosition", 0) for part in parts]
        if len(parts) > 1 and (len(set(positions)) < len(parts) or 0 in positions):
            parts[1].refuse(
                "The order of the key's columns is open.", "Give each a primaryKeyPosition: 1, 2, …"
            )
        return tuple(
            part.text("name") for part in sorted(parts, key=lambda part: part.get("primaryKeyPosition", 0))
        )

    def newest_by(self, schema: Section, custom: dict[str, Any], columns: tuple[Column, ...]) -> str | None:
        name = custom.get("newestBy")
        names = [column.name for column in columns]
        if name is not None and name not in names:
            hint = did_you_mean(str(name), names) or f"The columns are {', '.join(names)}."
            schema.refuse(f"newestBy: there is no column {name!r}.", hint, "customProperties")
        return name

    def fresh_within(self) -> timedelta | None:
        promised: list[timedelta] = []
        for sla in self.top.sections("slaProperties"):
            name = sla.text("property")
            if name == "latency":
                promised += self.latency(sla)
            elif name not in SLA_DOCUMENTATION:
                sla.refuse(
                    f"{name!r} is not an slaProperty.",
                    did_you_mean(name, ["latency", *SLA_DOCUMENTATION]),
                    "property",
                )
        if len(promised) > 1:
            self.top.refuse("latency is promised twice.", "Keep one of them.", "slaProperties")
        return promised[0] if promised else None

    def latency(self, sla: Section) -> list[timedelta]:
        value, unit = sla.get("value"), _UNITS.get(sla.text("unit"))
        number = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not number or unit is None:
            shown_value = f"{value} {sla.text('unit')}".strip()
            sla.refuse(
                f"latency {shown_value!r} is not a time.",
                "Write value: 24 and unit: h (min, h or d).",
                "value",
            )
            return []
        return [value * unit] if unit else []

    def rules(self, schema: Section, columns: tuple[Column, ...]) -> tuple[Rule, ...]:
        names = [column.name for column in columns]
        parts = [schema, *schema.sections("properties")]
        entries = [entry for part in parts for entry in part.sections("quality")]
        for entry in schema.sections("quality"):
            if not is_sql(entry):
                entry.refuse(
                    "A rule over whole rows is SQL.", "Set type: sql, or move the entry to a column."
                )
        rules = [rule for entry in entries if is_sql(entry) and (rule := sql_rule(entry, names))]
        for index, rule in enumerate(rules):
            if any(rule.name == other.name for other in rules[:index]):
                self.top.problems.append(
                    Problem(self.top.document.file, rule.line, f"Two rules are called {rule.name!r}.")
                )
        return tuple(rules)

    def refuse_without_silver(self, schema: Section, custom: dict[str, Any]) -> None:
        """Nothing that only silver does may be promised by a feed that has none."""
        hint = "Leave it out, or leave out layers: bronze."
        for key in ("physicalName", "quality"):
            if schema.get(key) is not None:
                schema.refuse(f"A bronze-only feed has no silver, so {key} has no effect.", hint, key)
        if "newestBy" in custom:
            schema.refuse(
                "A bronze-only feed has no silver, so newestBy has no effect.", hint, "customProperties"
            )
        for section in schema.sections("properties"):
            for key in ("relationships", "quality"):
                if section.get(key) is not None:
                    section.refuse(f"A bronze-only feed has no silver, so {key} has no effect.", hint, key)
