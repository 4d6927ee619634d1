"""A ledger in one SQLite file. Several processes of one machine may open it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl.errors import DiskFull, LedgerError, LedgerUnavailable
from etl.ledger.types import json_text

BUSY_SECONDS = 10.0
"""How long a write waits for another process before it is LedgerUnavailable."""


class SqliteFile:
    """The file, made with its folder where missing."""

    another = "Name another file with METALAYER_LEDGER."

    def __init__(self, url: str) -> None:
        """`url` is `sqlite:///FILE`. Raises LedgerError for another kind."""
        self.url = url
        self.path = _file(url)
        self.name = str(self.path)
        self.reading: Mapping[str, Any] = {}  # a deferred transaction keeps the state of its first read

    def connect(self) -> sa.Engine:
        """Make the folder; SQLite makes the file."""
        _make_folder(self.path.parent)
        return engine_of(self.url)

    def prepare(self, engine: sa.Engine) -> None:
        """Readers never wait for the writer in WAL mode. The file remembers it, so it is set once."""
        with engine.connect().execution_options(bare=True) as connection:
            connection.exec_driver_sql("pragma journal_mode = wal")

    def make_room(self, connection: sa.Connection) -> None:
        """The file is there already."""

    def worded(self, error: sa.exc.DBAPIError) -> LedgerError | DiskFull:
        """By SQLite's primary code, the low byte."""
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return LedgerUnavailable(
                f"The ledger {self.path} is held by another process: {error.orig}.",
                "It is tried again; see what holds it.",
            )
        if code == sqlite3.SQLITE_FULL:
            return DiskFull(
                f"The disk is full: the ledger {self.path} cannot grow.", "Free some space and try again."
            )
        return LedgerError(
            f"The ledger {self.path} refused: {error.orig}.",
            "See METALAYER_LEDGER and the file's permissions.",
        )

    def size_bytes(self, connection: sa.Connection) -> int:
        """Bytes on disk, write-ahead log included."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def count_on(self, connection: sa.Connection) -> None:
        """SQLite gives the next id by the highest there is."""

    def behind(self, connection: sa.Connection) -> tuple[str, ...]:
        """None, for the same reason."""
        return ()


def engine_of(url: str) -> sa.Engine:
    """Connections whose transactions begin as SQLite's own module would not begin them."""
    engine = sa.create_engine(url, json_serializer=json_text, pool_size=8, max_overflow=32)
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _file(url: str) -> Path:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise LedgerError(
            f"The ledger {parsed.render_as_string()} cannot be used.",
            "Give sqlite:///FILE or postgresql+psycopg2://USER@HOST:PORT/DATABASE in METALAYER_LEDGER.",
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
