"""One column of a contract: type, limits, key to another source, cleaning."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from etl.contracts.cleaning import cleaning_of
from etl.contracts.document import Section, shown
from etl.contracts.keys import custom_values
from etl.contracts.limits import DAYS, limits, options_of, refuse_at
from etl.contracts.metrics import Metrics
from etl.contracts.references import reference_of
from etl.contracts.values import MOST_DECIMALS, NAME_HINT, is_name, texts
from etl.contracts.vocabulary import Where
from etl.declared import Column, Kind

KINDS = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "number": Kind.DECIMAL,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "boolean": Kind.BOOLEAN,
}
_NUMBERS, _TEXT = {Kind.INTEGER, Kind.DECIMAL}, {Kind.TEXT}
_ORDERED = "integer, number, date or timestamp"
_ONLY_FOR: dict[str, tuple[set[Kind], str]] = {
    "minimum": (_NUMBERS | DAYS, _ORDERED),
    "maximum": (_NUMBERS | DAYS, _ORDERED),
    "exclusiveMinimum": (_NUMBERS | DAYS, _ORDERED),
    "exclusiveMaximum": (_NUMBERS | DAYS, _ORDERED),
    "minLength": (_TEXT, "string"),
    "maxLength": (_TEXT, "string"),
    "pattern": (_TEXT, "string"),
    "format": (DAYS, "date or timestamp"),
    "decimals": ({Kind.DECIMAL}, "number"),
    "amount": ({Kind.DECIMAL}, "number"),
    "percent": ({Kind.DECIMAL}, "number"),
    "collapseSpaces": (_TEXT, "string"),
    "case": (_TEXT, "string"),
    "formats": (DAYS, "date or timestamp"),
    "monthNames": (DAYS, "date or timestamp"),
    "decimalComma": ({Kind.DECIMAL}, "number"),
    "thousandsSeparator": (_NUMBERS, "integer or number"),
    "currencySigns": (_NUMBERS, "integer or number"),
    "negatives": (_NUMBERS, "integer or number"),
}
ROW_IN_FILE = "file_row_number"  # what DuckDB calls the place of a row in a Parquet file


def read_column(section: Section) -> Column | None:
    """The column; None where it has no usable name or type."""
    name, kind = section.text("name"), KINDS.get(section.text("logicalType"))
    if not is_name(name):
        section.refuse(
            f"{shown(name)} cannot be the name of a column.",
            f"{NAME_HINT} What the file's header says goes into aliases.", "name",
        )  # fmt: skip
    if name == ROW_IN_FILE:
        section.refuse(
            f"{name!r} cannot be the name of a column: the files of bronze have one of their own.",
            f"Give it another name, and aliases: [{name}].", "name",
        )  # fmt: skip
    if kind is None:
        if section.get("logicalType") is None:
            choices = ", ".join(KINDS)
            section.refuse(f"The column {name!r} has no logicalType.", f"Add one of {choices}.")
        return None
    custom, options = custom_values(section, Where.COLUMN), options_of(section)
    for given in (*options, *custom):
        _refuse_for_kind(section, given, kind)
    return _column(section, name, kind, custom, options)


def _column(
    section: Section, name: str, kind: Kind, custom: dict[str, Any], options: dict[str, Any]
) -> Column:
    decimals = _decimals(section, custom)
    metrics = Metrics(kind, decimals).read(section)
    cleaning = cleaning_of(section, kind, custom, options, decimals)
    found = Column(
        name=name,
        kind=kind,
        line=section.line(),
        required=_required(section) or "present" in metrics.severities,
        unique=bool(section.get("unique", False)) or "unique" in metrics.severities,
        decimals=decimals,
        description=section.text("description"),
        amount=_amount(section, custom),
        reference=reference_of(section, kind),
        accepted=metrics.accepted,
        aliases=names_in_files(section),
        cleaning=replace(cleaning, null_tokens=cleaning.null_tokens + metrics.missing),
        severities=tuple(metrics.severities.items()),
        **limits(section, kind, options, decimals),
    )
    if metrics.pattern and found.pattern:
        refuse_at(section, "pattern", "The pattern is given twice.", "Keep one of them.")
    return replace(found, pattern=found.pattern or metrics.pattern)


def names_in_files(section: Section) -> tuple[str, ...]:
    """What a file's header may call the column beside its name: physicalName first, then the aliases."""
    entries = [one for one in section.sections("customProperties") if one.get("property") == "aliases"]
    listed = [entry.get("value") for entry in entries if isinstance(entry.get("value"), list)]
    physical = section.text("physicalName")
    aliases = texts(listed[0]) if listed else ()
    return (physical, *aliases) if physical and physical != section.text("name") else aliases


def _refuse_for_kind(section: Section, name: str, kind: Kind) -> None:
    kinds, said = _ONLY_FOR.get(name, ({kind}, ""))
    if kind not in kinds:
        logical = section.text("logicalType")
        refuse_at(
            section,
            name,
            f"{name} is for a column of type {said}, but {section.text('name')!r} is of type {logical}.",
            "",
        )


def _required(section: Section) -> bool:
    if section.get("primaryKey") and section.get("required") is False:
        section.refuse("A column of the key must have a value.", "Leave out required: false.", "required")
    return bool(section.get("required", False))


def _decimals(section: Section, custom: dict[str, Any]) -> int:
    decimals = int(custom.get("decimals", 2))
    if not 0 <= decimals <= MOST_DECIMALS:
        refuse_at(section, "decimals", f"decimals is {decimals}.", f"It can be 0 to {MOST_DECIMALS}.")
        return 2
    return decimals


def _amount(section: Section, custom: dict[str, Any]) -> str:
    currency = str(custom.get("amount", ""))
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        refuse_at(
            section,
            "amount",
            f"{currency!r} is not a currency.",
            "Write its three capital letters, such as USD.",
        )
    return currency
