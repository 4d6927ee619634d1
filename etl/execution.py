"""One run being executed: its plan becomes tasks, each task has attempts, and the run has an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import psutil
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from etl.errors import LedgerUnavailable, MetaLayerError, RunCancelled
from etl.facts import StageTiming
from etl.ledger import NewTask
from etl.model import Plan, Run, RunState, Step, TaskState
from etl.patience import patiently
from etl.steps import RunInterrupted, Steps, TaskSkipped, Work
from etl.tools import Tools

T = TypeVar("T")
Ended = tuple[RunState, str, int | None]  # how, why if not well, the version published


class Execution:
    """Executes one claimed run, task after task."""

    def __init__(
        self,
        run: Run,
        tools: Tools,
        on_progress: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.run = run
        self.tools = tools
        self.steps = Steps(run, tools, self._check_cancelled)
        self.faults: list[str] = []  # messages of the failed ones; what was skipped only follows from them
        self.timings: dict[str, StageTiming] = {}
        self._on_progress = on_progress
        self._stopping = stopping

    @property
    def version(self) -> int | None:
        """The version this run has published, if it has."""
        return self.steps.version

    def go(self) -> Ended:
        """Do every task of the plan."""
        try:
            plan = self._patiently(self.steps.make_plan)
            self._do_all(plan, self._plan_tasks(plan))
        except RunCancelled as cancelled:
            return RunState.CANCELLED, cancelled.message, self.version
        except RunInterrupted as stopped:
            return RunState.INTERRUPTED, str(stopped), self.version
        finally:
            self.steps.close()
            with suppress(LedgerUnavailable):  # a run that is otherwise well does not end for them
                self._patiently(lambda: self.tools.ledger.save_timings(list(self.timings.values())))
        state = RunState.FAILED if self.steps.failed else RunState.SUCCEEDED
        return state, "\n".join(dict.fromkeys(self.faults)), self.version

    def _patiently(self, call: Callable[[], T]) -> T:
        """A run does not end because the database is restarted between two of its steps."""
        return patiently(call, stopping=self._stopping, seconds=self.tools.retry.patience_seconds)

    def _do_all(self, plan: Plan, ids: Mapping[str, int]) -> None:
        children = {step.parent: step.name for step in plan.steps if step.parent}  # parent → its last child
        for step in plan.steps:
            self._check_cancelled()
            if step.name in children:
                self._start_task(ids[step.name])
                continue
            self._do(step, ids[step.name])
            if children.get(step.parent) == step.name:
                self._end_parent(step.parent, plan, ids[step.parent])

    def _end_parent(self, parent: str, plan: Plan, task_id: int) -> None:
        """A task with children ends as they did."""
        own = [step.name for step in plan.steps if step.parent == parent]
        failed = [name for name in own if name in self.steps.failed]
        state = TaskState.FAILED if failed else TaskState.SUCCEEDED
        message = (
            f"{', '.join(failed)} failed." if failed else f"{len(own)} source{'' if len(own) == 1 else 's'}."
        )
        self._finish_task(task_id, state, None, message)

    def _start_task(self, task_id: int) -> None:
        self._patiently(lambda: self.tools.ledger.start_task(task_id))

    def _finish_task(self, task_id: int, state: TaskState, rows: int | None, message: str) -> None:
        self._patiently(lambda: self.tools.ledger.finish_task(task_id, state, rows, message))

    def _plan_tasks(self, plan: Plan) -> dict[str, int]:
        tasks = [
            NewTask(
                name=step.name, layer=step.layer, table=step.name if "." in step.name else "",
                parent=step.parent, reason=step.why,
            )
            for step in plan.steps
        ]  # fmt: skip
        planned = self._patiently(lambda: self._planned(tasks))
        return dict(zip((step.name for step in plan.steps), planned, strict=True))

    def _planned(self, tasks: list[NewTask]) -> tuple[int, ...]:
        """Their ids. They may be written down already, where the answer of the ledger was lost."""
        there = self.tools.ledger.run(self.run.run_id).tasks
        if there:
            return tuple(task.task_id for task in sorted(there, key=lambda task: task.position))
        return self.tools.ledger.plan_tasks(self.run.run_id, tasks)

    def _check_cancelled(self) -> None:
        if self._stopping():
            raise RunInterrupted("MetaLayer was stopped while the run was at work.", "It is due again.")
        if self._patiently(lambda: self.tools.ledger.cancel_requested(self.run.run_id)):
            raise RunCancelled("Cancelled on request.", "What was published stays.")

    def _do(self, step: Step, task_id: int) -> None:
        work = self.steps.work_of(step)
        started, cpu = time.perf_counter(), time.process_time()
        try:
            rows, message = self._attempts(task_id, work)
            self._finish_task(task_id, TaskState.SUCCEEDED, rows, message)
        except TaskSkipped as skipped:
            told = skipped.message
            self._patiently(lambda: self.tools.ledger.skip_task(task_id, told))
            self.steps.failed[step.name], rows = skipped.message, None
        except (RunCancelled, RunInterrupted) as ended:
            self._finish_task(task_id, TaskState.FAILED, None, ended.message)
            raise
        except MetaLayerError as fault:
            self._finish_task(task_id, TaskState.FAILED, None, str(fault))
            self.faults.append(str(fault))
            self.steps.failed[step.name], rows = str(fault), None
        self._add_timing(step, rows, time.perf_counter() - started, time.process_time() - cpu)
        self._on_progress()

    def _attempts(self, task_id: int, work: Work) -> tuple[int | None, str]:
        retry = self.tools.retry

        def note(state: RetryCallState) -> None:
            fault = state.outcome.exception() if state.outcome else None
            self._patiently(lambda: self.tools.ledger.retry_task(task_id, str(fault)))
            self._on_progress()

        def start(_: RetryCallState) -> None:
            self._start_task(task_id)
            self._on_progress()

        trying = Retrying(
            retry=retry_if_exception(self._is_worth_another_try),
            sleep=self._wait,
            stop=stop_after_attempt(retry.attempts),
            wait=wait_exponential_jitter(multiplier=retry.first_wait_seconds, max=retry.longest_wait_seconds),
            before=start,
            before_sleep=note,
            reraise=True,
        )
        return trying(work)

    def _is_worth_another_try(self, fault: BaseException) -> bool:
        return isinstance(fault, MetaLayerError) and fault.transient and not self._stopping()

    def _wait(self, seconds: float) -> None:
        """Until the next try; a stop is not kept waiting."""
        until = time.monotonic() + seconds
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _add_timing(self, step: Step, rows: int | None, seconds: float, cpu: float) -> None:
        stage = step.layer or step.name
        memory = psutil.Process().memory_info().rss
        so_far = self.timings.get(stage, StageTiming(self.run.run_id, stage, 0.0, 0, 0, 0.0))
        counted = (rows or 0) if "." in step.name else 0
        self.timings[stage] = replace(
            so_far,
            seconds=so_far.seconds + seconds,
            rows=(so_far.rows or 0) + counted,
            peak_memory_bytes=max(so_far.peak_memory_bytes or 0, memory),
            cpu_seconds=(so_far.cpu_seconds or 0.0) + cpu,
        )
