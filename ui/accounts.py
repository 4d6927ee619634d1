"""The row and money accounts as parts of a whole, each with its ink, ready to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ui import row_links

if TYPE_CHECKING:
    from etl.facts import Retention
    from etl.model import MoneyAccount, RowAccount


@dataclass(frozen=True)
class Part:
    """One term of an account. `amount` counts rows, lines or money; `ink` names a token; `term` is what the rows
    behind it are asked for by.
    """

    name: str
    amount: Decimal | int
    ink: str
    term: str = ""


@dataclass(frozen=True)
class Account:
    """`whole` = the sum of `parts` + `difference`; `name` says what the whole is."""

    name: str
    whole: Decimal | int
    parts: tuple[Part, ...]
    difference: Decimal | int
    term: str = ""  # of the whole

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
        Part("Bronze", bronze, "bronze", "bronze"),
        Part("Unreadable", _sum(accounts, "unreadable"), "failed", "unreadable"),
        Part("Headers, blanks, continuations", other, "faint", row_links.ALSO),
    )
    whole, gap = _sum(accounts, "lines"), _sum(accounts, "lines_difference")
    return Account("File lines", whole, present(parts), gap, row_links.LINES)


def rows(accounts: Sequence[RowAccount]) -> Account:
    """The second equation over `accounts`: bronze rows and corrections, and where they are now."""
    feeding = [account for account in accounts if not account.bronze_only]
    alone = [account for account in accounts if account.bronze_only]
    parts = [Part(name, _sum(feeding, field), ink, field) for name, field, ink in _OUTCOMES]
    parts.append(Part("Bronze only", _sum(alone, "bronze"), "faint", "bronze"))
    corrections = _sum(accounts, "corrections")
    name = "Bronze and corrections" if corrections else "Bronze"
    whole = _sum(accounts, "bronze") + corrections
    return Account(name, whole, present(parts), _sum(accounts, "rows_difference"), "bronze")


def inflow(accounts: Sequence[RowAccount]) -> tuple[Part, ...]:
    """What comes in beside the files: the corrections that people made."""
    return present((Part("Corrections", _sum(accounts, "corrections"), "accent", "corrections"),))


def money(account: MoneyAccount) -> Account:
    """Where the amounts of one column went, in its one currency."""
    parts = (Part(name, getattr(account, field), ink, field) for name, field, ink in _OUTCOMES)
    name = "In the files and corrections" if account.corrections else "In the files"
    whole = account.bronze + account.corrections
    return Account(name, whole, present(parts), account.difference, "bronze")


def retention(kept: Retention, corrections: int = 0) -> Account:
    """Bronze rows of one source and their corrections: those in silver, and what explains the rest."""
    parts = present(Part(name, getattr(kept, field), ink, field) for name, field, ink in _OUTCOMES)
    found = sum(part.amount for part in parts)
    gap = kept.bronze + corrections - found if kept.silver_table else 0
    return Account("Bronze", kept.bronze + corrections, parts, gap, "bronze")


def present(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts that are not nothing, in their order."""
    return tuple(part for part in parts if part.amount)


def _sum(accounts: Sequence[RowAccount], field: str) -> int:
    return sum(getattr(account, field) for account in accounts)
