"""The records and words of what happens: batches, accounts, runs, results. Frozen, no input or output."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from functools import reduce
from typing import Any

from etl.declared import Layer, Severity


class CheckState(StrEnum):
    """A check that examined nothing is `unexamined`, never `passed`."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNEXAMINED = "unexamined"


class RunState(StrEnum):
    """A run's life: queued, running, then one of the four ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """A task's life; `skipped` when its upstream failed."""

    PENDING = "pending"
    RUNNING = "running"
    UP_FOR_RETRY = "up_for_retry"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Trigger(StrEnum):
    """Who asked for a run."""

    MANUAL = "manual"
    COMMAND = "command"
    SCHEDULE = "schedule"
    ARRIVAL = "arrival"
    CATCH_UP = "catch_up"


class BatchState(StrEnum):
    """`refused`: the file could not be taken in at all."""

    LANDED = "landed"
    REFUSED = "refused"


class TickOutcome(StrEnum):
    """What became of one scheduled tick; exactly one for each."""

    STARTED = "started"
    JOINED = "joined"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True)
class Unreadable:
    """A physical line (from 1) the reader could not take apart, kept raw."""

    line_number: int
    raw: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """The content of a file, identified by (source, sha256). The line counts make the first row account."""

    batch_id: str
    batch_seq: int
    source: str
    path: str
    sha256: str
    size_bytes: int
    state: BatchState
    reason: str
    lines: int
    header_lines: int
    rows: int
    continuation_lines: int
    unreadable: int
    blank: int
    arrived_at: datetime
    run_id: int
    version: int
    revision: int = 0  # how often it was read again


@dataclass(frozen=True)
class RowAccount:
    """Where a batch's records went, each term counted from the data. `batch_id` is "" for a source's total."""

    source: str
    batch_id: str
    lines: int
    header_lines: int
    bronze: int
    continuation_lines: int
    unreadable: int
    blank: int
    bronze_only: bool
    corrections: int = 0
    silver: int = 0
    superseded: int = 0
    quarantined: int = 0
    discarded: int = 0
    withdrawn: int = 0
    pending: int = 0

    @property
    def lines_difference(self) -> int:
        """Physical lines that no term explains. 0 when the first equation holds."""
        explained = self.header_lines + self.bronze + self.continuation_lines + self.unreadable + self.blank
        return self.lines - explained

    @property
    def rows_difference(self) -> int:
        """Bronze records and corrections that no term explains. 0 when the second equation holds."""
        if self.bronze_only:
            return 0
        found = (
            self.silver + self.superseded + self.quarantined + self.discarded + self.withdrawn + self.pending
        )
        return self.bronze + self.corrections - found

    @property
    def closes(self) -> bool:
        """Whether both equations hold."""
        return self.lines_difference == 0 and self.rows_difference == 0


EXACT = Context(prec=100)  # the usual 28 digits round the sum of long amounts


def written_short(amount: Decimal) -> Decimal:
    """The same amount with two decimals, or with as many as it needs."""
    cents = amount.quantize(Decimal("0.01"), context=EXACT)
    return cents if cents == amount else amount.normalize(EXACT)


@dataclass(frozen=True)
class MoneyAccount:
    """Where a batch's amounts went, in one currency. `bronze` is read from the text, `silver` from the typed column."""

    source: str
    batch_id: str
    column: str
    currency: str
    bronze: Decimal
    silver: Decimal
    superseded: Decimal
    quarantined: Decimal
    pending: Decimal
    rows_without_amount: int
    corrections: Decimal = Decimal(0)
    discarded: Decimal = Decimal(0)
    withdrawn: Decimal = Decimal(0)

    @property
    def difference(self) -> Decimal:
        """Money that no term explains. 0 when the account closes."""
        found = (
            self.silver, self.superseded, self.quarantined, self.discarded, self.withdrawn, self.pending
        )  # fmt: skip
        return reduce(EXACT.subtract, found, EXACT.add(self.bronze, self.corrections))

    @property
    def closes(self) -> bool:
        """Whether the account holds to the last digit."""
        return self.difference == 0


