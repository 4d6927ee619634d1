"""Holds what the engine published against the oracle: tables row for row, accounts term for term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from etl.model import MoneyAccount, RowAccount
from etl.service import Service
from tests import oracle
from tests.oracle import COLUMNS, CRM, ERP, File, Outcome, Place, Version

SILVER = {CRM: "customers_clean", ERP: "sales_clean"}


def versions(files: Iterable[File], source: str) -> list[Version]:
    """Every bronze row of a source; the files in the order in which they landed, each of them once."""
    return [
        Version((file.sha, line, 0), sequence, fields)
        for sequence, file in enumerate(files)
        if file.source == source
        for line, fields in file.rows.items()
    ]


def require_as_the_oracle_says(
    service: Service, files: Sequence[File], terms: oracle.Terms = oracle.SHIPPED
) -> dict[str, Outcome]:
    """Everything that files alone decide: nothing was mended."""
    expected = oracle.settle_both(versions(files, CRM), versions(files, ERP), terms)
    received = {(file.sha, line, 0): fields for file in files for line, fields in file.rows.items()}
    require_tables(service, files, expected, received)
    require_accounts(service, files, expected)
    return expected


def batch_shas(service: Service) -> dict[str, str]:
    return {batch.batch_id: batch.sha256 for batch in service._warehouse.batches()}


def rows_of(service: Service, sql: str) -> list[tuple[Any, ...]]:
    """Read past the door, which parses every query that it is given: cases are many."""
    with service._warehouse.session() as session:
        return session.rows(sql)


def require_tables(
    service: Service,
    files: Sequence[File],
    expected: Mapping[str, Outcome],
    fields: Mapping[Place, oracle.Fields],
) -> None:
    """Silver, what it superseded and quarantine, place for place; `fields` is every row as received or corrected."""
    shas = batch_shas(service)
    for source, outcome in expected.items():
        require_same(silver(service, source, shas), outcome.silver)
        require_same(superseded(service, source, shas), dict.fromkeys(outcome.superseded, ""))
        broken = {p: (fields[p], tuple(sorted(reasons))) for p, reasons in outcome.quarantined.items()}
        require_same(quarantined(service, source, shas), broken)
    lines = {
        (file.source, file.sha, line): reason for file in files for line, reason in file.unreadable.items()
    }
    require_same(unreadable(service, shas), lines)
    require_gold(service, expected)


def require_same(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    """Equal, or told by nothing but what differs."""
    places = sorted({*found, *expected})
    differ = {p: (found.get(p), expected.get(p)) for p in places if found.get(p) != expected.get(p)}
    assert not differ, "\n".join(f"{p}: found {f}, expected {e}" for p, (f, e) in differ.items())


def silver(service: Service, source: str, shas: Mapping[str, str]) -> dict[Place, dict[str, Any]]:
    names = COLUMNS[source]
    found = rows_of(
        service,
        f"select _batch_id, _row_number, _correction, {', '.join(names)} from silver.{SILVER[source]}",
    )
    rows = {(shas[b], n, c): dict(zip(names, values, strict=True)) for b, n, c, *values in found}
    assert len(rows) == len(found), "a place stands in silver once"
    return rows


def superseded(service: Service, source: str, shas: Mapping[str, str]) -> dict[Place, str]:
    found = rows_of(
        service, f"select _batch_id, _row_number, _correction from silver._superseded_{SILVER[source]}"
    )
    rows = {(shas[b], n, c): "" for b, n, c in found}
    assert len(rows) == len(found), "a place is superseded once"
    return rows


def quarantined(
    service: Service, source: str, shas: Mapping[str, str]
) -> dict[Place, tuple[oracle.Fields, tuple[str, ...]]]:
    names = COLUMNS[source]
    found = rows_of(
        service,
        f"select _batch_id, _row_number, _correction, _reasons, {', '.join(names)} from quarantine.{source}",
    )
    rows = {
        (shas[b], n, c): (dict(zip(names, values, strict=True)), tuple(sorted(reasons)))
        for b, n, c, reasons, *values in found
    }
    assert len(rows) == len(found), "a place stands in quarantine once"
    return rows


def require_aside(service: Service, expected: Mapping[str, Mapping[Place, str]]) -> None:
    """Rows that are not judged at all, each with why."""
    shas = batch_shas(service)
    for source, states in expected.items():
        found = rows_of(
            service, f"select _batch_id, _row_number, _correction, _state from quarantine._aside_{source}"
        )
        rows = {(shas[b], n, c): state for b, n, c, state in found}
        assert len(rows) == len(found), "a place is set aside once"
        require_same(rows, states)


def unreadable(service: Service, shas: Mapping[str, str]) -> dict[tuple[str, str, int], str]:
    found = rows_of(service, "select source, batch_id, line_number, reason from quarantine.unreadable_lines")
    return {(source, shas[batch], line): reason for source, batch, line, reason in found}


def require_gold(service: Service, expected: Mapping[str, Outcome]) -> None:
    customers, sales = (list(expected[source].silver.values()) for source in (CRM, ERP))
    wanted = {
        "customer_analytics": oracle.regions(customers, sales),
        "monthly_revenue": oracle.months(customers, sales),
        "product_analytics": oracle.products(sales),
    }
    columns = {
        "customer_analytics": "region, total_customers, buying_customers, total_orders, total_quantity, "
        "total_revenue, last_sale_date",
        "monthly_revenue": "month, region, product_id, orders, quantity, revenue",
        "product_analytics": "product_id, total_orders, total_quantity_sold, total_revenue, unique_customers, "
        "first_sale_date, last_sale_date, revenue_rank",
    }
    for table in wanted.keys() & {name.removeprefix("gold.") for name in service.catalog.tables}:
        found = rows_of(service, f"select {columns[table]} from gold.{table}")
        assert len(found) == len(set(found))
        assert set(found) == wanted[table]


def require_accounts(service: Service, files: Sequence[File], expected: Mapping[str, Outcome]) -> None:
    """Every term counted anew from what the oracle says; nothing was mended."""
    shas, (row_accounts, money_accounts) = batch_shas(service), service._warehouse.accounts()
    rows = {shas[account.batch_id]: account for account in row_accounts}
    money = {shas[account.batch_id]: account for account in money_accounts}
    assert set(rows) == {file.sha for file in files}
    assert set(money) == {file.sha for file in files if file.source == ERP}
    for file in files:
        require_row_account(rows[file.sha], file, expected[file.source])
        if file.source == ERP:
            require_money_account(money[file.sha], file, expected[ERP])


def require_row_account(account: RowAccount, file: File, outcome: Outcome) -> None:
    def of_batch(places: Iterable[Place]) -> int:
        return sum(place[0] == file.sha for place in places)

    assert account.closes
    assert (account.lines, account.header_lines, account.bronze) == (file.lines, 1, len(file.rows))
    assert (account.continuation_lines, account.blank) == (file.continuation, file.blank)
    assert account.unreadable == len(file.unreadable)
    assert account.silver == of_batch(outcome.silver)
    assert account.superseded == of_batch(outcome.superseded)
    assert account.quarantined == of_batch(outcome.quarantined)
    assert (account.corrections, account.discarded, account.withdrawn, account.pending) == (0, 0, 0, 0)


def require_money_account(account: MoneyAccount, file: File, outcome: Outcome) -> None:
    def of_batch(places: Iterable[Place]) -> Decimal:
        lines = (line for sha, line, _ in places if sha == file.sha)
        return sum((oracle.written_amount(file.rows[line]) for line in lines), Decimal(0))

    assert account.closes
    assert account.bronze == sum(map(oracle.written_amount, file.rows.values()), Decimal(0))
    assert account.silver == of_batch(outcome.silver)
    assert account.superseded == of_batch(outcome.superseded)
    assert account.quarantined == of_batch(outcome.quarantined)
    assert account.pending == 0
