"""What bounds the values of a column: `logicalTypeOptions` and the values that are accepted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from etl.contracts.dateforms import limit_of
from etl.contracts.document import Section, shown
from etl.contracts.keys import well_formed
from etl.contracts.patterns import PATTERN_HINT, PatternFault, portable_pattern
from etl.contracts.properties import properties
from etl.contracts.vocabulary import Where
from etl.declared import Kind

MOST_DIGITS = 18
DAYS = {Kind.DATE, Kind.TIMESTAMP}


def options_of(section: Section) -> dict[str, Any]:
    """The `logicalTypeOptions` that are well formed."""
    options = section.section("logicalTypeOptions")
    wanted = properties(Where.OPTIONS)
    given = {name: value for name, value in options.value.items() if name in wanted}
    return {name: value for name, value in given.items() if well_formed(options, name, wanted[name])}


def refuse_at(section: Section, name: str, message: str, hint: str) -> None:
    """Refuse a property of a column where it stands: in its options, or in the customProperty of that name."""
    if name in section.section("logicalTypeOptions").value:
        section.section("logicalTypeOptions").refuse(message, hint, name)
        return
    for entry in section.sections("customProperties"):
        if entry.get("property") == name:
            entry.refuse(message, hint, "property")
            return
    section.refuse(message, hint, name)


def limits(section: Section, kind: Kind, options: dict[str, Any], decimals: int) -> dict[str, Any]:
    """The limits, as the fields of `Column`. An exclusive one becomes the next value: nothing lies between."""
    _ordered(section, "minLength", options.get("minLength"), "maxLength", options.get("maxLength"))
    places = decimals if kind is Kind.DECIMAL else 0
    bounds = {name: _bound(section, name, kind, options, places) for name in ("minimum", "maximum")}
    low, high = bounds["minimum"], bounds["maximum"]
    _ordered(section, "minimum", low, "maximum", high)
    of_days = kind in DAYS
    return {
        "minimum": None if of_days else low,
        "maximum": None if of_days else high,
        "earliest": low if of_days else None,
        "latest": high if of_days else None,
        "min_length": options.get("minLength"),
        "max_length": options.get("maxLength"),
        "pattern": pattern_of(section, "pattern", options.get("pattern", ""), whole=True),
    }


def _bound(section: Section, name: str, kind: Kind, options: dict[str, Any], places: int) -> Any:
    exclusive = f"exclusive{name.capitalize()}"
    if name in options and exclusive in options:
        refuse_at(section, exclusive, f"{name} and {exclusive} are both given.", "Keep one of them.")
    given = name if name in options else exclusive
    if given not in options:
        return None
    bound = _value(section, given, kind, options[given], places)
    if bound is None or given == name:
        return bound
    step = _step(kind, places)
    return bound + step if name == "minimum" else bound - step


def _step(kind: Kind, places: int) -> Any:
    if kind is Kind.DATE:
        return timedelta(days=1)
    return timedelta(microseconds=1) if kind is Kind.TIMESTAMP else Decimal(1).scaleb(-places)


def _value(section: Section, name: str, kind: Kind, written: Any, places: int) -> Decimal | datetime | None:
    if kind in DAYS:
        return _moment(section, name, kind, written)
    if isinstance(written, str):
        refuse_at(section, name, f"{name} is {shown(written)}, but must be a number.", "")
        return None
    number = Decimal(written)
    if round(number, places) != number:
        hint = "Values have " + (f"at most {places} decimals." if places else "no decimals.")
        refuse_at(section, name, f"{name} {written} has more decimals than the column.", hint)
    if abs(number) >= 10 ** (MOST_DIGITS - places):
        hint = f"No value of the column has more than {MOST_DIGITS - places} digits before the point."
        refuse_at(section, name, f"{name} {written} is out of reach.", hint)
    return number


def _moment(section: Section, name: str, kind: Kind, written: Any) -> datetime | None:
    found = limit_of(str(written), with_time=kind is Kind.TIMESTAMP)
    if found is None:
        example = "2026-01-31" if kind is Kind.DATE else "2026-01-31 12:00:00"
        what = "day" if kind is Kind.DATE else "time"
        refuse_at(section, name, f"{name} {shown(written)} is not a {what}.", f"For example: {example}")
    return found


def _ordered(section: Section, low_name: str, low: Any, high_name: str, high: Any) -> None:
    if low is not None and high is not None and low > high:
        message = f"{low_name} {_said(low)} is above {high_name} {_said(high)}."
        refuse_at(section, low_name, message, "No value could satisfy both.")


def _said(bound: Any) -> str:
    if isinstance(bound, datetime):
        return bound.replace(tzinfo=None).isoformat(" ").removesuffix(" 00:00:00")
    return str(bound)


def pattern_of(section: Section, name: str, pattern: str, *, whole: bool) -> str:
    """A pattern of a column in the common subset; "" where it is refused."""
    if not pattern:
        return ""
    try:
        return portable_pattern(pattern, whole=whole)
    except PatternFault as fault:
        refuse_at(section, name, f"The pattern {pattern!r} cannot be used: {fault}.", PATTERN_HINT)
        return ""


def accepted_texts(section: Section, kind: Kind, values: Sequence[str], decimals: int) -> tuple[str, ...]:
    """The accepted values of a column as texts; one that no value of its type can equal is refused at `section`."""
    if kind not in {Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.DATE}:
        hint = "Use minimum and maximum, or a rule of type: sql."
        section.refuse("Accepted values are for a string, integer, number or date.", hint)
        return ()
    found = [_accepted(kind, value, decimals) for value in values]
    strange = [value for value, one in zip(values, found, strict=True) if one is None]
    if strange:
        what = {Kind.INTEGER: "a whole number", Kind.DATE: "a day written YYYY-MM-DD"}
        said = what.get(kind, f"a number with at most {decimals} decimals")
        section.refuse(f"{shown(strange[0])} is accepted, but is not {said}.", "No value could equal it.")
        return ()
    return tuple(one for one in found if one is not None)


def _accepted(kind: Kind, value: str, decimals: int) -> str | None:
    """The value as SQL can say it; None where no value of the column can equal it."""
    if kind is Kind.TEXT:
        return value
    if kind is Kind.DATE:
        day = limit_of(value, with_time=False)
        return None if day is None else day.date().isoformat()
    places = decimals if kind is Kind.DECIMAL else 0
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    fits = (
        number.is_finite() and abs(number) < 10 ** (MOST_DIGITS - places) and round(number, places) == number
    )
    return f"{number:.{places}f}" if fits else None
