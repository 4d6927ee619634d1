"""The engine lease: however many processes share a ledger, one of them works. A lock decides, never a clock of ours.

On PostgreSQL it is an advisory lock on a connection of its own. The server itself ends that connection when nothing has
come over it for IDLE_SECONDS: so a holder that was frozen or cut off loses the lease without anyone asking it.
Beside SQLite it is a lock on a file.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

import psycopg2
import sqlalchemy as sa

from etl.database import answering, engine_of
from etl.errors import LeaseLost, MetaLayerError
from etl.settings import Settings, embedded_path, is_postgres

LOCK = 7_205_759_404  # the number of the lock in its database
IDLE_SECONDS = 5.0
BEAT_SECONDS = 1.0
WAIT_SECONDS = 3  # for an answer on the lease's connection


def holder_name() -> str:
    """Who this process is to the others: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Lease(Protocol):
    """Held by one process at a time."""

    def take(self) -> bool:
        """Try to take it; True when this process holds it, also when it did before."""

    def beat(self) -> bool:
        """Whether it is still held: asks the lock itself."""

    @property
    def is_sure(self) -> bool:
        """Whether it was held a moment ago, so that nobody else can have it yet."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether, when it was last tried for, another process had it."""

    def give_back(self) -> None:
        """Let another have it. No effect when it is not held."""


def lease_of(settings: Settings) -> Lease:
    """The lease of those who share this ledger."""
    if is_postgres(settings.ledger):
        return DatabaseLease(settings)
    path = embedded_path(settings.ledger)
    return FileLease(path.with_name(f"{path.name}.lease"))


class FileLease:
    """A lock on a file, which ends with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """See Lease."""
        if self._file is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def beat(self) -> bool:
        """See Lease."""
        return self._file is not None

    @property
    def is_sure(self) -> bool:
        """See Lease."""
        return self._file is not None

    @property
    def is_elsewhere(self) -> bool:
        """See Lease. Nobody stands by for a file."""
        return False

    def give_back(self) -> None:
        """See Lease."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class DatabaseLease:
    """An advisory lock on a connection that does nothing else."""

    def __init__(self, settings: Settings) -> None:
        same = settings.ledger == settings.warehouse
        password = settings.database.password if same else settings.database.ledger_password
        self._engine = engine_of(
            settings.ledger, settings.database, name=f"metalayer lease {holder_name()}", password=password,
            options={
                "idle_session_timeout": f"{int(IDLE_SECONDS)}s", "statement_timeout": f"{WAIT_SECONDS}s",
                "tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "2",
                "tcp_user_timeout": "4000",
            },
            pool_size=0,
        )  # fmt: skip
        self._connection: Any = None
        self._answered_at = 0.0
        self._elsewhere = False
        self._lock = threading.Lock()

    def take(self) -> bool:
        """See Lease."""
        with self._lock:
            return self._connection is not None or self._taken()

    def _taken(self) -> bool:
        asked_at = time.monotonic()
        self._elsewhere = False
        try:
            connection = self._engine.raw_connection()
        except (psycopg2.Error, sa.exc.DBAPIError):
            return False
        held = False
        try:
            server: Any = connection.driver_connection
            server.autocommit = True
            with answering(server, WAIT_SECONDS), server.cursor() as cursor:
                cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
                held = bool(cursor.fetchone()[0])
                self._elsewhere = not held
        except psycopg2.Error:
            held = False
        if not held:
            _close(connection)
            return False
        self._connection, self._answered_at = connection, asked_at
        return True

    def beat(self) -> bool:
        """See Lease."""
        with self._lock:
            if self._connection is None:
                return False
            asked_at = time.monotonic()
            try:
                server: Any = self._connection.driver_connection
                with answering(server, WAIT_SECONDS), server.cursor() as cursor:
                    cursor.execute("select 1")
            except psycopg2.Error:  # the server has ended the connection, and the lock with it
                self._drop()
                return False
            self._answered_at = asked_at
            return True

    @property
    def is_sure(self) -> bool:
        """See Lease. The server waits IDLE_SECONDS from the last thing it heard, which was later than the asking."""
        return self._connection is not None and time.monotonic() - self._answered_at < IDLE_SECONDS

    @property
    def is_elsewhere(self) -> bool:
        """See Lease."""
        return self._elsewhere and self._connection is None

    def give_back(self) -> None:
        """See Lease."""
        with self._lock:
            self._drop()
            self._engine.dispose()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)


