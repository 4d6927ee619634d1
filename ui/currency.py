"""Amounts in the currency their column declares. Amounts of different currencies never share a figure."""

from __future__ import annotations

from dataclasses import dataclass

from ui import fmt
from ui.fmt import Number

_FORMATS = {"USD": "dollar", "EUR": "euro", "GBP": "pound", "JPY": "yen"}


@dataclass(frozen=True)
class Currency:
    """How amounts of one currency are written. `code` is as the column's unit says it; "" where it says nothing."""

    code: str = "USD"

    @property
    def prefix(self) -> str:
        """What stands before a number on an axis."""
        return "$" if self.code == "USD" else ""

    @property
    def cell(self) -> str:
        """The number format of a table's column."""
        return _FORMATS.get(self.code, "localized")

    def short(self, amount: Number | None) -> str:
        """`$448.4k`, `448.4k EUR`."""
        return self._own(fmt.money(amount))

    def exact(self, amount: Number | None) -> str:
        """`$448,428.24`, `448,428.24 EUR`."""
        return self._own(fmt.money(amount, exact=True))

    def _own(self, dollars: str) -> str:
        if self.code == "USD" or dollars == fmt.MISSING:
            return dollars
        return f"{dollars.replace('$', '')} {self.code}".strip()
