"""How the text of one column is made comparable: the customProperties that say so."""

from __future__ import annotations

import re
from typing import Any

from etl.contracts.dateforms import format_fault, from_standard
from etl.contracts.document import Section, shown
from etl.contracts.limits import DAYS, pattern_of, refuse_at
from etl.contracts.values import texts
from etl.declared import Cleaning, Kind

DEFAULT_FORMATS = {Kind.DATE: ("YYYY-MM-DD",), Kind.TIMESTAMP: ("YYYY-MM-DD HH:mm:SS",)}
_STANDARD_EXAMPLE = {Kind.DATE: "yyyy-MM-dd", Kind.TIMESTAMP: "yyyy-MM-dd HH:mm:ss"}
MONTHS = 12
_HUNDREDTHS = 2
_NEGATIVE = re.compile(r"^[^0-9.,\n\r]*1[^0-9.,\n\r]*$")


def cleaning_of(
    section: Section, kind: Kind, custom: dict[str, Any], options: dict[str, Any], decimals: int
) -> Cleaning:
    """What the customProperties (and the standard's `format`) say; missing values of the quality come on top."""
    return Cleaning(
        trim=custom.get("trim", True),
        collapse_spaces=custom.get("collapseSpaces", False),
        null_tokens=texts(custom.get("nullTokens", ())),
        strip_prefix=custom.get("stripPrefix", ""),
        strip_pattern=pattern_of(section, "stripPattern", custom.get("stripPattern", ""), whole=False),
        case=custom.get("case", ""),
        value_map=tuple((key, str(value)) for key, value in custom.get("valueMap", {}).items()),
        decimal_comma=custom.get("decimalComma", False),
        thousands_separator=_thousands(section, custom),
        currency_signs=_signs(section, custom),
        formats=_formats(section, kind, custom, options),
        negatives=_negatives(section, custom),
        percent=_percent(section, custom, decimals),
        month_names=_month_names(section, custom),
    )


def _thousands(section: Section, custom: dict[str, Any]) -> str:
    separator = str(custom.get("thousandsSeparator", ""))
    decimal = "," if custom.get("decimalComma") else "."
    if separator == decimal or separator in {"+", "-"} or separator.isdigit():
        hint = (
            "Set decimalComma: true too, if decimals follow a comma."
            if separator == "."
            else "Use another sign."
        )
        refuse_at(section, "thousandsSeparator", f"{separator!r} is part of the number itself.", hint)
    return separator


def _signs(section: Section, custom: dict[str, Any]) -> tuple[str, ...]:
    signs = texts(custom.get("currencySigns", ()))
    for sign in signs:
        if sign.strip() in {"", "+", "-"} or any(letter.isdigit() for letter in sign):
            refuse_at(section, "currencySigns", f"{sign!r} is part of the number itself.", "Leave it out.")
    return signs


def _formats(
    section: Section, kind: Kind, custom: dict[str, Any], options: dict[str, Any]
) -> tuple[str, ...]:
    default = DEFAULT_FORMATS.get(kind, DEFAULT_FORMATS[Kind.DATE])
    if kind not in DAYS:
        return default
    if "format" in options and "formats" in custom:
        refuse_at(section, "format", "format and formats are both given.", "Keep formats: it takes several.")
    name = "format" if "format" in options else "formats"
    formats = (
        _standard_format(section, options["format"])
        if name == "format"
        else texts(custom.get("formats", default))
    )
    written = formats if name == "formats" else (options["format"],)
    example = default[0] if name == "formats" else _STANDARD_EXAMPLE[kind]
    for form, said in zip(formats, written, strict=False):
        fault = format_fault(form, with_time=kind is Kind.TIMESTAMP)
        if fault:
            hint = f"For example: {example}"
            refuse_at(section, name, f"The format {said!r} cannot be used: {fault}.", hint)
    return formats


def _standard_format(section: Section, written: str) -> tuple[str, ...]:
    try:
        return (from_standard(written),)
    except ValueError as fault:
        hint = f"For example: {_STANDARD_EXAMPLE[Kind.DATE]}"
        refuse_at(section, "format", f"The format {written!r} cannot be used: {fault}.", hint)
        return ()


def _negatives(section: Section, custom: dict[str, Any]) -> tuple[str, ...]:
    forms = texts(custom.get("negatives", ()))
    strange = [form for form in forms if not _NEGATIVE.match(form) or form.strip() in {"1", "-1", "+1"}]
    if strange:
        message = f"{shown(strange[0])} does not show how a number below zero is written."
        refuse_at(section, "negatives", message, 'Write 1 for the number, for example: ["(1)", "1-"]')
        return ()
    return forms


def _percent(section: Section, custom: dict[str, Any], decimals: int) -> bool:
    percent = bool(custom.get("percent", False))
    if percent and "amount" in custom:
        refuse_at(section, "percent", "An amount of money is no percentage.", "Leave out one of the two.")
    if percent and decimals < _HUNDREDTHS:
        hint = "Give it decimals: 4, so that 12.5% can be 0.1250."
        refuse_at(section, "percent", f"A hundredth has more than {decimals} decimals.", hint)
        return False
    return percent


def _month_names(section: Section, custom: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    given = texts(custom.get("monthNames", ()))
    months = tuple(tuple(name.strip() for name in month.split("|")) for month in given)
    names = [name.lower() for month in months for name in month]
    fault = ""
    if months and len(months) != MONTHS:
        fault = f"monthNames has {len(months)} months."
    elif len(set(names)) < len(names):
        fault = "monthNames has a name twice."
    elif any(not re.fullmatch(r"[^0-9 .,:/-]{2,20}", name) for name in names):
        fault = "monthNames has a name that is not 2 to 20 letters."
    if fault:
        refuse_at(section, "monthNames", fault, "Write twelve, January first, spellings parted by |.")
        return ()
    return months
