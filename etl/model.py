"""The records and words the whole engine shares: frozen dataclasses and enums, no input or output."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from functools import reduce
from typing import Any


class Layer(StrEnum):
    """Bronze: as received, text. Silver: typed, valid, one row per key. Gold: analyses."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Severity(StrEnum):
    """What a broken rule does: only tell, set the row aside, or stop the publication."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    BLOCK = "block"


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


class Kind(StrEnum):
    """The types a column can have in silver and gold."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    RATIO = "ratio"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Cleaning:
    """How the text of one column is made comparable before it is cast. Applied in the order of the fields.

    `negatives` shows how a number below zero is written, with the digit 1 for the number: "(1)", "1-". With `percent`
    a number that ends in % is a hundredth of what it says. `month_names` has the spellings of each month, January
    first; none for English.
    """

    trim: bool = True
    collapse_spaces: bool = False
    null_tokens: tuple[str, ...] = ()
    strip_prefix: str = ""
    strip_pattern: str = ""
    case: str = ""  # "upper", "lower" or ""
    value_map: tuple[tuple[str, str], ...] = ()
    decimal_comma: bool = False
    thousands_separator: str = ""
    currency_signs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("YYYY-MM-DD",)
    negatives: tuple[str, ...] = ()
    percent: bool = False  # a number that ends in % is a hundredth of what it says
    month_names: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Reference:
    """A foreign key: every value must be present in `source`'s silver table under `column`."""

    source: str
    column: str
    severity: Severity = Severity.QUARANTINE


@dataclass(frozen=True)
class ForeignKey:
    """Columns whose values must together be present in `source`'s silver table under `to`, unless one is blank."""

    columns: tuple[str, ...]
    source: str
    to: tuple[str, ...]
    severity: Severity = Severity.QUARANTINE
    line: int = 0


@dataclass(frozen=True)
class Column:
    """One column of a source. `decimals` is the most a decimal may carry; `amount` names its currency.

    `earliest` and `latest` bound a date (by midnight) or a timestamp, as `minimum` and `maximum` bound a number.
    `accepted` holds texts, also of numbers and days. `severities` says what a broken rule does, for the rules
    "present", "accepted", "form" and "unique", where it is not what they do by themselves.
    """

    name: str
    kind: Kind
    line: int
    required: bool = False
    unique: bool = False
    decimals: int = 2
    description: str = ""
    amount: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    accepted: tuple[str, ...] = ()
    reference: Reference | None = None
    aliases: tuple[str, ...] = ()
    cleaning: Cleaning = field(default_factory=Cleaning)
    earliest: datetime | None = None
    latest: datetime | None = None
    severities: tuple[tuple[str, Severity], ...] = ()

    def severity(self, rule: str) -> Severity:
        """What a row that breaks the rule causes. A repeated value cannot be set aside: it blocks."""
        own = Severity.BLOCK if rule == "unique" else Severity.QUARANTINE
        return dict(self.severities).get(rule, own)


@dataclass(frozen=True)
class Distinct:
    """Columns of which no two rows have the same values; for the columns of the key: no two rows of one file."""

    columns: tuple[str, ...]
    severity: Severity = Severity.BLOCK


@dataclass(frozen=True)
class Rule:
    """A rule over whole rows: an SQL condition over the typed columns that is true for a row that breaks it."""

    name: str
    broken_when: str
    severity: Severity
    line: int


@dataclass(frozen=True)
class Dialect:
    """How a source's files are taken apart."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    lines_before_header: int = 0


@dataclass(frozen=True)
class Contract:
    """What a source's files are, mean and must satisfy. A bronze-only feed has `silver_table` None."""

    source: str
    version: str
    file: str
    pattern: str  # glob relative to the landing folder
    dialect: Dialect
    bronze_table: str
    silver_table: str | None
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    newest_by: str | None
    fresh_within: timedelta | None
    unknown_columns: str  # "ignore", "block" or "evolve"
    rules: tuple[Rule, ...]
    fingerprint: str
    composite_references: tuple[ForeignKey, ...] = ()  # those of several columns
    distinct: tuple[Distinct, ...] = ()

    @property
    def references(self) -> tuple[ForeignKey, ...]:
        """The foreign keys that set a row aside until its parent arrives, in the order of `foreign_keys`."""
        return tuple(key for key in self.foreign_keys if key.severity is Severity.QUARANTINE)

    @property
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """Every foreign key: those of one column in the order of the columns, then the composite ones."""
        single = tuple(
            ForeignKey((column.name,), to.source, (to.column,), to.severity, column.line)
            for column in self.columns
            if (to := column.reference)
        )
        return single + self.composite_references

    @property
    def system(self) -> str:
        """The landing subfolder, which names the ingest task: `crm/crm_customers*.csv` → `crm`."""
        return self.pattern.split("/", 1)[0] if "/" in self.pattern else "landing"

    def column(self, name: str) -> Column:
        """The column called `name`. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class Field:
    """One column of a table as published: its type, unit and meaning."""

    name: str
    kind: Kind
    unit: str = ""
    meaning: str = ""
    decimals: int = 2


@dataclass(frozen=True)
class Check:
    """A rule of a table. `sql` selects the rows that break it and `examined_sql` counts what it looks at;
    both name the table as `{table}`. The engine's own checks (accounts, freshness) have no `sql`.
    """

    name: str
    table: str  # qualified
    severity: Severity
    sql: str = ""
    examined_sql: str = ""
    description: str = ""
    each_row: bool = False  # whether every row breaks or keeps it on its own
    distinct: tuple[str, ...] = ()  # the columns whose values may not be shared by two rows


@dataclass(frozen=True)
class Reconcile:
    """`column` of a gold table must add up to `source_column` of the silver table it was built from."""

    column: str
    source: str  # qualified
    source_column: str


@dataclass(frozen=True)
class Table:
    """One declared table. `name` is qualified (`silver.sales_clean`); `inputs` are qualified names."""

    name: str
    layer: Layer
    grain: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    inputs: tuple[str, ...]
    fingerprint: str
    file: str
    source: str | None = None  # bronze and silver: the contract's source
    sql: str = ""  # gold: the SELECT in DuckDB's dialect
    description: str = ""
    reconcile: tuple[Reconcile, ...] = ()
    checks: tuple[Check, ...] = ()
    severity: Severity = Severity.BLOCK  # of its built-in checks: key and reconciliation

    @property
    def short(self) -> str:
        """The name without its layer."""
        return self.name.split(".", 1)[1]


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
