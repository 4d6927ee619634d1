"""Numbers, sizes and times for people. Exact values belong in tooltips, tables and downloads."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from decimal import ROUND_DOWN, Decimal

MISSING = "–"
Number = int | float | Decimal

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_TWO_DIGITS = 10  # from here on one decimal says nothing more
_HUNDREDTH = 0.01
_NEXT_SIZE = 1000
_SIZES = ("B", "KB", "MB", "GB", "TB")


def count(number: int | None, one: str = "", many: str = "") -> str:
    """`20,401`, or with a noun `1 row`, `20,401 rows`."""
    if number is None:
        return MISSING
    noun = one if number == 1 else many or f"{one}s"
    return f"{number:,} {noun}" if one else f"{number:,}"


def money(amount: Number | None, exact: bool = False) -> str:
    """`$448.4k` for charts, `$448,428.24` with `exact`."""
    if amount is None:
        return MISSING
    sign = "-" if amount < 0 else ""
    size = abs(Decimal(amount))
    if not exact:
        for least, unit, places in ((10**9, "B", 2), (10**6, "M", 2), (10**3, "k", 1)):
            if size >= least:
                return f"{sign}${size / least:,.{places}f}{unit}"
    return f"{sign}${size:,.2f}"


def compact(number: Number | None) -> str:
    """`9.1k`: a count for a chart or a tile."""
    if number is None:
        return MISSING
    size = Decimal(number)
    for least, step, unit in ((10**9, 10**9, "B"), (10**6, 10**6, "M"), (10**4, 10**3, "k")):
        if abs(size) >= least:
            return f"{size / step:,.1f}{unit}"
    return f"{size:,.0f}"


def share(part: Number | None, places: int = 1) -> str:
    """0..1 as `98.2 %`; never rounds up to a whole, nor a trace down to nothing."""
    if part is None:
        return MISSING
    if part in (0, 1):
        return f"{int(part) * 100} %"
    unit = Decimal(1).scaleb(-places)
    percent = (Decimal(str(part)) * 100).quantize(unit, rounding=ROUND_DOWN)
    return f"{max(percent, unit) if part > 0 else percent} %"


def size(size_bytes: float | None) -> str:
    """`3.1 MB`; powers of 1000."""
    if size_bytes is None:
        return MISSING
    for unit in _SIZES:
        if abs(size_bytes) < _NEXT_SIZE or unit == _SIZES[-1]:
            break
        size_bytes /= _NEXT_SIZE
    places = 0 if size_bytes >= _TWO_DIGITS or unit == "B" else 1
    return f"{size_bytes:.{places}f} {unit}"


def seconds(length: float | None) -> str:
    """A duration: `0.31 s`, `12 s`, `2 min 05 s`, `1 h 04 min`."""
    if length is None:
        return MISSING
    if length < _HUNDREDTH:
        return f"{max(length * 1000, 1):.0f} ms" if length else "< 1 ms"
    if length < _TWO_DIGITS:
        return f"{length:.2f} s" if length < 1 else f"{length:.1f} s"
    minutes, rest = divmod(round(length), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def span(length: timedelta | None) -> str:
    """A promise in the largest unit that says it whole: `24 h`, `7 d`, `90 min`."""
    if length is None:
        return MISSING
    whole = int(length.total_seconds())
    for step, unit in _STEPS:
        if whole % step == 0 and whole // step > (1 if unit == "d" else 0):
            return f"{whole // step} {unit}"
    return f"{whole} s"


def ago(then: datetime | None, now: datetime) -> str:
    """`3 min ago`, `just now`."""
    if then is None:
        return MISSING
    return _distance((now - then).total_seconds(), "{} ago", "just now")


def until(then: datetime | None, now: datetime) -> str:
    """`in 12 min`, `now`."""
    if then is None:
        return MISSING
    return _distance((then - now).total_seconds(), "in {}", "now")


def when(at: datetime | None, zone: tzinfo | None = None) -> str:
    """`23 Nov 2026, 04:41` in `zone` (the machine's own when None)."""
    if at is None:
        return MISSING
    return at.astimezone(zone).strftime("%-d %b %Y, %H:%M")


def _distance(length: float, phrase: str, now: str) -> str:
    for step, unit in _STEPS:
        if length >= step:
            return phrase.format(f"{length // step:.0f} {unit}")
    return now
