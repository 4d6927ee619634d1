"""Row and money accounts: where every record and every cent of a batch went, each term counted from the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl.declared import Column, Contract
from etl.errors import AccountOpen
from etl.layers import silver
from etl.model import EXACT, Batch, BatchState, MoneyAccount, RowAccount, written_short
from etl.warehouse import Session, Warehouse

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Side:
    """How the places a row can be in are read: built aside in this run, or as published."""

    silver: str
    superseded: str
    quarantine: str
    aside: str


def side_of(warehouse: Warehouse, contract: Contract, built: bool) -> Side:
    """The tables of a contract's silver, as built in this run or as published."""
    return Side(
        warehouse.physical(f"silver.{contract.silver_table}", built),
        warehouse.physical(silver.superseded_table(contract), built),
        warehouse.physical(silver.quarantine_table(contract), built),
        warehouse.physical(silver.aside_table(contract), built),
    )


@dataclass(frozen=True)
class Drawing:
    """Draws up the accounts of every landed batch of a source, each term counted from the data.

    `upto` is the version of bronze that `side` was built from: what is newer is pending. `side` is None while
    silver was never built.
    """

    session: Session
    warehouse: Warehouse
    contract: Contract
    batches: Sequence[Batch]
    upto: int
    side: Side | None
    standing: frozenset[str] = frozenset()  # batches whose last account stands: they were read again since

    @property
    def _landed(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.state is BatchState.LANDED]

    @property
    def _drawn(self) -> list[Batch]:
        return [batch for batch in self._landed if batch.batch_id not in self.standing]

    def rows(self) -> list[RowAccount]:
        """One row account per batch, in the order of the batches."""
        bronze = self._counts(f'bronze."{self.contract.bronze_table}"')
        unreadable = self._unreadable()
        corrections, waiting = self._corrections("true"), self._corrections(f"version > {self.upto:d}")
        places = self._places() if self.side else {}
        accounts = [self._stray(at, places) for at in self._strays(places)]
        for batch in self._drawn:
            at = batch.batch_id
            taken = batch.version <= self.upto
            accounts.append(
                RowAccount(
                    source=self.contract.source,
                    batch_id=at,
                    lines=batch.lines,
                    header_lines=batch.header_lines,
                    bronze=bronze.get(at, 0),
                    continuation_lines=batch.continuation_lines,
                    unreadable=unreadable.get(at, 0),
                    blank=batch.blank,
                    bronze_only=self.contract.silver_table is None,
                    corrections=corrections.get(at, 0),
                    pending=self._pending(
                        taken, bronze.get(at, 0), corrections.get(at, 0), waiting.get(at, 0)
                    ),
                    **{term: counted.get(at, 0) for term, counted in places.items()},
                )
            )
        return accounts

    def _strays(self, places: Mapping[str, Mapping[str, int]]) -> list[str]:
        """What rows name as their batch and is no landed batch of this source: such a row can come from nowhere."""
        own = {batch.batch_id for batch in self._landed}
        return sorted({at for counted in places.values() for at in counted} - own)

    def _stray(self, at: str, places: Mapping[str, Mapping[str, int]]) -> RowAccount:
        found = {term: counted.get(at, 0) for term, counted in places.items()}
        only = self.contract.silver_table is None
        return RowAccount(self.contract.source, at, 0, 0, 0, 0, 0, 0, bronze_only=only, **found)

    def _pending(self, taken: bool, bronze: int, corrections: int, waiting: int) -> int:
        if self.contract.silver_table is None:
            return 0
        return waiting if taken else bronze + corrections

    def _places(self) -> dict[str, dict[str, int]]:
        side = self.side
        assert side is not None  # noqa: S101 - for mypy: asked only then
        superseded = self._counts(side.superseded)
        for batch_id, count in self._counts(side.aside, "corrected").items():
            superseded[batch_id] = superseded.get(batch_id, 0) + count
        return {
            "silver": self._counts(side.silver),
            "superseded": superseded,
            "quarantined": self._counts(side.quarantine),
            "discarded": self._counts(side.aside, "discarded"),
            "withdrawn": self._counts(side.aside, "withdrawn"),
        }

    def _counts(self, table: str, state: str = "") -> dict[str, int]:
        where = " where _state = ?" if state else ""
        sql = f"select _batch_id, count(*) from {table}{where} group by _batch_id"  # noqa: S608
        return dict(self.session.rows(sql, [state] if state else []))

    def _unreadable(self) -> dict[str, int]:
        return dict(
            self.session.rows(
                "select batch_id, count(*) from quarantine.unreadable_lines where source = ? group by batch_id",
                [self.contract.source],
            )
        )

    def _corrections(self, condition: str) -> dict[str, int]:
        return dict(
            self.session.rows(
                f"select batch_id, count(*) from bronze._corrections where source = ? and {condition} "  # noqa: S608
                "group by batch_id",
                [self.contract.source],
            )
        )

    # -- money -----------------------------------------------------------------------------------------------

    def money(
        self, amounts: Mapping[str, str], known: Mapping[tuple[str, str], MoneyAccount]
    ) -> list[MoneyAccount]:
        """One money account per amount column and batch. `amounts` are the SQL expressions that read each column's
        text. Of a batch in `known` neither file nor corrections have changed, so its left side stands as counted.
        """
        if self.contract.silver_table is None:
            return []
        return [account for name, amount in amounts.items() for account in self._money(name, amount, known)]

    def _money(
        self, name: str, amount: str, known: Mapping[tuple[str, str], MoneyAccount]
    ) -> list[MoneyAccount]:
        column, written = self.contract.column(name), _Written(self.session, amount)
        unknown = [b.batch_id for b in self._drawn if (b.batch_id, name) not in known]
        received, mended = (
            self.warehouse.received(self.contract, unknown),
            self.warehouse.corrections(self.contract),
        )
        bronze = written.sums(f"({received}) as received") if unknown else {}
        corrections = written.sums(f"({mended}) as mended")
        waiting = written.sums(f"({mended}) as mended", self._is_waiting()) if corrections else {}
        places = self._amounts_in_places(column, written) if self.side else {}
        accounts = []
        for batch in self._drawn:
            at, before = batch.batch_id, known.get((batch.batch_id, name))
            read, blank = (before.bronze, before.rows_without_amount) if before else bronze.get(at, NOTHING)
            mended_amount, mended_blank = corrections.get(at, NOTHING)
            taken = batch.version <= self.upto
            accounts.append(
                MoneyAccount(
                    source=self.contract.source,
                    batch_id=at,
                    column=name,
                    currency=column.amount,
                    bronze=read,
                    corrections=mended_amount,
                    pending=waiting.get(at, NOTHING)[0] if taken else EXACT.add(read, mended_amount),
                    rows_without_amount=blank if before else blank + mended_blank,
                    **_at(places, at),
                )
            )
        return accounts

    def _is_waiting(self) -> str:
        return (
            "exists (select 1 from bronze._corrections as c where c.batch_id = _batch_id and "  # noqa: S608
            f"c.row_number = _row_number and c.correction = _correction and c.version > {self.upto:d})"
        )

    def _amounts_in_places(self, column: Column, written: _Written) -> dict[str, dict[str, Decimal]]:
        side = self.side
        assert side is not None  # noqa: S101 - for mypy: asked only then
        superseded = self._typed(side.superseded, column)
        for batch_id, (amount, _) in written.sums(side.aside, "_state = 'corrected'").items():
            superseded[batch_id] = EXACT.add(superseded.get(batch_id, Decimal(0)), amount)
        return {
            "silver": self._typed(side.silver, column),
            "superseded": superseded,
            "quarantined": _first(written.sums(side.quarantine)),
            "discarded": _first(written.sums(side.aside, "_state = 'discarded'")),
            "withdrawn": _first(written.sums(side.aside, "_state = 'withdrawn'")),
        }

    def _typed(self, table: str, column: Column) -> dict[str, Decimal]:
        found = self.session.rows(
            f'select _batch_id, coalesce(sum("{column.name}"), 0) from {table} group by _batch_id'  # noqa: S608
        )
        return {batch_id: _exact(total) for batch_id, total in found}


