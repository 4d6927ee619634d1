"""Ibis phrases for days and moments: only what is written in a contract's format and real becomes a value."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr import types as ir

from etl import formats
from etl.formats import pattern_of

ISO_DAY = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
MONTHS_OF_30 = (4, 6, 9, 11)
FIRST_SHORT_YEAR = 70  # YY: 70 to 99 are of the twentieth century, 00 to 69 of the next
NOON = 12
Names = tuple[tuple[str, ...], ...]


def calendar_day(text: ir.StringValue, form: str, names: Names = ()) -> ir.DateValue:
    """The day, if the text has this form and names a real day of the years 1000 to 2999."""
    fits = text.re_search(pattern_of(form))
    year, month, day = _date_parts(text, form, names)
    iso = text if form == "YYYY-MM-DD" else _iso(year, month, day)
    # Two nested cases: the parts are only cast where the form fits, the day only where it is real.
    real = ibis.ifelse(fits, _real_day(year, month, day), False)
    return ibis.ifelse(real, iso.cast("date"), ibis.null("date"))


def quick_calendar_day(text: ir.StringValue, form: str, names: Names = ()) -> ir.DateValue:
    """As `calendar_day`, where the warehouse knows the calendar and its lenient cast gives NULL for no real day."""
    if form != "YYYY-MM-DD":
        return calendar_day(text, form, names)
    return ibis.ifelse(text.re_search(ISO_DAY), text.try_cast("date"), ibis.null("date"))


def calendar_moment(text: ir.StringValue, form: str, names: Names = ()) -> ir.TimestampValue:
    """The moment in UTC, if the text has this form, names a real day and an hour of it."""
    fits = text.re_search(pattern_of(form))
    year, month, day = _date_parts(text, form, names)
    hour, real_hour = _hour(text, form)
    minute, second = (_number(text, form, part) for part in (formats.MINUTES, formats.SECONDS))
    in_day = real_hour & minute.between(0, 59) & second.between(0, 59)
    real = ibis.ifelse(fits, _real_day(year, month, day) & in_day, False)
    clock = ibis.literal(":").join([_two(hour), _two(minute), _two(second)])
    if _place(form, formats.FRACTIONS) is not None:
        clock = clock + "." + _text(text, form, formats.FRACTIONS)
    moment = (_iso(year, month, day) + " " + clock).cast("timestamp")
    return ibis.ifelse(real, moment, ibis.null("timestamp"))


def _place(form: str, names: Sequence[str]) -> int | None:
    """Where one of these parts stands among the parts of a format."""
    return next((i for i, token in enumerate(formats.tokens(form)) if token in names), None)


def _text(text: ir.StringValue, form: str, names: Sequence[str]) -> ir.StringValue:
    place = _place(form, names)
    return text.re_extract(pattern_of(form), 0 if place is None else place + 1)


def _number(text: ir.StringValue, form: str, names: Sequence[str]) -> ir.IntegerValue:
    """The number a part holds; 0 where the format has no such part."""
    if _place(form, names) is None:
        return ibis.literal(0, "int64")
    return _text(text, form, names).cast("int64")


def _date_parts(
    text: ir.StringValue, form: str, names: Names
) -> tuple[ir.IntegerValue, ir.IntegerValue, ir.IntegerValue]:
    if form == "YYYY-MM-DD":  # the common case: fixed places are several times cheaper than a second match
        year, month, day = (
            text.substr(start, length).cast("int64") for start, length in ((0, 4), (5, 2), (8, 2))
        )
        return year, month, day
    year = _number(text, form, formats.YEARS)
    if "YYYY" not in formats.tokens(form):
        year = year + ibis.ifelse(year < FIRST_SHORT_YEAR, 2000, 1900)
    return year, _month(text, form, names), _number(text, form, formats.DAYS)


def _month(text: ir.StringValue, form: str, names: Names) -> ir.IntegerValue:
    """The month's number, NULL for a name that is none."""
    if _place(form, formats.NAMED) is None:
        return _number(text, form, formats.MONTHS)
    name = _text(text, form, formats.NAMED)
    return name.cases(*formats.spellings(names), else_=ibis.null("int8")).cast("int64")


def _hour(text: ir.StringValue, form: str) -> tuple[ir.IntegerValue, ir.BooleanValue]:
    """The hour from 0 to 23, and whether the hour as written exists."""
    hour = _number(text, form, formats.HOURS)
    if _place(form, formats.HALF_DAY) is None:
        return hour, hour.between(0, 23)
    afternoon = _text(text, form, formats.HALVES).isin(["PM", "pm", "Pm", "pM"])
    return hour % NOON + ibis.ifelse(afternoon, NOON, 0), hour.between(1, NOON)


def _real_day(year: ir.IntegerValue, month: ir.IntegerValue, day: ir.IntegerValue) -> ir.BooleanValue:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    longest = ibis.cases(
        (month == 2, ibis.ifelse(leap, 29, 28)),  # noqa: PLR2004
        (month.isin(MONTHS_OF_30), 30),
        else_=31,
    )
    return year.between(1000, 2999) & month.between(1, 12) & (day >= 1) & (day <= longest)


def _iso(year: ir.IntegerValue, month: ir.IntegerValue, day: ir.IntegerValue) -> ir.StringValue:
    return ibis.literal("-").join([year.cast("string"), _two(month), _two(day)])


def _two(number: ir.IntegerValue) -> ir.StringValue:
    return ibis.ifelse(number < 10, "0" + number.cast("string"), number.cast("string"))  # noqa: PLR2004
