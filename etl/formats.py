"""How days and times are written: the parts of a format, its regular expression, the names of months."""

from __future__ import annotations

import re

_NAME = r"([^0-9 .,:/-]{2,20})"
PARTS = {
    "YYYY": "([0-9]{4})",
    "YY": "([0-9]{2})",
    "MMMM": _NAME,
    "MMM": _NAME,
    "MM": "([0-9]{2})",
    "M": "([0-9]{1,2})",
    "DD": "([0-9]{2})",
    "D": "([0-9]{1,2})",
    "HH": "([0-9]{2})",
    "H": "([0-9]{1,2})",
    "hh": "([0-9]{2})",
    "h": "([0-9]{1,2})",
    "mm": "([0-9]{2})",
    "SS": "([0-9]{2})",
    "f": "([0-9]{1,6})",
    "A": "([AaPp][Mm])",
}
"""Each part of a format and what it matches; exactly one group each."""

YEARS, MONTHS, DAYS = ("YYYY", "YY"), ("MMMM", "MMM", "MM", "M"), ("DD", "D")
HOURS, MINUTES, SECONDS, FRACTIONS, HALVES = ("HH", "H", "hh", "h"), ("mm",), ("SS",), ("f",), ("A",)
NAMED, HALF_DAY = ("MMMM", "MMM"), ("hh", "h")
SEPARATORS = "-/.:, TZ"
_TOKEN = re.compile("|".join(PARTS))

_LONG = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
ENGLISH = tuple((name, name[:3], *(("Sept",) if name == "September" else ())) for name in _LONG)
"""The spellings of each month, January first."""


def tokens(form: str) -> list[str]:
    """The parts of a format in their order: `D/M/YYYY` → D, M, YYYY."""
    return _TOKEN.findall(form)


def pattern_of(form: str) -> str:
    """The regular expression of a format: `DD/MM/YYYY` → `^([0-9]{2})/([0-9]{2})/([0-9]{4})$`."""
    parts, at = [], 0
    for token in _TOKEN.finditer(form):
        parts += [as_pattern(form[at : token.start()]), PARTS[token.group()]]
        at = token.end()
    return "^" + "".join(parts) + as_pattern(form[at:]) + "$"


def as_pattern(text: str) -> str:
    """A regular expression that matches the text as it stands."""
    return re.escape(text).replace(r"\ ", " ")  # an escaped blank is not known everywhere


def spellings(names: tuple[tuple[str, ...], ...]) -> list[tuple[str, int]]:
    """Every spelling of a month in the cases people write, with its number; English where no names are given."""
    return [
        (spelt, month)
        for month, own in enumerate(names or ENGLISH, 1)
        for spelt in dict.fromkeys(
            case for one in own for case in (one, one.lower(), one.upper(), one.title())
        )
    ]
