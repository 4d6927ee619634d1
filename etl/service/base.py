"""What every part of the service stands on: workspace, catalog, warehouse, ledger, engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from etl import system as systems
from etl.catalog import Catalog, remembered_catalog
from etl.declared import Contract
from etl.engine import Engine
from etl.errors import CatalogError, LedgerError, UsageError
from etl.lease import Keeper
from etl.ledger import LeaseEntry, Ledger
from etl.model import Run
from etl.reader import Reader
from etl.remembered import Memory
from etl.resources import ResourceWatch
from etl.scheduler import Scheduler, next_due, parse_cron
from etl.settings import Settings
from etl.standing import Standing, read_standing
from etl.tools import Retry, Tools
from etl.warehouse import Warehouse

DIRTY = "dirty_sample"
STANDING_SECONDS = 2.0  # a snapshot is read again after this even when nothing was published: freshness moves


def utc_now() -> datetime:
    """The clock of the living service."""
    return datetime.now(UTC)


class Base:
    """The parts of one workspace."""

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
        self._watching = threading.Lock()
        self._catalog_lock = threading.Lock()
        self.engine = Engine(
            self._tools(retry or Retry()), settings.state / "logs", self._take_up_catalog, self._keep_report,
            self.may_work,
        )  # fmt: skip
        self._catalog_files = project_files(settings.project)
        self._catalog_problems: tuple[str, ...] = ()
        self.scheduler: Scheduler | None = None
        self.keeper: Keeper | None = None  # of the engine lease; None in a workspace that nobody shares

    def may_work(self) -> bool:
        """Whether this process is the one that runs and schedules."""
        return self.keeper is None or self.keeper.holds

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
            memory=Memory(self.settings.state / "remembered"),
        )

    def _bronze_file(self, contract: Contract, batch_id: str, revision: int = 0) -> Path:
        # Not where an embedded warehouse keeps its own: what was carried over into a PostgreSQL stays as it was.
        kept = "arriving" if self.settings.on_postgres else "bronze"
        folder = self.settings.files / kept / contract.bronze_table
        folder = folder / str(revision) if revision else folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{batch_id}.parquet"

    def landing_roots(self) -> tuple[Path, ...]:
        """The folders files are taken from: the landing folder, and the dirty sample once it is loaded."""
        if self.settings.sample and self._ledger.marks().get(DIRTY) == "on":
            return (self.settings.landing, self.settings.dirty_sample)
        return (self.settings.landing,)

    def _reread_catalog(self) -> None:
        """Contracts and gold files edited while the service lives take effect; broken ones leave the last good ones."""
        with self._catalog_lock:  # whoever asks meanwhile waits for the new one
            files = project_files(self.settings.project)
            if files != self._catalog_files:
                self._read_catalog()
                self._catalog_files = files

    def _read_catalog(self) -> None:
        try:
            catalog = remembered_catalog(self.settings.project, self.settings.state / "remembered")
        except CatalogError as broken:
            self._catalog_problems = tuple(str(problem) for problem in broken.problems)
        else:
            self._catalog_problems = ()
            self.catalog = catalog
        self._cache = None

    def _take_up_catalog(self) -> None:
        """Before a run, when nothing is at work: the engine goes on with the catalog as it is now."""
        self._reread_catalog()
        catalog = self.catalog  # a page may read a newer one meanwhile
        if self.engine.tools.catalog is not catalog:
            self._warehouse.prepare(list(catalog.contracts.values()))
            self.engine.tools = replace(self.engine.tools, catalog=catalog)

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

    def _contract(self, source: str) -> Contract:
        if source not in self.catalog.contracts:
            raise UsageError(
                f"There is no source {source!r}.", f"There are: {', '.join(self.catalog.contracts)}."
            )
        return self.catalog.contracts[source]

    def _with_quarantine(self) -> list[Contract]:
        published = self._warehouse.published()
        return [c for c in self.catalog.contracts.values() if f"silver.{c.silver_table}" in published]

    def _parts(self) -> systems.Parts:
        return systems.Parts(
            self.settings, self._warehouse, self._ledger, self.engine, self.scheduler, self._clock,
            self.may_work(), self._lease_if_told(), self._stands_by(),
        )  # fmt: skip

    def _stands_by(self) -> bool:
        return self.keeper is not None and self.keeper.stands_by

    def _lease_if_told(self) -> LeaseEntry | None:
        """As `lease`; None too where the ledger does not answer, which it is told of by itself."""
        try:
            return self.lease()
        except LedgerError:
            return None

    def lease(self) -> LeaseEntry | None:
        """Who has the engine lease, as it is written down; None while nobody is known to have it."""
        noted = self._ledger.lease()
        known = self.keeper is None or self.keeper.holds or self.keeper.stands_by
        return None if noted is None or noted.released_at or not known else noted

    def _next_due(self, pipeline: str) -> datetime | None:
        """When a pipeline runs by itself next, in this process or in the one that this one stands by for."""
        if self.scheduler is not None:
            return self.scheduler.next_due(pipeline)
        state = self._ledger.pipelines().get(pipeline) if self._stands_by() else None
        return (
            next_due(parse_cron(state.cron), self._clock())
            if state and state.cron and not state.paused
            else None
        )

    def _keep_report(self, run: Run) -> None:
        """What follows the end of a run."""


def project_files(project: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every contract and gold file: what tells that one was edited."""
    found = [*sorted((project / "contracts").glob("*.yaml")), *sorted((project / "gold").glob("*.sql"))]
    stats = []
    for path in found:
        with suppress(FileNotFoundError):  # an editor's own file, gone since the listing
            stats.append((path, path.stat()))
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
