"""From a contract's YAML to a `Contract`: the standard's schema first, then MetaLayer's own rules."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from etl.contracts.document import Section, did_you_mean, read_yaml, shown
from etl.contracts.fingerprint import contract_fingerprint
from etl.contracts.globs import path_fault
from etl.contracts.keys import custom_values, refuse_other_choices, refuse_unknown_keys
from etl.contracts.schema import schema_parts
from etl.contracts.standard import standard_problems
from etl.contracts.vocabulary import SLA_DOCUMENTATION, Where
from etl.declared import Contract, Dialect
from etl.errors import CatalogError, Problem

ENDING = ".odcs.yaml"
MOST_LINES_BEFORE = 1000
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
Lines = Mapping[str, int]
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
    contract = None if wrong else _read(section)
    lines = {} if contract is None else _lines(section)
    return contract, lines, sorted(section.problems, key=lambda problem: problem.line)


def _lines(section: Section) -> Lines:
    schema, server = section.sections("schema")[0], section.sections("servers")[0]
    lines = {name: schema.line(name) for name in ("name", "physicalName")} | {"path": server.line("path")}
    for entry in schema.sections("customProperties"):
        lines[entry.text("property")] = entry.line("value")
    return lines


def _read(top: Section) -> Contract | None:
    """The contract of a document of the right shape; what else is wrong with it is refused."""
    refuse_other_choices(top)
    server, schema = _only(top, "servers", "server named landing"), _only(top, "schema", "schema")
    if server is None or schema is None:
        return None
    found = Contract(
        version=top.text("version"),
        file=top.document.file,
        pattern=_pattern(server),
        dialect=_dialect(server),
        fresh_within=_fresh_within(top),
        fingerprint="",
        **schema_parts(schema),
    )
    return found if top.problems else contract_fingerprint(found)


def _only(top: Section, key: str, what: str) -> Section | None:
    sections = top.sections(key)
    if len(sections) != 1:
        top.refuse(f"There are {len(sections)} entries under {key}.", f"Write exactly one {what}.", key)
        return None
    return sections[0]


def _pattern(server: Section) -> str:
    if server.text("server") != "landing":
        message = f"{shown(server.text('server'))} is not the server that is read."
        server.refuse(message, "Name it landing.", "server")
    path = str(server.get("path", ""))
    fault = path_fault(path)
    if fault:
        server.refuse(f"The path {path!r} {fault}.", "For example: crm/crm_customers*.csv", "path")
    return path


def _dialect(server: Section) -> Dialect:
    custom = custom_values(server, Where.SERVER)
    delimiter, quote = custom.get("delimiter", ","), custom.get("quote", '"')
    delimiter = "\t" if delimiter == "tab" else delimiter
    if delimiter == quote or {delimiter, quote} & {"\n", "\r"}:
        server.refuse("delimiter and quote must be two different signs.", 'The usual ones are , and ".')
    if not quote.isascii():
        hint = "Use one ASCII character, such as \" or '."
        server.refuse(f"{quote!r} cannot be the quote.", hint, "customProperties")
    before = custom.get("linesBeforeHeader", 0)
    if not 0 <= before <= MOST_LINES_BEFORE:
        hint = f"It can be 0 to {MOST_LINES_BEFORE}."
        server.refuse(f"linesBeforeHeader is {before}.", hint, "customProperties")
    return Dialect(delimiter, quote, _encoding(server, custom.get("encoding", "utf-8")), before)


def _encoding(server: Section, name: str) -> str:
    try:
        "".encode(name)  # refuses codecs that turn bytes into bytes, such as base64
        return codecs.lookup(name).name
    except LookupError:
        hint = "For example: utf-8, latin-1, cp1252"
        server.refuse(f"{name!r} is not an encoding.", hint, "customProperties")
        return "utf-8"


def _fresh_within(top: Section) -> timedelta | None:
    """The promise of freshness. The standard's other properties are documentation, a misspelt one is refused."""
    promised: list[timedelta] = []
    for sla in top.sections("slaProperties"):
        name = sla.text("property")
        if name == "latency":
            promised += _latency(sla)
        elif name not in SLA_DOCUMENTATION:
            hint = did_you_mean(name, ["latency", *SLA_DOCUMENTATION])
            sla.refuse(f"{name!r} is not an slaProperty.", hint, "property")
    if len(promised) > 1:
        top.refuse("latency is promised twice.", "Keep one of them.", "slaProperties")
    return promised[0] if promised else None


def _latency(sla: Section) -> list[timedelta]:
    value, unit = sla.get("value"), _UNITS.get(sla.text("unit"))
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if not whole or unit is None:
        message = f"A latency of {value} {sla.text('unit') or '(no unit)'} is not a time."
        sla.refuse(message, "For example: value: 24, unit: h (or min, d).", "value")
        return []
    return [value * unit]
