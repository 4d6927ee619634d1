"""Figures in words: the phrases that verdict, report and command line share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from etl.model import CheckState

STATE_WORDS = {
    CheckState.PASSED: "passed",
    CheckState.WARNED: "warned",
    CheckState.FAILED: "failed",
    CheckState.UNEXAMINED: "not examined",
}

FIGURE = re.compile(r"[-+<>]? ?[\d,]+(\.\d+)?( (%|s|ms|B|KB|MB|GB|[A-Z]{3}))?")
_SIZES = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 check`, `2 checks`, `1,200 batches`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def percent(share: Decimal) -> str:
    """A share of 0 to 1 in per cent; one that is not whole is never rounded to 0 % or 100 %."""
    rounded = (share * 100).quantize(Decimal("0.1"))
    if rounded == 0 and share > 0:
        return "< 0.1 %"
    if rounded == 100 and share < 1:  # noqa: PLR2004
        return "> 99.9 %"
    return f"{rounded:f} %"


def money(amount: Decimal, currency: str) -> str:
    """An amount to the cent with its currency: `1,234.50 USD`. Further digits are shown."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount:,f} {currency}".rstrip()


def size(count_of_bytes: int) -> str:
    """`512 B`, `1.5 MB` (powers of 1,024)."""
    for unit, name in _SIZES:
        if abs(count_of_bytes) >= unit:
            return f"{count_of_bytes / unit:,.1f} {name}"
    return f"{count_of_bytes} B"


def seconds(wall: float | None) -> str:
    """`12 ms`, `1.50 s`, `2 min 5 s`; empty while unfinished."""
    if wall is None:
        return ""
    if wall < 1:
        return f"{wall * 1000:.0f} ms"
    if wall < 60:  # noqa: PLR2004
        return f"{wall:.2f} s"
    return f"{int(wall) // 60:,} min {int(wall) % 60} s"


def span(length: timedelta) -> str:
    """A length of time in its largest whole unit: `24 hours`, `90 minutes`, `3 days`."""
    whole = int(length.total_seconds())
    for unit, name in _SPANS:
        if whole >= 2 * unit or (whole >= unit and whole % unit == 0):
            return count(whole // unit, name)
    return count(whole, "second")


def when(at: datetime | None) -> str:
    """`2026-11-23 04:15:00 UTC`; empty for None."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


def is_figures(cells: Iterable[str]) -> bool:
    """Whether a column holds figures alone (empty cells and dashes aside), to be set to the right."""
    filled = [cell for cell in cells if cell not in ("", "–")]
    return bool(filled) and all(FIGURE.fullmatch(cell) for cell in filled)


def short(table: str) -> str:
    """A table's name without its layer."""
    return table.split(".", 1)[-1]
