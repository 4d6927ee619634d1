"""Ibis phrases for days and moments: only what is written in a contract's format and real becomes a value.

The format's regular expression lets through months 1 to 12, days 1 to 31 and times that exist. Whether a month has that
day, the quick forms leave to DuckDB, whose lenient casts give NULL for no real day; the others ask a second expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import ibis
from ibis.expr import types as ir

from etl import formats
from etl.formats import pattern_of

ISO = "YYYY-MM-DD"
_LEAP_YEAR = "(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:12|16|20|24|28)00)"
_MONTH_AND_DAY = "|".join(
    (
        "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
        "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)",
        "02-(?:0[1-9]|1[0-9]|2[0-8])",
    )
)
REAL_DAY = f"^(?:[12][0-9]{{3}}-(?:{_MONTH_AND_DAY})|{_LEAP_YEAR}-02-29)$"
"""A calendar day of the years 1000 to 2999 as YYYY-MM-DD."""
FIRST_SHORT_YEAR = "70"  # YY: 70 to 99 are of the twentieth century, 00 to 69 of the next
LAST_DAYS = tuple(enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))
"""Of each month, in a year that is no leap year."""
DIGITS = "0123456789"
NOON = 12
MINUTES_OF_AN_HOUR = 60
Names = tuple[tuple[str, ...], ...]
_DUCKDB = {
    "YYYY": "%Y", "MM": "%m", "M": "%m", "DD": "%d", "D": "%d", "HH": "%H", "H": "%H", "mm": "%M", "SS": "%S",
}  # fmt: skip


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def try_strptime(text: str, form: str) -> datetime:
    """DuckDB's own reading of a moment, NULL where it is not real; several times quicker than taking it apart."""
    raise NotImplementedError


def calendar_day(text: ir.StringValue, form: str, names: Names = ()) -> ir.DateValue:
    """The day, if the text has this form and names a real day of the years 1000 to 2999."""
    iso = _iso(text, form, names)
    return ibis.ifelse(_real(text, form, iso), iso.cast("date"), ibis.null("date"))


def quick_calendar_day(text: ir.StringValue, form: str, names: Names = ()) -> ir.DateValue:
    """As `calendar_day`, on DuckDB."""
    iso = _iso(text, form, names).try_cast("date")
    day = iso if form == ISO else ibis.coalesce(*(one.cast("date") for one in _read(text, form, names)), iso)
    return ibis.ifelse(text.re_search(pattern_of(form)), day, ibis.null("date"))


def plain_calendar_day(text: ir.StringValue, form: str, names: Names = ()) -> ir.DateValue:
    """As `calendar_day`, on PostgreSQL, whose expressions cost by each sign they count: for the days of most exports
    parts of the text are compared instead. Three times cheaper.
    """
    if form != ISO:
        return calendar_day(text, form, names)
    month, day = text.substr(5, 2), text.substr(8, 2)
    first, leap = text.left(1), text.re_search(f"^{_LEAP_YEAR}-02-29$")
    last = month.cases(*((f"{number:02}", str(days)) for number, days in LAST_DAYS), else_="")
    real = ibis.ifelse(day <= last, day >= "01", (month == "02") & (day == "29") & leap)
    written = text.like("____-__-__") & (text.translate(DIGITS, "") == "--") & first.isin(("1", "2"))
    return ibis.ifelse(written & real, text.cast("date"), ibis.null("date"))


def calendar_moment(text: ir.StringValue, form: str, names: Names = ()) -> ir.TimestampValue:
    """The moment in UTC, if the text has this form, names a real day and an hour of it."""
    iso = _iso(text, form, names)
    moment = _in_utc((iso + " " + _clock(text, form)).cast("timestamp"), text, form)
    return ibis.ifelse(_real(text, form, iso), moment, ibis.null("timestamp"))


