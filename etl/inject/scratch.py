"""A workspace of its own to plant faults in: the real service on a warehouse that can be told to go wrong."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from etl.catalog import remembered_catalog
from etl.declared import Contract
from etl.errors import MetaLayerError
from etl.facts import TableFacts
from etl.inject.csvfile import as_named
from etl.layers.bronze import matches
from etl.ledger import Ledger
from etl.model import Batch, Run
from etl.service import Service, utc_now
from etl.settings import Settings, with_state
from etl.warehouse import Landing
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.naming import physical

FOLDER = "inject"  # in the state folder's `files`


@dataclass
class Plants:
    """What the warehouse is to do wrong: by table, statements over it as `{table}` that follow its build."""

    statements: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lost_line_of: str = ""  # a source whose next batch gets a line that nothing accounts for
    done: set[str] = field(default_factory=set)  # tables and sources in which something was changed


class PlantedSession(DuckDBSession):
    """A session whose builds come out wrong where that was asked for."""

    def __init__(self, session: DuckDBSession, plants: Plants) -> None:
        super().__init__(session._cursor)  # noqa: SLF001 (the same conversation)
        self._plants = plants

    def build(self, table: str, select: str) -> int:
        """Build, then plant; the rows are those the engine asked for."""
        rows = super().build(table, select)
        for statement in self._plants.statements.get(table, ()) if rows else ():
            self.run(statement.replace("{table}", physical(table, built=True)))
            self._plants.done.add(table)
        return rows


class PlantedWarehouse(DuckDBWarehouse):
    """The embedded warehouse, with faults planted between what the engine asks for and what is there afterwards."""

    def __init__(self, settings: Settings, plants: Plants) -> None:
        super().__init__(settings)
        self._plants = plants

    @contextmanager
    def session(self) -> Iterator[DuckDBSession]:
        """As ever, but builds may come out wrong."""
        with super().session() as session:
            yield PlantedSession(session, self._plants)

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """As ever, but a line may have been lost on the way."""
        if self._plants.lost_line_of == contract.source:
            batch = replace(landing.batch, lines=landing.batch.lines + 1)
            landing = replace(landing, batch=batch)
            self._plants.done.add(contract.source)
        return super().land(landing, contract)


class ScratchService(Service):
    """The service of a scratch workspace: each landed file lies in a landing folder of its own, so that all files of
    a source can have the one name that its contract allows.
    """

    def landing_roots(self) -> tuple[Path, ...]:
        """Every folder below the landing folder, in the order in which they were made."""
        return tuple(sorted(self.settings.landing.iterdir()))

    def _keep_report(self, run: Run) -> None:
        """Nobody will read it."""

    def look_again(self) -> None:
        """What was read is old: the clock has moved."""
        self._cache = None


@dataclass
class Clock:
    """The time, a while from now."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """See Clock."""
        return utc_now() + self.ahead


@dataclass(frozen=True)
class Landed:
    """A file in the scratch landing folder."""

    path: str  # as its batch names it
    sha256: str
    size_bytes: int


@dataclass
class Scratch:
    """A scratch workspace, its clock and its faults."""

    settings: Settings
    service: ScratchService
    plants: Plants
    clock: Clock
    files: int = 0

    def land(self, contract: Contract, like: str, name: str, content: bytes) -> Landed:
        """Put a file where the contract looks for it, named after one that it has taken; without `name` as that one,
        byte for byte.
        """
        self.files += 1
        path = _path(contract, like, f"{self.files:03}-{name}" if name else "")
        packed = as_named(path, content) if name and content else content
        target = self.settings.landing / f"{self.files:03}" / path
        target.parent.mkdir(parents=True)
        target.write_bytes(packed)
        # Sightings are told apart by name, size and time.
        os.utime(target, ns=(self.files * 1_000_000_000,) * 2)
        return Landed(path, sha256(packed).hexdigest(), len(packed))

    def rows(self, table: str) -> int:
        """How many rows of a table are published."""
        return self._facts(table).rows or 0

    def version(self, table: str) -> int:
        """In which version a table was published last."""
        return self._facts(table).version

    def _facts(self, table: str) -> TableFacts:
        return next(facts for facts in self.service.tables() if facts.name == table)

    def run(self, *targets: str, full: bool = False) -> Run:
        """Bring the tables up to date, as any run does."""
        asked = self.service.request_run(targets, full=full, by="check of the checks")
        return self.service.work(asked.run_id)


def _path(contract: Contract, like: str, name: str) -> str:
    """`erp/erp_sales.csv` → `erp/erp_sales-003-empty.csv` where the contract would take that, else the same again."""
    folder, slash, file = like.rpartition("/")
    stem, dot, suffix = file.partition(".")
    path = f"{folder}{slash}{stem}-{name}{dot}{suffix}"
    return path if name and matches(path, contract.pattern) else like


@contextmanager
def open_scratch(settings: Settings) -> Iterator[Scratch]:
    """A scratch workspace beside the one of `settings`, with its contracts and gold files; removed afterwards.

    Raises MetaLayerError while another one is open there.
    """
    folder = settings.files / FOLDER
    with _alone(settings.files / f"{FOLDER}.lock"):
        shutil.rmtree(folder, ignore_errors=True)  # what a kill left behind
        try:
            yield from _opened(_made(folder, settings))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            raise MetaLayerError(
                "A check of the checks is at work in this workspace already.", "Wait for its end."
            ) from held
        yield


def _made(folder: Path, settings: Settings) -> Settings:
    (folder / "landing").mkdir(parents=True)
    own = replace(with_state(settings, folder / "state"), landing=folder / "landing", sample=False)
    own.files.mkdir(parents=True)
    if (settings.state / "remembered").is_dir():
        shutil.copytree(settings.state / "remembered", own.state / "remembered")
    return own


def _opened(own: Settings) -> Iterator[Scratch]:
    plants, clock = Plants(), Clock()
    catalog = remembered_catalog(own.project, own.state / "remembered")
    warehouse, ledger = PlantedWarehouse(own, plants), Ledger(own.ledger, clock)
    ledger.open()
    service = ScratchService(own, catalog, warehouse, ledger, clock)
    try:
        service.engine.take_over()
        yield Scratch(own, service, plants, clock)
    finally:
        service.close()
