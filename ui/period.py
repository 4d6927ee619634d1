"""Which months a page shows: whole calendar months, because that is the grain of gold.monthly_revenue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

ALL = "All"
RANGE = "Range"
LAST = {"12 months": 12, "6 months": 6, "3 months": 3}
CHOICES = (ALL, *LAST, RANGE)


@dataclass(frozen=True)
class Period:
    """Months from `first` to `last`, both the first day of a month and both included; None is unbounded."""

    first: date | None = None
    last: date | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self.first is None and self.last is None

    @property
    def until(self) -> date | None:
        """The first day that no longer belongs to the period."""
        return None if self.last is None else shifted(self.last, 1)

    @property
    def length(self) -> int:
        """How many months; 0 when unbounded."""
        if self.first is None or self.last is None:
            return 0
        return _number(self.last) - _number(self.first) + 1


def shifted(month: date, by: int) -> date:
    """The first day of the month `by` months later (earlier when negative)."""
    number = _number(month) + by
    return date(number // 12, number % 12 + 1, 1)


def between(first: date, last: date) -> list[date]:
    """Every month from `first` to `last`, both included, without gaps."""
    return [shifted(first, step) for step in range(_number(last) - _number(first) + 1)]


def chosen(choice: str, months: Sequence[date], picked: Sequence[date] = ()) -> Period:
    """The period a choice means, counted back from the newest of `months` (ascending)."""
    if not months or choice == ALL:
        return Period()
    if choice == RANGE:
        return Period(min(picked), max(picked)) if picked else Period()
    return Period(max(months[0], shifted(months[-1], 1 - LAST.get(choice, 12))), months[-1])


def before(period: Period, months: Sequence[date]) -> Period | None:
    """The equally long period just before, or None where the figures do not reach back that far."""
    if period.first is None or period.last is None or not months:
        return None
    first = shifted(period.first, -period.length)
    return Period(first, shifted(period.first, -1)) if first >= months[0] else None


def _number(month: date) -> int:
    return month.year * 12 + month.month - 1
