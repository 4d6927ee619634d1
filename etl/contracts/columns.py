"""One column of a contract: type, limits, key to another source, cleaning."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from etl.contracts.document import Section, shown
from etl.contracts.keys import custom_values, well_formed
from etl.contracts.patterns import PATTERN_HINT, PatternFault, portable_pattern
from etl.contracts.properties import properties
from etl.contracts.rules import accepted_values, is_sql
from etl.contracts.values import (
    MOST_DECIMALS,
    NAME_HINT,
    format_fault,
    is_name,
    texts,
)
from etl.contracts.vocabulary import Where
from etl.model import Cleaning, Column, Kind, Reference

KINDS = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "number": Kind.DECIMAL,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "boolean": Kind.BOOLEAN,
}
DEFAULT_FORMATS = {Kind.DATE: ("YYYY-MM-DD",), Kind.TIMESTAMP: ("YYYY-MM-DD HH:mm:SS",)}
_NUMBERS, _DAYS, _TEXT = {Kind.INTEGER, Kind.DECIMAL}, {Kind.DATE, Kind.TIMESTAMP}, {Kind.TEXT}
_ONLY_FOR: dict[str, tuple[set[Kind], str]] = {
    "minimum": (_NUMBERS, "integer or number"),
    "maximum": (_NUMBERS, "integer or number"),
    "minLength": (_TEXT, "string"),
    "maxLength": (_TEXT, "string"),
    "pattern": (_TEXT, "string"),
    "decimals": ({Kind.DECIMAL}, "number"),
    "amount": ({Kind.DECIMAL}, "number"),
    "collapseSpaces": (_TEXT, "string"),
    "case": (_TEXT, "string"),
    "formats": (_DAYS, "date or timestamp"),
    "decimalComma": ({Kind.DECIMAL}, "number"),
    "thousandsSeparator": (_NUMBERS, "integer or number"),
    "currencySigns": (_NUMBERS, "integer or number"),
}
ROW_IN_FILE = "file_row_number"  # what DuckDB calls the place of a row in a Parquet file
_REFERABLE = {Kind.TEXT, Kind.INTEGER, Kind.DATE}


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
    custom = custom_values(section, Where.COLUMN)
    options = _options(section)
    for given in (*options, *custom):
        _refuse_for_kind(section, given, kind)
    decimals = _decimals(section, custom)
    return Column(
        name=name,
        kind=kind,
        line=section.line(),
        required=_required(section),
        unique=bool(section.get("unique", False)),
        decimals=decimals,
        description=section.text("description"),
        amount=_amount(section, custom),
        reference=_reference(section, kind),
        accepted=_accepted(section, kind),
        aliases=texts(custom.get("aliases", ())),
        cleaning=_cleaning(section, kind, custom),
        **_limits(section, kind, options, decimals),
    )


def _options(section: Section) -> dict[str, Any]:
    options = section.section("logicalTypeOptions")
    wanted = properties(Where.OPTIONS)
    given = {name: value for name, value in options.value.items() if name in wanted}
    return {name: value for name, value in given.items() if well_formed(options, name, wanted[name])}


def _line_key(section: Section, name: str) -> tuple[Section, str]:
    """Where a property of a column stands: in its options, or in the customProperty of that name."""
    if name in section.section("logicalTypeOptions").value:
        return section.section("logicalTypeOptions"), name
    for entry in section.sections("customProperties"):
        if entry.get("property") == name:
            return entry, "property"
    return section, name


def _refuse(section: Section, name: str, message: str, hint: str) -> None:
    part, key = _line_key(section, name)
    part.refuse(message, hint, key)


def _refuse_for_kind(section: Section, name: str, kind: Kind) -> None:
    kinds, said = _ONLY_FOR.get(name, ({kind}, ""))
    if kind not in kinds:
        logical = section.text("logicalType")
        _refuse(
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
        _refuse(section, "decimals", f"decimals is {decimals}.", f"It can be 0 to {MOST_DECIMALS}.")
        return 2
    return decimals


def _amount(section: Section, custom: dict[str, Any]) -> str:
    currency = str(custom.get("amount", ""))
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        _refuse(
            section,
            "amount",
            f"{currency!r} is not a currency.",
            "Write its three capital letters, such as USD.",
        )
    return currency


def _limits(section: Section, kind: Kind, options: dict[str, Any], decimals: int) -> dict[str, Any]:
    low, high = options.get("minimum"), options.get("maximum")
    places = decimals if kind is Kind.DECIMAL else 0
    for name in ("minimum", "maximum"):
        bound = options.get(name)
        if bound is not None and round(Decimal(bound), places) != bound:
            _refuse(
                section,
                name,
                f"{name} {bound} has more decimals than the column.",
                "Values have " + _places(places),
            )
    _ordered(section, "minimum", low, "maximum", high)
    _ordered(section, "minLength", options.get("minLength"), "maxLength", options.get("maxLength"))
    return {
        "minimum": None if low is None else Decimal(low),
        "maximum": None if high is None else Decimal(high),
        "min_length": options.get("minLength"),
        "max_length": options.get("maxLength"),
        "pattern": _pattern(section, "pattern", options.get("pattern", ""), whole=True),
    }


def _places(places: int) -> str:
    return f"at most {places} decimals." if places else "no decimals."


def _ordered(section: Section, low_name: str, low: Any, high_name: str, high: Any) -> None:
    if low is not None and high is not None and low > high:
        _refuse(
            section,
            low_name,
            f"{low_name} {low} is above {high_name} {high}.",
            "No value could satisfy both.",
        )


def _pattern(section: Section, name: str, pattern: str, *, whole: bool) -> str:
    if not pattern:
        return ""
    try:
        return portable_pattern(pattern, whole=whole)
    except PatternFault as fault:
        _refuse(section, name, f"The pattern {pattern!r} cannot be used: {fault}.", PATTERN_HINT)
        return ""


def _reference(section: Section, kind: Kind) -> Reference | None:
    relationships = section.sections("relationships")
    if not relationships:
        return None
    if len(relationships) > 1:
        section.refuse("A column has at most one relationship.", "Keep one of them.", "relationships")
    to = str(relationships[0].get("to", ""))
    source, _, column = to.partition(".")
    if not (is_name(source) and is_name(column)):
        relationships[0].refuse(
            f"{shown(to)} does not name a column of a source.", "Write source.column.", "to"
        )
        return None
    if kind not in _REFERABLE:
        relationships[0].refuse(
            f"A {section.text('logicalType')} cannot refer to another source.",
            "Use a string, an integer or a date.",
        )
        return None
    return Reference(source, column)


def _accepted(section: Section, kind: Kind) -> tuple[str, ...]:
    entries = [entry for entry in section.sections("quality") if not is_sql(entry)]
    accepted = [accepted_values(entry) for entry in entries]
    if len(entries) > 1:
        entries[1].refuse("The accepted values are given twice.", "Keep one of them.")
    if entries and kind is not Kind.TEXT:
        entries[0].refuse(
            "Accepted values are for a string column.", "Use minimum and maximum, or a rule of type: sql."
        )
    return accepted[0] if accepted else ()


def _cleaning(section: Section, kind: Kind, custom: dict[str, Any]) -> Cleaning:
    return Cleaning(
        trim=custom.get("trim", True),
        collapse_spaces=custom.get("collapseSpaces", False),
        null_tokens=texts(custom.get("nullTokens", ())),
        strip_prefix=custom.get("stripPrefix", ""),
        strip_pattern=_pattern(section, "stripPattern", custom.get("stripPattern", ""), whole=False),
        case=custom.get("case", ""),
        value_map=tuple((key, str(value)) for key, value in custom.get("valueMap", {}).items()),
        decimal_comma=custom.get("decimalComma", False),
        thousands_separator=_thousands(section, custom),
        currency_signs=texts(custom.get("currencySigns", ())),
        formats=_formats(section, kind, custom),
    )


def _thousands(section: Section, custom: dict[str, Any]) -> str:
    separator = str(custom.get("thousandsSeparator", ""))
    decimal = "," if custom.get("decimalComma") else "."
    if separator == decimal or separator.isdigit():
        hint = (
            "Set decimalComma: true too, if decimals follow a comma."
            if separator == "."
            else "Use another sign."
        )
        _refuse(section, "thousandsSeparator", f"{separator!r} is part of the number itself.", hint)
    return separator


def _formats(section: Section, kind: Kind, custom: dict[str, Any]) -> tuple[str, ...]:
    default = DEFAULT_FORMATS.get(kind, DEFAULT_FORMATS[Kind.DATE])
    formats = texts(custom.get("formats", default)) if kind in _DAYS else default
    for form in formats:
        fault = format_fault(form, with_time=kind is Kind.TIMESTAMP)
        if fault:
            _refuse(
                section,
                "formats",
                f"The format {form!r} cannot be used: {fault}.",
                f"For example: {default[0]}",
            )
    return formats
