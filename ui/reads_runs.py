"""Runs, tasks and timings put in the shape the pages draw. Read afresh each time: runs live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from ui import data
from ui import words_runs as words
from ui.tokens import LAYERS, look

if TYPE_CHECKING:
    from etl.facts import StageTiming
    from etl.model import Attempt, Run, Task

MOST_RUNS = 100
GRID_RUNS = 22
TIMED_RUNS = 20
MOST_TICKS = 12
_APART = "\u200b"


@dataclass(frozen=True)
class Lane:
    """One row of the grid: a task by name, and what became of it in each run of the grid (None: not part of it)."""

    name: str
    layer: str
    child: bool
    tasks: tuple[Task | None, ...]


@dataclass(frozen=True)
class Bar:
    """One bar of a timeline: seconds from the start of the run, its row, its state and what hovering says."""

    row: str
    start: float
    length: float
    state: str
    tip: str


@dataclass(frozen=True)
class Stages:
    """Wall seconds of each stage, one value a run, oldest run first."""

    runs: tuple[str, ...]
    seconds: dict[str, tuple[float, ...]]


def recent() -> tuple[Run, ...]:
    """The newest runs with their tasks, newest first."""
    return data.living().runs(MOST_RUNS).runs


def lanes(runs: Sequence[Run]) -> tuple[Lane, ...]:
    """The tasks of all `runs` as rows, in the order of work: the fullest run's order, others slotted in."""
    order: list[tuple[str, str, str]] = []
    for run in sorted(runs, key=lambda each: -len(each.tasks)):
        at = 0
        for task in run.tasks:
            if _key(task) not in order:
                order.insert(at, _key(task))
            at = order.index(_key(task)) + 1
    found = [{_key(task): task for task in run.tasks} for run in runs]
    return tuple(
        Lane(name, layer, bool(parent), tuple(tasks.get((layer, parent, name)) for tasks in found))
        for layer, parent, name in order
    )


def bars(run: Run, now: datetime) -> tuple[Bar, ...]:
    """Every attempt at every task of a run, as seconds since the run began; one still going ends `now`."""
    if run.started_at is None:
        return ()
    return tuple(
        _bar(task, attempt, run.started_at, now) for task in run.tasks for attempt in _attempts(task)
    )


def length(run: Run, now: datetime) -> float:
    """Seconds from the run's begin to its end, or to `now`."""
    if run.started_at is None:
        return 0.0
    return max(((run.finished_at or now) - run.started_at).total_seconds(), 0.0)


def stages(timings: Sequence[StageTiming]) -> Stages:
    """The timings as one series a stage; a stage that a run did not have took 0 s."""
    runs = sorted({timing.run_id for timing in timings})
    names = list(dict.fromkeys(timing.stage for timing in timings))
    names.sort(key=lambda name: LAYERS.index(name) if name in LAYERS else len(LAYERS))
    took = {(timing.run_id, timing.stage): timing.seconds for timing in timings}
    return Stages(
        tuple(str(run) for run in runs),
        {name: tuple(took.get((run, name), 0.0) for run in runs) for name in names},
    )


def newest_stages(timings: Sequence[StageTiming]) -> tuple[StageTiming, ...]:
    """The stages of the newest timed run."""
    newest = max((timing.run_id for timing in timings), default=None)
    return tuple(timing for timing in timings if timing.run_id == newest)


def faults(run: Run) -> tuple[tuple[Task, Attempt], ...]:
    """Every attempt that ended in an error which the run's own does not already say, in the order of work."""
    return tuple(
        (task, attempt)
        for task in run.tasks
        for attempt in task.attempts
        if attempt.error and attempt.error not in run.error
    )


def _key(task: Task) -> tuple[str, str, str]:
    return (task.layer, task.parent, task.name)


def _row(task: Task) -> str:
    # Two layers may each have a step of the same name; a zero-width mark keeps their rows apart.
    return f"{task.name.split('.', 1)[-1]}{_APART * task.position if not task.table else ''}"


def _attempts(task: Task) -> tuple[Attempt, ...]:
    return task.attempts if task.started_at else ()


def _bar(task: Task, attempt: Attempt, began: datetime, now: datetime) -> Bar:
    took = ((attempt.finished_at or now) - attempt.started_at).total_seconds()
    tries = f" · attempt {attempt.number} of {len(task.attempts)}" if len(task.attempts) > 1 else ""
    tip = f"{escape(task.name)}<br><b>{look(attempt.state).word}</b> · {words.took(took)}{tries}"
    return Bar(_row(task), (attempt.started_at - began).total_seconds(), took, attempt.state, tip)
