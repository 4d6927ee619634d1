"""THE DOOR: everything a page, a command, a route or a schedule may ask for. Hands out plain records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime

from etl.catalog import remembered_catalog
from etl.errors import WarehouseUnavailable
from etl.ledger import Ledger
from etl.moving.restored import require_restored
from etl.service.asking import Asking
from etl.service.base import utc_now
from etl.service.keeping import Keeping
from etl.service.leading import Leading
from etl.service.mending import Mending
from etl.service.reporting import Reporting
from etl.service.sampling import require_sample
from etl.settings import Settings
from etl.tools import Retry
from etl.warehouse import Warehouse

__all__ = ["Service", "open_service", "require_place_for_sample", "start_service", "utc_now"]


class Service(Leading, Reporting, Mending, Keeping, Asking):
    """One per process. Every method may be called from any thread."""


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
    require_restored(settings)
    warehouse = _open_warehouse(settings, wait_seconds)
    ledger = Ledger(settings.ledger, clock, settings.database)
    try:
        require_sample(settings, warehouse)
        ledger.open()
        service = Service(settings, catalog, warehouse, ledger, clock, retry)
        service.begin(wait_seconds)
    except BaseException:
        warehouse.close()
        ledger.close()
        raise
    return service


def require_place_for_sample(settings: Settings) -> None:
    """Raises SettingsError where `--sample` is asked for in a warehouse that holds a user's own files.

    One that cannot be opened now says so to whoever opens it in earnest.
    """
    if settings.sample and not settings.on_its_own:
        with suppress(WarehouseUnavailable), closing(_open_warehouse(settings, 0)) as warehouse:
            require_sample(settings, warehouse)


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
