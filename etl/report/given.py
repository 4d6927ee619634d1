"""What a validation report is made from: facts only, so that one can be made without a warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from etl.drift import Drift
from etl.facts import (
    Accounts,
    BatchFacts,
    CheckFacts,
    LayerFacts,
    PipelineFacts,
    ReasonCount,
    Rows,
    Sight,
    SourceFacts,
    StageTiming,
    SystemFacts,
    TableFacts,
    UnreadableCount,
    Verdict,
    Workspace,
)
from etl.mends import Mend
from etl.model import Published, Run
from etl.volume import Incident


@dataclass(frozen=True)
class Measure:
    """How many of a published table's rows have a value in `column`."""

    table: str  # qualified
    column: str
    rows: int
    filled: int


@dataclass(frozen=True)
class Definition:
    """What is made by what, as it stands in the project now: a contract, a silver or a gold table."""

    name: str  # of the source, or the qualified table
    file: str
    version: str  # "" for a gold file, which has none
    fingerprint: str


@dataclass(frozen=True)
class ReportInput:
    """Everything a report says. `regional` and `products` are whole gold tables; None where there is none."""

    run_id: int
    now: datetime
    workspace: Workspace
    verdict: Verdict
    layers: tuple[LayerFacts, ...]
    tables: tuple[TableFacts, ...]
    checks: tuple[CheckFacts, ...]
    accounts: Accounts
    sources: tuple[SourceFacts, ...]
    pipelines: tuple[PipelineFacts, ...]
    runs: tuple[Run, ...]  # newest first, with their tasks
    timings: tuple[StageTiming, ...]  # newest run first
    system: SystemFacts
    reasons: tuple[ReasonCount, ...]  # most first
    regional: Rows | None = None  # gold.customer_analytics, highest revenue first
    products: Rows | None = None  # gold.product_analytics, highest revenue first
    batches: tuple[BatchFacts, ...] = ()  # newest first
    attention: tuple[Sight, ...] = ()
    completeness: tuple[Measure, ...] = ()
    next_due: datetime | None = None
    unreadable: tuple[UnreadableCount, ...] = ()  # most first
    withdrawn: frozenset[str] = frozenset()  # batches
    definitions: tuple[Definition, ...] = ()  # contracts, then silver and gold tables
    published: tuple[Published, ...] = ()  # in the order of `tables`
    mends: tuple[Mend, ...] = ()  # newest first
    drift: tuple[Drift, ...] = ()  # of the newest files first
    incidents: tuple[Incident, ...] = ()  # newest first
    rules_version: int = 0  # of the engine: raised when it makes other tables of the same contract
    python: str = ""
