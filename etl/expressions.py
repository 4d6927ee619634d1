"""Ibis phrases that mean the same on every warehouse: cleaning, guarded casts, calendar days, broken rules.

A guard is a regular expression tried before the cast, because each warehouse's own lenient cast accepts other
things ('12.5' as 13, '0x10' as 16, 'epoch' as a day). What the guard refuses becomes NULL, never a rounded value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import ibis
from ibis.expr import types as ir

from etl.model import Cleaning, Column, Kind

INTEGER_GUARD = r"^[+-]?[0-9]{1,18}$"
WHITE_SPACE = " \t\n\r\v\f"
ISO_DAY = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
MONTHS_OF_30 = (4, 6, 9, 11)
DATE_PARTS = {
    "YYYY": r"([0-9]{4})",
    "MM": r"([0-9]{2})",
    "DD": r"([0-9]{2})",
    "M": r"([0-9]{1,2})",
    "D": r"([0-9]{1,2})",
    "HH": r"([0-9]{2})",
    "mm": r"([0-9]{2})",
    "SS": r"([0-9]{2})",
}
_TOKEN = re.compile("|".join(DATE_PARTS))
TRUE_WORDS, FALSE_WORDS = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
MAX_DIGITS = 38


def cleaned(raw: ir.StringValue, how: Cleaning) -> ir.StringValue:
    """The text after cleaning, NULL where nothing is left. Same order as the fields of `Cleaning`."""
    text = _trimmed(raw) if how.trim else raw
    if how.collapse_spaces:
        text = text.re_replace(r"\s+", " ")
    if how.null_tokens:
        text = ibis.ifelse(text.isin(list(how.null_tokens)), ibis.null("string"), text)
    if how.strip_prefix:
        text = ibis.ifelse(text.startswith(how.strip_prefix), text.substr(len(how.strip_prefix)), text)
    if how.strip_pattern:
        text = text.re_replace(how.strip_pattern, "")
    if how.case:
        text = text.upper() if how.case == "upper" else text.lower()
    if how.value_map:
        text = text.cases(*how.value_map, else_=text)
    return text.nullif("")


def _trimmed(raw: ir.StringValue) -> ir.StringValue:
    """Without white space at both ends. Asking first is three times cheaper than trimming every value."""
    return ibis.ifelse(raw.re_search(f"^[{WHITE_SPACE}]|[{WHITE_SPACE}]$"), raw.strip(), raw)


def plain_number(text: ir.StringValue, how: Cleaning) -> ir.StringValue:
    """A number's text in the one form the guards know: no signs of currency, no thousands, a point.

    A separator is taken out only between groups of three, a sign of currency not between digits, and a point is no
    decimal comma: what is written another way ('12,50' where the comma parts thousands, '1€50') must not become a
    hundred times as much.
    """
    for sign in how.currency_signs:
        inside = text.re_search(f"[0-9.,] *{_as_pattern(sign)} *[0-9.,]")
        text = ibis.ifelse(inside, text, text.replace(sign, ""))
    text = text.strip() if how.currency_signs else text
    if how.thousands_separator:
        grouped = text.re_search(_grouped(how))
        text = ibis.ifelse(grouped, text.replace(how.thousands_separator, ""), text)
    if how.decimal_comma:
        text = text.replace(".", "no comma").replace(",", ".")
    return text


def _grouped(how: Cleaning) -> str:
    """The regular expression of a number whose thousands are parted."""
    sign = "," if how.decimal_comma else "[.]"
    return f"^[+-]?[0-9]{{1,3}}({_as_pattern(how.thousands_separator)}[0-9]{{3}})+({sign}[0-9]*)?$"


def _as_pattern(text: str) -> str:
    return re.escape(text).replace(r"\ ", " ")  # an escaped blank is not known everywhere


def safe_cast(text: ir.StringValue, column: Column, dialect: str = "") -> ir.Value:
    """The typed value of a cleaned text, NULL where the guard refuses it.

    `dialect` may allow a faster form of the same guard; a test holds both against each other.
    """
    match column.kind:
        case Kind.INTEGER:
            number = plain_number(text, column.cleaning)
            return _guarded(number, INTEGER_GUARD, "int64")
        case Kind.DECIMAL | Kind.RATIO:
            number = plain_number(text, column.cleaning)
            return _guarded(number, decimal_guard(column.decimals), decimal_type(column.decimals))
        case Kind.DATE:
            day = quick_calendar_day if dialect == "duckdb" else calendar_day
            return ibis.coalesce(*(day(text, form) for form in column.cleaning.formats))
        case Kind.TIMESTAMP:
            return ibis.coalesce(*(calendar_moment(text, form) for form in column.cleaning.formats))
        case Kind.BOOLEAN:
            word = text.lower()
            return ibis.cases(
                (word.isin(TRUE_WORDS), True), (word.isin(FALSE_WORDS), False), else_=ibis.null("boolean")
            )
        case _:
            return text


def decimal_guard(decimals: int) -> str:
    """At most `decimals` places: more is a broken rule, never rounding."""
    whole = rf"[0-9]{{1,{18 - decimals}}}"
    return (
        rf"^[+-]?({whole}(\.[0-9]{{0,{decimals}}})?|\.[0-9]{{1,{decimals}}})$"
        if decimals
        else f"^[+-]?{whole}$"
    )


def decimal_type(decimals: int) -> str:
    """The column type of a decimal with that many places."""
    return f"decimal(18,{decimals})"


def readable_amount(text: ir.StringValue, how: Cleaning) -> ir.DecimalValue:
    """The amount as written, with up to 18 digits and 10 decimals, for the money account: independent of the typed
    column. No column holds more digits, and ten thousand million such amounts can be added up.
    """
    number = plain_number(text, how)
    return _guarded(number, r"^[+-]?([0-9]{1,18}(\.[0-9]{0,10})?|\.[0-9]{1,10})$", "decimal(38,10)")


def _guarded(text: ir.StringValue, guard: str, to: str) -> ir.Value:
    return ibis.ifelse(text.re_search(guard), text.cast(to), ibis.null(to))


def pattern_of(form: str) -> str:
    """The regular expression of a date format: `DD/MM/YYYY` → `^([0-9]{2})/([0-9]{2})/([0-9]{4})$`."""
    parts, at = [], 0
    for token in _TOKEN.finditer(form):
        parts += [re.escape(form[at : token.start()]).replace(r"\ ", " "), DATE_PARTS[token.group()]]
        at = token.end()
    return "^" + "".join(parts) + re.escape(form[at:]) + "$"


def _tokens(form: str) -> list[str]:
    return [token.group() for token in _TOKEN.finditer(form)]


def _part(text: ir.StringValue, form: str, names: Sequence[str]) -> ir.IntegerValue:
    tokens = _tokens(form)
    index = next((i for i, token in enumerate(tokens) if token in names), None)
    if index is None:
        return ibis.literal(0, "int64")
    if form == "YYYY-MM-DD":  # the common case: fixed places are several times cheaper than a second match
        start, length = {"YYYY": (0, 4), "MM": (5, 2), "DD": (8, 2)}[names[0]]
        return text.substr(start, length).cast("int64")
    return text.re_extract(pattern_of(form), index + 1).cast("int64")


def _real_day(year: ir.IntegerValue, month: ir.IntegerValue, day: ir.IntegerValue) -> ir.BooleanValue:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    longest = ibis.cases(
        (month == 2, ibis.ifelse(leap, 29, 28)),  # noqa: PLR2004
        (month.isin(MONTHS_OF_30), 30),
        else_=31,
    )
    return year.between(1000, 2999) & month.between(1, 12) & (day >= 1) & (day <= longest)


def calendar_day(text: ir.StringValue, form: str) -> ir.DateValue:
    """The day, if the text has this form and names a real day of the years 1000 to 2999."""
    fits = text.re_search(pattern_of(form))
    if form == "YYYY-MM-DD":
        year, month, day = (_part(text, form, (name,)) for name in ("YYYY", "MM", "DD"))
        iso = text
    else:
        year, month, day = (_part(text, form, names) for names in (("YYYY",), ("MM", "M"), ("DD", "D")))
        iso = _iso(year, month, day)
    # Two nested cases: the parts are only cast where the form fits, the day only where it is real.
    real = ibis.ifelse(fits, _real_day(year, month, day), False)
    return ibis.ifelse(real, iso.cast("date"), ibis.null("date"))


def quick_calendar_day(text: ir.StringValue, form: str) -> ir.DateValue:
    """As `calendar_day`, where the warehouse knows the calendar and its lenient cast gives NULL for no real day."""
    if form != "YYYY-MM-DD":
        return calendar_day(text, form)
    return ibis.ifelse(text.re_search(ISO_DAY), text.try_cast("date"), ibis.null("date"))


def calendar_moment(text: ir.StringValue, form: str) -> ir.TimestampValue:
    """The moment in UTC, if the text has this form, names a real day and an hour of it."""
    fits = text.re_search(pattern_of(form))
    year, month, day = (_part(text, form, names) for names in (("YYYY",), ("MM", "M"), ("DD", "D")))
    hour, minute, second = (_part(text, form, (name,)) for name in ("HH", "mm", "SS"))
    in_day = hour.between(0, 23) & minute.between(0, 59) & second.between(0, 59)
    real = ibis.ifelse(fits, _real_day(year, month, day) & in_day, False)
    clock = ibis.literal(":").join([_two(hour), _two(minute), _two(second)])
    moment = (_iso(year, month, day) + " " + clock).cast("timestamp")
    return ibis.ifelse(real, moment, ibis.null("timestamp"))


def _iso(year: ir.IntegerValue, month: ir.IntegerValue, day: ir.IntegerValue) -> ir.StringValue:
    return ibis.literal("-").join([year.cast("string"), _two(month), _two(day)])


def _two(number: ir.IntegerValue) -> ir.StringValue:
    return ibis.ifelse(number < 10, "0" + number.cast("string"), number.cast("string"))  # noqa: PLR2004


def broken_rules(column: Column, text: ir.StringValue, value: ir.Value) -> list[tuple[str, ir.BooleanValue]]:
    """The rules of one column as (reason, condition that is true for a row that breaks it)."""
    rules: list[tuple[str, ir.BooleanValue]] = []
    if column.required:
        rules.append((f"{column.name} is missing", text.isnull()))
    if column.kind is not Kind.TEXT:
        rules.append((f"{column.name} is not {_kind_in_words(column)}", text.notnull() & value.isnull()))
    if column.minimum is not None:
        rules.append((f"{column.name} is below {column.minimum}", value < _bound(column, column.minimum)))
    if column.maximum is not None:
        rules.append((f"{column.name} is above {column.maximum}", value > _bound(column, column.maximum)))
    return rules + _text_rules(column, text)


def _text_rules(column: Column, text: ir.StringValue) -> list[tuple[str, ir.BooleanValue]]:
    rules: list[tuple[str, ir.BooleanValue]] = []
    if column.min_length is not None:
        few = text.length() < column.min_length
        rules.append((f"{column.name} is shorter than {column.min_length} characters", few))
    if column.max_length is not None:
        many = text.length() > column.max_length
        rules.append((f"{column.name} is longer than {column.max_length} characters", many))
    if column.pattern:
        unlike = text.notnull() & ~text.re_search(f"^(?:{column.pattern})$")
        rules.append((f"{column.name} does not have the agreed form", unlike))
    if column.accepted:
        strange = text.notnull() & ~text.isin(list(column.accepted))
        rules.append((f"{column.name} is not an accepted value", strange))
    return rules


def _bound(column: Column, bound: object) -> ir.Value:
    if column.kind is Kind.INTEGER:
        return (
            ibis.literal(bound, decimal_type(0))
            if str(bound).isdigit() is False
            else ibis.literal(int(str(bound)))
        )
    return ibis.literal(bound, decimal_type(column.decimals))


def _kind_in_words(column: Column) -> str:
    forms = " or ".join(column.cleaning.formats)
    return {
        Kind.INTEGER: "a whole number",
        Kind.DECIMAL: f"a number with at most {column.decimals} decimals",
        Kind.RATIO: f"a number with at most {column.decimals} decimals",
        Kind.DATE: f"a day written {forms}",
        Kind.TIMESTAMP: f"a time written {forms}",
        Kind.BOOLEAN: "yes or no",
    }[column.kind]


def type_of(column: Column) -> str:
    """The Ibis type of the typed column."""
    return {
        Kind.INTEGER: "int64",
        Kind.DECIMAL: decimal_type(column.decimals),
        Kind.RATIO: decimal_type(column.decimals),
        Kind.DATE: "date",
        Kind.TIMESTAMP: "timestamp",
        Kind.BOOLEAN: "boolean",
    }.get(column.kind, "string")
