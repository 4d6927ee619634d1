"""Connections to the warehouse in PostgreSQL: sessions, transactions, the fencing number."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

import psycopg2
import sqlalchemy as sa

from etl.database import address_of, cut, engine_of, faults, is_lost, sqlstate
from etl.errors import LeaseLost, MetaLayerError, WarehouseUnavailable
from etl.settings import Settings
from etl.warehouse import Session
from etl.warehouse.postgres_session import PostgresSession
from etl.warehouse.writing import newest

T = TypeVar("T")
OPTIONS = {
    "search_path": "pg_catalog",
    "timezone": "UTC",
    "datestyle": "ISO,YMD",
    "standard_conforming_strings": "on",  # a backslash in a text of ours, or of a query, is a sign like others
    "lock_timeout": "10s",
    # A writer that does not go on within a transaction is frozen or cut off: its locks must not outlive it for long.
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",  # our statements are many and short; compiling them costs more than it saves
}
STATEMENT_SECONDS = 3_600
TOLD_SECONDS = 15.0  # for a server to come back and tell what became of a transaction
FENCE_TRIES = 20
COMMITS = "bronze._commits"
MAKE_COMMITS = f"""
create table if not exists {COMMITS} (
    token text collate "C" primary key,
    at timestamp with time zone not null default now()
)
"""
"""One row per transaction of an engine in the last day: who lost the answer to a commit looks for its own here."""


class PostgresHeld:
    """Sessions of a pool; the holder of the fencing number is the only writer."""

    dialect = "postgres"

    def __init__(self, settings: Settings) -> None:
        self.address = address_of(settings.warehouse)
        self._settings = settings
        self._writing = threading.RLock()
        self._fence = 0
        self._only_writer = False
        self._version: int | None = None
        self._kept: dict[str, Any] | None = {}
        self._busy: set[Any] = set()  # connections that serve a session now
        self._asked: set[Any] = set()  # those of them that were asked to stop
        self._busy_lock = threading.Lock()
        self._engine: sa.Engine | None = engine_of(
            settings.warehouse,
            settings.database,
            name=f"metalayer {socket.gethostname()}:{os.getpid()}",
            options=OPTIONS | {"statement_timeout": f"{STATEMENT_SECONDS}s"},
        )

    def close(self) -> None:
        """Close every connection that is not in use."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()
        self._kept = None

    def _connected(self) -> Any:
        if self._engine is None:
            raise WarehouseUnavailable(f"The warehouse {self.address} is closed.", "Start MetaLayer again.")
        with faults(self.address):
            return self._engine.raw_connection()

    def ping(self) -> None:
        """Ask the database itself for an answer."""
        with self.session() as session:
            session.rows("select 1")

    @contextmanager
    def session(self) -> Iterator[PostgresSession]:
        """Statements on their own, each committed at once."""
        with self._lent() as connection:
            session = self._session_on(connection, autocommit=True)
            try:
                yield session
            except BaseException:
                with suppress(MetaLayerError):  # the first error is the one to tell
                    session.close()
                raise
            session.close()

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        """A connection of the pool; one that broke does not go back."""
        connection = self._connected()
        with self._busy_lock:
            self._busy.add(connection)
        try:
            yield connection
        finally:
            with self._busy_lock:
                self._busy.discard(connection)
                self._asked.discard(connection)
            with suppress(psycopg2.Error):
                if connection.driver_connection.closed:
                    connection.invalidate()
            with suppress(psycopg2.Error, sa.exc.DBAPIError):
                connection.close()

    def _session_on(self, connection: Any, *, autocommit: bool) -> PostgresSession:
        with faults(self.address):
            connection.driver_connection.autocommit = autocommit
        return PostgresSession(connection, self.address, self._fence)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Reads of one published version."""
        with self._lent() as connection:
            session = self._session_on(connection, autocommit=True)
            session.run("begin transaction isolation level repeatable read, read only")
            try:
                yield session
            finally:
                with suppress(MetaLayerError):  # a lost connection has ended the transaction already
                    session.run("rollback")

    @contextmanager
    def _transaction(self) -> Iterator[PostgresSession]:
        """A transaction of the engine; nobody can take the fencing number while it lasts, except by ending it."""
        with self._writing, self._lent() as connection:
            session = self._session_on(connection, autocommit=True)
            self._version, self._kept = None, None  # not known until this has ended
            session.run("begin transaction")
            try:
                self._check_fence(session)
                yield session
                self._commit(session)
            except BaseException:
                with suppress(MetaLayerError):  # the first error is the one to tell
                    session.run("rollback")
                raise
            finally:
                self._kept = {}

    def _commit(self, session: PostgresSession) -> None:
        """Commit, and find out what became of it where the answer is lost on the way."""
        token = uuid4().hex
        session.run(f"delete from {COMMITS} where at < now() - interval '1 day'")  # noqa: S608 - a name of ours
        session.run(f"insert into {COMMITS} (token) values (?)", [token])  # noqa: S608
        try:
            session.run("commit")
        except WarehouseUnavailable as lost:
            cause = lost.__cause__
            if cause is None or not is_lost(cause) or not self._has_committed(token):
                raise

    def _has_committed(self, token: str) -> bool:
        """Whether a transaction whose connection is lost took effect: then it has left its token.

        Not asked by its number: a server that crashed before it wrote the number down gives the same one again.
        Raises WarehouseUnavailable when nobody tells.
        """
        give_up_at = time.monotonic() + TOLD_SECONDS
        while True:
            try:
                return self._has_left(token)
            except WarehouseUnavailable:
                if time.monotonic() >= give_up_at:
                    raise
            time.sleep(0.2)

    def _has_left(self, token: str) -> bool:
        with self._lent() as connection:
            session = self._session_on(connection, autocommit=True)
            session.run("begin transaction")
            try:
                session.run(
                    f"lock table {COMMITS} in share mode"
                )  # one that is just committing is waited for
                return bool(session.rows(f"select 1 from {COMMITS} where token = ?", [token]))  # noqa: S608
            finally:
                with suppress(MetaLayerError):
                    session.run("rollback")

    def interrupt(self) -> None:
        """Stop the statements that are at work; what they did is rolled back.

        Asking the server may take long where it is out of reach, so nobody waits for that; a connection that is still
        at work when this is called again is cut.
        """
        with self._busy_lock:
            at_work = list(self._busy)
            again, self._asked = self._asked & self._busy, set(at_work)
        for connection in at_work:
            end = self._cut if connection in again else self._cancel
            threading.Thread(target=end, args=[connection], daemon=True).start()

    def _cut(self, connection: Any) -> None:
        with suppress(AttributeError):  # it has just ended
            cut(connection.driver_connection)

    def _cancel(self, connection: Any) -> None:
        """By a statement of another connection: psycopg2's own `cancel` stops all threads until the server answers."""
        with suppress(psycopg2.Error, AttributeError, MetaLayerError), self.session() as session:
            session.rows("select pg_cancel_backend(?)", [connection.driver_connection.info.backend_pid])

    def _keep(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, read once between two writes where this process is the only writer."""
        kept = self._kept  # whoever begins to read before a write does not keep it after
        if kept is None or not self._only_writer:
            return read()
        if name not in kept:
            kept[name] = read()
        found: T = kept[name]
        return found

    def _check_fence(self, session: Session) -> None:
        found = session.rows("select fence from bronze._fence for share")
        if not found or found[0][0] != self._fence:
            self.let_go()
            raise LeaseLost(
                "Another engine has taken over this warehouse.", "This one may not commit any more."
            )

    def let_go(self) -> None:
        """Others may write from now on: nothing that was read is kept."""
        self._only_writer, self._version, self._kept = False, None, {}

    @property
    def holds_fence(self) -> bool:
        """Whether the fencing number that this process took is still the newest."""
        with self.session() as session:
            found = session.rows("select fence from bronze._fence")
        return bool(found and self._fence and found[0][0] == self._fence)

    def take_fence(self) -> int:
        """Replace the fencing number by the next higher one, ending what an engine that was overtaken holds on to."""
        with self._writing:
            for _ in range(FENCE_TRIES):
                fence = self._fence_taken()
                if fence is not None:
                    self._fence, self._only_writer, self._version, self._kept = fence, True, None, {}
                    return fence
                self._end_overtaken()
        raise WarehouseUnavailable(
            f"The fencing number in {self.address} is held by a transaction that does not end.",
            "It is tried again.",
        )

    def _fence_taken(self) -> int | None:
        with self._lent() as connection:
            session = self._session_on(connection, autocommit=True)
            session.run("begin transaction")
            try:
                session.run("set local lock_timeout = '1s'")
                session.run("lock table bronze._fence in share row exclusive mode")
                highest = int(session.rows("select coalesce(max(fence), 0) from bronze._fence")[0][0])
                session.run("delete from bronze._fence")
                session.run("insert into bronze._fence values (?)", [highest + 1])
                session.run("commit")
            except WarehouseUnavailable as held:
                with suppress(MetaLayerError):
                    session.run("rollback")
                if held.__cause__ is not None and sqlstate(held.__cause__) == "55P03":
                    return None
                raise
            except BaseException:
                with suppress(MetaLayerError):
                    session.run("rollback")
                raise
        return highest + 1

    def _end_overtaken(self) -> None:
        with self.session() as session:
            session.run(
                "select pg_terminate_backend(pid) from pg_locks "
                "where relation = 'bronze._fence'::regclass and granted and pid <> pg_backend_pid() "
                "and mode in ('RowShareLock', 'RowExclusiveLock', 'ShareRowExclusiveLock') "
                "and database = (select oid from pg_database where datname = current_database())"
            )

    def version(self) -> int:
        """The newest version; 0 when nothing was ever published."""
        known = self._version
        if known is not None and self._only_writer:
            return known
        with self.session() as session:
            return newest(session)
