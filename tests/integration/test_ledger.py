"""The ledger on real SQLite files: what it keeps, what it refuses, and what several processes may do at once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from etl.errors import DiskFull, LedgerError, LedgerUnavailable, UsageError
from etl.facts import StageTiming
from etl.ledger import Ledger, NewTask, schema, store
from etl.ledger.tables import metadata
from etl.model import (
    CheckResult,
    CheckState,
    MoneyAccount,
    Published,
    RowAccount,
    RunState,
    Severity,
    TaskState,
    TickOutcome,
    Trigger,
)

ROOT = Path(__file__).resolve().parents[2]
MASTER = "master_etl_orchestrator"
GOLD = "gold_layer_analytics_pipeline"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(file: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{file}", clock) as opened:
        yield opened


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that runs `code`; `url` is its first argument."""
    start = (
        "import sys; from datetime import UTC, datetime; from etl.ledger import Ledger; "
        "ledger = Ledger(sys.argv[1], lambda: datetime.now(UTC))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


# -- opening ---------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = store._engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_first_start_without_alembic_makes_the_same_database_as_the_migrations(
    tmp_path: Path, ledger: Ledger, file: Path
) -> None:
    engine = store._engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.migrate(connection)
    engine.dispose()
    assert definitions(file) == definitions(tmp_path / "migrated.sqlite")


