"""Checks as failing rows: one query gives verdict, count and sample. A check that examined nothing is unexamined."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any

from etl.errors import ChecksBlocked
from etl.layers.gold import read_as
from etl.model import (
    Check,
    CheckResult,
    CheckState,
    Contract,
    MoneyAccount,
    Reconcile,
    RowAccount,
    Severity,
    Table,
)
from etl.warehouse import Session

SAMPLE_ROWS = 5
ROWS_CLOSE, MONEY_CLOSES = "Row account closes", "Money account closes"
SET_ASIDE, UNREADABLE = "No row set aside", "No line unreadable"
FRESH, IN_ORDER = "Fresh enough", "No older file came back"
VOLUME, SCHEMA = "Volume as usual", "Schema as agreed"
AS_COUNTED = "Row count as in the source"
WATCHED = (FRESH, IN_ORDER, VOLUME, SCHEMA)
"""Examined whenever someone looks, from what has arrived and the clock."""


@dataclass(frozen=True)
class Examiner:
    """Runs the declared checks of tables as they were built in this run."""

    session: Session
    names: Mapping[str, str]  # logical table → how SQL reads it in this run
    dialect: str
    at: datetime
    run_id: int

    def examine(self, table: Table) -> list[CheckResult]:
        """Every declared check of a table, then its reconciliations."""
        results = [self._declared(check) for check in table.checks]
        return results + [self._reconciled(table, reconcile) for reconcile in table.reconcile]

    def _declared(self, check: Check) -> CheckResult:
        started = perf_counter()
        sql = self._read(check.sql, check.table)
        examined = int(self.session.rows(self._read(check.examined_sql, check.table))[0][0])
        failing = int(self.session.rows(f"select count(*) from ({sql}) as failing")[0][0]) if examined else 0  # noqa: S608
        sample = sampled(self.session, sql) if failing else ()
        return self._result(check.name, check.table, check.severity, examined, failing, started, sql, sample)

    def _reconciled(self, table: Table, reconcile: Reconcile) -> CheckResult:
        started = perf_counter()
        sql = (
            f'select (select coalesce(sum("{reconcile.column}"), 0) from {{table}}) as found, '  # noqa: S608
            f'(select coalesce(sum("{reconcile.source_column}"), 0) from {reconcile.source}) as expected, '
            f"(select count(*) from {reconcile.source}) as examined"
        )
        sql = self._read(sql, table.name)
        found, expected, examined = self.session.rows(sql)[0]
        differs = Decimal(found) != Decimal(expected)
        name = f"{reconcile.column} equals {reconcile.source}.{reconcile.source_column}"
        sample = ({"found": str(found), "expected": str(expected)},) if differs else ()
        result = self._result(
            name, table.name, table.severity, int(examined), int(differs), started, sql, sample
        )
        return replace(result, message=f"{found} against {expected}")

    def _read(self, sql: str, table: str) -> str:
        """`{table}` and every other table as this run reads them, in the warehouse's dialect."""
        named = sql.replace("${table}", table).replace("{table}", table)
        return read_as(named, tuple(sorted(self.names.items())), self.dialect)

    def _result(
        self,
        name: str,
        table: str,
        severity: Severity,
        examined: int,
        failing: int,
        started: float,
        sql: str = "",
        sample: tuple[dict[str, Any], ...] = (),
    ) -> CheckResult:
        return CheckResult(
            check=name,
            table=table,
            severity=severity,
            state=state_of(examined, failing, severity),
            examined=examined,
            failing=failing,
            duration_seconds=perf_counter() - started,
            query=sql,
            sample=sample,
            run_id=self.run_id,
            examined_at=self.at,
        )


def sampled(session: Session, sql: str) -> tuple[dict[str, Any], ...]:
    """The first failing rows of a query, as JSON says them."""
    rows = session.rows(f"select to_json(failing) from ({sql}) as failing limit {SAMPLE_ROWS}")  # noqa: S608
    return tuple(json.loads(row[0]) for row in rows)


def state_of(examined: int, failing: int, severity: Severity) -> CheckState:
    """No empty green: nothing examined is never passed."""
    if examined == 0:
        return CheckState.UNEXAMINED
    if failing == 0:
        return CheckState.PASSED
    return CheckState.FAILED if severity is Severity.BLOCK else CheckState.WARNED


def require_passable(results: Sequence[CheckResult]) -> None:
    """Raises ChecksBlocked when a blocking check failed, with its count and query."""
    failed = [r for r in results if r.state is CheckState.FAILED and r.severity is Severity.BLOCK]
    if failed:
        worst = failed[0]
        raise ChecksBlocked(
            f"{worst.table}: the check {worst.check!r} found {worst.failing:,} of {worst.examined:,} rows that break "
            f"it{f', and {len(failed) - 1} more checks failed' if len(failed) > 1 else ''}. "
            f"{f'First: {dict(worst.sample[0])}. ' if worst.sample else ''}The last good version stays published.",
            "See the check on the Quality page, mend the data or the rule, then run it again.",
        )


