"""Checks as failing rows: one query gives verdict, count and sample. A check that examined nothing is unexamined."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any

from etl.declared import Check, Reconcile, Severity, Table
from etl.errors import ChecksBlocked
from etl.layers.gold import read_as
from etl.model import CheckResult, CheckState
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
class Came:
    """What a merge brings into a table, and which blocking checks its other rows stand passed by."""

    rows: str  # how SQL reads the rows that come in
    standing: frozenset[str]
    version: int  # that the other rows were examined in

    def suffices(self, check: Check) -> bool:
        """Whether it is enough to look at what comes: the other rows have not changed since they passed."""
        alone = check.each_row or check.distinct
        return bool(alone) and check.severity is Severity.BLOCK and check.name in self.standing


@dataclass(frozen=True)
class Examiner:
    """Runs the declared checks of tables as they were built in this run."""

    session: Session
    names: Mapping[str, str]  # logical table → how SQL reads it in this run
    dialect: str
    at: datetime
    run_id: int
    came: Came | None = None  # None: the whole table was built
    counted: dict[str, int] = field(default_factory=dict)

    def examine(self, table: Table) -> list[CheckResult]:
        """Every declared check of a table, then its reconciliations."""
        results = [self._declared(check) for check in table.checks]
        return results + [self._reconciled(table, reconcile) for reconcile in table.reconcile]

    def _declared(self, check: Check) -> CheckResult:
        if self.came and self.came.suffices(check):
            found = self._of_what_came(check, self.came)
            if found.examined:
                return found
        return self._of_all(check)

    def _of_what_came(self, check: Check, came: Came) -> CheckResult:
        """The rows that come in; for values that must differ, with every row that shares one with them."""
        narrowed = came.rows
        if check.distinct:
            narrowed = f"_came_{check.name}"
            same = " and ".join(f't."{name}" = c."{name}"' for name in check.distinct)
            self.session.view(
                narrowed,
                f"select * from {self.names[check.table]} as t "  # noqa: S608
                f"where exists (select 1 from {came.rows} as c where {same})",
            )
        found = replace(self, names={**self.names, check.table: narrowed})._of_all(check)  # noqa: SLF001
        told = f"{found.examined:,} rows came in or changed; the others stand as examined in version {came.version}"
        return replace(found, message=told)

    def _of_all(self, check: Check) -> CheckResult:
        started = perf_counter()
        sql = self._read(check.sql, check.table)
        examined = self._counted(self._read(check.examined_sql, check.table))
        failing = int(self.session.rows(f"select count(*) from ({sql}) as failing")[0][0]) if examined else 0  # noqa: S608
        sample = sampled(self.session, sql) if failing else ()
        return self._result(check.name, check.table, check.severity, examined, failing, started, sql, sample)

    def _counted(self, sql: str) -> int:
        """What a query counts; many checks of a table count the same rows."""
        if sql not in self.counted:
            self.counted[sql] = int(self.session.rows(sql)[0][0])
        return self.counted[sql]

    def _reconciled(self, table: Table, reconcile: Reconcile) -> CheckResult:
        started = perf_counter()
        sql = (
            f'select (select coalesce(sum("{reconcile.column}"), 0) from {{table}}) as found, '  # noqa: S608
            f'(select coalesce(sum("{reconcile.source_column}"), 0) from {reconcile.source}) as expected, '
            f"(select count(*) from {reconcile.source}) + (select count(*) from {{table}}) as examined"
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
    shown = f"select cast(to_json(failing) as varchar) from ({sql}) as failing limit {SAMPLE_ROWS}"  # noqa: S608
    rows = session.rows(shown)
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


def never_examined(check: Check) -> CheckResult:
    """What stands while a check has no result."""
    unexamined = CheckState.UNEXAMINED
    return CheckResult(
        check.name, check.table, check.severity, unexamined, 0, 0, 0.0, message="Never examined."
    )


def freshness(newest_arrival: datetime | None, fresh_within: timedelta | None, now: datetime) -> CheckState:
    """Age of the newest arrival against the promise; without either it is not examined."""
    if newest_arrival is None or fresh_within is None:
        return CheckState.UNEXAMINED
    return CheckState.PASSED if now - newest_arrival <= fresh_within else CheckState.WARNED


def worst(states: Sequence[CheckState]) -> CheckState:
    """The worst fact of a group: failed, warned, unexamined, then passed."""
    order = (CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED)
    return next((state for state in order if state in states), CheckState.UNEXAMINED)