@dataclass(frozen=True)
class CheckResult:
    """What one check found on one published version. `examined` 0 means `unexamined`."""

    check: str
    table: str
    severity: Severity
    state: CheckState
    examined: int
    failing: int
    duration_seconds: float
    query: str = ""
    sample: tuple[dict[str, Any], ...] = ()
    message: str = ""
    version: int = 0
    run_id: int = 0
    examined_at: datetime | None = None


@dataclass(frozen=True)
class Attempt:
    """One try at a task."""

    number: int
    state: TaskState
    started_at: datetime
    finished_at: datetime | None
    error: str


@dataclass(frozen=True)
class Task:
    """One step of a run: one table (`table` qualified) or a named step (`table` empty)."""

    task_id: int
    run_id: int
    position: int
    name: str
    layer: str
    table: str
    parent: str  # the task this one is a child of, e.g. ingest_crm_data
    reason: str
    state: TaskState
    attempts: tuple[Attempt, ...]
    started_at: datetime | None
    finished_at: datetime | None
    rows: int | None
    message: str

    @property
    def seconds(self) -> float | None:
        """Wall time from the first start to the end; None while unfinished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Run:
    """An intention to bring tables up to date. `targets` are what was asked for; `pipeline` is its label."""

    run_id: int
    pipeline: str
    targets: tuple[str, ...]
    full: bool
    downstream: bool
    from_run: int | None
    trigger: Trigger
    requested_by: str
    state: RunState
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int | None  # the last version this run published
    error: str
    cancel_requested: bool = False
    tasks: tuple[Task, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Wall time of the work, without waiting in the queue; None while unfinished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Schedule:
    """When a pipeline runs by itself. `cron` is in UTC."""

    pipeline: str
    cron: str
    paused: bool
    next_due: datetime | None = None


@dataclass(frozen=True)
class Tick:
    """One due time of a schedule and what became of it."""

    pipeline: str
    due_at: datetime
    outcome: TickOutcome
    run_id: int | None
    reason: str
    count: int = 1
    last_due_at: datetime | None = None


@dataclass(frozen=True)
class Published:
    """What stands for one table: the version it was last published in and what it was made from."""

    table: str
    version: int
    run_id: int
    fingerprint: str
    inputs: tuple[tuple[str, int], ...]
    rows: int
    size_bytes: int
    published_at: datetime


class Reason(StrEnum):
    """Why a table is in a plan."""

    NEVER_BUILT = "never built"
    NEW_INPUT = "new input"
    CHANGED = "definition changed"
    UPSTREAM = "upstream is rebuilt"
    FAILED = "its last build failed"
    UNEXAMINED = "the results of its checks were not kept"
    ASKED = "asked for"
    NEW_FILES = "new files"


@dataclass(frozen=True)
class Step:
    """One line of a plan. `mode` is `full`, `incremental` or `skip`; `why` is a sentence."""

    name: str  # qualified table or the name of a step
    layer: str
    mode: str
    why: str
    inputs: tuple[str, ...] = ()
    parent: str = ""  # the step this one is a child of


@dataclass(frozen=True)
class Plan:
    """What a run would do, in order, and why; `left_stale` are published tables it would leave behind."""

    pipeline: str
    steps: tuple[Step, ...]
    left_stale: tuple[str, ...] = ()


PIPELINES: dict[str, str] = {
    "init_db_schemas": "Create and migrate the schemas",
    "bronze_layer_etl_pipeline": "Land the files",
    "silver_layer_etl_pipeline": "Clean, check and deduplicate",
    "gold_layer_analytics_pipeline": "Analyse",
    "master_etl_orchestrator": "Everything, in order",
}
"""The five pipelines by name, with what each does."""

LAYER_PIPELINE: dict[Layer, str] = {
    Layer.BRONZE: "bronze_layer_etl_pipeline",
    Layer.SILVER: "silver_layer_etl_pipeline",
    Layer.GOLD: "gold_layer_analytics_pipeline",
}
