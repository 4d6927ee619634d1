"""What a warehouse must be able to do. The engine knows this protocol and no database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from etl.declared import Contract
from etl.drift import HeaderSeen
from etl.facts import Rows
from etl.mends import RowPlace
from etl.model import Batch, MoneyAccount, Published, RowAccount, Unreadable


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
    header: tuple[str, ...] = ()  # the column that each field of the file holds, "" for one that is not kept
    seen: HeaderSeen = field(default_factory=HeaderSeen)


@dataclass(frozen=True)
class CorrectionRow:
    """A correction about to be written. `texts` has every column of the contract, as it reads now; only the
    `changed` ones are kept: the others stay what the file says, also when it is read again.
    """

    place: RowPlace
    of_unreadable: bool
    texts: tuple[tuple[str, str | None], ...]
    changed: frozenset[str]

    @property
    def changes(self) -> dict[str, str | None]:
        """What is kept of it."""
        return {name: text for name, text in self.texts if name in self.changed}


@dataclass(frozen=True)
class Mark:
    """`discard` of a row, `discard_line` of an unreadable line, `withdraw` of a batch (whose row is 0)."""

    kind: str
    place: tuple[str, int, int]  # batch_id, row_number, correction


@dataclass(frozen=True)
class MendChange:
    """What one mend changes, all at once."""

    mend_id: str
    author: str
    reason: str
    at: datetime
    run_id: int
    message: str
    corrections: tuple[CorrectionRow, ...] = ()
    marks: tuple[Mark, ...] = ()
    lifted: tuple[Mark, ...] = ()
    reread: Landing | None = None


@dataclass(frozen=True)
class Built:
    """A table built aside, ready to be switched in: what it will be published as and what it was made from."""

    table: str
    fingerprint: str
    inputs: tuple[tuple[str, int], ...]  # version 0 stands for "the version being published"
    rows: int
    merged: bool = False  # only what changes was built; else the whole table
    loses_keys: bool = True  # whether a key may have gone
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

    def many(self, sql: str, params: Sequence[Sequence[Any]]) -> None:
        """A statement once for each set of values."""

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of all of a table's columns."""

    def temporary(self, name: str, select: str) -> None:
        """Keep a SELECT's rows under `name` for the rest of this session."""

    def view(self, name: str, select: str) -> None:
        """Read a SELECT under `name` for the rest of this session."""

    def build(self, table: str, select: str) -> int:
        """Build a table aside from a SELECT; returns its rows. Readers see nothing of it until it is published."""

    def merge(self, table: str, cut: str, put: str) -> tuple[int, int]:
        """Keep aside what will change in a published table: the SELECT `cut` names the rows that leave it, by columns
        that it shares with the table; `put` are the rows that come in. Returns how many there are of each.
        """

    def shared(self, cuts: str) -> str:
        """The condition under which a row `t` is one that `c`, a row of `cuts`, cuts."""


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

    def refuse(
        self, batch: Batch, arrival: Arrival, contract: Contract | None = None, seen: HeaderSeen | None = None
    ) -> None:
        """Record a file that could not be taken in; with `contract` also how its header was `seen` to differ."""

    def see(self, arrival: Arrival) -> None:
        """Record a sighting of bytes already known."""

    def mend(self, change: MendChange, contract: Contract) -> bool:
        """Write what a person mended, as a new version of bronze; False when this mend has taken effect before."""

    def received(self, contract: Contract, batch_ids: Collection[str]) -> str:
        """A SELECT of the records of some batches as received: the contract's columns, `_batch_id`, `_row_number`."""

    def corrections(self, contract: Contract) -> str:
        """A SELECT of a source's corrections: the contract's columns as text, and the three columns of their place."""

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

    def published_in(self, run_id: int, tables: Collection[str]) -> int | None:
        """The version that a run has published these very tables in, if it has."""

    def history(self, limit: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """(version, rows) of the last publications of each table, oldest first."""

    def version(self) -> int:
        """The newest version; 0 when nothing was ever published."""

    def accounts(self) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The newest row and money accounts of every batch."""

    def query(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One SELECT in a read-only transaction."""

    def ask(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """As `query`, for what a person wrote: with the least rights that the warehouse can give."""

    def reading_role(self) -> str:
        """How people's own queries are kept from writing: a word on how well, a colon, a sentence."""

    def interrupt(self) -> None:
        """Stop the statements that are at work; what they did is rolled back."""

    def let_go(self) -> None:
        """Another process may write from now on."""

    @property
    def holds_fence(self) -> bool:
        """Whether the fencing number that this process took is still the newest."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes each table takes, by qualified table, as near as the warehouse can tell."""

    def coming(self, table: str) -> str:
        """The name under which the rows that a merge brings into a table are read in SQL."""

    def leaving(self, table: str) -> str:
        """The name under which is read what a merge cuts from a table."""

    def physical(self, table: str, built: bool) -> str:
        """The name under which a table, or its build aside, is read in SQL."""
