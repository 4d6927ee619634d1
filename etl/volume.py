"""How many rows a batch of a source usually has, and days that do not count; nothing is read here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil, floor
from statistics import median

LEAST_BATCHES = 7
"""With fewer batches to compare with, nothing is said."""

LEAST_ROWS = 100
"""Below this median a handful of rows is a large part; nothing is said."""

MOST_BATCHES = 30
"""The baseline: so many of the newest batches before."""

STRETCH = 3.5 * 1.4826
"""Deviations from the median, as multiples of the median absolute deviation, that are still usual: the modified
z-score of 3.5 of Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993); 1.4826 makes the deviation
comparable with a standard deviation.
"""

LEAST_TOLERANCE = 0.25
"""This share of the median is always usual: a feed of equal files has no deviation at all."""


@dataclass(frozen=True)
class Incident:
    """A day (UTC) on which a source's files are known to be out of the ordinary: they are left out of the baseline."""

    source: str
    day: date
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Load:
    """One batch as far as its volume goes. `left_out`: it lies on a day marked as an incident, or was withdrawn."""

    batch_id: str
    path: str
    rows: int
    arrived_at: datetime
    left_out: bool = False

    @property
    def day(self) -> date:
        """The day of arrival in UTC."""
        return self.arrived_at.date()


@dataclass(frozen=True)
class Expected:
    """What is usual for the next batch. With `quiet` set nothing is said, and that is why."""

    batches: int
    median: float
    low: int
    high: int
    quiet: str = ""

    def usual(self, rows: int) -> bool:
        """Whether so many rows are as expected."""
        return self.low <= rows <= self.high


def expected(before: Sequence[int]) -> Expected:
    """What is usual after batches of so many rows, oldest first."""
    baseline = before[-MOST_BATCHES:]
    if len(baseline) < LEAST_BATCHES:
        quiet = (
            f"too little history: {_batches(len(baseline))} to compare with, {LEAST_BATCHES} or more needed"
        )
        return Expected(len(baseline), 0, 0, 0, quiet)
    middle = median(baseline)
    if middle < LEAST_ROWS:
        quiet = f"too few rows: {middle:,g} in the median batch, {LEAST_ROWS} or more needed"
        return Expected(len(baseline), middle, 0, 0, quiet)
    deviation = median(abs(rows - middle) for rows in baseline)
    tolerance = max(STRETCH * deviation, LEAST_TOLERANCE * middle)
    # A file without a single row is never usual where there are rows otherwise.
    return Expected(len(baseline), middle, max(1, ceil(middle - tolerance)), floor(middle + tolerance))


@dataclass(frozen=True)
class Compared:
    """A batch beside what was expected of it when it came."""

    load: Load
    expected: Expected

    @property
    def odd(self) -> bool:
        """Whether it was out of range; one that is left out never is."""
        counts = not self.load.left_out and not self.expected.quiet
        return counts and not self.expected.usual(self.load.rows)


@dataclass(frozen=True)
class SourceVolume:
    """The newest batches of a source, oldest first, and what is expected of the next one."""

    source: str
    batches: tuple[Compared, ...]
    expected: Expected


@dataclass(frozen=True)
class Examined:
    """The batches of one landing against those before: how many could be compared, and those out of range."""

    compared: int
    odd: tuple[Compared, ...]
    message: str


def trail(loads: Sequence[Load], of: Collection[str]) -> list[Compared]:
    """The batches `of` these ids, each beside what those before it lead to expect; `loads` are all, oldest first."""
    before: list[int] = []
    found: list[Compared] = []
    for load in loads:
        if load.batch_id in of:
            found.append(Compared(load, expected(before)))
        if not load.left_out:
            before.append(load.rows)
    return found


def examine(loads: Sequence[Load], newest: Collection[str]) -> Examined:
    """Compare the batches `newest` each with those before it; `loads` are all landed ones, oldest first."""
    found = trail(loads, newest)
    compared = [one for one in found if not one.load.left_out and not one.expected.quiet]
    odd = tuple(one for one in compared if one.odd)
    return Examined(len(compared), odd, _said(compared, odd) if compared else _quiet(found))


def _quiet(found: Sequence[Compared]) -> str:
    """Why none of these could be compared."""
    for one in reversed(found):
        if not one.load.left_out:
            return f"{one.expected.quiet[:1].upper()}{one.expected.quiet[1:]}."
    if found:
        path = found[-1].load.path
        return f"{path} is left out: its day is marked as an incident, or the batch was withdrawn."
    return "Nothing has landed yet."


def _said(compared: Sequence[Compared], odd: Sequence[Compared]) -> str:
    shown = (odd or compared)[-1]
    range_, more = shown.expected, len(odd) - 1
    also = f", and {_batches(more)} more out of range" if more > 0 else ""
    return (
        f"{shown.load.path} has {shown.load.rows:,} rows; {range_.low:,} to {range_.high:,} are usual "
        f"(median {range_.median:,g} of {_batches(range_.batches)}){also}."
    )


def _batches(number: int) -> str:
    return f"{number:,} batch{'' if number == 1 else 'es'}"