NOTHING = (Decimal(0), 0)
IN_SILVER = ("silver", "superseded", "quarantined", "discarded", "withdrawn")


def _at(places: Mapping[str, Mapping[str, Decimal]], batch_id: str) -> dict[str, Decimal]:
    return {term: places.get(term, {}).get(batch_id, Decimal(0)) for term in IN_SILVER}


def _first(sums: Mapping[str, tuple[Decimal, int]]) -> dict[str, Decimal]:
    return {batch_id: amount for batch_id, (amount, _) in sums.items()}


def changed_since(warehouse: Warehouse, contract: Contract, version: int) -> frozenset[str]:
    """Batches that landed, were read again or got a correction after a version."""
    with warehouse.session() as session:
        found = session.rows(
            "select batch_id from bronze._batches where source = ? and version > ? union "
            "select batch_id from bronze._corrections where source = ? and version > ?",
            [contract.source, version, contract.source, version],
        )
    return frozenset(str(batch_id) for (batch_id,) in found)


@dataclass(frozen=True)
class _Written:
    """Reads an amount column's text, independently of the typed column."""

    session: Session
    amount: str  # an SQL expression over the text

    def sums(self, table: str, condition: str = "true") -> dict[str, tuple[Decimal, int]]:
        """Per batch: the sum of the amounts as written, and the rows without a readable one."""
        found = self.session.rows(
            f"select _batch_id, coalesce(sum(amount), 0), count(*) - count(amount) "  # noqa: S608
            f"from (select _batch_id, {self.amount} as amount from {table} where {condition}) as written "
            "group by _batch_id"
        )
        return {batch_id: (_exact(total), blank) for batch_id, total, blank in found}


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
                f"{_lost_lines(session, contract, account, side)}.",
                "Nothing is published. Run it again with --full; if it stays, this is a fault of MetaLayer.",
                examined=account.lines,
                failing=abs(account.lines_difference) + abs(account.rows_difference),
            )
    for sums in money:
        if not sums.closes:
            raise AccountOpen(
                f"The money account of {contract.source}.{sums.column} does not close for batch {sums.batch_id}: "
                f"{sums.difference} {sums.currency} is not explained.",
                "Nothing is published. Run it again with --full; if it stays, this is a fault of MetaLayer.",
                sums.column,
            )


