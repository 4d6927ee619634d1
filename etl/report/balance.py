"""The report's accounts: every term of every batch, and what no term explains, said as a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from etl.facts import ReportSection
from etl.model import EXACT, CheckState, MoneyAccount, RowAccount
from etl.report.given import ReportInput
from etl.texts import count, money

Account = RowAccount | MoneyAccount
A = TypeVar("A", RowAccount, MoneyAccount)
LINES = ("lines", "header_lines", "continuation_lines", "blank", "unreadable", "bronze", "lines_difference")
ROWS = (
    "bronze", "corrections", "silver", "superseded", "quarantined", "discarded", "withdrawn", "pending",
    "rows_difference",
)  # fmt: skip
MONEY = (
    "bronze", "corrections", "silver", "superseded", "quarantined", "discarded", "withdrawn", "pending",
    "difference",
)  # fmt: skip
WORDS = {
    "header_lines": "Headers",
    "continuation_lines": "Continuations",
    "lines_difference": "Unexplained",
    "rows_difference": "Unexplained",
    "difference": "Unexplained",
}
ALL = "all"
NONE_YET = "has been drawn up: nothing has been examined yet."


def unexplained(given: ReportInput) -> ReportSection:
    """What no account explains, over all batches: 0 lines, 0 rows and 0.00 of each currency, or it is told here."""
    found = given.accounts
    lines = sum(abs(a.lines_difference) for a in found.row_batches)
    records = sum(abs(a.rows_difference) for a in found.row_batches)
    amounts = tuple(_unexplained_money(found.money_batches))
    rows = [
        ("Lines of the files", f"{sum(a.lines for a in found.row_batches):,}", f"{lines:,}"),
        ("Rows and corrections", f"{sum(map(_records, found.row_batches)):,}", f"{records:,}"),
    ]
    rows += [(f"Amounts in {c}", money(whole, c), money(gap, c)) for c, whole, gap in amounts]
    closed = not lines and not records and not any(gap for _, _, gap in amounts)
    state = CheckState.PASSED if closed else CheckState.FAILED
    lead = "Every line, row and amount is explained." if closed else "Something is not explained."
    if not found.row_batches:
        rows, state, lead = [], CheckState.UNEXAMINED, f"No account {NONE_YET}"
    return ReportSection("Unexplained", lead, ("What", "In all", "Unexplained"), tuple(rows), state)


def left_over(given: ReportInput) -> tuple[str, ...]:
    """The same in one sentence; none while nothing has been examined."""
    section = unexplained(given)
    words = ("lines", "rows", *("" for _ in section.rows[2:]))
    amounts = ", ".join(f"{row[-1]} {word}".strip() for row, word in zip(section.rows, words, strict=False))
    return (f"Unexplained: {amounts}.",) if section.rows else ()


def _records(account: RowAccount) -> int:
    return account.bronze + account.corrections


def _unexplained_money(accounts: Sequence[MoneyAccount]) -> Iterator[tuple[str, Decimal, Decimal]]:
    """(currency, amounts in the files and corrections, what is not explained); currencies are never added up."""
    for currency in dict.fromkeys(account.currency for account in accounts):
        whole = gap = Decimal(0)
        for account in accounts:
            if account.currency == currency:
                whole = EXACT.add(whole, EXACT.add(account.bronze, account.corrections))
                gap = EXACT.add(gap, abs(account.difference))
        yield currency, whole, gap


def line_accounts(given: ReportInput) -> ReportSection:
    """The first equation: what each physical line of each file is."""
    found, named = given.accounts, _batches(given)
    rows = tuple(
        (a.source, named[a.batch_id], *_terms(a, LINES), _closes(a.lines_difference))
        for a in _by_source(found.row_totals, found.row_batches)
    )
    lead = "Lines = headers + continuations + blank + unreadable + bronze."
    columns = ("Source", "Batch", *map(_word, LINES), "Account")
    return _section("Flow consistency: line accounts", lead, columns, rows)


def row_accounts(given: ReportInput) -> ReportSection:
    """The second equation: where each row is now. A feed that stops at bronze has none."""
    found, named = given.accounts, _batches(given)
    feeding = [a for a in _by_source(found.row_totals, found.row_batches) if not a.bronze_only]
    alone = [a.source for a in found.row_totals if a.bronze_only]
    rows = tuple((a.source, named[a.batch_id], *_terms(a, ROWS), _closes(a.rows_difference)) for a in feeding)
    lead = "Bronze + corrections = silver + superseded + quarantined + discarded + withdrawn + pending." + (
        f" Kept in bronze only: {', '.join(alone)}." if alone else ""
    )
    columns = ("Source", "Batch", *map(_word, ROWS), "Account")
    return _section("Flow consistency: row accounts", lead, columns, rows)


def money_accounts(given: ReportInput) -> ReportSection:
    """The same in amounts, per currency. Bronze is read from the text, silver from the typed column."""
    found, named = given.accounts, _batches(given)
    rows = tuple(
        (
            f"{a.source}, {a.column}", named[a.batch_id], a.currency,
            *(money(getattr(a, term), "") for term in MONEY), f"{a.rows_without_amount:,}",
            _closes(a.difference),
        )
        for a in _by_source(found.money_totals, found.money_batches)
    )  # fmt: skip
    lead = "The row account in amounts: bronze is read from the text, silver from the typed column."
    columns = ("Amount", "Batch", "Currency", *map(_word, MONEY), "Rows without", "Account")
    return _section("Flow consistency: money accounts", lead, columns, rows)


def _by_source(totals: Sequence[A], batches: Sequence[A]) -> list[A]:
    """Each total followed by its batches."""
    found: list[A] = []
    for total in totals:
        found.append(total)
        found.extend(account for account in batches if _same(account, total))
    return found


def _same(account: Account, total: Account) -> bool:
    """A column of amounts has a total of its own in each currency."""
    return all(
        getattr(account, name, "") == getattr(total, name, "") for name in ("source", "column", "currency")
    )


def _batches(given: ReportInput) -> Mapping[str, str]:
    """How each batch is named: its file and its id; the total of all is `all`."""
    found = given.accounts
    ids = [a.batch_id for a in found.row_batches] + [a.batch_id for a in found.money_batches]
    unknown = {batch_id: batch_id for batch_id in ids}
    known = {batch.batch_id: f"{batch.path} ({batch.batch_id})" for batch in given.batches}
    return unknown | known | {"": ALL}


def _terms(account: RowAccount, terms: Sequence[str]) -> Iterator[str]:
    return (f"{getattr(account, term):,}" for term in terms)


def _word(term: str) -> str:
    return WORDS.get(term, term.capitalize())


def _closes(difference: Decimal | int) -> str:
    return "open" if difference else "closes"


def _section(
    title: str, equation: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
) -> ReportSection:
    what = title.rsplit(": ", 1)[-1][:-1]
    if not rows:
        return ReportSection(title, f"No {what} {NONE_YET}", columns, (), CheckState.UNEXAMINED)
    batches = sum(row[1] != ALL for row in rows)
    unclosed = sum(row[-1] == "open" for row in rows)
    state = CheckState.FAILED if unclosed else CheckState.PASSED
    closing = f"{count(unclosed, what)} did not close." if unclosed else "Every one closes"
    over = f": {count(len(rows) - batches, 'total')} over {count(batches, 'batch', 'batches')}."
    return ReportSection(title, f"{equation} {closing}{'' if unclosed else over}", columns, rows, state)
