"""What the installation is made of and whether each part answers: for the System page, `doctor` and /readyz."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

from etl.catalog import Catalog
from etl.engine import Engine
from etl.errors import MetaLayerError
from etl.facts import Finding, ServiceFacts, SystemFacts
from etl.layers import bronze
from etl.ledger import LeaseEntry, Ledger
from etl.model import CheckState
from etl.resources import ResourceWatch
from etl.scheduler import Scheduler
from etl.settings import Settings, embedded_path
from etl.warehouse import Warehouse

LIBRARIES = (
    "streamlit",
    "duckdb",
    "ibis-framework",
    "sqlglot",
    "sqlalchemy",
    "apscheduler",
    "pandas",
    "plotly",
)
LITTLE_SPACE = 1_000_000_000  # bytes


@dataclass(frozen=True)
class Parts:
    """The parts that can be asked whether they are well."""

    settings: Settings
    warehouse: Warehouse
    ledger: Ledger
    engine: Engine
    scheduler: Scheduler | None
    clock: Callable[[], datetime]
    may_work: bool = True  # whether this process has the engine lease
    lease: LeaseEntry | None = None  # who has it, as the ledger has it
    stands_by: bool = False  # whether another process was just seen to have it


def facts(parts: Parts, watch: ResourceWatch, started_at: datetime) -> SystemFacts:
    """Everything the System page shows."""
    now = watch.sample()
    return SystemFacts(
        services=services(parts),
        sizes=_sizes(parts),
        now=now,
        history=watch.history(),
        versions=_versions(),
        started_at=started_at,
    )


def services(parts: Parts) -> tuple[ServiceFacts, ...]:
    """Each part with its address and health. A part that does not live here was not examined."""
    settings = parts.settings
    host, port = os.environ.get("METALAYER_HOST", "127.0.0.1"), os.environ.get("METALAYER_PORT", "")
    app = ServiceFacts(
        "App", f"http://{host}:{port}" if port else f"process {os.getpid()}", CheckState.PASSED,
        "Answers this request.",
    )  # fmt: skip
    scheduling = parts.scheduler is not None and parts.scheduler.alive
    kept = "PostgreSQL." if settings.on_postgres else "DuckDB, held by this process."
    return (
        app,
        _living(
            parts,
            "Engine",
            f"thread of process {os.getpid()}",
            parts.engine.alive,
            "Takes runs from the queue.",
        ),
        _living(parts, "Scheduler", settings.schedule, scheduling, "Cron in UTC, and file arrival."),
        _lease(parts),
        _asked("Ledger", parts.ledger.place.name, lambda: f"Revision {parts.ledger.revision()}."),
        _asked("Warehouse", parts.warehouse.address, lambda: _pinged(parts.warehouse, kept)),
        _folder("Landing folder", settings.landing),
    )


def _living(parts: Parts, name: str, address: str, alive: bool, detail: str) -> ServiceFacts:
    if alive:
        return ServiceFacts(name, address, CheckState.PASSED, detail)
    if parts.lease is not None and not parts.may_work:
        return ServiceFacts(
            name, parts.lease.address or parts.lease.holder, CheckState.PASSED,
            f"Runs in {parts.lease.holder}, which has the lease; this process stands by.",
        )  # fmt: skip
    return ServiceFacts(name, address, CheckState.UNEXAMINED, "Does not run in this process.")


def _lease(parts: Parts) -> ServiceFacts:
    """Who may run and schedule: one process of all that share the ledger."""
    noted = parts.lease
    if noted is None:
        return ServiceFacts(
            "Engine lease", "", CheckState.WARNED, "Nobody has it: nothing runs or is scheduled."
        )
    since = f"since {noted.taken_at:%Y-%m-%d %H:%M:%S} UTC, fencing number {noted.fence}"
    whose = "This process" if parts.may_work else "Another process"
    return ServiceFacts("Engine lease", noted.holder, CheckState.PASSED, f"{whose} has it {since}.")


def _asked(name: str, address: str, ask: Callable[[], str]) -> ServiceFacts:
    """Whether a part answers; what it answers is told."""
    started = perf_counter()
    try:
        detail = ask()
    except MetaLayerError as fault:
        return ServiceFacts(name, address, CheckState.FAILED, str(fault))
    return ServiceFacts(name, address, CheckState.PASSED, detail, perf_counter() - started)


def _pinged(warehouse: Warehouse, detail: str) -> str:
    warehouse.ping()
    return detail


def _folder(name: str, folder: Path) -> ServiceFacts:
    if not folder.is_dir():
        return ServiceFacts(
            name, str(folder), CheckState.FAILED, "Does not exist. Create it, or set METALAYER_LANDING."
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        return ServiceFacts(name, str(folder), CheckState.FAILED, "Cannot be read. Change its permissions.")
    return ServiceFacts(name, str(folder), CheckState.PASSED, "Can be read.")


def _sizes(parts: Parts) -> tuple[tuple[str, int], ...]:
    settings = parts.settings
    kept = (
        _told("Warehouse", lambda: sum(parts.warehouse.sizes().values()))
        if settings.on_postgres
        else (
            ("Warehouse", _with_siblings(embedded_path(settings.warehouse))),
            ("Bronze files", _under(settings.files / "bronze")),
        )
    )
    return (
        *kept,
        *_told("Ledger", parts.ledger.size_bytes),
        ("Spill", _under(settings.files / "spill")),
        ("Landing folder", _under(settings.landing)),
        ("Logs", _under(settings.state / "logs")),
    )


def _told(name: str, size: Callable[[], int]) -> tuple[tuple[str, int], ...]:
    """A size, or nothing where it cannot be told now."""
    try:
        return ((name, size()),)
    except MetaLayerError:
        return ()


def _with_siblings(path: Path) -> int:
    """A database file with its write-ahead log beside it."""
    return sum(_size(found) for found in path.parent.glob(f"{path.name}*") if found.is_file())


def _under(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*") if path.is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone between the listing and now
        return 0


def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for library in LIBRARIES:
        try:
            found.append((library, version(library)))
        except PackageNotFoundError:
            found.append((library, "not installed"))
    return (*found, ("sqlite", sqlite3.sqlite_version))


def readiness(parts: Parts) -> dict[str, str]:
    """Each part with "ok" or a word on what is wrong; no paths, no secrets."""
    answers = {"engine": "ok" if parts.engine.alive or parts.stands_by else "not running"}
    for name, ask in (("ledger", parts.ledger.ping), ("warehouse", parts.warehouse.ping)):
        try:
            ask()
            answers[name] = "ok"
        except MetaLayerError as fault:
            answers[name] = type(fault).__name__
    return answers


def findings(parts: Parts, roots: Sequence[Path], catalog: Catalog) -> tuple[Finding, ...]:
    """What was looked at and found, worst first."""
    found = [Finding(s.name, s.state, f"{s.address}: {s.detail}") for s in services(parts)]
    found.append(
        Finding(
            "Catalog", CheckState.PASSED, f"{len(catalog.contracts)} contracts, {len(catalog.tables)} tables."
        )
    )
    found.append(_space(parts.settings))
    inventory = bronze.look(roots, catalog.contracts.values())
    if inventory.unmatched:
        names = ", ".join(inventory.unmatched[:5])
        found.append(
            Finding(
                "Landed files",
                CheckState.WARNED,
                f"No contract matches {names}.",
                "Rename them or add a contract.",
            )
        )
    order = [CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED]
    return tuple(sorted(found, key=lambda finding: order.index(finding.state)))


def _space(settings: Settings) -> Finding:
    import shutil

    free = shutil.disk_usage(settings.state).free
    state = CheckState.PASSED if free > LITTLE_SPACE else CheckState.WARNED
    return Finding(
        "Disk",
        state,
        f"{free / 1e9:,.1f} GB free where the state lies.",
        "" if free > LITTLE_SPACE else "Free some space.",
    )
