"""How days and times are written: the parts of a format, its regular expression, the names of months."""

from __future__ import annotations

import re

_NAME = r"([^0-9 .,:/-]{2,20})"
PARTS = {
    "YYYY": "([12][0-9]{3})",
    "YY": "([0-9]{2})",
    "MMMM": _NAME,
    "MMM": _NAME,
    "MM": "(0[1-9]|1[0-2])",
    "M": "(0?[1-9]|1[0-2])",
    "DD": "(0[1-9]|[12][0-9]|3[01])",
    "D": "(0?[1-9]|[12][0-9]|3[01])",
    "HH": "([01][0-9]|2[0-3])",
    "H": "([01]?[0-9]|2[0-3])",
    "hh": "(0[1-9]|1[0-2])",
    "h": "(0?[1-9]|1[0-2])",
    "mm": "([0-5][0-9])",
    "SS": "([0-5][0-9])",
    "f": "([0-9]{1,6})",
    "A": "([AaPp][Mm])",
    "O": "(Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])",
}
"""Each part of a format and what it matches; exactly one group each."""

YEARS, MONTHS, DAYS = ("YYYY", "YY"), ("MMMM", "MMM", "MM", "M"), ("DD", "D")
HOURS, MINUTES, SECONDS, FRACTIONS, HALVES, OFFSETS = (
    ("HH", "H", "hh", "h"),
    ("mm",),
    ("SS",),
    ("f",),
    ("A",),
    ("O",),
)
NAMED, HALF_DAY, OPEN = ("MMMM", "MMM"), ("hh", "h"), ("M", "D", "H", "h")
FIXED = ("YYYY", "YY", "MM", "DD", "HH", "hh", "mm", "SS")  # always as many characters as the part's own name
SEPARATORS = "-/.:, TZ"
TOKEN = re.compile("|".join(PARTS))

_LONG = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
ENGLISH = tuple((name, name[:3], *(("Sept",) if name == "September" else ())) for name in _LONG)
"""The spellings of each month, January first."""


def tokens(form: str) -> list[str]:
    """The parts of a format in their order: `D/M/YYYY` → D, M, YYYY."""
    return TOKEN.findall(form)


def fixed_place(form: str, place: int) -> tuple[int, int]:
    """Where the part at a place begins and its length, where both are always the same; below 0 counted from the end
    of the text. Length 0 where they are not.
    """
    found = list(TOKEN.finditer(form))
    if found[place].group() not in FIXED:
        return 0, 0
    if all(token.group() in FIXED for token in found[:place]):
        return found[place].start(), len(found[place].group())
    if all(token.group() in FIXED for token in found[place:]):
        return found[place].start() - len(form), len(found[place].group())
    return 0, 0


def pattern_of(form: str) -> str:
    """The regular expression of a format: `DD/MM/YYYY` → `^([0-9]{2})/([0-9]{2})/([0-9]{4})$`."""
    parts, at = [], 0
    for token in TOKEN.finditer(form):
        parts += [as_pattern(form[at : token.start()]), PARTS[token.group()]]
        at = token.end()
    return "^" + "".join(parts) + as_pattern(form[at:]) + "$"


def as_pattern(text: str) -> str:
    """A regular expression that matches the text as it stands."""
    return re.escape(text).replace(r"\ ", " ")  # an escaped blank is not known everywhere


def spellings(names: tuple[tuple[str, ...], ...]) -> list[tuple[str, int]]:
    """What a month's name can be once a warehouse has made its letters small, with the month's number; English where
    no names are given. Some warehouses only know A to Z.
    """
    return [
        (spelt, month)
        for month, own in enumerate(names or ENGLISH, 1)
        for spelt in dict.fromkeys(small for one in own for small in _made_small(one))
    ]


def _made_small(name: str) -> list[str]:
    cases = (name, name.upper(), name.title())
    return [name.lower(), *("".join(x.lower() if x.isascii() else x for x in case) for case in cases)]
