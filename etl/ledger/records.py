"""Rows of the ledger as records of etl.model and etl.facts, and the few records that only the ledger has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from etl.declared import Severity
from etl.ledger.tables import attempts, tasks
from etl.model import (
    Attempt,
    CheckResult,
    CheckState,
    MoneyAccount,
    RowAccount,
    Run,
    RunState,
    Task,
    TaskState,
    Tick,
    TickOutcome,
    Trigger,
)


@dataclass(frozen=True)
class NewTask:
    """One step of a plan that has no id yet. `table` is qualified, or "" for a named step."""

    name: str
    layer: str = ""
    table: str = ""
    parent: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PipelineState:
    """How a pipeline is scheduled. `since`: when this cron came into force; None until a scheduler has."""

    name: str
    paused: bool
    cron: str
    since: datetime | None = None


@dataclass(frozen=True)
class KeptAccounts:
    """The accounts of one version. Version 0 when none are kept."""

    version: int
    rows: tuple[RowAccount, ...]
    money: tuple[MoneyAccount, ...]


@dataclass(frozen=True)
class AuditEntry:
    """One thing a person did."""

    at: datetime
    who: str
    what: str
    detail: str


@dataclass(frozen=True)
class LeaseEntry:
    """Who works: `host:pid`, and where it can be reached ("" for nowhere). `released_at` once it has ended well."""

    holder: str
    address: str
    fence: int
    taken_at: datetime
    released_at: datetime | None = None


def by_name(row: sa.Row[Any]) -> sa.RowMapping:
    """The row's values, to be looked up by a column's key as well as by its name in SQL."""
    return row._mapping  # noqa: SLF001  SQLAlchemy's public name for it, as in a namedtuple


def values_of(row: sa.Row[Any], record: type[Any]) -> dict[str, Any]:
    """The columns of the row that `record` has a field for."""
    found = by_name(row)
    return {field.name: found[field.name] for field in fields(record) if field.name in found}


def run_of(row: sa.Row[Any]) -> Run:
    """A run without its tasks."""
    values = values_of(row, Run)
    values |= {
        "targets": tuple(row.targets),
        "trigger": Trigger(row.trigger),
        "state": RunState(row.state),
    }
    return Run(**values)


def with_tasks(connection: sa.Connection, found: Sequence[Run]) -> tuple[Run, ...]:
    """The same runs in the same order, with their tasks in plan order and the attempts of each."""
    wanted = tasks.c.run_id.in_([run.run_id for run in found])
    of_task: dict[int, list[Attempt]] = defaultdict(list)
    tries = sa.select(attempts).join(tasks).where(wanted).order_by(attempts.c.task_id, attempts.c.number)
    for row in connection.execute(tries):
        of_task[row.task_id].append(Attempt(**values_of(row, Attempt) | {"state": TaskState(row.state)}))
    of_run: dict[int, list[Task]] = defaultdict(list)
    for row in connection.execute(sa.select(tasks).where(wanted).order_by(tasks.c.position)):
        values = values_of(row, Task) | {
            "state": TaskState(row.state),
            "attempts": tuple(of_task[row.task_id]),
        }
        of_run[row.run_id].append(Task(**values))
    return tuple(replace(run, tasks=tuple(of_run[run.run_id])) for run in found)


def check_of(row: sa.Row[Any]) -> CheckResult:
    """A check result as it was saved; decimals and dates of its sample are text."""
    values = values_of(row, CheckResult)
    values |= {
        "severity": Severity(row.severity),
        "state": CheckState(row.state),
        "sample": tuple(row.sample),
    }
    return CheckResult(**values)


def tick_of(row: sa.Row[Any]) -> Tick:
    """One due time and what became of it."""
    return Tick(**values_of(row, Tick) | {"outcome": TickOutcome(row.outcome)})


def columns_of(record: Any, table: sa.Table) -> dict[str, Any]:
    """The fields of the record that the table has a column for. Shallow: nested records stay as they are."""
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name in table.c}


def all_columns(records: Iterable[Any], table: sa.Table, **more: object) -> list[dict[str, Any]]:
    """One mapping per record, each with the values of `more` beside its own."""
    return [columns_of(record, table) | more for record in records]
