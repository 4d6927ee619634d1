"""Texts that break one rule of a column each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from etl.declared import Cleaning, Column, Kind, Severity
from etl.inject.records import FaultKind

NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.RATIO)
DAYS = (Kind.DATE, Kind.TIMESTAMP)
LONGEST = 100_000  # characters; a longer limit is not worth breaking
UNLIKE = ("~", "no such thing", "0", "x@", "-", "é!")  # tried against a pattern until one does not match
PARTS = {
    "YYYY": "2026", "YY": "26", "MMMM": "February", "MMM": "Feb", "MM": "02", "M": "2", "DD": "30", "D": "30",
    "HH": "12", "H": "12", "hh": "12", "h": "12", "mm": "30", "SS": "00", "f": "0", "A": "PM",
}  # fmt: skip
PART = re.compile("|".join(PARTS))  # longer ones stand first


@dataclass(frozen=True)
class Broken:
    """A text for a column, and the rule that should not let it pass."""

    kind: FaultKind
    column: str
    text: str
    rule: str
    severity: Severity = Severity.QUARANTINE


def broken_values(column: Column, in_key: bool) -> Iterator[Broken]:
    """One text for each rule of the column."""

    def broken(kind: FaultKind, text: str, rule: str, named: str = "") -> Broken:
        severity = column.severity(named) if named else Severity.QUARANTINE
        return Broken(kind, column.name, text, rule, severity)

    if column.required or in_key:
        yield broken(FaultKind.MISSING, "", "required", "" if in_key else "present")
    if column.kind is not Kind.TEXT:
        yield broken(FaultKind.WRONG_TYPE, _nonsense(column.cleaning), f"type {column.kind}")
    if column.kind in (Kind.DECIMAL, Kind.RATIO):
        more = written(Decimal(1).scaleb(-column.decimals - 1) + (column.minimum or 0), column.cleaning)
        yield broken(FaultKind.DECIMALS, more, f"at most {column.decimals} decimals")
    if column.kind in DAYS:
        yield broken(FaultKind.NO_SUCH_DAY, _no_such_day(column.cleaning), "real days only")
    for kind, text, rule in (*_out_of_bounds(column), *_too_early_or_late(column), *_wrong_length(column)):
        yield broken(kind, text, rule)
    if column.pattern and (unlike := _unlike(column)):
        yield broken(FaultKind.FORM, unlike, f"pattern {column.pattern}", "form")
    if column.accepted:
        yield broken(FaultKind.STRANGE, _strange(column), "accepted values", "accepted")


def _out_of_bounds(column: Column) -> Iterator[tuple[FaultKind, str, str]]:
    step = Decimal(1) if column.kind is Kind.INTEGER else Decimal(1).scaleb(-column.decimals)
    if column.kind not in NUMBERS:
        return
    if column.minimum is not None:
        yield FaultKind.BELOW, written(column.minimum - step, column.cleaning), f"minimum {column.minimum}"
    if column.maximum is not None:
        yield FaultKind.ABOVE, written(column.maximum + step, column.cleaning), f"maximum {column.maximum}"


def _too_early_or_late(column: Column) -> Iterator[tuple[FaultKind, str, str]]:
    form = column.cleaning.formats[0]
    if column.kind not in DAYS or "YYYY" not in form:
        return
    if column.earliest is not None:
        year = f"{column.earliest.year - 1:04}"
        yield (
            FaultKind.EARLY,
            _filled(form, {"YYYY": year, "DD": "01", "D": "1"}),
            f"earliest {column.earliest:%Y-%m-%d}",
        )
    if column.latest is not None:
        year = f"{column.latest.year + 1:04}"
        yield (
            FaultKind.LATE,
            _filled(form, {"YYYY": year, "DD": "01", "D": "1"}),
            f"latest {column.latest:%Y-%m-%d}",
        )


def _wrong_length(column: Column) -> Iterator[tuple[FaultKind, str, str]]:
    if column.min_length is not None and column.min_length > 1:  # a blank one is missing
        yield FaultKind.SHORT, "x" * (column.min_length - 1), f"at least {column.min_length} characters"
    if column.max_length is not None and column.max_length < LONGEST:
        yield FaultKind.LONG, "x" * (column.max_length + 1), f"at most {column.max_length} characters"


def written(number: Decimal, cleaning: Cleaning) -> str:
    """A number as the column's files write it."""
    text = format(number, "f")
    return text.replace(".", ",") if cleaning.decimal_comma else text


def _nonsense(cleaning: Cleaning) -> str:
    known = {*cleaning.null_tokens, *(found for found, _ in cleaning.value_map)}
    return next(text for text in ("twelve", "dozen", "no value at all") if text not in known)


def _no_such_day(cleaning: Cleaning) -> str:
    return _filled(cleaning.formats[0], {})


def _filled(form: str, parts: dict[str, str]) -> str:
    """A format with a value for each part: 30 February 2026, 12:30:00, where nothing else is given."""
    return PART.sub(lambda part: (PARTS | parts)[part.group()], form)


def _unlike(column: Column) -> str:
    """A text that does not match the column's pattern; "" when none is found."""
    matches = re.compile(f"^(?:{column.pattern})$").search
    return next((text for text in UNLIKE if not matches(text)), "")


def _strange(column: Column) -> str:
    if column.kind is Kind.TEXT:
        return "~ not accepted ~"
    numbers = [int(text) for text in column.accepted if text.lstrip("-").isdigit()]
    return str(max(numbers) + 1) if numbers else "~ not accepted ~"
