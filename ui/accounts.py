"""The row and money accounts as parts of a whole, each with its ink, ready to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.facts import Retention
    from etl.model import MoneyAccount, RowAccount


@dataclass(frozen=True)
class Part:
    """One term of an account. `amount` counts rows, lines or money; `ink` names a token."""

    name: str
    amount: Decimal | int
    ink: str


@dataclass(frozen=True)
class Account:
    """`whole` = the sum of `parts` + `difference`; `name` says what the whole is."""

    name: str
    whole: Decimal | int
    parts: tuple[Part, ...]
    difference: Decimal | int

    @property
    def closes(self) -> bool:
        """Whether nothing is unexplained."""
        return self.difference == 0


_OUTCOMES = (
    ("Silver", "silver", "silver"),
    ("Superseded", "superseded", "superseded"),
    ("Quarantined", "quarantined", "warned"),
    ("Discarded", "discarded", "faint"),
    ("Withdrawn", "withdrawn", "faint"),
    ("Pending", "pending", "running"),
)
"""What becomes of a bronze row: word on screen, field of the records, ink."""


def lines(accounts: Sequence[RowAccount]) -> Account:
    """The first equation over `accounts`: physical lines of the files and what each is."""
    bronze = _sum(accounts, "bronze")
    other = sum(_sum(accounts, field) for field in ("header_lines", "continuation_lines", "blank"))
    parts = (
        Part("Bronze", bronze, "bronze"),
        Part("Unreadable", _sum(accounts, "unreadable"), "failed"),
        Part("Headers, blanks, continuations", other, "faint"),
    )
    return Account("File lines", _sum(accounts, "lines"), present(parts), _sum(accounts, "lines_difference"))


def rows(accounts: Sequence[RowAccount]) -> Account:
    """The second equation over `accounts`: bronze rows and corrections, and where they are now."""
    feeding = [account for account in accounts if not account.bronze_only]
    alone = [account for account in accounts if account.bronze_only]
    parts = [Part(name, _sum(feeding, field), ink) for name, field, ink in _OUTCOMES]
    parts.append(Part("Bronze only", _sum(alone, "bronze"), "faint"))
    corrections = _sum(accounts, "corrections")
    name = "Bronze and corrections" if corrections else "Bronze"
    whole = _sum(accounts, "bronze") + corrections
    return Account(name, whole, present(parts), _sum(accounts, "rows_difference"))


def money(account: MoneyAccount) -> Account:
    """Where the amounts of one column went, in its one currency."""
    parts = (Part(name, getattr(account, field), ink) for name, field, ink in _OUTCOMES)
    return Account("In the files", account.bronze + account.corrections, present(parts), account.difference)


def retention(kept: Retention) -> Account:
    """Bronze rows of one source: those in silver, and what explains the rest."""
    parts = present(Part(name, getattr(kept, field), ink) for name, field, ink in _OUTCOMES)
    found = sum(part.amount for part in parts)
    return Account("Bronze", kept.bronze, parts, kept.bronze - found if kept.silver_table else 0)


def present(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts that are not nothing, in their order."""
    return tuple(part for part in parts if part.amount)


def _sum(accounts: Sequence[RowAccount], field: str) -> int:
    return sum(getattr(account, field) for account in accounts)
