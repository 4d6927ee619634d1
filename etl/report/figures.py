"""The report's sections on business figures and measured quality. A total is always over all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from etl.checks import worst
from etl.declared import Severity
from etl.facts import CheckFacts, ReportSection, Rows
from etl.model import CheckState
from etl.report.given import Measure, ReportInput
from etl.texts import STATE_WORDS, count, money, percent, size, when
from etl.verdict import standing

REGIONAL, PRODUCTS = "gold.customer_analytics", "gold.product_analytics"
REVENUE = "total_revenue"
TOP = 10


def regional(given: ReportInput) -> ReportSection:
    """Every region, and the total over all of them."""
    rows, title = given.regional, "Regional figures"
    if rows is None or not _whole(rows):
        return _absent(title, REGIONAL, rows)
    records, currency = _records(rows), _currency(given, REGIONAL)
    total = _sum(records, REVENUE)
    table = [_figures(r, "region", ("total_customers", "total_orders"), total, currency) for r in records]
    all_of = (f"All {len(records)}", *(f"{_sum(records, c):,}" for c in ("total_customers", "total_orders")))
    table.append((*all_of, money(total, currency), _share_of(total, total)))
    lead = f"{count(len(records), 'region')}; total revenue over all of them {money(total, currency)}."
    return ReportSection(title, lead, ("Region", "Customers", "Orders", "Revenue", "Share"), tuple(table))


def products(given: ReportInput) -> ReportSection:
    """The leading products, and the total over all products."""
    rows, title = given.products, "Product figures"
    if rows is None or not _whole(rows):
        return _absent(title, PRODUCTS, rows)
    records, currency = _records(rows), _currency(given, PRODUCTS)
    total, top = _sum(records, REVENUE), records[:TOP]
    columns = ("total_orders", "total_quantity_sold")
    table = [_figures(r, "product_id", columns, total, currency) for r in top]
    all_of = (f"All {len(records)}", *(f"{_sum(records, c):,}" for c in columns))
    table.append((*all_of, money(total, currency), _share_of(total, total)))
    listed = (
        f"The top {len(top)} of {count(len(records), 'product')}"
        if len(top) < len(records)
        else "All products"
    )
    held = _sum(top, REVENUE)
    lead = (
        f"{listed}: {money(held, currency)}, {_share_of(held, total)} of the total {money(total, currency)}."
    )
    return ReportSection(title, lead, ("Product", "Orders", "Quantity", "Revenue", "Share"), tuple(table))


def revenue_total(given: ReportInput) -> Iterator[tuple[str, Decimal, str]]:
    """(gold table, its revenue over all rows, currency) of the tables this report shows whole."""
    for table, rows in ((REGIONAL, given.regional), (PRODUCTS, given.products)):
        if rows is not None and _whole(rows):
            yield table, _sum(_records(rows), REVENUE), _currency(given, table)


def volumes(given: ReportInput) -> ReportSection:
    """What has come in, per source, and the newest batches."""
    rows = [
        (s.source, f"{s.batches:,}", f"{s.refused:,}", f"{s.rows:,}", size(_bytes_of(given, s.source)))
        for s in given.sources
    ]
    total_rows, batches = sum(s.rows for s in given.sources), sum(s.batches for s in given.sources)
    newest = given.batches[0] if given.batches else None
    lead = f"{count(total_rows, 'row')} from {count(batches, 'batch', 'batches')}."
    if newest:
        lead += f" Newest: {newest.path}, {count(newest.rows, 'row')}, {when(newest.arrived_at)}."
    return ReportSection(
        "Volumes", lead, ("Source", "Batches", "Refused", "Rows", "Size in bronze"), tuple(rows)
    )


def _bytes_of(given: ReportInput, source: str) -> int:
    return sum(t.size_bytes for t in given.tables if t.source == source and t.layer == "bronze")


def quality(given: ReportInput) -> ReportSection:
    """The checks per table: how many passed, warned, failed and examined nothing."""
    states = {id(facts): standing(facts, given.tables) for facts in given.checks}
    tables = [table.name for table in given.tables if any(c.table == table.name for c in given.checks)]
    rows = []
    for table in tables:
        of_table = [facts for facts in given.checks if facts.table == table]
        counts = Counter(states[id(facts)] for facts in of_table)
        examined = sum(facts.result.examined for facts in of_table)
        rows.append((table, str(len(of_table)), *(str(counts[s]) for s in STATE_WORDS), f"{examined:,}"))
    verdict = given.verdict
    lead = verdict.detail if given.checks else "Nothing has been examined yet."
    columns = ("Table", "Checks", *(word.capitalize() for word in STATE_WORDS.values()), "Rows examined")
    return ReportSection("Quality measures: checks", lead, columns, tuple(rows), worst(list(states.values())))


def not_passed(given: ReportInput) -> ReportSection:
    """Each check that did not pass, with what it found."""
    rows = tuple(
        checked(c, standing(c, given.tables)) for c in given.checks if standing(c, given.tables) != "passed"
    )
    counts = Counter(row[3] for row in rows)
    lead = (
        f"{', '.join(f'{number} {word}' for word, number in counts.items())}."
        if rows
        else "Every check passed."
    )
    if not given.checks:
        lead = "Nothing has been examined yet."
    columns = ("Check", "Table", "Severity", "State", "Examined", "Failing", "Message")
    return ReportSection("Quality measures: checks that did not pass", lead, columns, rows)


def checked(facts: CheckFacts, state: CheckState) -> tuple[str, ...]:
    """A check in cells: what it asks of which table, and what it found."""
    result = facts.result
    found = (f"{result.examined:,}", f"{result.failing:,}", result.message or facts.description)
    return (facts.check, facts.table, Severity(facts.severity).value, STATE_WORDS[state], *found)


def completeness(given: ReportInput) -> ReportSection:
    """How many rows have a value, per column."""
    rows = tuple(
        (m.table, m.column, f"{m.rows:,}", f"{m.filled:,}", percent(Decimal(m.filled) / m.rows))
        for m in given.completeness
        if m.rows
    )
    lead = _lead_of_completeness(given.completeness)
    columns = ("Table", "Column", "Rows", "With a value", "Complete")
    return ReportSection("Quality measures: completeness", lead, columns, rows)


def _lead_of_completeness(measures: Sequence[Measure]) -> str:
    examined = [m for m in measures if m.rows]
    gaps = [m for m in examined if m.filled < m.rows]
    if not examined:
        return "Nothing has been examined yet."
    if gaps:
        return f"{count(len(gaps), 'column')} of {len(examined)} with empty values."
    return f"All {len(examined)} columns have a value in every row."


def uniqueness(given: ReportInput) -> ReportSection:
    """One row per key: what the key checks found on each table that has a key."""
    rows = []
    for table in given.tables:
        of_key = [c for c in given.checks if c.table == table.name and is_key_check(c)]
        for facts in of_key:
            state = standing(facts, given.tables)
            found = (f"{facts.result.examined:,}", f"{facts.result.failing:,}", STATE_WORDS[state])
            rows.append((table.name, ", ".join(table.key), facts.check, *found))
    bad = sum(row[-1] != STATE_WORDS[CheckState.PASSED] for row in rows)
    lead = f"{count(len(rows), 'key')} examined; " + ("all unique." if not bad else f"{bad} did not pass.")
    columns = ("Table", "Key", "Check", "Examined", "Repeated", "State")
    lead = lead if rows else "Nothing has been examined yet."
    return ReportSection("Quality measures: uniqueness", lead, columns, tuple(rows))


def is_key_check(facts: CheckFacts) -> bool:
    """Whether a check asks that a key or a column is unique."""
    return facts.check.endswith("_unique")


def _whole(rows: Rows) -> bool:
    return REVENUE in rows.columns and not rows.truncated


def _absent(title: str, table: str, rows: Rows | None) -> ReportSection:
    why = f"{table} has not been published"
    if rows is not None:
        why = (
            f"{table} has no column {REVENUE}"
            if not rows.truncated
            else f"{table} is too long to add up here"
        )
    return ReportSection(title, f"Not examined: {why}, so no total is given.", state=CheckState.UNEXAMINED)


def _records(rows: Rows) -> list[dict[str, Any]]:
    records = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    return sorted(records, key=lambda record: -Decimal(record[REVENUE] or 0))


def _sum(records: Sequence[dict[str, Any]], column: str) -> Decimal:
    return sum((Decimal(record.get(column) or 0) for record in records), Decimal(0))


def _figures(
    record: dict[str, Any], name: str, counted: Sequence[str], total: Decimal, currency: str
) -> tuple[str, ...]:
    revenue = Decimal(record[REVENUE] or 0)
    counts = (f"{record.get(column) or 0:,}" for column in counted)
    return (str(record.get(name, "")), *counts, money(revenue, currency), _share_of(revenue, total))


def _share_of(part: Decimal, total: Decimal) -> str:
    return percent(part / total) if total else ""


def _currency(given: ReportInput, table: str) -> str:
    for facts in given.tables:
        if facts.name == table:
            return next((field.unit for field in facts.fields if field.name == REVENUE), "")
    return ""
