"""One ledger database: its connections, its transactions, and its errors put into words."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from etl.errors import DiskFull, LedgerError, LedgerUnavailable
from etl.ledger import schema

BUSY_SECONDS = 10.0
"""How long a write waits for another process before it is LedgerUnavailable."""


class Store:
    """Connections to one ledger. Threads may share it; several processes may open the same file."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        """`url` is `sqlite:///FILE`. Raises LedgerError for another kind."""
        self.url = url
        self._clock = clock
        self._path = _file(url)
        self._engine: sa.Engine | None = None
        # SQLite makes a second writer sleep and try again; threads of one process can queue properly.
        self._writer = threading.Lock()
        self._written = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Create the folder and the schema where missing, migrate an older ledger, refuse a newer one.

        Raises LedgerError, LedgerUnavailable or DiskFull.
        """
        if self._engine is not None:
            return
        _make_folder(self._path.parent)
        self._engine = _engine(self.url)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._reading() as connection:
            ready = schema.stored_revision(connection) == schema.HEAD
        if not ready:
            self._use_wal()
            with self._writing(durable=True) as connection:
                schema.bring_to_head(connection)

    def _use_wal(self) -> None:
        # Readers then never wait for the writer. The file remembers it, so it is set once.
        with self._told(), self._opened().connect().execution_options(bare=True) as connection:
            connection.exec_driver_sql("pragma journal_mode = wal")

    def close(self) -> None:
        """Close all connections; the last one to close folds the write-ahead log into the file."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def ping(self) -> None:
        """Read one row. Raises LedgerError when the ledger does not answer."""
        self.revision()

    def revision(self) -> str:
        """The schema revision the database is at."""
        with self._reading() as connection:
            return schema.stored_revision(connection) or ""

    def size_bytes(self) -> int:
        """Bytes on disk, write-ahead log included."""
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A transaction in which every query sees the same state."""
        with self._told(), self._opened().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sa.Connection]:
        """A short transaction, holding the write lock from its start. `durable` survives a power cut too."""
        options = {"writes": True, "durable": durable}
        with self._writer:
            with (
                self._told(),
                self._opened().connect().execution_options(**options) as connection,
                connection.begin(),
            ):
                yield connection
            self._written += 1  # after the commit: whoever sees the new stamp sees the new rows

    def stamp(self) -> int:
        """Rises with every write of this process: what was read before it may have changed."""
        return self._written

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise _worded(error, self._path) from error
        except sa.exc.TimeoutError as error:
            raise LedgerUnavailable(f"Every connection to the ledger {self._path} is in use.") from error

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            raise LedgerError(f"The ledger {self._path} is not open.")
        return self._engine


def distinct(
    connection: sa.Connection, column: sa.Column[Any], *where: sa.ColumnElement[bool]
) -> Iterator[Any]:
    """The column's distinct values in order, by jumping along its index: `select distinct` reads every row."""
    lowest = sa.select(column).where(*where).order_by(column).limit(1)
    row = connection.execute(lowest).first()
    while row is not None:
        yield row[0]
        row = connection.execute(lowest.where(column > row[0])).first()


def _file(url: str) -> Path:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise LedgerError(
            f"The ledger {parsed.render_as_string()} cannot be used.",
            "Give sqlite:///FILE in METALAYER_LEDGER.",
        )
    return Path(str(parsed.database))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else LedgerError
        raise kind(
            f"The ledger's folder {folder} cannot be made: {error.strerror}.", "See METALAYER_STATE."
        ) from error


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, json_serializer=_json, pool_size=8, max_overflow=32)
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the module's own late BEGIN would let two writers pass the same check
    connection.execute(f"pragma busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("pragma foreign_keys = on")


def _on_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("bare"):
        return  # the journal mode cannot be changed inside a transaction
    if options.get("writes"):
        # In WAL mode `normal` cannot corrupt and survives kill -9; only `full` waits for the disk.
        # A run, its id and its ticks exist nowhere else and get `full`; the rest can be told again.
        connection.exec_driver_sql(f"pragma synchronous = {'full' if options.get('durable') else 'normal'}")
        connection.exec_driver_sql("begin immediate")
    else:
        connection.exec_driver_sql("begin")


def _json(value: Any) -> str:
    # Samples of failing rows carry decimals and dates; as text they keep every digit.
    return json.dumps(value, default=str, ensure_ascii=False)


def _worded(error: sa.exc.DBAPIError, path: Path) -> LedgerError | DiskFull:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is SQLite's primary code
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerUnavailable(
            f"The ledger {path} is held by another process: {error.orig}.",
            "It is tried again; see what holds it.",
        )
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"The disk is full: the ledger {path} cannot grow.", "Free some space and try again.")
    return LedgerError(
        f"The ledger {path} refused: {error.orig}.", "See METALAYER_LEDGER and the file's permissions."
    )
