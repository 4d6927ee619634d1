"""A whole ledger carried over into another, of the same kind or not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from etl.declared import Severity
from etl.errors import LedgerError
from etl.facts import StageTiming
from etl.ledger import Ledger, NewTask, copying
from etl.ledger.copying import TABLES, copy_ledger
from etl.ledger.tables import metadata
from etl.mends import Edit, Mend, MendKind, MendState, RowPlace
from etl.model import (
    CheckResult,
    CheckState,
    MoneyAccount,
    Published,
    RowAccount,
    RunState,
    TaskState,
    TickOutcome,
)
from tests.clock import Clock
from tests.postgres import Server, drop_fresh, fresh_database

MASTER = "master_etl_orchestrator"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def full(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """A ledger in a file with rows in every table."""
    with Ledger(f"sqlite:///{tmp_path / 'full.sqlite'}", clock) as ledger:
        fill(ledger, clock)
        yield ledger


@pytest.fixture
def empty(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(ledger_url, clock) as ledger:
        yield ledger


def fill(ledger: Ledger, clock: Clock) -> None:
    ledger.request(MASTER, ["silver", "gold"], by="Zoë")
    ledger.claim_next()
    (task,) = ledger.plan_tasks(1, [NewTask("silver.sales_clean", "silver", "silver.sales_clean")])
    ledger.start_task(task)
    ledger.retry_task(task, "disk busy")
    ledger.start_task(task)
    ledger.finish_task(task, TaskState.SUCCEEDED, 10)
    ledger.finish_run(1, RunState.FAILED, "blocked")
    ledger.request(MASTER, (), from_run=1)
    ledger.set_cron(MASTER, "0 6 * * *")
    ledger.record_tick(MASTER, clock.now, TickOutcome.STARTED, 1)
    ledger.record_tick(
        MASTER,
        clock.now - timedelta(days=3),
        TickOutcome.MISSED,
        None,
        "away",
        9,
        clock.now - timedelta(days=1),
    )
    sample = ({"amount": Decimal("-12.50"), "name": "Zoë"},)
    ledger.save_checks(
        [
            CheckResult(
                f"check_{n}", "silver.sales_clean", Severity.BLOCK, CheckState.FAILED, 10, n, 0.125, "select 1", sample,
                "rows", 3, 1,
            )
            for n in range(copying.ROWS_AT_ONCE + 5)
        ]
    )  # fmt: skip
    cents, zero = Decimal("123456789012345678901234567890.10"), Decimal("0.00")
    ledger.save_accounts(
        3,
        [RowAccount("erp_sales", "", 11, 1, 10, 0, 0, 0, bronze_only=False, silver=10)],
        [MoneyAccount("erp_sales", "", "sale_amount", "USD", cents, cents, zero, zero, zero, 1)],
    )
    ledger.save_table_versions(
        [Published("gold.m", 3, 1, "f", (("silver.sales_clean", 3),), 10, 512, clock.now)]
    )
    ledger.save_timings([StageTiming(1, "bronze", 0.25, 20_003, None)])
    ledger.save_report(1, 3, clock.now, True, "Ready", {"total": Decimal("926552.36")})
    ledger.mark("dirty_sample", "on")
    ledger.mark_incident("erp_sales", date(2025, 1, 2), "strike", "ana")
    ledger.request_mend(a_mend(clock))
    ledger.note_lease("one:11", "", 4)


def a_mend(clock: Clock) -> Mend:
    return Mend(
        mend_id="m1", kind=MendKind.CORRECT, source="erp_sales", batch_id="b1", reason="twice", author="ana",
        requested_at=clock.now, state=MendState.WAITING,
        edits=(Edit(RowPlace("b1", 7), (("region", None),)),), places=(), unreadable=False,
    )  # fmt: skip


def rows(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    with ledger._reading() as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in TABLES
        }


def test_every_table_is_copied_row_for_row(full: Ledger, empty: Ledger) -> None:
    copied = copy_ledger(full, empty)
    assert rows(empty) == rows(full)
    assert copied == {name: len(found) for name, found in rows(full).items()}
    assert min(copied.values()) > 0  # a table that the test forgot would prove nothing
    assert set(metadata.tables) - set(copied) == {"lease", "changes"}


def test_the_copy_goes_on_where_the_first_one_stopped(full: Ledger, empty: Ledger, clock: Clock) -> None:
    copy_ledger(full, empty)
    before = empty.stamp()
    for ledger in (full, empty):
        ledger.claim_next()
        ledger.plan_tasks(2, [NewTask("report")])
        ledger.record_tick(MASTER, clock.now + timedelta(hours=1), TickOutcome.SKIPPED)
        ledger.audit("ana", "looked")
        ledger.request(MASTER, ["gold"])
    assert rows(empty) == rows(full)
    assert empty.stamp() > before


def test_a_ledger_is_copied_back_from_a_postgres(
    postgres: Server, full: Ledger, tmp_path: Path, clock: Clock
) -> None:
    url = fresh_database(postgres)
    with Ledger(url, clock) as there, Ledger(f"sqlite:///{tmp_path / 'back.sqlite'}", clock) as back:
        copy_ledger(full, there)
        copy_ledger(there, back)
        assert rows(back) == rows(full)
    drop_fresh(postgres, url)


def test_a_ledger_that_holds_anything_is_not_written_over(full: Ledger, empty: Ledger) -> None:
    empty.mark("mine", "kept")
    with pytest.raises(LedgerError, match="is not empty: it has rows in marks"):
        copy_ledger(full, empty)
    assert empty.marks() == {"mine": "kept"}
    assert empty.runs() == ()


def test_a_copy_that_breaks_off_leaves_nothing(
    full: Ledger, empty: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_values", lambda table, row: {})
    with pytest.raises(LedgerError):
        copy_ledger(full, empty)
    assert all(found == [] for found in rows(empty).values())
    monkeypatch.undo()
    copy_ledger(full, empty)
