"""Progress bars: on stderr, and only where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl.model import TaskState

if TYPE_CHECKING:
    from rich.progress import Progress

    from etl.cli.output import Output

ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED)
RowsWritten = Callable[[str, int, int], None]  # source, rows written, rows in all


@contextmanager
def run_progress(output: Output) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """A bar over the tasks of a run: give it the plain run as often as you like. None where nobody looks."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    with _bar() as bar:
        line = bar.add_task("waiting", total=None)

        def watch(run: dict[str, Any]) -> None:
            tasks = run["tasks"]
            at_work = [task["name"] for task in tasks if task["state"] == TaskState.RUNNING]
            ended = sum(task["state"] in ENDED for task in tasks)
            text = ", ".join(at_work[:2]) or run["state"]
            bar.update(line, description=text, total=len(tasks) or None, completed=ended)

        yield watch


@contextmanager
def rows_progress(output: Output) -> Iterator[RowsWritten | None]:
    """A bar for each source whose rows are written. None where nobody looks."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    with _bar() as bar:
        lines: dict[str, Any] = {}

        def watch(source: str, written: int, in_all: int) -> None:
            if source not in lines:
                lines[source] = bar.add_task(source, total=in_all)
            bar.update(lines[source], completed=written)

        yield watch


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description}", markup=False)
    console = Console(stderr=True)
    return Progress(
        description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    )
