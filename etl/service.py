"""THE DOOR: everything a page, a command, a route or a schedule may ask for. Hands out plain records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl import plan as planning
from etl import system as systems
from etl.catalog import Catalog, load_catalog
from etl.engine import Engine
from etl.errors import CatalogError, MetaLayerError, UsageError, WarehouseUnavailable
from etl.execution import Retry, Tools
from etl.explain import explain
from etl.facts import (
    Accounts,
    BatchFacts,
    CheckFacts,
    Explained,
    Finding,
    LayerFacts,
    PipelineFacts,
    ReasonCount,
    Report,
    ReportSummary,
    Rows,
    RunList,
    Sight,
    SourceFacts,
    StageTiming,
    SystemFacts,
    TableFacts,
    Verdict,
    Workspace,
)
from etl.gate import require_select
from etl.layers import bronze
from etl.layers.silver import quarantine_table
from etl.ledger import Ledger
from etl.model import PIPELINES, Contract, Layer, Plan, Run, RunState, Tick, Trigger
from etl.reader import Reader
from etl.report import ReportInput, build_report, report_from_dict, report_to_dict
from etl.report.given import Measure
from etl.report.render import render
from etl.resources import ResourceWatch
from etl.scheduler import Scheduler
from etl.settings import Settings
from etl.standing import Standing, read_standing
from etl.warehouse import Warehouse

DIRTY = "dirty_sample"
FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)
STANDING_SECONDS = 2.0  # a snapshot is read again after this even when nothing was published: freshness moves


def utc_now() -> datetime:
    """The clock of the living service."""
    return datetime.now(UTC)


class Service:
    """One per process. Every method may be called from any thread."""

    def __init__(
        self, settings: Settings, catalog: Catalog, warehouse: Warehouse, ledger: Ledger,
        clock: Callable[[], datetime] = utc_now, retry: Retry | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.catalog = catalog
        self._warehouse = warehouse
        self._ledger = ledger
        self._clock = clock
        self._watch = ResourceWatch(settings.state, clock)
        self._started_at = clock()
        self._cache: tuple[tuple[int, int], float, Standing] | None = None
        self._cache_lock = threading.Lock()
        self.engine = Engine(
            self._tools(retry or Retry()), settings.state / "logs", self._take_up_catalog, self._keep_report
        )
        self._catalog_files = project_files(settings.project)
        self._catalog_problems: tuple[str, ...] = ()
        self.scheduler: Scheduler | None = None

    def _tools(self, retry: Retry) -> Tools:
        files = self.settings.files
        return Tools(
            catalog=self.catalog,
            warehouse=self._warehouse,
            ledger=self._ledger,
            clock=self._clock,
            roots=self.landing_roots,
            reader=lambda roots: Reader(roots, files, self.settings.threads, self.settings.memory_limit),
            bronze_file=self._bronze_file,
            migrate=lambda: f"The ledger stands at revision {self._ledger.revision()}.",
            retry=retry,
        )

    def _bronze_file(self, contract: Contract, batch_id: str) -> Path:
        folder = self.settings.files / "bronze" / contract.bronze_table
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{batch_id}.parquet"

    def landing_roots(self) -> tuple[Path, ...]:
        """The folders files are taken from: the landing folder, and the dirty sample once it is loaded."""
        if self.settings.sample and self._ledger.marks().get(DIRTY) == "on":
            return (self.settings.landing, self.settings.dirty_sample)
        return (self.settings.landing,)

    def _reread_catalog(self) -> None:
        """Contracts and gold files edited while the service lives take effect; broken ones leave the last good ones."""
        files = project_files(self.settings.project)
        if files == self._catalog_files:
            return
        self._catalog_files = files
        try:
            catalog = load_catalog(self.settings.project)
        except CatalogError as broken:
            self._catalog_problems = tuple(str(problem) for problem in broken.problems)
        else:
            self._catalog_problems = ()
            self.catalog = catalog
        self._cache = None

    def _take_up_catalog(self) -> None:
        """Before a run, when nothing is at work: the engine goes on with the catalog as it is now."""
        self._reread_catalog()
        if self.engine.tools.catalog is not self.catalog:
            self._warehouse.prepare(list(self.catalog.contracts.values()))
            self.engine.tools = replace(self.engine.tools, catalog=self.catalog)

    # -- living ----------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Run the engine's thread and the scheduler, as `up` does."""
        self.engine.start()
        self.scheduler = Scheduler(
            self._ledger,
            self.landing_roots,
            [contract.pattern for contract in self.catalog.contracts.values()],
            self._requested,
            self._clock,
            resources=self._watch.sample,
            cron=self.settings.schedule,
            known=self._known_file,
        )
        self.scheduler.start()

    def close(self) -> None:
        """Stop the scheduler, let the engine end its task, and let go of warehouse and ledger."""
        if self.scheduler is not None:
            self.scheduler.stop()
        self.engine.stop()
        self._warehouse.close()
        self._ledger.close()

    def work(self, run_id: int) -> Run:
        """Work off the queue in this thread until that run has ended. For commands without a running `up`."""
        while True:
            run = self._ledger.run(run_id)
            if run.state in FINISHED:
                return run
            if self.engine.work_one() is None:
                time.sleep(0.05)

    def _requested(self, pipeline: str, trigger: Trigger) -> tuple[Run, bool]:
        self._request_schemas_once()
        run, created = self._ledger.request(
            pipeline, (pipeline,), full=False, downstream=False, from_run=None, trigger=trigger, by=""
        )
        self.engine.wake()
        return run, created

    def _request_schemas_once(self) -> None:
        """The schemas are there already; their pipeline still leaves one run to look at, and is then paused."""
        if planning.INIT not in self._ledger.last_runs():
            self._ledger.request(
                planning.INIT, (planning.INIT,), full=False, downstream=False, from_run=None,
                trigger=Trigger.MANUAL, by="first start",
            )  # fmt: skip

    def _known_file(self, path: Path) -> bool:
        """Whether a landed file was already seen in its present shape."""
        try:
            stat = path.stat()
        except OSError:
            return True
        shapes = {arrival.shape for arrival in self._warehouse.arrivals()}
        relative = [
            path.relative_to(root).as_posix() for root in self.landing_roots() if path.is_relative_to(root)
        ]
        return any((name, stat.st_size, stat.st_mtime_ns) in shapes for name in relative)

    # -- reading ---------------------------------------------------------------------------------------------

    def _standing(self) -> Standing:
        stamp = (self._warehouse.version(), self._ledger.stamp())
        with self._cache_lock:
            cached = self._cache
            if cached and cached[0] == stamp and time.monotonic() - cached[1] < STANDING_SECONDS:
                return cached[2]
            standing = read_standing(
                self.catalog, self._warehouse, self._ledger, self._clock, self._catalog_problems
            )
            self._cache = (stamp, time.monotonic(), standing)
            return standing

    def version(self) -> int:
        """Rises with every publication and every batch; 0 while nothing is there."""
        return self._warehouse.version()

    def workspace(self) -> Workspace:
        """Which workspace this is."""
        published = self._warehouse.published()
        return Workspace(
            sample=self.settings.sample,
            dirty_loaded=self.settings.sample and self._ledger.marks().get(DIRTY) == "on",
            landing=str(self.settings.landing),
            state=str(self.settings.state),
            warehouse=self._warehouse.address,
            ledger=self.settings.ledger,
            version=self._warehouse.version(),
            published_at=max((stands.published_at for stands in published.values()), default=None),
            problems=self._catalog_problems,
        )

    def verdict(self) -> Verdict:
        """Whether the numbers can be trusted."""
        return self._standing().verdict

    def layers(self) -> tuple[LayerFacts, ...]:
        """Bronze, silver, gold."""
        return self._standing().layers

    def tables(self) -> tuple[TableFacts, ...]:
        """Every declared table, in topological order."""
        return self._standing().tables

    def attention(self) -> tuple[Sight, ...]:
        """What needs a person, worst first."""
        return self._standing().attention

    def checks(self) -> tuple[CheckFacts, ...]:
        """Every check with the result that stands."""
        return self._standing().checks

    def accounts(self) -> Accounts:
        """The accounts of what is published."""
        return self._standing().accounts

    def sources(self) -> tuple[SourceFacts, ...]:
        """Every contract and what has come in under it."""
        return self._standing().sources

    def batches(self, source: str = "", limit: int = 200) -> tuple[BatchFacts, ...]:
        """Newest first."""
        found = [batch for batch in self._standing().batches if source in ("", batch.source)]
        return tuple(found[:limit])

    def quarantine_reasons(self) -> tuple[ReasonCount, ...]:
        """How many rows and lines carry each reason, most first."""
        counts = [
            ReasonCount(source, reason, rows, unreadable=True)
            for source, reason, rows in self._warehouse.query(
                "select source, reason, count(*) from quarantine.unreadable_lines group by all"
            ).rows
        ]
        for contract in self._with_quarantine():
            schema, name = quarantine_table(contract).split(".", 1)
            found = self._warehouse.query(
                f'select reason, count(*) from (select unnest(_reasons) as reason from {schema}."{name}") group by all'  # noqa: S608
            )
            counts += [ReasonCount(contract.source, reason, rows) for reason, rows in found.rows]
        return tuple(sorted(counts, key=lambda count: (-count.rows, count.source, count.reason)))

    def _with_quarantine(self) -> list[Contract]:
        published = self._warehouse.published()
        return [c for c in self.catalog.contracts.values() if f"silver.{c.silver_table}" in published]

    def quarantine(self, source: str, limit: int = 1000, reason: str = "") -> Rows:
        """The quarantined rows of a source, as received, with their reasons. Raises UsageError for an unknown one."""
        contract = self._contract(source)
        if contract not in self._with_quarantine():
            return Rows((), (), ())
        schema, name = quarantine_table(contract).split(".", 1)
        wanted = "where list_contains(_reasons, ?)" if reason else ""
        return self._warehouse.query(
            f'select * from {schema}."{name}" {wanted} order by _batch_id, _row_number',  # noqa: S608
            [reason] if reason else [],
            limit,
        )

    def _contract(self, source: str) -> Contract:
        if source not in self.catalog.contracts:
            raise UsageError(
                f"There is no source {source!r}.", f"There are: {', '.join(self.catalog.contracts)}."
            )
        return self.catalog.contracts[source]

    def unreadable(self, source: str = "", limit: int = 1000) -> Rows:
        """Lines that could not be taken apart, kept raw."""
        return self._warehouse.query(
            "select source, batch_id, line_number, raw, reason from quarantine.unreadable_lines "
            "where ? in ('', source) order by source, batch_id, line_number",
            [source],
            limit,
        )

    def pipelines(self) -> tuple[PipelineFacts, ...]:
        """The five pipelines."""
        states, last = self._ledger.pipelines(), self._ledger.last_runs()
        facts = []
        for name, title in PIPELINES.items():
            state = states.get(name)
            cron = state.cron if state else ""
            run, count = last.get(name, (None, 0))
            facts.append(
                PipelineFacts(
                    name, title, bool(state and state.paused), cron, self._next_due(name), run, count
                )
            )
        return tuple(facts)

    def _next_due(self, pipeline: str) -> datetime | None:
        return self.scheduler.next_due(pipeline) if self.scheduler else None

    def runs(self, limit: int = 50) -> RunList:
        """Newest first, with the one at work and those in the queue."""
        return RunList(tuple(self._ledger.runs(limit)), self.active_run(), tuple(self._ledger.queued()))

    def run(self, run_id: int) -> Run:
        """One run with its tasks and attempts. Raises UsageError for an unknown one."""
        return self._ledger.run(run_id)

    def active_run(self) -> Run | None:
        """The run at work, or else the first in the queue."""
        return self._ledger.active_run()

    def ticks(self, limit: int = 50) -> tuple[Tick, ...]:
        """What became of the last due times of the schedules, newest first."""
        return tuple(self._ledger.ticks(limit))

    def timings(self, limit: int = 20) -> tuple[StageTiming, ...]:
        """Stage timings of the last runs, newest first."""
        return tuple(self._ledger.timings(limit))

    def system(self) -> SystemFacts:
        """Services, sizes and resources."""
        return systems.facts(self._parts(), self._watch, self._started_at)

    def _parts(self) -> systems.Parts:
        return systems.Parts(
            self.settings, self._warehouse, self._ledger, self.engine, self.scheduler, self._clock
        )

    def doctor(self) -> tuple[Finding, ...]:
        """What was looked at and found, worst first."""
        return systems.findings(self._parts(), self.landing_roots(), self.catalog)

    def readiness(self) -> dict[str, str]:
        """For /readyz: each part with "ok" or what is wrong. Paths and secrets stay out."""
        return systems.readiness(self._parts())

    # -- tables and queries ----------------------------------------------------------------------------------

    def rows(
        self, table: str, *, columns: Sequence[str] = (), where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (), limit: int = 100_000,
    ) -> Rows:  # fmt: skip
        """Rows of one published table. Raises UsageError for unknown tables and columns, and for one never built."""
        found = self.catalog.table(table)
        if found.name not in self._warehouse.published():
            raise UsageError(f"{found.name} has never been built.", f"Run {found.name} first.")
        known = self._column_names(found.name)
        asked = [*columns, *(where or {}), *(name.lstrip("-") for name in order_by)]
        for name in asked:
            if name not in known:
                raise UsageError(f"{found.name} has no column {name!r}.", f"It has: {', '.join(known)}.")
        sql, params = _select(found.name, columns or known, where or {}, order_by)
        return self._warehouse.query(sql, params, limit)

    def _column_names(self, table: str) -> list[str]:
        own = [field.name for field in self.catalog.tables[table].fields]
        bronze_places = ["_batch_id", "_row_number"] if table.startswith("bronze.") else []
        return list(dict.fromkeys([*own, *bronze_places]))

    def select(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One read-only SELECT. Raises UsageError for anything else, WarehouseError when the warehouse refuses it."""
        return self._warehouse.query(require_select(sql), params, limit)

    def explain(self, table: str, key: str) -> Explained:
        """Where one row is, and why."""
        return explain(self.catalog, self._warehouse, table, key)

    # -- reports ---------------------------------------------------------------------------------------------

    def report(self, report_id: int | None = None) -> Report | None:
        """A kept report; the newest without an id. Raises UsageError for an unknown id."""
        kept = self._ledger.report(report_id)
        if kept is None:
            if report_id is not None:
                raise UsageError(f"There is no report {report_id}.", "See `report list` for the kept ones.")
            return None
        return replace(report_from_dict(kept["body"]), report_id=kept["report_id"])

    def reports(self, limit: int = 50) -> tuple[ReportSummary, ...]:
        """Kept reports, newest first."""
        return tuple(self._ledger.reports(limit))

    def report_text(self, report_id: int | None, form: str) -> str:
        """A kept report as "md", "html" or "json"; "" while none is kept."""
        found = self.report(report_id)
        return render(found, form) if found else ""

    def _keep_report(self, run: Run) -> None:
        """A report is made at the end of each orchestrator run, however it ended."""
        if run.pipeline == planning.INIT and run.state is RunState.SUCCEEDED:
            self._ledger.set_paused(planning.INIT, True)
        if run.pipeline != planning.MASTER:
            return
        report = build_report(self._report_input(run.run_id))
        self._ledger.save_report(
            run.run_id, report.version, report.made_at, report.ready, report.headline, report_to_dict(report)
        )

    def _report_input(self, run_id: int) -> ReportInput:
        standing = self._standing()
        return ReportInput(
            run_id=run_id, now=self._clock(), workspace=self.workspace(), verdict=standing.verdict,
            layers=standing.layers, tables=standing.tables, checks=standing.checks, accounts=standing.accounts,
            sources=standing.sources, pipelines=self.pipelines(), runs=tuple(self._ledger.runs(20)),
            timings=self.timings(20), system=self.system(), reasons=self.quarantine_reasons(),
            regional=self._gold("gold.customer_analytics"), products=self._gold("gold.product_analytics"),
            batches=standing.batches, attention=standing.attention, completeness=self._completeness(),
            next_due=self._next_due(planning.MASTER),
        )  # fmt: skip

    def _gold(self, table: str) -> Rows | None:
        if table not in self._warehouse.published() or table not in self.catalog.tables:
            return None
        return self.rows(table, order_by=["-total_revenue"])

    def _completeness(self) -> tuple[Measure, ...]:
        measures = []
        for table in self.catalog.layer(Layer.SILVER):
            if table.name not in self._warehouse.published():
                continue
            names = [field.name for field in table.fields if not field.name.startswith("_")]
            counted = ", ".join(f'count("{name}")' for name in names)
            schema, short = table.name.split(".", 1)
            row = self._warehouse.query(f'select count(*), {counted} from {schema}."{short}"').rows[0]  # noqa: S608
            measures += [
                Measure(table.name, name, row[0], filled) for name, filled in zip(names, row[1:], strict=True)
            ]
        return tuple(measures)

    # -- asking ----------------------------------------------------------------------------------------------

    def plan(self, targets: Sequence[str] = (), *, full: bool = False, downstream: bool = False) -> Plan:
        """What a run would do and why; nothing is touched."""
        self._reread_catalog()
        selection = planning.select(self.catalog, targets, full=full, downstream=downstream)
        inventory = bronze.look(self.landing_roots(), self.catalog.contracts.values())
        arrivals, batches = self._warehouse.arrivals(), self._warehouse.batches()
        waiting = {
            f"bronze.{contract.bronze_table}": len(
                bronze.new_files(inventory.found[contract.source], contract, arrivals, batches)
            )
            for contract in self.catalog.contracts.values()
        }
        return planning.make_plan(
            self.catalog, selection, planning.State(self._warehouse.published(), waiting)
        )

    def request_run(
        self, targets: Sequence[str] = (), *, full: bool = False, downstream: bool = False,
        from_run: int | None = None, trigger: Trigger = Trigger.MANUAL, by: str = "",
    ) -> Run:  # fmt: skip
        """Queue a run; a second request for the same queued one returns the same. Raises UsageError."""
        self._reread_catalog()
        if from_run is not None:
            label = self._continuable(from_run).pipeline
        else:
            label = planning.select(self.catalog, targets, full=full, downstream=downstream).pipeline
        self._request_schemas_once()
        run, _ = self._ledger.request(
            label, tuple(targets), full=full, downstream=downstream, from_run=from_run, trigger=trigger, by=by
        )
        self.engine.wake()
        return run

    def _continuable(self, run_id: int) -> Run:
        run = self._ledger.run(run_id)
        if not planning.continue_from(self.catalog, run).tables:
            raise UsageError(f"Run {run_id} left nothing undone.", "Start a new run instead.")
        return run

    def cancel(self, run_id: int) -> None:
        """Take a run out of the queue, or ask the one at work to stop at its next step."""
        self._ledger.cancel(run_id)

    def pause(self, pipeline: str, paused: bool) -> None:
        """Stop or resume a pipeline's schedule. Raises UsageError for an unknown one."""
        if pipeline not in PIPELINES:
            raise UsageError(f"There is no pipeline {pipeline!r}.", f"There are: {', '.join(PIPELINES)}.")
        self._ledger.set_paused(pipeline, paused)
        if self.scheduler is not None:
            self.scheduler.reload()

    def load_dirty_sample(self) -> Run:
        """Land the sample with faults on top of the clean one. Only in the sample workspace."""
        if not self.settings.sample:
            raise UsageError(
                "The dirty sample can be loaded only into the sample workspace.", "./metalayer up --sample"
            )
        self._ledger.mark(DIRTY, "on")
        return self.request_run()


def project_files(project: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every contract and gold file: what tells that one was edited."""
    found = [*sorted((project / "contracts").glob("*.yaml")), *sorted((project / "gold").glob("*.sql"))]
    stats = [(path, path.stat()) for path in found]
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def _select(
    table: str, columns: Sequence[str], where: Mapping[str, Any], order_by: Sequence[str]
) -> tuple[str, list[Any]]:
    schema, name = table.split(".", 1)
    params: list[Any] = []
    conditions = []
    for column, wanted in where.items():
        values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        conditions.append(f'"{column}" in ({", ".join("?" * len(values))})' if values else "false")
        params += values
    order = [f'"{item.lstrip("-")}"{" desc" if item.startswith("-") else ""}' for item in order_by]
    sql = f'select {", ".join(f"{chr(34)}{column}{chr(34)}" for column in columns)} from {schema}."{name}"'  # noqa: S608
    sql += f" where {' and '.join(conditions)}" if conditions else ""
    sql += f" order by {', '.join(order)}" if order else ""
    return sql, params


@contextmanager
def open_service(
    settings: Settings,
    *,
    wait_seconds: float = 30.0,
    clock: Callable[[], datetime] = utc_now,
    retry: Retry | None = None,
) -> Iterator[Service]:
    """The service of a workspace, its engine ready to work but not yet living. Closed at the end.

    Raises CatalogError with every problem, WarehouseUnavailable when another process holds the warehouse for
    longer than `wait_seconds`, LedgerError for a ledger that cannot be used.
    """
    service = start_service(settings, wait_seconds=wait_seconds, clock=clock, retry=retry)
    try:
        yield service
    finally:
        service.close()


def start_service(
    settings: Settings,
    *,
    wait_seconds: float = 30.0,
    clock: Callable[[], datetime] = utc_now,
    retry: Retry | None = None,
) -> Service:
    """As `open_service`, for a caller that closes it itself."""
    catalog = load_catalog(settings.project)
    warehouse = _open_warehouse(settings, wait_seconds)
    ledger = Ledger(settings.ledger, clock)
    try:
        ledger.open()
        service = Service(settings, catalog, warehouse, ledger, clock, retry)
        service.engine.take_over()
    except MetaLayerError:
        warehouse.close()
        ledger.close()
        raise
    return service


def _open_warehouse(settings: Settings, wait_seconds: float) -> Warehouse:
    from etl.warehouse.duckdb import DuckDBWarehouse

    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            return DuckDBWarehouse(settings)
        except WarehouseUnavailable as held:
            if time.monotonic() >= give_up_at or "held by process" not in held.message:
                raise
            time.sleep(0.2)
