"""How a contract says days and times: its own formats, the standard's, and single days as limits."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import pairwise

from etl.formats import (
    DAYS,
    FRACTIONS,
    HALF_DAY,
    HALVES,
    HOURS,
    MINUTES,
    MONTHS,
    NAMED,
    OFFSETS,
    PARTS,
    SECONDS,
    SEPARATORS,
    YEARS,
)

_PART = re.compile("|".join(PARTS) + "|.")
_DATE, _TIME = (YEARS, MONTHS, DAYS), (HOURS, MINUTES, SECONDS, FRACTIONS, HALVES, OFFSETS)
_OF_OPEN_LENGTH = {"M", "D", "H", "h", "f"}
_LETTERS = {*NAMED, *HALVES, *OFFSETS}
FORMAT_PARTS = "YYYY, YY, MMM, MM, M, DD, D, HH, H, hh, h, mm, SS, f, A, O"
_STANDARD = re.compile("yyyy|uuuu|yy|MMMM|MMM|MM|M|dd|d|HH|H|hh|h|mm|ss|S+|a|[Xx]{2,3}|Z|'[^']*'|.")
_SPELT = {
    "yyyy": "YYYY", "uuuu": "YYYY", "yy": "YY", "dd": "DD", "d": "D", "ss": "SS", "a": "A",
    **dict.fromkeys(("XX", "XXX", "xx", "xxx", "Z"), "O"),
    **{same: same for same in ("MMMM", "MMM", "MM", "M", "HH", "H", "hh", "h", "mm")},
}  # fmt: skip


def format_fault(form: str, *, with_time: bool) -> str:
    """What is wrong with a format, or nothing. A day needs year, month, day; a time hour, minute."""
    parts = _PART.findall(form)
    strange = [part for part in parts if part not in PARTS and part not in SEPARATORS]
    if strange:
        return f"{strange[0]!r} is neither {FORMAT_PARTS} nor a separator (- / . : , space T Z)"
    used = [part for part in parts if part in PARTS]
    if any(sum(used.count(token) for token in group) != 1 for group in _DATE):
        return "it needs the year, the month and the day once each"
    if any(sum(used.count(token) for token in group) > 1 for group in _TIME):
        return "a part of the time is in it twice"
    fault = _time_fault(used) if with_time else _day_fault(form, used)
    return fault or _ambiguous(parts)


def _day_fault(form: str, used: list[str]) -> str:
    has_time = any(token in used for group in _TIME for token in group)
    return "a date has no time of day" if has_time or "Z" in form else ""


def _time_fault(used: list[str]) -> str:
    if not (set(used) & set(HOURS) and "mm" in used):
        return "it needs HH and mm"
    if bool(set(used) & set(HALF_DAY)) != ("A" in used):
        return "h, the hour from 1 to 12, and A, for AM or PM, belong together"
    return "f, the fraction, follows SS" if "f" in used and "SS" not in used else ""


def _ambiguous(parts: list[str]) -> str:
    for left, right in pairwise(parts):
        both = {left, right}
        two_numbers = both <= set(PARTS) - _LETTERS and both & _OF_OPEN_LENGTH
        if two_numbers or both <= _LETTERS:
            return f"{left}{right} can be read in two ways; put a separator between them"
    return ""


def from_standard(form: str) -> str:
    """A format in the standard's letters (`dd.MM.yyyy`) in those of `formats` (`DD.MM.YYYY`). Raises ValueError."""
    spelt = []
    for part in _STANDARD.findall(form):
        if part in _SPELT:
            spelt.append(_SPELT[part])
        elif part.startswith("S"):
            spelt.append("f")
        elif part.startswith("'") or not part.isalpha():
            spelt.append(part.strip("'"))
        else:
            raise ValueError(f"{part!r} in it is not read here")
    return "".join(spelt)


def limit_of(written: str, *, with_time: bool) -> datetime | None:
    """The moment a limit names: `2026-01-31`, for a timestamp also with a time; None where it names none."""
    try:
        if with_time:
            found = datetime.fromisoformat(written)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
