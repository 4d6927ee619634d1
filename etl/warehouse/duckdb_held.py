"""The one connection to the embedded warehouse: sessions, transactions, the fencing number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb

from etl.errors import LeaseLost, MetaLayerError, WarehouseUnavailable
from etl.settings import Settings, embedded_path
from etl.warehouse import Session
from etl.warehouse.duckdb_session import DuckDBSession, connect
from etl.warehouse.duckdb_sql import faults
from etl.warehouse.writing import newest

T = TypeVar("T")


class Held:
    """Threads use cursors of one connection; writers take turns."""

    dialect = "duckdb"

    def __init__(self, settings: Settings) -> None:
        self._path = embedded_path(settings.warehouse)
        self.address = str(self._path)
        self.bronze_files = settings.files / "bronze"
        self._writing = threading.RLock()
        self._fence = 0
        self._at_work: set[DuckDBSession] = set()
        self._at_work_lock = threading.Lock()
        self._version: int | None = None  # this process is the only writer
        self._kept: dict[str, Any] | None = {}  # bookkeeping read since the last write; None during one
        self._connection: duckdb.DuckDBPyConnection | None = self._opened(settings)

    def _opened(self, settings: Settings) -> duckdb.DuckDBPyConnection:
        return connect(self._path, self.bronze_files, settings)

    def close(self) -> None:
        """Checkpoint and let go of the file."""
        with self._writing:
            if self._connection is not None:
                self._connection.close()
                self._kept = None
                self._connection = None

    def _cursor(self) -> DuckDBSession:
        if self._connection is None:
            raise WarehouseUnavailable(f"The warehouse {self.address} is closed.", "Start MetaLayer again.")
        with faults():
            return DuckDBSession(self._connection.cursor())

    def ping(self) -> None:
        """Ask the database itself for an answer."""
        with self.session() as session:
            session.rows("select 1")

    @contextmanager
    def session(self) -> Iterator[DuckDBSession]:
        """Statements on their own, each committed at once."""
        session = self._cursor()
        with self._at_work_lock:
            self._at_work.add(session)
        try:
            yield session
        finally:
            with self._at_work_lock:
                self._at_work.discard(session)
            session.close()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Reads of one published version."""
        with self.session() as session:
            session.run("begin transaction read only")
            try:
                yield session
            finally:
                with suppress(MetaLayerError):  # a failed statement has ended the transaction already
                    session.run("rollback")

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBSession]:
        with self._writing, self.session() as session:
            self._version = None  # not known until this has ended
            self._kept = None
            session.run("begin transaction")
            try:
                self._check_fence(session)
                yield session
                session.run("commit")
            except BaseException:
                with suppress(MetaLayerError):  # the first error is the one to tell
                    session.run("rollback")
                raise
            finally:
                self._kept = {}
            with suppress(MetaLayerError):  # it is committed; whoever asks reads the version again
                self._version = newest(session)

    def _keep(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, read once between two writes: this process is the only writer."""
        kept = self._kept  # whoever begins to read before a write does not keep it after
        if kept is None:
            return read()
        if name not in kept:
            kept[name] = read()
        found: T = kept[name]
        return found

    def interrupt(self) -> None:
        """Stop the statements that are at work; what they did is rolled back."""
        with self._at_work_lock:
            at_work = list(self._at_work)
        for session in at_work:
            session.interrupt()

    def let_go(self) -> None:
        """The file is held by this process alone as long as it is open."""

    @property
    def holds_fence(self) -> bool:
        """Whether the fencing number that this process took is still the newest."""
        with self.session() as session:
            found = session.rows("select fence from bronze._fence")
        return bool(found and self._fence and found[0][0] == self._fence)

    def _check_fence(self, session: DuckDBSession) -> None:
        found = session.rows("select fence from bronze._fence")
        if not found or found[0][0] != self._fence:
            raise LeaseLost(
                "Another engine has taken over this warehouse.", "This one may not commit any more."
            )

    def take_fence(self) -> int:
        """Replace the fencing number by the next higher one."""
        with self._writing, self.session() as session:
            session.run("begin transaction")
            highest = session.rows("select coalesce(max(fence), 0) from bronze._fence")[0][0]
            self._fence = int(highest) + 1
            session.run("delete from bronze._fence")
            session.run("insert into bronze._fence values (?)", [self._fence])
            session.run("commit")
        return self._fence
