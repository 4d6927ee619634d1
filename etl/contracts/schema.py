"""The one schema of a contract: source, tables, grain, columns, key, rules over whole rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etl.contracts.columns import names_in_files, read_column
from etl.contracts.document import Section, did_you_mean, shown
from etl.contracts.keys import custom_values
from etl.contracts.metrics import distinct_sets
from etl.contracts.references import composite_references
from etl.contracts.rules import is_sql, sql_rule
from etl.contracts.values import NAME_HINT, is_name
from etl.contracts.vocabulary import Where
from etl.declared import Column, Rule

_RESERVED = {"unreadable_lines": "quarantine.unreadable_lines is a table of the engine"}


def schema_parts(schema: Section) -> dict[str, Any]:
    """What the schema says, as the fields of `Contract`."""
    custom = custom_values(schema, Where.SCHEMA)
    bronze_only = custom.get("layers") == "bronze"
    source, columns = _source(schema), tuple(_columns(schema))
    parts = {
        "source": source,
        "bronze_table": _bronze_table(schema, custom, source),
        "silver_table": None if bronze_only else _silver_table(schema),
        "grain": _grain(schema),
        "columns": columns,
        "key": _key(schema, bronze_only=bronze_only),
        "newest_by": _newest_by(schema, custom, columns),
        "unknown_columns": custom.get("unknownColumns", "ignore"),
        "rules": _rules(schema, columns),
        "composite_references": composite_references(schema, source, columns),
        "distinct": distinct_sets(schema, columns, _key_names(schema)),
    }
    if bronze_only:
        _refuse_without_silver(schema, custom, columns)
    return parts


def _source(schema: Section) -> str:
    name = schema.text("name")
    if not is_name(name):
        schema.refuse(f"{shown(name)} cannot be the name of a source.", NAME_HINT, "name")
    if name in _RESERVED:
        message = f"{name!r} cannot be the name of a source: {_RESERVED[name]}."
        schema.refuse(message, "Choose another.", "name")
    return name


def _bronze_table(schema: Section, custom: dict[str, Any], source: str) -> str:
    own = custom.get("bronzeName")
    return f"{source}_raw" if own is None else _table_name(schema, own, "customProperties")


def _silver_table(schema: Section) -> str:
    if schema.get("physicalName") is None:
        hint = "Add the name of the silver table, such as sales_clean."
        schema.refuse("The schema has no physicalName.", hint)
        return ""
    return _table_name(schema, schema.text("physicalName"), "physicalName")


def _table_name(schema: Section, name: str, key: str) -> str:
    if not is_name(name):
        schema.refuse(f"{shown(name)} cannot be the name of a table.", NAME_HINT, key)
    return name


def _grain(schema: Section) -> str:
    grain = schema.text("dataGranularityDescription")
    if not grain:
        hint = "Say what one row stands for: one row per …"
        schema.refuse("The schema has no dataGranularityDescription.", hint)
    return grain


def _columns(schema: Section) -> Iterator[Column]:
    """The columns. No name or alias of one may be another's: a header would mean two columns."""
    sections = schema.sections("properties")
    if not sections:
        schema.refuse("The schema has no columns.", "List them under properties.")
    owners: dict[str, str] = {}
    for section in sections:
        name = section.text("name")
        for spelling in dict.fromkeys(one.lower() for one in (name, *names_in_files(section))):
            if spelling in owners:
                message = f"{spelling!r} is already a name of the column {owners[spelling]!r}."
                section.refuse(message, "Each name and alias stands for one column.", "name")
            owners[spelling] = name
        column = read_column(section)
        if column:
            yield column


def _key(schema: Section, *, bronze_only: bool) -> tuple[str, ...]:
    parts = [section for section in schema.sections("properties") if section.get("primaryKey")]
    if not parts and not bronze_only:
        hint = "Set primaryKey: true on the column that identifies a row."
        schema.refuse("No column is the key.", hint)
    positions = [part.get("primaryKeyPosition", 0) for part in parts]
    if len(parts) > 1 and (len(set(positions)) < len(parts) or 0 in positions):
        hint = "Give each a primaryKeyPosition: 1, 2, …"
        parts[1].refuse("The order of the key's columns is open.", hint)
    return _key_names(schema)


def _key_names(schema: Section) -> tuple[str, ...]:
    parts = [section for section in schema.sections("properties") if section.get("primaryKey")]
    in_order = sorted(parts, key=lambda part: int(part.get("primaryKeyPosition", 0)))
    return tuple(part.text("name") for part in in_order)


def _newest_by(schema: Section, custom: dict[str, Any], columns: tuple[Column, ...]) -> str | None:
    name: str | None = custom.get("newestBy")
    names = [column.name for column in columns]
    if name is not None and name not in names:
        hint = did_you_mean(name, names) or f"The columns are {', '.join(names)}."
        schema.refuse(f"newestBy: there is no column {name!r}.", hint, "customProperties")
    return name


def _rules(schema: Section, columns: tuple[Column, ...]) -> tuple[Rule, ...]:
    names = [column.name for column in columns]
    parts = [schema, *schema.sections("properties")]
    entries = [entry for part in parts for entry in part.sections("quality") if is_sql(entry)]
    called: set[str] = set()
    for entry in entries:
        if entry.text("name") in called:
            message = f"Two rules are called {entry.text('name')!r}."
            entry.refuse(message, "Rename one of them.", "name")
        called.add(entry.text("name"))
    return tuple(rule for entry in entries if (rule := sql_rule(entry, names)))


def _refuse_without_silver(schema: Section, custom: dict[str, Any], columns: tuple[Column, ...]) -> None:
    """Nothing that only silver does may be promised by a feed that has none."""
    said = "A bronze-only feed has no silver, so {} has no effect."
    hint = "Leave it out, or leave out layers: bronze."
    for key in ("physicalName", "quality", "relationships"):
        if schema.get(key) is not None:
            schema.refuse(said.format(key), hint, key)
    if "newestBy" in custom:
        schema.refuse(said.format("newestBy"), hint, "customProperties")
    for section in schema.sections("properties"):
        for key in ("relationships", "quality", "enum"):
            if section.get(key) is not None:
                section.refuse(said.format(key), hint, key)
        if any(column.amount for column in columns if column.name == section.text("name")):
            section.refuse(said.format("amount"), hint, "customProperties")
