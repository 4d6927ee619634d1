"""The sentences of runs, schedules and ticks; the words are those of docs/glossary.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ui import fmt, state, words

if TYPE_CHECKING:
    from etl.facts import PipelineFacts
    from etl.model import Attempt, Run, Task, Tick

RUN_SOMETHING = "Run everything from Overview, or put a file into the landing folder."
NO_RUNS = "No runs yet"
NO_TIMINGS = "No run has been timed yet"
RUNS_LEAD = "What was asked for, what became of it, and what runs by itself"
TIMED = "Wall time of the last runs, stage by stage."
PICK_RUN = "Select a row to see that run."
FROM_FAILURE = "Goes on where this run stopped; what it had already built stays."
RERUN = "Asks for the same once more. What is up to date is skipped."
SWITCH = "Off pauses the schedule. Buttons and commands still run the pipeline."
NO_TICKS = "No scheduled time has come yet"


def run_title(run: Run) -> str:
    """`Run 26 · Everything`."""
    return f"Run {run.run_id} · {words.run_title(run)}"


def asked_by(run: Run) -> str:
    """`Schedule`, `Button`, `Button, ana`."""
    by = words.TRIGGERS.get(run.trigger, "button").capitalize()
    return f"{by}, {run.requested_by}" if run.requested_by else by


def run_facts(run: Run) -> str:
    """`Schedule · 23 Nov 2026, 04:41 · took 2.3 s · published version 42`."""
    parts = [asked_by(run), state.local(run.requested_at)]
    if run.seconds is not None:
        parts.append(f"took {took(run.seconds)}")
    if run.started_at is not None and (waited := (run.started_at - run.requested_at).total_seconds()) >= 1:
        parts.append(f"waited {fmt.seconds(waited)}")
    if run.from_run:
        parts.append(f"continues run {run.from_run}")
    if run.full:
        parts.append("full rebuild")
    nothing = "nothing new to publish" if run.state == "succeeded" else "published nothing"
    parts.append(f"published version {run.version}" if run.version else nothing)
    return " · ".join(parts if run.finished_at else parts[:-1])


def stopped(run: Run) -> str:
    """Where a run stopped: the tasks that failed, else the state it ended in."""
    failed = [words.short(task.name) for task in run.tasks if task.state == "failed"]
    return f"{', '.join(failed)} failed" if failed else f"The run {words.ENDS.get(run.state, run.state)}"


def no_tasks(run: Run) -> str:
    """Why a run has no tasks to show."""
    return "It waits for its turn" if run.state == "queued" else "It ended before it had a task"


def fault(task: Task, attempt: Attempt) -> str:
    """`sales_clean failed`, `ingest_erp_data failed at attempt 1 of 2`."""
    tries = f" at attempt {attempt.number} of {len(task.attempts)}" if len(task.attempts) > 1 else ""
    return f"{words.short(task.name)} failed{tries}"


def fault_when(attempt: Attempt) -> str:
    """When an attempt ended, and after how long."""
    if attempt.finished_at is None:
        return state.local(attempt.started_at)
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    return f"{state.local(attempt.finished_at)}, after {fmt.seconds(took)}"


def took(seconds: float | None) -> str:
    """A duration that may be very short: `4 ms`, `0.31 s`, `1.2 s`; a dash where nothing was timed."""
    if seconds is None:
        return fmt.MISSING
    if seconds < 0.1:  # noqa: PLR2004
        return "under 1 ms" if seconds < 0.001 else f"{seconds * 1000:.0f} ms"  # noqa: PLR2004
    return fmt.seconds(seconds)


def pipeline(name: str) -> str:
    """What a pipeline is called on a button: `Everything`, `Gold`."""
    return words.PIPELINES.get(name, name)


def pipeline_facts(facts: PipelineFacts) -> str:
    """`every 15 min · next in 7 min · last run 26, 14 min ago, took 2.3 s`."""
    parts = [cron(facts.cron)] if facts.cron else ["No schedule"]
    if facts.paused:
        parts.append("paused")
    elif facts.next_due is not None:
        parts.append(f"next {state.until(facts.next_due)}")
    last = facts.last_run
    if last is None:
        return " · ".join([*parts, "never run"])
    took = f", took {fmt.seconds(last.seconds)}" if last.seconds is not None else ""
    return " · ".join([*parts, f"last run {last.run_id}, {state.ago(last.requested_at)}{took}"])


def due(facts: PipelineFacts) -> str:
    """When a pipeline runs next by itself, or why it does not."""
    if facts.paused:
        return "Paused"
    if facts.next_due is None:
        return "No schedule"
    return state.until(facts.next_due)


def cron(expression: str) -> str:
    """A cron expression in words where it is one of the plain ones, else as it stands. Times are UTC."""
    if found := re.fullmatch(r"\*/(\d+) \* \* \* \*", expression):
        return f"Every {found[1]} min"
    if found := re.fullmatch(r"(\d+) \* \* \* \*", expression):
        return f"Every hour at :{int(found[1]):02d}"
    if found := re.fullmatch(r"(\d+) (\d+) \* \* \*", expression):
        return f"Every day at {int(found[2]):02d}:{int(found[1]):02d} UTC"
    return f"Cron {expression} (UTC)"


def switch(facts: PipelineFacts) -> str:
    """What stands beside a pipeline's switch."""
    return "Paused" if facts.paused else "Active"


def tick_times(tick: Tick) -> str:
    """When a tick was due; the first and last time where one row stands for many."""
    first = state.local(tick.due_at)
    if tick.count == 1 or tick.last_due_at is None:
        return first
    return f"{first} to {state.local(tick.last_due_at)}, {fmt.count(tick.count, 'time')}"