def _lost_lines(session: Session, contract: Contract, account: RowAccount, side: Side | None) -> str:
    """The first lines that an open account is about, as far as the data tell."""
    if account.lines_difference:
        found = _lines_without_record(session, contract, account)
    else:
        found = _rows_without_place(session, contract, account.batch_id, side) if side else []
    return f" (lines {', '.join(map(str, found))})" if found else ""


def _lines_without_record(session: Session, contract: Contract, account: RowAccount) -> list[int]:
    """Lines that are neither in bronze nor unreadable: the gaps, where every record is one line."""
    if account.continuation_lines or account.blank or account.lines_difference < 0:
        return []
    found = session.rows(
        "select line from ("  # noqa: S608
        "select line + 1 as line, lead(line) over (order by line) - line as step from ("
        f'select _row_number as line from bronze."{contract.bronze_table}" where _batch_id = ? '
        "union select line_number from quarantine.unreadable_lines where batch_id = ? "
        "union select ? union select ?) as lines) as steps where step > 1 order by 1 limit ?",
        [account.batch_id, account.batch_id, account.header_lines, account.lines + 1, NAMED_AT_MOST],
    )
    return [int(line) for (line,) in found]


def _rows_without_place(session: Session, contract: Contract, batch_id: str, side: Side) -> list[int]:
    """Lines whose row or correction is in none of the places a row can be in."""
    elsewhere = " union all ".join(
        f"select _row_number, _correction from {table} where _batch_id = ?"  # noqa: S608
        for table in (side.silver, side.superseded, side.quarantine, side.aside)
    )
    found = session.rows(
        f"select distinct _row_number from ("  # noqa: S608
        f'select _row_number, 0 as _correction from bronze."{contract.bronze_table}" where _batch_id = ? '
        "union all select row_number, correction from bronze._corrections where batch_id = ?) as owed "
        f"where not exists (select 1 from ({elsewhere}) as found where found._row_number = owed._row_number "
        "and found._correction = owed._correction) order by 1 limit ?",
        [*([batch_id] * 6), NAMED_AT_MOST],
    )
    return [int(line) for (line,) in found]
