"""What the service hands out: plain records for pages, commands and routes. No methods that reach the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from etl.declared import Field, Layer, Severity
from etl.model import EXACT, CheckResult, CheckState, MoneyAccount, RowAccount, Run


@dataclass(frozen=True)
class Workspace:
    """Which workspace this process serves. `problems` are sentences about a broken catalog or warehouse."""

    sample: bool
    dirty_loaded: bool
    landing: str
    state: str
    warehouse: str
    ledger: str
    version: int  # of what is published; 0 while nothing is
    published_at: datetime | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether the numbers can be trusted. `state` is the worst fact; `ready` is the report's rule."""

    state: CheckState
    ready: bool
    headline: str
    detail: str
    reasons: tuple[str, ...]  # why not ready, and warnings; worst first
    passed: int = 0
    warned: int = 0
    failed: int = 0
    unexamined: int = 0


@dataclass(frozen=True)
class Freshness:
    """Age of the newest arrival against the contract's promise. `state` is unexamined without either."""

    state: CheckState
    newest_arrival: datetime | None
    fresh_within: timedelta | None


@dataclass(frozen=True)
class TableFacts:
    """One declared table as it stands. `version` 0 and `rows` None while it was never published."""

    name: str  # qualified
    short: str
    layer: Layer
    source: str | None
    grain: str
    description: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    inputs: tuple[str, ...]
    feeds: tuple[str, ...]
    rows: int | None
    size_bytes: int
    version: int
    published_at: datetime | None
    stale: bool
    stale_because: str
    state: CheckState  # worst of its checks; unexamined when never published
    state_note: str  # "Passed", "1 warned", "2 not examined", "Never built"
    freshness: Freshness
    last_task_state: str = ""  # of the newest task on this table: running, failed, ...
    history: tuple[tuple[int, int], ...] = ()  # (version, rows), oldest first, at most 14
    problem: str = ""  # why its last task failed, "" when it did not


@dataclass(frozen=True)
class LayerFacts:
    """One layer: sums over its tables. `history` is rows over the last versions, oldest first."""

    layer: Layer
    tables: int
    rows: int | None
    size_bytes: int
    state: CheckState
    state_note: str
    freshness: Freshness
    history: tuple[int, ...]


@dataclass(frozen=True)
class Retention:
    """Silver rows ÷ bronze rows of one source, and what explains the rest."""

    source: str
    bronze_table: str
    silver_table: str | None
    bronze: int
    silver: int
    superseded: int
    quarantined: int
    discarded: int
    withdrawn: int
    pending: int
    share: Decimal | None  # None when bronze is empty or the feed is bronze-only


@dataclass(frozen=True)
class Accounts:
    """The accounts of the published version: per source in total, and per batch."""

    version: int
    row_totals: tuple[RowAccount, ...]
    row_batches: tuple[RowAccount, ...]
    money_totals: tuple[MoneyAccount, ...]
    money_batches: tuple[MoneyAccount, ...]
    refused: tuple[BatchFacts, ...]
    retention: tuple[Retention, ...]


@dataclass(frozen=True)
class GoldTotal:
    """The sum of a gold column that declares what it reconciles with, and the sum of that silver column, now."""

    table: str  # qualified
    column: str
    unit: str
    source_table: str  # qualified, silver
    source_column: str
    source: str  # the contract's
    gold: Decimal
    silver: Decimal
    rows: int  # of gold
    silver_rows: int
    stale: bool  # silver is newer than what gold was built from

    @property
    def difference(self) -> Decimal:
        """What gold lacks or has too much. 0 when they agree."""
        return EXACT.subtract(self.gold, self.silver)


@dataclass(frozen=True)
class BatchFacts:
    """One batch as the ledger of files knows it."""

    batch_id: str
    batch_seq: int
    source: str
    path: str
    sha256: str
    size_bytes: int
    state: str
    reason: str
    lines: int
    rows: int
    unreadable: int
    blank: int
    arrived_at: datetime
    arrivals: int
    run_id: int


@dataclass(frozen=True)
class SourceFacts:
    """One contract and what has come in under it."""

    source: str
    contract_file: str
    contract_version: str
    pattern: str
    bronze_table: str
    silver_table: str | None
    grain: str
    batches: int
    refused: int
    rows: int
    freshness: Freshness


@dataclass(frozen=True)
class ReasonCount:
    """How many quarantined rows (or unreadable lines) of a source carry a reason."""

    source: str
    reason: str
    rows: int
    unreadable: bool = False


