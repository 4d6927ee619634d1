"""Row and money accounts: where every record and every cent of a batch went, each term counted from the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl.errors import AccountOpen
from etl.layers import silver
from etl.model import EXACT, Batch, BatchState, Column, Contract, MoneyAccount, RowAccount, written_short
from etl.warehouse import Session, Warehouse

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Side:
    """How the three places a row can be in are read: built aside in this run, or as published; None if never built."""

    silver: str
    superseded: str
    quarantine: str


def side_of(warehouse: Warehouse, contract: Contract, built: bool) -> Side:
    """The three tables of a contract's silver, as built in this run or as published."""
    return Side(
        warehouse.physical(f"silver.{contract.silver_table}", built),
        warehouse.physical(silver.superseded_table(contract), built),
        warehouse.physical(silver.quarantine_table(contract), built),
    )


def draw_up(
    session: Session,
    contract: Contract,
    batches: Sequence[Batch],
    taken: frozenset[str],
    side: Side | None,
    amounts: Mapping[str, str],
) -> tuple[list[RowAccount], list[MoneyAccount]]:
    """The accounts of every landed batch of a source.

    `taken` are the batches that `side` was built from; the records of the others are pending. `side` is None
    while silver was never built. `amounts` are the SQL expressions that read each amount column's text.
    """
    landed = [
        batch for batch in batches if batch.source == contract.source and batch.state is BatchState.LANDED
    ]
    rows = _row_accounts(session, contract, landed, taken, side)
    if contract.silver_table is None:
        return rows, []
    money: list[MoneyAccount] = []
    for name, amount in amounts.items():
        written = _Written(session, contract.column(name), amount)
        money += _money(session, contract, written, landed, taken, side)
    return rows, money


def _row_accounts(
    session: Session, contract: Contract, landed: Sequence[Batch], taken: frozenset[str], side: Side | None
) -> list[RowAccount]:
    bronze = _counts(session, f'bronze."{contract.bronze_table}"')
    unreadable = _lines(session, contract.source)
    places = (
        [_counts(session, table) for table in (side.silver, side.superseded, side.quarantine)] if side else []
    )
    in_silver, in_superseded, in_quarantine = places or ({}, {}, {})
    return [
        RowAccount(
            source=contract.source,
            batch_id=batch.batch_id,
            lines=batch.lines,
            header_lines=batch.header_lines,
            bronze=bronze.get(batch.batch_id, 0),
            continuation_lines=batch.continuation_lines,
            unreadable=unreadable.get(batch.batch_id, 0),
            blank=batch.blank,
            bronze_only=contract.silver_table is None,
            silver=in_silver.get(batch.batch_id, 0),
            superseded=in_superseded.get(batch.batch_id, 0),
            quarantined=in_quarantine.get(batch.batch_id, 0),
            pending=0
            if contract.silver_table is None or batch.batch_id in taken
            else bronze.get(batch.batch_id, 0),
        )
        for batch in landed
    ]


def _counts(session: Session, table: str) -> dict[str, int]:
    return dict(session.rows(f"select _batch_id, count(*) from {table} group by _batch_id"))  # noqa: S608


def _lines(session: Session, source: str) -> dict[str, int]:
    return dict(
        session.rows(
            "select batch_id, count(*) from quarantine.unreadable_lines where source = ? group by batch_id",
            [source],
        )
    )


@dataclass(frozen=True)
class _Written:
    """Reads an amount column's text, independently of the typed column."""

    session: Session
    column: Column
    amount: str  # an SQL expression over the text

    def sums(self, table: str) -> dict[str, tuple[Decimal, int]]:
        """Per batch: the sum of the amounts as written, and the rows without a readable one."""
        found = self.session.rows(
            f"select _batch_id, coalesce(sum(amount), 0), count(*) - count(amount) "  # noqa: S608
            f"from (select _batch_id, {self.amount} as amount from {table}) as written group by _batch_id"
        )
        return {batch_id: (_exact(total), blank) for batch_id, total, blank in found}


