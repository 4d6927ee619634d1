"""Every sentence that more than one line of a page needs; the words are those of docs/glossary.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ui import fmt
from ui.tokens import look

if TYPE_CHECKING:
    from etl.model import Run, Task

SYNTHETIC = "Synthetic data"
OPEN_TO_ANYONE = "Anyone who can reach this address can see the data and start runs."
DIRTY_SAMPLE = "the dirty sample"
NOT_PUBLISHED = "Nothing is published yet"
NO_TABLES = "Add a contract to contracts/ or a file to gold/, then start again."
NO_ATTENTION = "Nothing needs you now."
NO_RUNS = "Nothing has run yet."
RUN_LEAD = "What is not downstream stays as it is and shows as stale when it is older than its inputs."
DOWNSTREAM_HELP = "Also rebuilds every table that is made from the one you run."
FIRST_TITLE = "Start here"
FIRST_LEAD = "Put files whose names match a source into the landing folder, then run everything."
FIRST_SAMPLE = (
    "A file that stops growing is also picked up by itself within seconds. To look around with invented "
    'figures first, stop the server and start it with <span class="code">./metalayer up --sample</span>.'
)
LAND_FILES = "Put files into the landing folder and run everything on Overview."
STARTING = "The engine is starting"
STARTING_WHY = "This page fills itself as soon as it is up."
ALL = "All"
NONE = "None."
NO_REPORT = "One is made and kept with each run of everything. Press Run everything on Overview."
RETENTION_LEAD = "Silver rows ÷ bronze rows, and what explains the rest."
ROW_ACCOUNT_LEAD = "Where every line of every file went. Thin flows are widened; the numbers are exact."
MONEY_ACCOUNT_LEAD = "Amounts as written in the files, against the typed columns, to the last digit."
NO_AMOUNTS = "No contract marks a column as an amount."
BATCHES_LEAD = "Both equations for each file that landed."
CHECKS_LEAD = "A check that examined nothing is grey, never green."
NO_CHECKS = "Declare checks in a contract or in the header of a gold file."
PICK_A_CHECK = "Choose a check to see what it means, the rows that fail it and its query"
REFUSED_LEAD = "Files that could not be taken in at all; tried again when they or their contract change."
MOST_REASONS = 6
SEVERITIES = {"warn": "Warns", "quarantine": "Quarantines", "block": "Blocks"}
"""What a check does to a version that breaks it."""
TRIGGERS = {"schedule": "schedule", "arrival": "new file", "command": "command", "catch_up": "catch-up"}
"""Who asked for a run, where it was not a person at a button."""

PIPELINES = {
    "init_db_schemas": "Schemas",
    "bronze_layer_etl_pipeline": "Bronze",
    "silver_layer_etl_pipeline": "Silver",
    "gold_layer_analytics_pipeline": "Gold",
    "master_etl_orchestrator": "Everything",
}
ENDS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "interrupted": "was interrupted",
    "cancelled": "was cancelled",
}
_OVER = ("succeeded", "failed", "skipped")


class Undrawn(Exception):
    """A page failed in a way nobody foresaw; the log has the whole of it."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.message = f"{title} could not be drawn"
        self.hint = "The reason is in the log of the server. What is published is untouched; try again."


def provenance(version: int, ago: str) -> str:
    """`Version 42 · published 3 min ago`."""
    return f"Version {version} · published {ago}" if version else NOT_PUBLISHED


def digest(found: str) -> str:
    """What stands before a report's digest."""
    if not found:
        return "This report was made before reports had a digest."
    return "Its digest, the same in each form and on each printed page:"


def cut(shown: int, count: int) -> str:
    """How much of a section is on the screen."""
    return f"The first {fmt.count(shown)} of {fmt.count(count, 'row')}; the files have all of them."


def rows(count: int | None) -> str:
    """`20,401 rows`, or that the table was never built."""
    return "never built" if count is None else fmt.count(count, "row")


def short(name: str) -> str:
    """A table's name without its layer."""
    return name.split(".", 1)[-1]


def run_title(run: Run) -> str:
    """What a run is for: a stage's name, or the tables that were asked for."""
    return PIPELINES.get(run.pipeline) or ", ".join(map(short, run.targets)) or short(run.pipeline)


def requested(run_id: int, title: str) -> str:
    """What a button's toast says."""
    return f"Run {run_id} is queued: {title}"


def cancelling(run_id: int) -> str:
    """What the cancel button's toast says."""
    return f"Run {run_id} is being cancelled"


def paused(title: str, paused: bool) -> str:
    """What the toast says after a pipeline's switch was thrown."""
    return f"{title} no longer runs by itself" if paused else f"{title} runs by itself again"


def run_ended(run: Run) -> str:
    """What the toast says when a run is over."""
    took = f" in {fmt.seconds(run.seconds)}" if run.state == "succeeded" and run.seconds is not None else ""
    return f"Run {run.run_id} ({run_title(run)}) {ENDS.get(run.state, run.state)}{took}"


def run_now(run: Run) -> str:
    """The task that runs now, or what the run waits for."""
    if run.cancel_requested:
        return "Stopping at the next safe point"
    if run.state == "queued":
        return f"{run_title(run)} waits for its turn"
    task = _current(run.tasks)
    return short(task.name) if task else run_title(run)


def run_progress(run: Run, now: datetime) -> str:
    """`Run 43 · task 6 of 13 · 4 s`, and what the task itself says."""
    parts = [f"Run {run.run_id}"]
    if run.tasks:
        parts.append(f"task {min(_done(run.tasks) + 1, len(run.tasks))} of {len(run.tasks)}")
    task = _current(run.tasks)
    if task and task.message:
        parts.append(task.message)
    if run.started_at:
        parts.append(f"{max((now - run.started_at).total_seconds(), 0):.0f} s")
    return " · ".join(parts)


def done_share(run: Run) -> float:
    """Tasks that are over ÷ tasks, 0..1."""
    return _done(run.tasks) / len(run.tasks) if run.tasks else 0.0


def _done(tasks: Sequence[Task]) -> int:
    return sum(task.state in _OVER for task in tasks)


def _current(tasks: Sequence[Task]) -> Task | None:
    running = [task for task in tasks if task.state in ("running", "up_for_retry")]
    return running[-1] if running else None


def without_amount(rows: int) -> str:
    """The counted term of the money account."""
    if not rows:
        return "Every row carries an amount that can be read."
    verb = "carries" if rows == 1 else "carry"
    return f"{fmt.count(rows, 'row')} {verb} no amount that can be read; they are counted as rows above."


def filter_label(state: str, count: int) -> str:
    """`Failed 2`: one choice of a filter by state."""
    return f"{'All' if state == 'all' else look(state).word} {count}"


def quarantined(rows: int) -> str:
    """What the quarantine holds."""
    held = f"{fmt.count(rows, 'row')}, kept whole" if rows else "Rows that broke a rule are kept here, whole"
    return f"{held}. A row that broke several rules is counted under each."


def sample_of(shown: int, failing: int) -> str:
    """How much of the failing rows a sample is."""
    return f"{fmt.count(shown)} of {fmt.count(failing, 'failing row')}"


def shown(count: int, most: int) -> str:
    """How many rows a table shows, and whether it was cut."""
    return f"The first {fmt.count(most)} rows" if count >= most else fmt.count(count, "row")


def cell(value: object) -> str:
    """A value of unknown type as text."""
    return fmt.MISSING if value is None else str(value)


def check_title(name: str) -> str:
    """A check's name as it is read: `key_present` → `Key present`."""
    said = name.replace("_", " ").strip()
    return said[:1].upper() + said[1:]
