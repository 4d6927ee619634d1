"""The engine's own checks of a source, answered from its accounts: they close, and how much was set aside."""
# ruff: noqa: S608  # names of sources and columns are letters, digits and _

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from time import perf_counter
from typing import Any

from etl.checks import (
    AS_COUNTED,
    MONEY_CLOSES,
    ROWS_CLOSE,
    SAMPLE_ROWS,
    SET_ASIDE,
    UNREADABLE,
    sampled,
    state_of,
)
from etl.declared import Check, Contract, Severity
from etl.errors import AccountOpen
from etl.layers.silver import quarantine_table
from etl.model import CheckResult, CheckState, MoneyAccount, RowAccount
from etl.warehouse import Session, Warehouse

_LINES = "header_lines + bronze + continuation_lines + unreadable + blank"
_PLACES = "silver + superseded + quarantined + discarded + withdrawn + pending"


def declared(contract: Contract) -> list[Check]:
    """The engine's own checks of a source that its accounts answer, without their queries."""
    bronze = f"bronze.{contract.bronze_table}"
    home = f"silver.{contract.silver_table}" if contract.silver_table else bronze
    own = [
        Check(AS_COUNTED, bronze, Severity.BLOCK,
              description="Bronze has as many rows as an independent count of the files' lines leads to expect."),
        Check(ROWS_CLOSE, home, Severity.BLOCK,
              description="Every line is found again in bronze, every row in silver or in what explains the rest."),
        Check(UNREADABLE, home, Severity.WARN, description="Every line could be taken apart."),
    ]  # fmt: skip
    if contract.silver_table is None:
        return own
    own.append(Check(SET_ASIDE, home, Severity.WARN, description="No row broke a rule."))
    return own + [
        Check(f"{MONEY_CLOSES} ({column.name})", home, Severity.BLOCK,
              description="Every cent in the files is found again.")
        for column in contract.columns
        if column.amount
    ]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Whose accounts are asked, when and by which run; what follows is timed from here."""

    contract: Contract
    at: datetime
    run_id: int
    started: float = field(default_factory=perf_counter)


def left_open(asked: Asked, fault: AccountOpen) -> CheckResult:
    """The result of the check that kept a version from being published because an account does not close."""
    name = f"{MONEY_CLOSES} ({fault.column})" if fault.column else ROWS_CLOSE
    check = next(check for check in declared(asked.contract) if check.name == name)
    return CheckResult(
        check.name, check.table, check.severity, CheckState.FAILED, fault.examined, fault.failing,
        perf_counter() - asked.started, message=fault.message, run_id=asked.run_id, examined_at=asked.at,
    )  # fmt: skip


def examine(
    warehouse: Warehouse, asked: Asked, built: bool, rows: Sequence[RowAccount], money: Sequence[MoneyAccount]
) -> list[CheckResult]:
    """One result for each of `declared`, from accounts that close; `built`: silver was built in this run."""
    seconds = perf_counter() - asked.started
    aside = warehouse.physical(quarantine_table(asked.contract), built)
    with warehouse.session() as session:
        return _Answers(session, asked, aside, seconds).examine(rows, money)


@dataclass(frozen=True)
class _Answers:
    """Answers the engine's own checks of one source from its accounts. `aside` is how SQL reads its quarantine."""

    session: Session
    asked: Asked
    aside: str
    seconds: float  # that drawing up the accounts took

    def examine(self, rows: Sequence[RowAccount], money: Sequence[MoneyAccount]) -> list[CheckResult]:
        """One result for each of `declared`; an amount without any account has none."""
        own = {check.name: check for check in declared(self.asked.contract)}
        answers = {
            AS_COUNTED: self._as_counted,
            ROWS_CLOSE: self._rows_close,
            UNREADABLE: self._unreadable,
            SET_ASIDE: self._set_aside,
        }
        results = [answer(own[name], rows) for name, answer in answers.items() if name in own]
        examined = sum(account.bronze for account in rows)
        for column in dict.fromkeys(account.column for account in money):
            check = own.get(f"{MONEY_CLOSES} ({column})")
            sums = [account for account in money if account.column == column]
            results += [self._money_closes(check, sums, examined)] if check else []
        return results

    def _as_counted(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        lines, bronze = sum(a.lines for a in rows), sum(a.bronze for a in rows)
        open_ = [account for account in rows if account.lines_difference]
        query = self._open("_accounts", f"lines, {_LINES} as explained", f"lines <> {_LINES}")
        sample = [{"batch": a.batch_id, "lines": a.lines, "unexplained": a.lines_difference} for a in open_]
        failing = sum(abs(account.lines_difference) for account in open_)
        message = f"{bronze:,} rows of {lines:,} lines counted independently, {failing:,} unexplained"
        return self._result(check, lines, failing, message, query, sample, self.seconds)

    def _rows_close(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        lines = sum(account.lines for account in rows)
        open_ = [account for account in rows if not account.closes]
        failing = sum(abs(a.lines_difference) + abs(a.rows_difference) for a in open_)
        query = self._open(
            "_accounts",
            f"bronze + corrections as taken, {_PLACES} as found",
            f"bronze + corrections <> {_PLACES}",
        )
        sample = [
            {"batch": a.batch_id, "lines": a.lines_difference, "rows": a.rows_difference} for a in open_
        ]
        message = f"{lines:,} lines, {failing:,} unexplained"
        return self._result(check, lines, failing, message, query, sample, self.seconds)

    def _unreadable(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        lines, failing = sum(a.lines for a in rows), sum(a.unreadable for a in rows)
        query = (
            "select batch_id, line_number, raw, reason from quarantine.unreadable_lines "
            f"where source = '{self.asked.contract.source}' order by batch_id, line_number"
        )
        return self._sampled(check, lines, failing, f"{failing:,} of {lines:,} lines", query, query)

    def _set_aside(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        bronze, failing = sum(a.bronze for a in rows), sum(a.quarantined for a in rows)
        query = f'select * from quarantine."{self.asked.contract.source}" order by _batch_id, _row_number'
        read = f"select * from {self.aside} order by _batch_id, _row_number"
        return self._sampled(check, bronze, failing, f"{failing:,} of {bronze:,} rows", query, read)

    def _money_closes(self, check: Check, sums: Sequence[MoneyAccount], examined: int) -> CheckResult:
        open_ = [account for account in sums if not account.closes]
        difference = sum((account.difference for account in sums), Decimal(0))
        query = self._open(
            "_money_accounts", f"bronze + corrections as written, {_PLACES} as found",
            f"column_name = '{sums[0].column}' and bronze + corrections <> {_PLACES}",
        )  # fmt: skip
        sample = [{"batch": a.batch_id, "difference": f"{a.difference:f} {a.currency}"} for a in open_]
        message = f"difference {difference} {sums[0].currency}"
        return self._result(check, examined, len(open_), message, query, sample, self.seconds)

    def _open(self, table: str, shown: str, where: str) -> str:
        """The query for the accounts of this source that do not close."""
        source = f"source = '{self.asked.contract.source}'"
        newest = f"version = (select max(version) from bronze.{table} where {source})"
        return f"select batch_id, {shown} from bronze.{table} where {source} and {newest} and {where}"

    def _sampled(
        self, check: Check, examined: int, failing: int, message: str, query: str, read: str
    ) -> CheckResult:
        started = perf_counter()
        sample = sampled(self.session, read) if failing else ()
        return self._result(check, examined, failing, message, query, sample, perf_counter() - started)

    def _result(
        self, check: Check, examined: int, failing: int, message: str, query: str,
        sample: Sequence[dict[str, Any]], seconds: float,
    ) -> CheckResult:  # fmt: skip
        return CheckResult(
            check.name, check.table, check.severity, state_of(examined, failing, check.severity), examined, failing,
            seconds, query, tuple(sample[:SAMPLE_ROWS]), message, run_id=self.asked.run_id, examined_at=self.asked.at,
        )  # fmt: skip
