"""Runs and their tasks as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from etl.errors import LeaseLost, LedgerError, UsageError
from etl.ledger import Ledger, NewTask
from etl.model import (
    RunState,
    TaskState,
    Trigger,
)
from tests.clock import Clock

MASTER = "master_etl_orchestrator"
GOLD = "gold_layer_analytics_pipeline"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(ledger_url, clock) as opened:
        yield opened


def test_a_second_request_for_the_same_queued_run_returns_it(ledger: Ledger) -> None:
    first, created = ledger.request(MASTER, ["gold", "silver"], trigger=Trigger.MANUAL, by="ana")
    again, created_again = ledger.request(MASTER, ["silver", "gold"], trigger=Trigger.SCHEDULE, by="bob")
    assert (created, created_again) == (True, False)
    assert again == first
    assert (again.requested_by, again.targets, again.state) == ("ana", ("gold", "silver"), RunState.QUEUED)


def test_a_pipeline_its_layer_and_no_target_are_the_same_request(ledger: Ledger) -> None:
    wishes = [(MASTER, ()), (MASTER, (MASTER,)), (GOLD, ()), (GOLD, ("gold",)), (GOLD, (GOLD,))]
    assert [ledger.request(pipeline, targets)[0].run_id for pipeline, targets in wishes] == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "other",
    [{"full": True}, {"downstream": True}, {"from_run": 1}, {"targets": ["gold"]}, {"pipeline": GOLD}],
)
def test_a_request_that_differs_is_a_run_of_its_own(ledger: Ledger, other: dict[str, Any]) -> None:
    wish: dict[str, Any] = {"pipeline": MASTER, "targets": []}
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


def test_the_database_itself_refuses_two_running_runs(ledger: Ledger) -> None:
    ledger.request(MASTER, ())
    ledger.request(GOLD, ())
    with pytest.raises(LedgerError, match=r"(?i)unique"), ledger._writing() as connection:
        connection.exec_driver_sql("update runs set state = 'running'")


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


def cut_off(ledger: Ledger, targets: tuple[str, ...] = (), *, cancelled: bool = False) -> int:
    """A run that was interrupted at work."""
    asked, _ = ledger.request(MASTER, targets)
    ledger.claim_next()
    if cancelled:
        ledger.cancel(asked.run_id)
    ledger.interrupt(asked.run_id, "The process ended.")
    return asked.run_id


def test_what_was_interrupted_and_never_asked_for_again_is_left_off(ledger: Ledger) -> None:
    cut_off(ledger)
    cut_off(ledger, ("gold",))
    cut_off(ledger, ("silver",), cancelled=True)
    again = cut_off(ledger)  # in the same words as the first
    assert [run.run_id for run in ledger.left_off()] == [2, again]
    assert [run.run_id for run in ledger.left_off(among=2)] == [again], "what is long past is left alone"
    assert [run.run_id for run in ledger.of_same_wish(again, 5)] == [again, 1]
    assert [run.run_id for run in ledger.of_same_wish(1, 5)] == [1]
    ledger.request(MASTER, (MASTER,))
    assert [run.run_id for run in ledger.left_off()] == [2]


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


CLOSED_BY_ANOTHER = {
    "start": lambda ledger, task: ledger.start_task(task),
    "retry": lambda ledger, task: ledger.retry_task(task, "disk busy"),
    "finish": lambda ledger, task: ledger.finish_task(task, TaskState.SUCCEEDED, 10, "10 rows"),
    "skip": lambda ledger, task: ledger.skip_task(task, "bronze failed"),
    "plan": lambda ledger, _: ledger.plan_tasks(1, [NewTask("report")]),
}


@pytest.mark.parametrize("write", CLOSED_BY_ANOTHER.values(), ids=CLOSED_BY_ANOTHER)
def test_an_engine_that_was_overtaken_reopens_no_task(
    ledger: Ledger, planned: tuple[int, ...], write: Callable[[Ledger, int], object]
) -> None:
    ledger.start_task(planned[1])
    ledger.interrupt(1, "The process ended while the run was at work.")
    closed = ledger.run(1)
    with pytest.raises(LeaseLost, match="Run 1 is interrupted: another engine ended it"):
        write(ledger, planned[1])
    assert ledger.run(1) == closed


def test_steps_of_a_run_that_does_not_exist_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no run 3"):
        ledger.plan_tasks(3, [NewTask("report")])