@dataclass(frozen=True)
class UnreadableCount:
    """Unreadable lines of a source for one reason; how many of them have a correction or were discarded."""

    source: str
    reason: str
    lines: int
    corrected: int = 0
    discarded: int = 0


@dataclass(frozen=True)
class PipelineFacts:
    """One of the five pipelines. `done_once` marks init_db_schemas, which is paused once done."""

    name: str
    title: str
    paused: bool
    cron: str
    next_due: datetime | None
    last_run: Run | None
    runs: int


@dataclass(frozen=True)
class CheckFacts:
    """A declared check with the result that stands and its history (failing rows, oldest first, at most 10)."""

    check: str
    table: str
    severity: Severity
    description: str
    result: CheckResult
    history: tuple[int, ...]


@dataclass(frozen=True)
class Sight:
    """One thing that needs a person: a sentence, why, and where to look (`page` is a url path)."""

    state: CheckState
    headline: str
    detail: str
    action: str
    page: str


@dataclass(frozen=True)
class ServiceFacts:
    """One service of the installation: app, engine, scheduler, lease, ledger, warehouse, landing folder."""

    name: str
    address: str
    state: CheckState
    detail: str
    answered_in_seconds: float | None = None


@dataclass(frozen=True)
class Resources:
    """What the process and the machine use at one moment."""

    at: datetime
    cpu_percent: float
    process_cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    process_memory_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    network_sent_bytes: int
    network_received_bytes: int
    threads: int


@dataclass(frozen=True)
class SystemFacts:
    """The System page: services, sizes on disk, resources now and over the last minutes."""

    services: tuple[ServiceFacts, ...]
    sizes: tuple[tuple[str, int], ...]  # (what, bytes)
    now: Resources
    history: tuple[Resources, ...]  # oldest first, one every 5 s, at most 120
    versions: tuple[tuple[str, str], ...]  # (library, version)
    started_at: datetime | None


@dataclass(frozen=True)
class StageTiming:
    """Wall seconds and rows of one stage in one run, and the peak memory of the process while it ran."""

    run_id: int
    stage: str
    seconds: float
    rows: int | None
    peak_memory_bytes: int | None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Rows:
    """A query's answer: column names, kinds in words, rows as tuples. Decimals stay Decimal, times aware UTC."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


@dataclass(frozen=True)
class Explained:
    """Where one row is: the steps from file line to silver, in order."""

    table: str
    key: str
    found: bool
    steps: tuple[tuple[str, str], ...]  # (heading, sentence)
    batch_id: str = ""
    path: str = ""
    line_number: int | None = None
    raw: str = ""


@dataclass(frozen=True)
class GoldRow:
    """A row of gold and the silver rows of its key: how many, what they add up to, and some of them.

    `own` is the gold row, or empty where no row has the key; `why_not` says why its rows cannot be followed.
    """

    table: str
    key: str
    own: Rows
    why_not: str = ""
    column: str = ""  # the total that is compared
    gold: Decimal = Decimal(0)
    source_table: str = ""
    source_column: str = ""
    count: int = 0
    total: Decimal = Decimal(0)
    rows: Rows = Rows((), (), ())  # the largest first

    @property
    def adds_up(self) -> bool:
        """Whether the silver rows found add up to the gold row, to the last digit."""
        return bool(self.own.rows) and not self.why_not and self.total == self.gold


@dataclass(frozen=True)
class ReportSection:
    """One section of the validation report: a lead sentence, then an optional table."""

    title: str
    lead: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    state: CheckState | None = None


@dataclass(frozen=True)
class Report:
    """The validation report as kept with an orchestrator run. `rests_on` are sentences.

    `evidence` are the same facts as plain JSON values, to be read by a program; `digest` is the SHA-256 of all
    but itself and the number (see etl.report.pack).
    """

    report_id: int
    run_id: int
    version: int
    made_at: datetime
    ready: bool
    headline: str
    rests_on: tuple[str, ...]
    why_not: tuple[str, ...]
    sections: tuple[ReportSection, ...]
    next_due: datetime | None
    sample: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)
    digest: str = ""  # "" on one kept before reports had it


@dataclass(frozen=True)
class ReportSummary:
    """One line of the list of past reports."""

    report_id: int
    run_id: int
    version: int
    made_at: datetime
    ready: bool
    headline: str


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`."""

    what: str
    state: CheckState
    detail: str
    hint: str = ""


@dataclass(frozen=True)
class RunList:
    """Recent runs, newest first, with their tasks."""

    runs: tuple[Run, ...]
    active: Run | None = None
    queued: tuple[Run, ...] = field(default_factory=tuple)
