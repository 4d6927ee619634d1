"""What a warehouse must be able to do. The engine knows this protocol and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from etl.facts import Rows
from etl.model import Batch, Contract, MoneyAccount, Published, RowAccount, Unreadable


@dataclass(frozen=True)
class Arrival:
    """A file as it was seen. `shape` is (path, size_bytes, mtime_ns): the same shape need not be hashed again."""

    source: str
    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    batch_id: str
    arrived_at: datetime
    run_id: int
    contract_fingerprint: str

    @property
    def shape(self) -> tuple[str, int, int]:
        """What tells this sighting from another without reading the file."""
        return (self.path, self.size_bytes, self.mtime_ns)


@dataclass(frozen=True)
class Landing:
    """A batch about to be committed with everything that belongs to it.

    `first_line` is the physical line of record 0 when every record is one line; None when the Parquet file
    carries `_row_number`. `columns` are the bronze columns the file holds.
    """

    batch: Batch
    parquet: str
    first_line: int | None
    columns: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    arrival: Arrival


@dataclass(frozen=True)
class Built:
    """A table built aside, ready to be switched in: what it will be published as and what it was made from."""

    table: str
    fingerprint: str
    inputs: tuple[tuple[str, int], ...]  # version 0 stands for "the version being published"
    rows: int
    beside: tuple[str, ...] = ()  # tables switched together with it: its quarantine, its superseded rows


@dataclass(frozen=True)
class Publication:
    """Everything one transaction makes visible."""

    run_id: int
    built: tuple[Built, ...]
    rows: tuple[RowAccount, ...]
    money: tuple[MoneyAccount, ...]
    at: datetime


class Session(Protocol):
    """One conversation with the warehouse. Values are bound with `?`."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """A statement without an answer."""

    def temporary(self, name: str, select: str) -> None:
        """Keep a SELECT's rows under `name` for the rest of this session."""

    def build(self, table: str, select: str) -> int:
        """Build a table aside from a SELECT; returns its rows. Readers see nothing of it until it is published."""


class Warehouse(Protocol):
    """Where the tables live. Raises WarehouseError, WarehouseUnavailable (transient) and DiskFull only."""

    dialect: str  # of Ibis
    address: str  # without secrets

    def close(self) -> None:
        """Let go of the warehouse; further calls raise WarehouseUnavailable."""

    def ping(self) -> None:
        """Ask the database itself for an answer."""

    def session(self) -> AbstractContextManager[Session]:
        """Statements on their own, each committed at once."""

    def snapshot(self) -> AbstractContextManager[Session]:
        """A read-only transaction: everything read in it belongs to one published version."""

    def prepare(self, contracts: Sequence[Contract]) -> None:
        """Create what is missing: schemas, bookkeeping tables, an empty bronze table per contract; sweep leftovers."""

    def take_fence(self) -> int:
        """A fencing number higher than any before; commits under an older one are refused with LeaseLost."""

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """Commit a batch, its unreadable lines and its arrival together. Returns it with its sequence and version."""

    def refuse(self, batch: Batch, arrival: Arrival) -> None:
        """Record a file that could not be taken in."""

    def see(self, arrival: Arrival) -> None:
        """Record a sighting of bytes already known."""

    def drop_builds(self) -> None:
        """Remove tables built aside and never published."""

    def publish(self, publication: Publication) -> int:
        """Switch everything in one transaction; returns the new version."""

    def batches(self) -> list[Batch]:
        """Every batch, in `batch_seq` order."""

    def arrivals(self) -> list[Arrival]:
        """Every sighting, oldest first."""

    def published(self) -> dict[str, Published]:
        """What stands now, by qualified table."""

    def history(self, limit: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """(version, rows) of the last publications of each table, oldest first."""

    def version(self) -> int:
        """The newest version; 0 when nothing was ever published."""

    def accounts(self) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The newest row and money accounts of every batch."""

    def query(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One SELECT in a read-only transaction."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes each table takes, by qualified table, as near as the warehouse can tell."""

    def physical(self, table: str, built: bool) -> str:
        """The name under which a table, or its build aside, is read in SQL."""
