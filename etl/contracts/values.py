"""Single values of a contract: forms, names, date formats."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

from etl.contracts.vocabulary import Form

NAME = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
MOST_DECIMALS = 9  # of a decimal, whose 18 digits leave nine before the point
NAME_LENGTH = 50  # PostgreSQL cuts names at 63; the engine adds its own endings
NAME_HINT = f"Use lower-case letters, digits and single _, a letter first, at most {NAME_LENGTH} characters."


def is_name(text: str) -> bool:
    """Whether a text can name a table or column in every warehouse without surprises."""
    return bool(NAME.match(text)) and len(text) <= NAME_LENGTH


def has_form(value: Any, form: Form) -> bool:
    """Whether a value read from YAML has the form a property asks for."""
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    match form:
        case Form.TEXT:
            return isinstance(value, str) and bool(value.strip())
        case Form.CHARACTER:
            return isinstance(value, str) and (len(value) == 1 or value == "tab")
        case Form.FLAG:
            return isinstance(value, bool)
        case Form.WHOLE:
            return number and isinstance(value, int)
        case Form.NUMBER:
            return number
        case Form.TEXTS:
            return isinstance(value, list) and bool(value) and all(_is_text(one) for one in value)
        case Form.MAP:
            return isinstance(value, dict) and bool(value) and all(_is_text(one) for one in value.values())
        case Form.LIST:
            return isinstance(value, list)
        case Form.MAPPING:
            return isinstance(value, dict)
        case _:
            return True


def _is_text(value: Any) -> bool:
    """Numbers count: `str` gives back what was written, as other spellings of numbers are read as text."""
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


def texts(values: Any) -> tuple[str, ...]:
    """A list of texts as written."""
    return tuple(str(value) for value in values)


# Date formats -----------------------------------------------------------------------------------------

_FORMAT_TOKEN = re.compile("YYYY|MM|DD|HH|mm|SS|M|D|[-/.:, T]|.")
_DATE_TOKENS = ({"YYYY"}, {"MM", "M"}, {"DD", "D"})
_TIME_TOKENS = ({"HH"}, {"mm"}, {"SS"})
_TOKENS = frozenset().union(*_DATE_TOKENS, *_TIME_TOKENS)
_SEPARATORS = frozenset("-/.:, T")


def format_fault(form: str, *, with_time: bool) -> str:
    """What is wrong with a date format, or nothing. A day needs year, month, day; a time hour, minute."""
    parts = _FORMAT_TOKEN.findall(form)
    strange = [part for part in parts if part not in _TOKENS and part not in _SEPARATORS]
    if strange:
        return f"{strange[0]!r} is neither YYYY, MM, DD, M, D, HH, mm, SS nor a separator (- / . : , space T)"
    used = [part for part in parts if part in _TOKENS]
    if any(sum(used.count(token) for token in group) != 1 for group in _DATE_TOKENS):
        return "it needs the year, the month and the day once each"
    if any(sum(used.count(token) for token in group) > 1 for group in _TIME_TOKENS):
        return "a part of the time is in it twice"
    has_time = {"HH", "mm"} <= set(used)
    if with_time != has_time or (not with_time and "SS" in used):
        return "it needs HH and mm" if with_time else "a date has no time of day"
    return _ambiguous(parts)


def _ambiguous(parts: list[str]) -> str:
    for left, right in pairwise(parts):
        if {left, right} <= _TOKENS and {left, right} & {"M", "D"}:
            return f"{left}{right} can be read in two ways; put a separator between them"
    return ""