def _money(
    session: Session,
    contract: Contract,
    amounts: _Written,
    landed: Sequence[Batch],
    taken: frozenset[str],
    side: Side | None,
) -> list[MoneyAccount]:
    column = amounts.column
    written = amounts.sums(f'bronze."{contract.bronze_table}"')
    in_silver = _typed(session, side.silver, column) if side else {}
    in_superseded = _typed(session, side.superseded, column) if side else {}
    in_quarantine = amounts.sums(side.quarantine) if side else {}
    nothing = (Decimal(0), 0)
    accounts = []
    for batch in landed:
        amount, blank = written.get(batch.batch_id, nothing)
        accounts.append(
            MoneyAccount(
                source=contract.source,
                batch_id=batch.batch_id,
                column=column.name,
                currency=column.amount,
                bronze=amount,
                silver=in_silver.get(batch.batch_id, Decimal(0)),
                superseded=in_superseded.get(batch.batch_id, Decimal(0)),
                quarantined=in_quarantine.get(batch.batch_id, nothing)[0],
                pending=Decimal(0) if batch.batch_id in taken else amount,
                rows_without_amount=blank,
            )
        )
    return accounts


def _typed(session: Session, table: str, column: Column) -> dict[str, Decimal]:
    found = session.rows(
        f'select _batch_id, coalesce(sum("{column.name}"), 0) from {table} group by _batch_id'  # noqa: S608
    )
    return {batch_id: _exact(total) for batch_id, total in found}


def _exact(amount: Any) -> Decimal:
    return written_short(Decimal(amount))


def total_rows(accounts: Iterable[RowAccount]) -> list[RowAccount]:
    """One row account per source, its `batch_id` empty."""
    totals: dict[str, dict[str, Any]] = {}
    counted = (
        "lines", "header_lines", "bronze", "continuation_lines", "unreadable", "blank", "corrections", "silver",
        "superseded", "quarantined", "discarded", "withdrawn", "pending",
    )  # fmt: skip
    for account in accounts:
        total = totals.setdefault(
            account.source, {"bronze_only": account.bronze_only} | dict.fromkeys(counted, 0)
        )
        for name in counted:
            total[name] += getattr(account, name)
    return [RowAccount(source=source, batch_id="", **total) for source, total in totals.items()]


def total_money(accounts: Iterable[MoneyAccount]) -> list[MoneyAccount]:
    """One money account per source and column; different currencies are never added up."""
    totals: dict[tuple[str, str, str], dict[str, Any]] = {}
    summed = (
        "bronze",
        "silver",
        "superseded",
        "quarantined",
        "pending",
        "corrections",
        "discarded",
        "withdrawn",
    )
    for account in accounts:
        place = (account.source, account.column, account.currency)
        total = totals.setdefault(place, {"rows_without_amount": 0} | dict.fromkeys(summed, Decimal(0)))
        total["rows_without_amount"] += account.rows_without_amount
        for name in summed:
            total[name] = EXACT.add(total[name], getattr(account, name))
    return [
        MoneyAccount(source=source, batch_id="", column=column, currency=currency, **total)
        for (source, column, currency), total in totals.items()
    ]


def require_closed(
    session: Session,
    contract: Contract,
    rows: Sequence[RowAccount],
    money: Sequence[MoneyAccount],
    side: Side | None,
) -> None:
    """Raises AccountOpen, naming batches and lines, unless every account closes."""
    for account in rows:
        if not account.closes:
            raise AccountOpen(
                f"The row account of {contract.source} does not close for batch {account.batch_id}: "
                f"{account.lines_difference} lines and {account.rows_difference} rows are not explained"
                f"{_lost_lines(session, contract, account.batch_id, side)}.",
                "Nothing is published. Run it again with --full; if it stays, this is a fault of MetaLayer.",
            )
    for sums in money:
        if not sums.closes:
            raise AccountOpen(
                f"The money account of {contract.source}.{sums.column} does not close for batch {sums.batch_id}: "
                f"{sums.difference} {sums.currency} is not explained.",
                "Nothing is published. Run it again with --full; if it stays, this is a fault of MetaLayer.",
            )


def _lost_lines(session: Session, contract: Contract, batch_id: str, side: Side | None) -> str:
    if side is None:
        return ""
    elsewhere = " union all ".join(
        f"select _row_number from {table} where _batch_id = ?"  # noqa: S608
        for table in (side.silver, side.superseded, side.quarantine)
    )
    found = session.rows(
        f'select _row_number from bronze."{contract.bronze_table}" where _batch_id = ? '  # noqa: S608
        f"and _row_number not in ({elsewhere}) order by 1 limit ?",
        [batch_id, batch_id, batch_id, batch_id, NAMED_AT_MOST],
    )
    return f" (lines {', '.join(str(line) for (line,) in found)})" if found else ""
