"""Runs, over the real engine: the grid, one run in full, what can be asked of it, and what runs by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from etl.errors import MetaLayerError
from etl.model import Attempt, Run, RunState, Task, TaskState, Trigger
from etl.service import Service
from tests.workspaces import few_files, run
from ui import reads_runs
from ui import words_runs as words

PAGE = "runs"
MASTER = "master_etl_orchestrator"
START = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def test_an_empty_workspace_says_what_to_do_and_what_runs_by_itself(page, empty: Service) -> None:
    screen = page(PAGE)
    assert words.NO_RUNS in screen.text
    assert words.RUN_SOMETHING in screen.text
    assert "Everything, in order" in screen.text
    assert words.NO_TICKS in screen.text
    assert "check_circle" not in screen.html


def test_the_newest_run_is_shown_in_full(page, healthy: Service) -> None:
    screen = page(PAGE)
    newest = healthy.runs(1).runs[0]
    assert words.run_title(newest) in screen.text
    assert f"published version {newest.version}" in screen.text
    assert all(task.name.split(".")[-1] in screen.text for task in newest.tasks)


def test_every_cell_of_the_grid_says_its_task_run_and_state_in_words(page, healthy: Service) -> None:
    newest = healthy.runs(1).runs[0]
    labels = re.findall(r'aria-label="([^"]+)"', page(PAGE).html)
    for task in newest.tasks:
        said = f"{task.name}, run {newest.run_id}: succeeded"
        assert any(label.startswith(said) for label in labels), said


def test_a_blocked_run_names_the_task_the_check_and_what_to_do(page, blocked: Service) -> None:
    screen = page(PAGE)
    failed = next(each for each in blocked.runs().runs if each.state == RunState.FAILED)
    assert "customer_analytics failed" in screen.verdicts
    assert failed.error.split("\n")[0][:60] in screen.text


def test_a_failed_run_offers_to_go_on_from_its_failure_and_a_good_one_does_not(
    page, blocked: Service
) -> None:
    failed, good = blocked.runs().runs[:2]
    assert f"resume-{failed.run_id}" in page(PAGE).keys("button")
    assert f"resume-{good.run_id}" not in page(PAGE, run=str(good.run_id)).keys("button")


def test_rerun_from_failure_queues_a_run_that_continues_it_and_shows_that_run(page, blocked: Service) -> None:
    failed = blocked.runs(1).runs[0]
    screen = page(PAGE).click(f"resume-{failed.run_id}")
    queued = blocked.runs(1).runs[0]
    assert queued.from_run == failed.run_id
    assert words.run_title(queued) in screen.text
    assert any(f"Run {queued.run_id} is queued" in toast for toast in screen.toasts)


def test_rerun_asks_for_the_same_targets_again(page, empty: Service) -> None:
    few_files(empty.settings)
    run(empty)
    first = run(empty, "gold.product_analytics", downstream=True)
    page(PAGE).click(f"again-{first.run_id}")
    again = empty.runs(1).runs[0]
    assert again.run_id != first.run_id
    assert (again.targets, again.downstream) == (first.targets, first.downstream)


def test_a_queued_run_can_be_cancelled(page, empty: Service) -> None:
    queued = empty.request_run()
    key = "cancel" if empty.active_run() == queued else "stop"
    page(PAGE, run=str(queued.run_id)).click(f"{key}-{queued.run_id}")
    assert empty.run(queued.run_id).state == RunState.CANCELLED


def test_an_unknown_run_is_said_and_the_rest_of_the_page_stays(page, healthy: Service) -> None:
    screen = page(PAGE, run="999")
    assert screen.verdicts == ["There is no run 999."]
    assert "Recent runs by task" in screen.text


def test_a_run_in_the_address_is_the_run_shown(page, blocked: Service) -> None:
    good = blocked.runs().runs[1]
    assert words.run_title(good) in page(PAGE, run=str(good.run_id)).text


def test_the_switch_pauses_the_schedule_and_shows_what_the_ledger_says(page, empty: Service) -> None:
    scheduled = next((each for each in empty.pipelines() if each.cron), None)
    if scheduled is None:
        pytest.fail("no pipeline has a schedule")
    screen = page(PAGE)
    switch = screen.app.toggle(key=f"runs-{scheduled.name}")
    assert switch.value is True
    switch.set_value(False).run()
    assert next(each for each in empty.pipelines() if each.name == scheduled.name).paused
    empty.pause(scheduled.name, False)
    screen.app.run()
    assert screen.app.toggle(key=f"runs-{scheduled.name}").value is True


def test_every_stage_of_a_run_is_timed(page, healthy: Service) -> None:
    screen = page(PAGE)
    assert words.NO_TIMINGS not in screen.text
    for stage in ("bronze", "silver", "gold"):
        assert stage in screen.text


def test_a_ledger_that_is_gone_is_one_problem(page, closed: Service) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) >= 1
    assert "Traceback" not in screen.text


def test_an_engine_that_did_not_start_is_one_problem(page, unstartable: MetaLayerError) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "erp_sales.odcs.yaml" in screen.text


def task(name: str, layer: str = "silver", *, state: TaskState = TaskState.SUCCEEDED, tries: int = 1) -> Task:
    """A task that took a second per attempt; all but the last attempt failed."""
    attempts = tuple(
        Attempt(
            n,
            state if n == tries else TaskState.FAILED,
            START + timedelta(seconds=n),
            START + timedelta(seconds=n + 1),
            "" if n == tries and state == TaskState.SUCCEEDED else "disk busy",
        )
        for n in range(1, tries + 1)
    )
    end = attempts[-1].finished_at if attempts else None
    return Task(1, 1, 0, name, layer, "", "", "", state, attempts, START, end, None, "")


def run_of(*tasks: Task, run_id: int = 1) -> Run:
    """A run that began at START and took ten seconds."""
    end = START + timedelta(seconds=10)
    return Run(
        run_id,
        MASTER,
        (),
        False,
        False,
        None,
        Trigger.MANUAL,
        "",
        RunState.SUCCEEDED,
        START,
        START,
        end,
        1,
        "",
        False,
        tasks,
    )


def test_tasks_that_only_some_runs_have_are_slotted_in_where_they_were_done() -> None:
    whole = run_of(task("a"), task("b"), task("d"))
    part = run_of(task("b"), task("c"), run_id=2)
    lanes = reads_runs.lanes([part, whole])
    assert [lane.name for lane in lanes] == ["a", "b", "c", "d"]
    assert [[each is not None for each in lane.tasks] for lane in lanes] == [
        [False, True],
        [True, True],
        [True, False],
        [False, True],
    ]


def test_a_retried_task_has_a_bar_for_each_attempt() -> None:
    bars = reads_runs.bars(run_of(task("a", tries=2)), START + timedelta(seconds=10))
    assert [(bar.start, bar.length, bar.state) for bar in bars] == [(1, 1, "failed"), (2, 1, "succeeded")]


def test_an_attempt_that_is_still_going_reaches_to_now() -> None:
    going = Task(
        1, 1, 0, "a", "silver", "", "", "", TaskState.RUNNING,
        (Attempt(1, TaskState.RUNNING, START, None, ""),), START, None, None, "",
    )  # fmt: skip
    assert reads_runs.bars(run_of(going), START + timedelta(seconds=4))[0].length == 4


def test_steps_of_the_same_name_have_rows_of_their_own() -> None:
    first, second = task("validate", "bronze"), task("validate", "gold")
    run_with_both = run_of(first, Task(**{**second.__dict__, "position": 5}))
    assert len({bar.row for bar in reads_runs.bars(run_with_both, START)}) == 2


def test_an_error_that_a_later_attempt_made_good_is_still_told() -> None:
    (fault,) = reads_runs.faults(run_of(task("a", tries=2)))
    assert words.fault(*fault) == "a failed at attempt 1 of 2"


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("*/15 * * * *", "Every 15 min"),
        ("5 * * * *", "Every hour at :05"),
        ("30 6 * * *", "Every day at 06:30 UTC"),
        ("0 6 * * 1-5", "Cron 0 6 * * 1-5 (UTC)"),
    ],
)
def test_plain_schedules_are_said_in_words_and_others_as_they_stand(cron: str, said: str) -> None:
    assert words.cron(cron) == said