def declared_of_accounts(contract: Contract) -> list[Check]:
    """The engine's own checks of a source that its accounts answer, without their queries."""
    bronze = f"bronze.{contract.bronze_table}"
    home = f"silver.{contract.silver_table}" if contract.silver_table else bronze
    own = [
        Check(AS_COUNTED, bronze, Severity.BLOCK,
              description="Bronze has as many rows as an independent count of the files' lines leads to expect."),
        Check(ROWS_CLOSE, home, Severity.BLOCK, description="Every row of bronze is found again in silver or in what explains the rest, every line in bronze."),
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


def never_examined(check: Check) -> CheckResult:
    """What stands while a check has no result."""
    unexamined = CheckState.UNEXAMINED
    return CheckResult(
        check.name, check.table, check.severity, unexamined, 0, 0, 0.0, message="Never examined."
    )


@dataclass(frozen=True)
class AccountExaminer:
    """Answers the engine's own checks of one source from its accounts. `aside` is how SQL reads its quarantine."""

    session: Session
    contract: Contract
    aside: str
    at: datetime
    run_id: int
    seconds: float = 0.0  # that drawing up the accounts took

    def examine(self, rows: Sequence[RowAccount], money: Sequence[MoneyAccount]) -> list[CheckResult]:
        """One result for each of `declared_of_accounts`; a column without any account has none."""
        declared = {check.name: check for check in declared_of_accounts(self.contract)}
        answers = {
            AS_COUNTED: self._as_counted,
            ROWS_CLOSE: self._rows_close,
            UNREADABLE: self._unreadable,
            SET_ASIDE: self._set_aside,
        }
        results = [answer(declared[name], rows) for name, answer in answers.items() if name in declared]
        examined = sum(account.bronze for account in rows)
        for column in dict.fromkeys(account.column for account in money):
            sums = [account for account in money if account.column == column]
            results.append(self._money_closes(declared[f"{MONEY_CLOSES} ({column})"], sums, examined))
        return results

    def _as_counted(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        lines, bronze = sum(a.lines for a in rows), sum(a.bronze for a in rows)
        open_ = [account for account in rows if account.lines_difference]
        query = self._accounts_query(
            "lines, header_lines + bronze + continuation_lines + unreadable + blank as explained",
            "lines <> header_lines + bronze + continuation_lines + unreadable + blank",
        )
        sample = [{"batch": a.batch_id, "lines": a.lines, "unexplained": a.lines_difference} for a in open_]
        failing = sum(abs(account.lines_difference) for account in open_)
        message = f"{bronze:,} rows of {lines:,} lines counted independently, {failing:,} unexplained"
        return self._result(check, lines, failing, message, query, sample, self.seconds)

    def _rows_close(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        lines = sum(account.lines for account in rows)
        open_ = [account for account in rows if not account.closes]
        failing = sum(abs(a.lines_difference) + abs(a.rows_difference) for a in open_)
        query = self._accounts_query(
            "bronze + corrections as taken, silver + superseded + quarantined + discarded + withdrawn + pending as found",
            "bronze + corrections <> silver + superseded + quarantined + discarded + withdrawn + pending",
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
            f"where source = '{self.contract.source}' order by batch_id, line_number"
        )
        return self._sampled(check, lines, failing, f"{failing:,} of {lines:,} lines", query, query)

    def _set_aside(self, check: Check, rows: Sequence[RowAccount]) -> CheckResult:
        bronze, failing = sum(a.bronze for a in rows), sum(a.quarantined for a in rows)
        query = f'select * from quarantine."{self.contract.source}" order by _batch_id, _row_number'  # noqa: S608
        read = f"select * from {self.aside} order by _batch_id, _row_number"  # noqa: S608
        return self._sampled(check, bronze, failing, f"{failing:,} of {bronze:,} rows", query, read)

    def _money_closes(self, check: Check, sums: Sequence[MoneyAccount], examined: int) -> CheckResult:
        open_ = [account for account in sums if not account.closes]
        difference = sum((account.difference for account in sums), Decimal(0))
        query = (
            "select batch_id, bronze + corrections as written, silver + superseded + quarantined + discarded + "
            f"withdrawn + pending as found from bronze._money_accounts where source = '{self.contract.source}' "
            f"and column_name = '{sums[0].column}' and bronze + corrections <> silver + superseded + quarantined + "
            "discarded + withdrawn + pending"
        )
        sample = [{"batch": a.batch_id, "difference": f"{a.difference:f} {a.currency}"} for a in open_]
        message = f"difference {difference} {sums[0].currency}"
        return self._result(check, examined, len(open_), message, query, sample, self.seconds)

    def _accounts_query(self, shown: str, where: str) -> str:
        source = f"source = '{self.contract.source}'"
        newest = f"version = (select max(version) from bronze._accounts where {source})"  # noqa: S608
        return f"select batch_id, {shown} from bronze._accounts where {source} and {newest} and {where}"  # noqa: S608

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
            seconds, query, tuple(sample[:SAMPLE_ROWS]), message, run_id=self.run_id, examined_at=self.at,
        )  # fmt: skip


def freshness(newest_arrival: datetime | None, fresh_within: timedelta | None, now: datetime) -> CheckState:
    """Age of the newest arrival against the promise; without either it is not examined."""
    if newest_arrival is None or fresh_within is None:
        return CheckState.UNEXAMINED
    return CheckState.PASSED if now - newest_arrival <= fresh_within else CheckState.WARNED


def worst(states: Sequence[CheckState]) -> CheckState:
    """The worst fact of a group: failed, warned, unexamined, then passed."""
    order = (CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED)
    return next((state for state in order if state in states), CheckState.UNEXAMINED)
