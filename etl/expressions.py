"""Ibis phrases that mean the same on every warehouse: cleaning, guarded casts, broken rules.

A guard is a regular expression tried before the cast, because each warehouse's own lenient cast accepts other
things ('12.5' as 13, '0x10' as 16, 'epoch' as a day). What the guard refuses becomes NULL, never a rounded value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce

import ibis
from ibis.expr import types as ir

from etl.days import calendar_day, calendar_moment, quick_calendar_day
from etl.formats import as_pattern
from etl.model import Cleaning, Column, Kind, Severity

INTEGER_GUARD = r"^[+-]?[0-9]{1,18}$"
WHITE_SPACE = " \t\n\r\v\f"
HUNDREDTHS = 2  # decimals that a percent sign adds
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
    """A number's text in the one form the guards know: no signs of currency, no thousands, a point, the sign first.

    A separator is taken out only between groups of three, a sign of currency not between digits, and a point is no
    decimal comma: what is written another way ('12,50' where the comma parts thousands, '1€50') must not become a
    hundred times as much.
    """
    text = _without_signs(text, how)
    if how.negatives:
        text = _negated(text, how.negatives)
    if how.thousands_separator:
        grouped = text.re_search(_grouped(how))
        text = ibis.ifelse(grouped, text.replace(how.thousands_separator, ""), text)
    if how.decimal_comma:
        text = text.replace(".", "no comma").replace(",", ".")
    return text


def _without_signs(text: ir.StringValue, how: Cleaning) -> ir.StringValue:
    signs = (*how.currency_signs, "%") if how.percent else how.currency_signs
    if not signs:
        return text
    # One condition for all of them: each use of the text doubles the statement.
    stays = f"[0-9.,] *(?:(?:{_either(signs)}) *)+[0-9.,]" + ("|%[^%]*%" if how.percent else "")
    bare = reduce(lambda left, sign: left.replace(sign, ""), signs, text)
    return ibis.ifelse(text.re_search(stays), text, bare).strip()


def _negated(text: ir.StringValue, forms: Sequence[str]) -> ir.StringValue:
    """'-12.50' for '12.50-', if a form is '1-'. Only a number without a sign of its own: nothing is negated twice."""
    ends = [tuple(part.strip() for part in form.split("1")) for form in forms]
    number = r"(?:[0-9.,][^\n]*)?[0-9.,]"
    written = "|".join(f"^{as_pattern(before)} *{number} *{as_pattern(after)}$" for before, after in ends)
    around = [f"^(?:{_either(befores)}) *"] if (befores := {before for before, _ in ends if before}) else []
    around += [f" *(?:{_either(afters)})$"] if (afters := {after for _, after in ends if after}) else []
    return ibis.ifelse(text.re_search(written), "-" + text.re_replace("|".join(around), ""), text)


def _either(texts: Collection[str]) -> str:
    """A regular expression for any of some texts, the longest first."""
    return "|".join(map(as_pattern, sorted(texts, key=lambda one: (-len(one), one))))


def _grouped(how: Cleaning) -> str:
    """The regular expression of a number whose thousands are parted."""
    sign = "," if how.decimal_comma else "[.]"
    return f"^[+-]?[0-9]{{1,3}}({as_pattern(how.thousands_separator)}[0-9]{{3}})+({sign}[0-9]*)?$"


def safe_cast(text: ir.StringValue, column: Column, dialect: str = "") -> ir.Value:
    """The typed value of a cleaned text, NULL where the guard refuses it.

    `dialect` may allow a faster form of the same guard; a test holds both against each other.
    """
    match column.kind:
        case Kind.INTEGER:
            number = plain_number(text, column.cleaning)
            return _guarded(number, INTEGER_GUARD, "int64")
        case Kind.DECIMAL | Kind.RATIO:
            return _decimal(text, column)
        case Kind.DATE:
            day = quick_calendar_day if dialect == "duckdb" else calendar_day
            names = column.cleaning.month_names
            return ibis.coalesce(*(day(text, form, names) for form in column.cleaning.formats))
        case Kind.TIMESTAMP:
            names = column.cleaning.month_names
            return ibis.coalesce(*(calendar_moment(text, form, names) for form in column.cleaning.formats))
        case Kind.BOOLEAN:
            word = text.lower()
            return ibis.cases(
                (word.isin(TRUE_WORDS), True), (word.isin(FALSE_WORDS), False), else_=ibis.null("boolean")
            )
        case _:
            return text


def _decimal(text: ir.StringValue, column: Column) -> ir.DecimalValue:
    number, places = plain_number(text, column.cleaning), column.decimals
    plain = _guarded(number, decimal_guard(places), decimal_type(places))
    if not column.cleaning.percent:
        return plain
    # Two decimals fewer, so that a hundredth of it is exact too.
    share = _guarded(number, decimal_guard(places - HUNDREDTHS), decimal_type(places - HUNDREDTHS))
    hundredth = (share * ibis.literal(Decimal("0.01"), "decimal(3,2)")).cast(decimal_type(places))
    return ibis.ifelse(text.contains("%"), hundredth, plain)


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


def broken_rules(column: Column, text: ir.StringValue, value: ir.Value) -> list[tuple[str, ir.BooleanValue]]:
    """The rules of one column that quarantine, as (reason, condition that is true for a row that breaks it)."""
    rules: list[tuple[str, ir.BooleanValue]] = []
    if column.required and _quarantines(column, "present"):
        rules.append((f"{column.name} is missing", text.isnull()))
    if column.kind is not Kind.TEXT:
        rules.append((f"{column.name} is not {_kind_in_words(column)}", text.notnull() & value.isnull()))
    rules += [(f"{column.name} is below {said}", value < bound) for said, bound in _low(column)]
    rules += [(f"{column.name} is above {said}", value > bound) for said, bound in _high(column)]
    return rules + _text_rules(column, text, value)


def _quarantines(column: Column, rule: str) -> bool:
    return column.severity(rule) is Severity.QUARANTINE


def _text_rules(column: Column, text: ir.StringValue, value: ir.Value) -> list[tuple[str, ir.BooleanValue]]:
    rules: list[tuple[str, ir.BooleanValue]] = []
    if column.min_length is not None:
        few = text.length() < column.min_length
        rules.append((f"{column.name} is shorter than {column.min_length} characters", few))
    if column.max_length is not None:
        many = text.length() > column.max_length
        rules.append((f"{column.name} is longer than {column.max_length} characters", many))
    if column.pattern and _quarantines(column, "form"):
        unlike = text.notnull() & ~text.re_search(f"^(?:{column.pattern})$")
        rules.append((f"{column.name} does not have the agreed form", unlike))
    if column.accepted and _quarantines(column, "accepted"):
        strange = value.notnull() & ~value.isin(_accepted(column))
        rules.append((f"{column.name} is not an accepted value", strange))
    return rules


def _accepted(column: Column) -> Sequence[ir.Value] | Sequence[str]:
    match column.kind:
        case Kind.INTEGER:
            return [ibis.literal(int(one), "int64") for one in column.accepted]
        case Kind.DECIMAL:
            return [_decimal_literal(column, Decimal(one)) for one in column.accepted]
        case Kind.DATE:
            return [ibis.literal(one).cast("date") for one in column.accepted]
        case _:
            return list(column.accepted)


def _low(column: Column) -> list[tuple[str, ir.Value]]:
    return _bounds(column, column.minimum, column.earliest)


def _high(column: Column) -> list[tuple[str, ir.Value]]:
    return _bounds(column, column.maximum, column.latest)


def _bounds(column: Column, number: Decimal | None, moment: datetime | None) -> list[tuple[str, ir.Value]]:
    """The bound in words and as a value; none where there is no bound."""
    if number is not None:
        whole = column.kind is Kind.INTEGER and abs(number) < 10**18
        literal = ibis.literal(int(number), "int64") if whole else _decimal_literal(column, number)
        return [(str(number), literal)]
    if moment is not None:
        by_day = column.kind is Kind.DATE
        written = str(moment.date()) if by_day else moment.replace(tzinfo=None).isoformat(" ")
        return [(written, ibis.literal(written).cast("date" if by_day else "timestamp"))]
    return []


def _decimal_literal(column: Column, number: Decimal) -> ir.Value:
    return ibis.literal(number, decimal_type(column.decimals if column.kind is Kind.DECIMAL else 0))


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