def definitions(file: Path) -> dict[str, list[str]]:
    """Every definition as SQLite keeps it, its lines sorted because constraints may come in another order."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    connection.close()
    return {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in rows}


def test_the_code_knows_every_migration_in_order() -> None:
    folder = ScriptDirectory(str(ROOT / "etl" / "ledger" / "migrations"))
    assert tuple(script.revision for script in reversed(list(folder.walk_revisions()))) == schema.REVISIONS


def test_a_ledger_without_a_revision_is_migrated(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) not null primary key)")
        connection.execute("insert into alembic_version values ('0000')")
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "REVISIONS", ("0000", *schema.REVISIONS))
        patch.setattr(schema, "migrate", lambda connection: migrated.append(connection.engine.url.database))
        migrated: list[str] = []
        Ledger(f"sqlite:///{file}", clock).open()
    assert migrated == [str(file)]


def test_a_ledger_newer_than_the_code_is_refused(ledger: Ledger, file: Path, clock: Clock) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    with pytest.raises(LedgerError, match=r"revision 9999.*up to 0001.*Update MetaLayer.*METALAYER_LEDGER"):
        Ledger(f"sqlite:///{file}", clock).open()


def test_a_database_that_is_no_ledger_is_refused_and_left_alone(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("create table customers (id integer)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="is no MetaLayer ledger: it has a table customers"):
        Ledger(f"sqlite:///{file}", clock).open()
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_with_its_cause(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    file.write_bytes(b"customer_id,name\n" * 500)
    with pytest.raises(LedgerError, match="file is not a database") as caught:
        Ledger(f"sqlite:///{file}", clock).open()
    assert isinstance(caught.value.__cause__, sa.exc.DatabaseError)
    assert not caught.value.transient


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://u:secret@h/d"])
def test_a_ledger_that_is_no_file_is_refused_without_telling_its_password(url: str, clock: Clock) -> None:
    with pytest.raises(LedgerError, match="METALAYER_LEDGER") as caught:
        Ledger(url, clock)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(LedgerError, match=r"state/deep cannot be made"):
        Ledger(f"sqlite:///{tmp_path / 'state' / 'deep' / 'ledger.sqlite'}", clock).open()


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()
    with pytest.raises(LedgerError, match="is not open"):
        ledger.ping()


def test_opening_needs_no_alembic_be_the_ledger_new_or_not(file: Path) -> None:
    for _ in range(2):
        other = python(
            "ledger.open(); print(ledger.revision(), 'alembic' in sys.modules)", f"sqlite:///{file}"
        )
        assert other.communicate(timeout=60)[0].split() == [schema.HEAD, "False"]


def test_readers_do_not_wait_for_a_writer(ledger: Ledger, file: Path) -> None:
    blocker = sqlite3.connect(file, isolation_level=None)
    blocker.execute("begin immediate")
    blocker.execute("insert into marks values ('half', 'done')")
    assert ledger.marks() == {}
    blocker.close()


def test_the_size_counts_the_write_ahead_log(ledger: Ledger, file: Path) -> None:
    ledger.mark("dirty_sample", "on")
    assert ledger.size_bytes() == sum(f.stat().st_size for f in file.parent.glob("ledger.sqlite*[!m]"))
    assert ledger.size_bytes() > file.stat().st_size


# -- faults ----------------------------------------------------------------------------------------------------


def test_a_ledger_locked_by_another_process_is_a_transient_fault(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
    with Ledger(f"sqlite:///{file}", clock) as ledger:
        blocker = sqlite3.connect(file, isolation_level=None)
        blocker.execute("begin immediate")
        with pytest.raises(LedgerUnavailable, match="database is locked") as caught:
            ledger.mark("dirty_sample", "on")
        assert caught.value.transient
        blocker.close()
        ledger.mark("dirty_sample", "on")
        assert ledger.marks() == {"dirty_sample": "on"}


def test_a_full_disk_is_told_as_one_and_loses_nothing(ledger: Ledger) -> None:
    ledger.mark("before", "kept")
    engine = ledger._opened()
    engine.dispose()
    # SQLite answers exactly as on a full disk once the file may not grow.
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("pragma max_page_count = 1"))
    with pytest.raises(DiskFull, match="disk is full"):
        ledger.mark("large", "x" * 1_000_000)
    assert ledger.marks() == {"before": "kept"}


def test_a_run_asked_for_survives_a_kill(file: Path, clock: Clock) -> None:
    code = f"ledger.open(); ledger.request({MASTER!r}, ()); print('asked', flush=True); sys.stdin.read()"
    other = python(code, f"sqlite:///{file}")
    assert other.stdout is not None
    assert other.stdout.readline() == "asked\n"
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=30)
    with Ledger(f"sqlite:///{file}", clock) as ledger:
        assert [run.run_id for run in ledger.queued()] == [1]


# -- runs ------------------------------------------------------------------------------------------------------


def test_a_second_request_for_the_same_queued_run_returns_it(ledger: Ledger) -> None:
    first, created = ledger.request(MASTER, ["gold", "silver"], trigger=Trigger.MANUAL, by="ana")
    again, created_again = ledger.request(MASTER, ["silver", "gold"], trigger=Trigger.SCHEDULE, by="bob")
    assert (created, created_again) == (True, False)
    assert again == first
    assert (again.requested_by, again.targets, again.state) == ("ana", ("gold", "silver"), RunState.QUEUED)


@pytest.mark.parametrize(
    "other",
    [{"full": True}, {"downstream": True}, {"from_run": 1}, {"targets": ["gold"]}, {"pipeline": GOLD}],
)
def test_a_request_that_differs_is_a_run_of_its_own(ledger: Ledger, other: dict[str, object]) -> None:
    wish: dict[str, object] = {"pipeline": MASTER, "targets": []}
    ledger.request(**wish)
    assert ledger.request(**(wish | other))[1]


def test_a_request_during_a_run_queues_exactly_one_more(ledger: Ledger) -> None:
    ledger.request(MASTER, ())
    ledger.claim_next()
    following = {ledger.request(MASTER, (), trigger=Trigger.ARRIVAL)[0].run_id for _ in range(3)}
    assert following == {2}


def test_continuing_an_unknown_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="no run 7"):
        ledger.request(MASTER, (), from_run=7)
    assert ledger.queued() == ()


def test_runs_are_claimed_oldest_first_and_one_at_a_time(ledger: Ledger, clock: Clock) -> None:
    ledger.request(MASTER, ())
    ledger.request(GOLD, ())
    clock.forward(seconds=3)
    first = ledger.claim_next()
    assert first is not None
    assert (first.run_id, first.state, first.started_at) == (1, RunState.RUNNING, clock.now)
    assert ledger.claim_next() is None
    ledger.finish_run(1, RunState.SUCCEEDED, version=4)
    second = ledger.claim_next()
    assert second is not None
    assert second.run_id == 2
    assert ledger.claim_next() is None


def test_the_database_itself_refuses_two_running_runs(ledger: Ledger, file: Path) -> None:
    ledger.request(MASTER, ())
    ledger.request(GOLD, ())
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute("update runs set state = 'running'")
    connection.close()


def test_a_finished_run_keeps_version_error_and_times(ledger: Ledger, clock: Clock) -> None:
    ledger.request(MASTER, (), by="ana")
    ledger.claim_next()
    clock.forward(seconds=2)
    ledger.finish_run(1, RunState.FAILED, "silver.sales_clean: blocked", version=None)
    run = ledger.run(1)
    assert (run.state, run.error, run.version, run.seconds) == (
        RunState.FAILED,
        "silver.sales_clean: blocked",
        None,
        2.0,
    )
    with pytest.raises(LedgerError, match="Run 1 is failed, not running"):
        ledger.finish_run(1, RunState.SUCCEEDED)


def test_cancelling_ends_a_queued_run_and_asks_a_running_one(ledger: Ledger) -> None:
    ledger.request(MASTER, ())
    ledger.request(GOLD, ())
    ledger.claim_next()
    ledger.cancel(1)
    ledger.cancel(2)
    assert ledger.run(1).state == RunState.RUNNING
    assert ledger.cancel_requested(1)
    assert (ledger.run(2).state, ledger.cancel_requested(2)) == (RunState.CANCELLED, False)
    ledger.finish_run(1, RunState.CANCELLED)
    ledger.cancel(1)  # a click that came too late
    assert ledger.run(1).state == RunState.CANCELLED


def test_an_unknown_run_is_a_usage_error(ledger: Ledger) -> None:
    for ask in (ledger.run, ledger.cancel, ledger.cancel_requested):
        with pytest.raises(UsageError, match="no run 12"):
            ask(12)


def test_the_active_run_is_the_running_one_or_else_the_next(ledger: Ledger) -> None:
    assert ledger.active_run() is None
    ledger.request(MASTER, ())
    ledger.request(GOLD, ())
    assert getattr(ledger.active_run(), "run_id", None) == 1
    ledger.cancel(1)
    ledger.claim_next()
    ledger.request(MASTER, ())
    active = ledger.active_run()
    assert active is not None
    assert (active.run_id, active.state) == (2, RunState.RUNNING)
    assert [run.run_id for run in ledger.runs(2)] == [3, 2]
    assert {name: (run.run_id, count) for name, (run, count) in ledger.last_runs().items()} == {
        MASTER: (3, 2),
        GOLD: (2, 1),
    }


def test_run_ids_rise_above_those_a_warehouse_already_knows(ledger: Ledger) -> None:
    ledger.raise_run_ids(41)
    assert ledger.request(MASTER, ())[0].run_id == 42
    ledger.raise_run_ids(7)
    assert ledger.request(GOLD, ())[0].run_id == 43


# -- tasks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def planned(ledger: Ledger) -> tuple[int, ...]:
    """The tasks of the running run 1."""
    ledger.request(MASTER, ())
    ledger.claim_next()
    steps = [
        NewTask("validate_source_data", "bronze"),
        NewTask("bronze.erp_sales_raw", "bronze", "bronze.erp_sales_raw", "ingest_erp_data", "new files"),
        NewTask("silver.sales_clean", "silver", "silver.sales_clean", reason="new input"),
    ]
    return ledger.plan_tasks(1, steps)


def test_a_retried_task_shows_every_attempt_and_its_error(
    ledger: Ledger, clock: Clock, planned: tuple[int, ...]
) -> None:
    began = clock.now
    assert ledger.start_task(planned[1]) == 1
    clock.forward(seconds=1)
    ledger.retry_task(planned[1], "disk busy")
    assert ledger.run(1).tasks[1].state == TaskState.UP_FOR_RETRY
    clock.forward(seconds=1)
    assert ledger.start_task(planned[1]) == 2
    ledger.finish_task(planned[1], TaskState.SUCCEEDED, 10_000, "10,000 rows")
    task = ledger.run(1).tasks[1]
    assert (task.state, task.rows, task.message, task.seconds) == (
        TaskState.SUCCEEDED,
        10_000,
        "10,000 rows",
        2.0,
    )
    assert (task.position, task.table, task.parent, task.reason) == (
        2,
        "bronze.erp_sales_raw",
        "ingest_erp_data",
        "new files",
    )
    assert [(a.number, a.state, a.started_at, a.error) for a in task.attempts] == [
        (1, TaskState.FAILED, began, "disk busy"),
        (2, TaskState.SUCCEEDED, began + timedelta(seconds=2), ""),
    ]


def test_further_steps_follow_those_already_planned(ledger: Ledger, planned: tuple[int, ...]) -> None:
    assert ledger.plan_tasks(1, []) == ()
    ledger.plan_tasks(1, [NewTask("report")])
    assert [task.position for task in ledger.run(1).tasks] == [1, 2, 3, 4]


def test_no_task_of_an_ended_run_is_left_open(ledger: Ledger, planned: tuple[int, ...]) -> None:
    ledger.start_task(planned[0])
    ledger.finish_task(planned[0], TaskState.SUCCEEDED)
    ledger.start_task(planned[1])
    ledger.interrupt(1, "The engine stopped.")
    run = ledger.run(1)
    assert (run.state, run.error) == (RunState.INTERRUPTED, "The engine stopped.")
    assert [task.state for task in run.tasks] == [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED]
    assert run.tasks[1].attempts[0].error == "The engine stopped."
    assert all(task.finished_at for task in run.tasks)


def test_a_run_that_had_published_before_the_engine_died_has_succeeded(
    ledger: Ledger, planned: tuple[int, ...]
) -> None:
    ledger.start_task(planned[2])
    assert [run.run_id for run in ledger.unfinished()] == [1]
    ledger.mark_succeeded(1, version=9)
    run = ledger.run(1)
    assert (run.state, run.version, run.tasks[2].state) == (RunState.SUCCEEDED, 9, TaskState.SUCCEEDED)
    assert ledger.unfinished() == ()
    ledger.interrupt(1, "too late")
    assert ledger.run(1).state == RunState.SUCCEEDED


def test_a_begun_task_that_is_skipped_leaves_no_open_attempt(
    ledger: Ledger, planned: tuple[int, ...]
) -> None:
    ledger.start_task(planned[2])
    ledger.skip_task(planned[2], "bronze.erp_sales_raw failed")
    task = ledger.run(1).tasks[2]
    assert (task.state, task.message) == (TaskState.SKIPPED, "bronze.erp_sales_raw failed")
    assert task.attempts[0].finished_at is not None


def test_the_last_task_of_each_table_tells_its_state(ledger: Ledger, planned: tuple[int, ...]) -> None:
    ledger.start_task(planned[1])
    ledger.finish_task(planned[1], TaskState.FAILED, None, "no space")
    ledger.finish_run(1, RunState.FAILED)
    ledger.request(MASTER, ())
    ledger.claim_next()
    again = ledger.plan_tasks(2, [NewTask("silver.sales_clean", "silver", "silver.sales_clean")])
    ledger.start_task(again[0])
    assert ledger.last_task_states() == {
        "bronze.erp_sales_raw": (TaskState.FAILED, "no space"),
        "silver.sales_clean": (TaskState.RUNNING, ""),
    }


def test_a_task_that_does_not_exist_cannot_begin(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no task 5"):
        ledger.start_task(5)


# -- schedules and ticks ---------------------------------------------------------------------------------------


def test_the_orchestrator_alone_is_scheduled_at_first(ledger: Ledger) -> None:
    assert {name: state.cron for name, state in ledger.pipelines().items() if state.cron} == {
        MASTER: "*/15 * * * *"
    }
    assert not any(state.paused for state in ledger.pipelines().values())


def test_pausing_and_a_new_cron_are_kept_apart(ledger: Ledger, clock: Clock) -> None:
    ledger.set_cron(GOLD, "0 6 * * *")
    began = clock.now
    clock.forward(hours=1)
    ledger.set_paused(GOLD, True)
    ledger.set_cron(GOLD, "0 6 * * *")
    state = ledger.pipelines()[GOLD]
    assert (state.paused, state.cron, state.since) == (True, "0 6 * * *", began)
    with pytest.raises(UsageError, match="no pipeline 'goldd'"):
        ledger.set_paused("goldd", True)


def test_a_due_time_gets_one_outcome_only(ledger: Ledger, clock: Clock) -> None:
    run, _ = ledger.request(MASTER, ())
    due = clock.now
    assert ledger.record_tick(MASTER, due, TickOutcome.STARTED, run.run_id)
    assert not ledger.record_tick(MASTER, due, TickOutcome.MISSED, reason="twice")
    assert not ledger.record_tick(MASTER, due.astimezone(timezone(timedelta(hours=5))), TickOutcome.MISSED)
    assert ledger.record_tick(GOLD, due, TickOutcome.SKIPPED, reason="paused")
    assert [(tick.pipeline, tick.outcome, tick.run_id) for tick in ledger.ticks()] == [
        (GOLD, TickOutcome.SKIPPED, None),
        (MASTER, TickOutcome.STARTED, 1),
    ]


def test_a_tick_cannot_name_a_run_that_does_not_exist(ledger: Ledger, clock: Clock) -> None:
    with pytest.raises(LedgerError, match="FOREIGN KEY"):
        ledger.record_tick(MASTER, clock.now, TickOutcome.STARTED, run_id=99)


# -- results ---------------------------------------------------------------------------------------------------


def a_check(**changes: object) -> CheckResult:
    result = CheckResult(
        check="amount_not_negative",
        table="silver.sales_clean",
        severity=Severity.BLOCK,
        state=CheckState.FAILED,
        examined=10_000,
        failing=2,
        duration_seconds=0.01,
        query="select 1",
        sample=({"sales_id": 7, "sale_amount": Decimal("-12.50"), "sale_date": date(2025, 1, 2)},),
        message="2 rows",
        version=3,
        run_id=1,
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def test_the_newest_result_of_every_check_stands(ledger: Ledger, clock: Clock) -> None:
    ledger.save_checks([a_check(), a_check(check="other", state=CheckState.UNEXAMINED, examined=0)])
    clock.forward(minutes=15)
    ledger.save_checks([a_check(failing=5)])
    newest, other = ledger.latest_checks()
    assert (newest.failing, newest.examined_at) == (5, clock.now)
    assert newest.sample == ({"sales_id": 7, "sale_amount": "-12.50", "sale_date": "2025-01-02"},)
    assert (other.check, other.state) == ("other", CheckState.UNEXAMINED)


def test_the_history_of_a_check_is_oldest_first_and_limited(ledger: Ledger) -> None:
    for failing in range(14):
        ledger.save_checks([a_check(failing=failing), a_check(check="other", failing=0)])
    history = ledger.check_history(limit=10)
    assert history["silver.sales_clean", "amount_not_negative"] == tuple(range(4, 14))
    assert history["silver.sales_clean", "other"] == (0,) * 10


def test_accounts_come_back_to_the_last_cent(ledger: Ledger) -> None:
    rows = RowAccount("erp_sales", "b1", 11, 1, 10, 0, 0, 0, bronze_only=False, silver=9, quarantined=1)
    cents = Decimal("123456789012345678901234567890.10")
    zero = Decimal("0.00")
    money = MoneyAccount("erp_sales", "b1", "sale_amount", "USD", cents, cents, zero, zero, zero, 1)
    ledger.save_accounts(1, [rows], [money])
    ledger.save_accounts(2, [replace(rows, silver=10, quarantined=0), replace(rows, batch_id="")], [])
    assert ledger.accounts(1).money == (money,)
    assert str(ledger.accounts(1).money[0].bronze) == "123456789012345678901234567890.10"
    newest = ledger.accounts()
    assert (newest.version, [row.batch_id for row in newest.rows], newest.rows[1].silver) == (
        2,
        ["", "b1"],
        10,
    )


def test_saving_the_accounts_of_a_version_again_replaces_them(ledger: Ledger) -> None:
    rows = RowAccount("erp_sales", "", 11, 1, 10, 0, 0, 0, bronze_only=False, silver=10)
    ledger.save_accounts(1, [rows], [])
    ledger.save_accounts(1, [rows], [])
    assert ledger.accounts().rows == (rows,)
    assert ledger.accounts(8).version == 0


def test_the_history_of_a_table_is_oldest_first_and_limited(ledger: Ledger, clock: Clock) -> None:
    def published(version: int) -> Published:
        inputs = (("silver.sales_clean", version),)
        return Published("gold.m", version, 1, "f", inputs, 10 * version, 512, clock.now)

    ledger.save_table_versions([published(1), published(2)])
    ledger.save_table_versions([published(2), published(3)])
    assert ledger.table_history() == {"gold.m": ((1, 10), (2, 20), (3, 30))}
    assert ledger.table_history(limit=2) == {"gold.m": ((2, 20), (3, 30))}


def test_timings_come_newest_run_first(ledger: Ledger) -> None:
    bronze, silver = (
        StageTiming(1, "bronze", 0.25, 20_003, None),
        StageTiming(1, "silver", 0.125, 20_000, 1 << 30),
    )
    ledger.save_timings([bronze, silver])
    ledger.save_timings([replace(bronze, run_id=2, cpu_seconds=0.5)])
    assert ledger.timings() == (replace(bronze, run_id=2, cpu_seconds=0.5), bronze, silver)
    assert [timing.run_id for timing in ledger.timings(limit=1)] == [2]


# -- reports, marks, audit -------------------------------------------------------------------------------------


def test_a_kept_report_comes_back_whole(ledger: Ledger, clock: Clock) -> None:
    assert ledger.report() is None
    body = {"sections": [{"title": "Flöw", "rows": [["WEST", "448,428.24"]]}], "total": Decimal("926552.36")}
    first = ledger.save_report(1, 3, clock.now, True, "Ready", body)
    second = ledger.save_report(2, 4, clock.now, False, "Not ready", {})
    kept = ledger.report(first)
    assert kept is not None
    assert kept["body"] == body | {"total": "926552.36"}
    assert (kept["made_at"], kept["ready"], kept["headline"]) == (clock.now, True, "Ready")
    newest = ledger.report()
    assert newest is not None
    assert newest["report_id"] == second
    assert [(r.report_id, r.ready) for r in ledger.reports()] == [(second, False), (first, True)]
    assert ledger.report(99) is None


def test_marks_are_set_again_and_the_audit_is_only_added_to(ledger: Ledger) -> None:
    for value in ("off", "on"):
        ledger.mark("dirty_sample", value)
        ledger.audit("ana", "dirty_sample", value)
    assert ledger.marks() == {"dirty_sample": "on"}
    assert [(entry.who, entry.what, entry.detail) for entry in ledger.audit_trail()] == [
        ("ana", "dirty_sample", "on"),
        ("ana", "dirty_sample", "off"),
    ]


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        ledger.save_report(1, 1, datetime(2025, 1, 1), True, "", {})  # noqa: DTZ001  that is the fault


# -- at once ---------------------------------------------------------------------------------------------------

ASK = """
sys.stdin.readline()
ledger.open()
for n in range(20):
    run, created = ledger.request('master_etl_orchestrator', [f'table_{n}'])
    print(n, run.run_id, created)
"""


def test_processes_that_ask_at_once_on_a_new_ledger_get_one_run_each_wish(file: Path, clock: Clock) -> None:
    others = [python(ASK, f"sqlite:///{file}") for _ in range(3)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    answers = [line.split() for other in others for line in other.communicate(timeout=60)[0].splitlines()]
    assert len(answers) == 60
    assert len({(n, run_id) for n, run_id, _ in answers}) == 20
    assert sum(created == "True" for _, _, created in answers) == 20
    with Ledger(f"sqlite:///{file}", clock) as ledger:
        assert len(ledger.queued()) == 20


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    def work(n: int) -> bool:
        _, created = ledger.request(MASTER, [f"table_{n % 10}"])
        ledger.active_run()
        ledger.runs(5)
        return created

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(work, range(200)))
    assert sum(created) == 10
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(lambda _: ledger.claim_next(), range(32)))
    assert [run.run_id for run in claimed if run] == [1]
