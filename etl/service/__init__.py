"""THE DOOR: everything a page, a command, a route or a schedule may ask for. Hands out plain records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from etl import plan as planning
from etl.catalog import remembered_catalog
from etl.errors import WarehouseUnavailable
from etl.ledger import Ledger
from etl.model import Run, RunState, Trigger
from etl.scheduler import Scheduler
from etl.service.asking import Asking
from etl.service.base import utc_now
from etl.service.mending import Mending
from etl.service.reporting import Reporting
from etl.settings import Settings
from etl.tools import Retry
from etl.warehouse import Warehouse

__all__ = ["Service", "open_service", "start_service", "utc_now"]

FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)


class Service(Reporting, Mending, Asking):
    """One per process. Every method may be called from any thread."""

    def live(self) -> None:
        """Run the engine's thread and the scheduler, as `up` does."""
        known = self._known_files()  # before the engine takes what is queued
        self.engine.start()
        self.scheduler = Scheduler(
            self._ledger,
            self.landing_roots,
            lambda: [contract.pattern for contract in self.catalog.contracts.values()],
            self._requested,
            self._clock,
            resources=self._watch.sample,
            cron=self.settings.schedule,
            known=known,
            on_tick=self.examine_watched,
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

    def _known_files(self) -> Callable[[Path], bool]:
        """Tells of a file that lies there at the start whether a run has seen it so, or is about to."""
        if any(planning.MASTER in (run.pipeline, *run.targets) for run in self._ledger.queued()):
            return lambda _: True
        shapes = {arrival.shape for arrival in self._warehouse.arrivals()}

        def known(path: Path) -> bool:
            try:
                stat = path.stat()
            except OSError:  # gone again: nothing to ask a run for
                return True
            roots = [root for root in self.landing_roots() if path.is_relative_to(root)]
            names = [path.relative_to(root).as_posix() for root in roots]
            return any((name, stat.st_size, stat.st_mtime_ns) in shapes for name in names)

        return known


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
    catalog = remembered_catalog(settings.project, settings.state / "remembered")
    warehouse = _open_warehouse(settings, wait_seconds)
    ledger = Ledger(settings.ledger, clock, settings.database)
    try:
        ledger.open()
        service = Service(settings, catalog, warehouse, ledger, clock, retry)
        service.engine.take_over()
    except BaseException:
        warehouse.close()
        ledger.close()
        raise
    return service


def _open_warehouse(settings: Settings, wait_seconds: float) -> Warehouse:
    if settings.on_postgres:
        from etl.warehouse.postgres import PostgresWarehouse

        return PostgresWarehouse(settings)
    from etl.warehouse.duckdb import DuckDBWarehouse

    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            return DuckDBWarehouse(settings)
        except WarehouseUnavailable as held:
            if time.monotonic() >= give_up_at or "held by process" not in held.message:
                raise
            time.sleep(0.2)