def quick_calendar_moment(text: ir.StringValue, form: str, names: Names = ()) -> ir.TimestampValue:
    """As `calendar_moment`, on DuckDB."""
    iso = (_iso(text, form, names) + " " + _clock(text, form)).try_cast("timestamp")
    moment = ibis.coalesce(*_read(text, form, names), _in_utc(iso, text, form))
    return ibis.ifelse(text.re_search(pattern_of(form)), moment, ibis.null("timestamp"))


def _read(text: ir.StringValue, form: str, names: Names) -> list[ir.TimestampValue]:
    """What DuckDB reads, for the formats it knows: each row is taken apart only where that gives nothing."""
    months = () if names else formats.NAMED
    if not set(formats.tokens(form)) <= {*_DUCKDB, *months}:
        return []
    spelt = ("%b", "%B") if _place(form, months) is not None else ("",)
    return [try_strptime(text, _duckdb_form(form, name)) for name in spelt]


def _duckdb_form(form: str, month: str) -> str:
    return formats.TOKEN.sub(lambda found: _DUCKDB.get(found.group(), month), form)


def _place(form: str, names: Sequence[str]) -> int | None:
    """Where one of these parts stands among the parts of a format."""
    return next((i for i, token in enumerate(formats.tokens(form)) if token in names), None)


def _part(text: ir.StringValue, form: str, names: Sequence[str]) -> ir.StringValue:
    """What the text has for one of these parts, in two digits at least; "00" where the format has none of them."""
    place = _place(form, names)
    if place is None:
        return ibis.literal("00")
    start, length = formats.fixed_place(form, place)
    if length and start >= 0:  # a place that is always the same is several times cheaper than another match
        return text.substr(start, length)
    if length:
        return text.right(-start).substr(0, length)
    found = text.re_extract(pattern_of(form), place + 1)
    return found.lpad(2, "0") if formats.tokens(form)[place] in formats.OPEN else found


def _iso(text: ir.StringValue, form: str, names: Names) -> ir.StringValue:
    """The day as YYYY-MM-DD, NULL where its month has no known name."""
    if form == ISO:
        return text
    year = _part(text, form, formats.YEARS)
    if "YYYY" not in formats.tokens(form):
        year = ibis.ifelse(year < FIRST_SHORT_YEAR, "20", "19") + year
    month = _part(text, form, formats.MONTHS)
    if _place(form, formats.NAMED) is not None:
        spelt = [(name, f"{number:02}") for name, number in formats.spellings(names)]
        month = month.lower().cases(*spelt, else_=ibis.null("string"))
    return year + "-" + month + "-" + _part(text, form, formats.DAYS)


def _clock(text: ir.StringValue, form: str) -> ir.StringValue:
    """The time of day as HH:MM:SS, with the fraction of a second if the format has one."""
    hour = _part(text, form, formats.HOURS)
    if _place(form, formats.HALF_DAY) is not None:
        afternoon = _part(text, form, formats.HALVES).lower() == "pm"
        hour = (hour.cast("int64") % NOON + ibis.ifelse(afternoon, NOON, 0)).cast("string").lpad(2, "0")
    clock = hour + ":" + _part(text, form, formats.MINUTES) + ":" + _part(text, form, formats.SECONDS)
    if _place(form, formats.FRACTIONS) is None:
        return clock
    return clock + "." + _part(text, form, formats.FRACTIONS)


def _in_utc(moment: ir.TimestampValue, text: ir.StringValue, form: str) -> ir.TimestampValue:
    """The moment less its distance from UTC, where the format has one."""
    place = _place(form, formats.OFFSETS)
    if place is None:
        return moment
    said = text.re_extract(pattern_of(form), place + 1)
    minutes = said.substr(1, 2).cast("int64") * MINUTES_OF_AN_HOUR + said.right(2).cast("int64")
    ahead = ibis.ifelse(said.startswith("-"), -minutes, minutes)
    return ibis.ifelse(said == "Z", moment, moment - ahead.as_interval("m"))


def _real(text: ir.StringValue, form: str, iso: ir.StringValue) -> ir.BooleanValue:
    """Whether the text has the form and names a real day."""
    real = iso.re_search(REAL_DAY)
    return real if form == ISO else text.re_search(pattern_of(form)) & real