def _close(connection: Any) -> None:
    with suppress(psycopg2.Error, sa.exc.DBAPIError):
        connection.invalidate()


class Keeper:
    """Keeps a lease in a thread of its own: shows signs of life while it is held, and tries for it while it is not."""

    def __init__(
        self,
        lease: Lease,
        *,
        gained: Callable[[], None],
        lost: Callable[[], None],
        still_ours: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        """`gained` begins what the holder does, `lost` ends it. `still_ours` tells, after the lease had to be taken
        anew, whether nobody else has held it meanwhile. `tell` is given what went wrong in the background.
        """
        self._lease = lease
        self._gained, self._lost, self._still_ours, self._tell = gained, lost, still_ours, tell
        self._wants = False
        self._holds = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.RLock()

    @property
    def holds(self) -> bool:
        """Whether this process is the engine's, for all it can know at this moment."""
        return self._holds and self._lease.is_sure

    @property
    def stands_by(self) -> bool:
        """Whether another process had the lease a moment ago."""
        return not self._holds and self._lease.is_elsewhere

    def take(self) -> bool:
        """Try for the lease now; True when this process holds it. From then on it is kept.

        Raises what `gained` raises, and then the lease is given back. To lose it meanwhile is no fault: False.
        """
        with self._turn:
            if not self._holds and self._lease.take():
                self._holds = True
                try:
                    self._gain()
                except LeaseLost as lost:
                    self._undo()
                    self._tell(str(lost))
                except BaseException:
                    self._undo()
                    raise
            self._start()
            return self._holds

    def _undo(self) -> None:
        """End whatever was begun before the lease goes: also a beginning that failed half-way has begun something."""
        self._holds = False
        try:
            self._lost()
        finally:
            self._lease.give_back()

    def _gain(self) -> None:
        """Do what a new holder begins with, and show signs of life meanwhile: it may have to wait for others."""
        faults: list[BaseException] = []

        def gain() -> None:
            try:
                self._gained()
            except BaseException as fault:  # raised again by who waits for it
                faults.append(fault)

        thread = threading.Thread(target=gain, name="metalayer-take-over", daemon=True)
        thread.start()
        held = True
        while thread.is_alive():
            thread.join(BEAT_SECONDS)
            held = self._lease.beat() and held
        if faults:
            raise faults[0]
        if not held:
            raise LeaseLost("The lease was lost while it was taken up.", "Another process may have it.")

    def want(self) -> None:
        """Try for the lease again and again until it is held, now and whenever it is lost."""
        self._wants = True
        self._start()

    def stop(self) -> None:
        """Give the lease back. What the holder does has been ended by then."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * WAIT_SECONDS)
        with self._turn:
            self._holds = False
            self._lease.give_back()

    def _start(self) -> None:
        if self._thread is None and (self._holds or self._wants):
            self._thread = threading.Thread(target=self._keep, name="metalayer-lease", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            if self._holds:
                self._beat()
            elif self._wants:
                try:
                    self.take()
                except (
                    Exception
                ) as fault:  # whatever it is: this thread must live, and tries again at the next beat
                    self._tell(f"The lease could not be taken up: {type(fault).__name__}: {fault}")

    def _beat(self) -> None:
        if self._lease.beat():
            return
        give_up_at = time.monotonic() + IDLE_SECONDS
        # The server may have been started anew, with nobody quicker than this process: then it simply goes on.
        while not self._stopping.is_set():
            if self._lease.take():
                if self._is_still_ours():
                    return
                self._lease.give_back()
                break
            if time.monotonic() >= give_up_at:
                break
            self._stopping.wait(0.25)
        with self._turn:
            self._holds = False
        self._tell("The lease was lost: another process may work from now on.")
        self._lost()

    def _is_still_ours(self) -> bool:
        try:
            return self._still_ours()
        except MetaLayerError:  # it does not answer: whoever takes the lease next looks anew
            return False
