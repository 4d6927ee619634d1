"""One ledger database: its connections, its transactions, and its errors put into words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultExecutionContext

from etl.errors import LedgerError, LedgerUnavailable
from etl.ledger import schema
from etl.ledger.place import place_of
from etl.ledger.tables import changes
from etl.settings import Database

_CHANGED = "metalayer_changed"
_COUNT = sa.select(changes.c.count)


class Store:
    """Connections to one ledger. Threads may share it; several processes may open the same one."""

    def __init__(self, url: str, clock: Callable[[], datetime], database: Database | None = None) -> None:
        """`url` is `sqlite:///FILE` or `postgresql+psycopg2://…`, whose password is in `database`.

        Raises LedgerError for another kind.
        """
        self.url = url
        self.place = place_of(url, database)
        self._clock = clock
        self._engine: sa.Engine | None = None
        # A database makes a second writer sleep and try again, or holds a connection for it; threads of one
        # process can queue properly.
        self._writer = threading.Lock()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Create what is missing, migrate an older ledger, refuse a newer one.

        Raises LedgerError, LedgerUnavailable or DiskFull.
        """
        if self._engine is not None:
            return
        self._engine = self.place.connect()
        sa.event.listen(self._engine, "after_cursor_execute", _note_change)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._reading() as connection:
            ready = schema.stored_revision(connection, self.place) == schema.HEAD
        if not ready:
            with self._told():
                self.place.prepare(self._opened())
            with self._writing(durable=True) as connection:
                self.place.make_room(connection)
                schema.bring_to_head(connection, self.place)

    def close(self) -> None:
        """Close all connections; the last one to close a file folds its write-ahead log into it."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def ping(self) -> None:
        """Read one row. Raises LedgerError when the ledger does not answer."""
        self.revision()

    def revision(self) -> str:
        """The schema revision the database is at."""
        with self._reading() as connection:
            return schema.stored_revision(connection, self.place) or ""

    def size_bytes(self) -> int:
        """Bytes that the ledger takes."""
        with self._reading() as connection:
            return self.place.size_bytes(connection)

    def behind(self) -> tuple[str, ...]:
        """The tables whose next id is one that was given already."""
        with self._reading() as connection:
            return self.place.behind(connection)

    def count_on(self) -> None:
        """Let new ids follow the highest that there are."""
        with self._writing(durable=True) as connection:
            self.place.count_on(connection)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A transaction in which every query sees the same state."""
        with (
            self._told(),
            self._opened().connect().execution_options(**self.place.reading) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sa.Connection]:
        """A short transaction, the only one that writes from its start. `durable` survives a power cut too."""
        options = {"writes": True, "durable": durable}
        with (
            self._writer,
            self._told(),
            self._opened().connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            connection.info[_CHANGED] = False
            yield connection
            if connection.info[_CHANGED]:
                _count_change(connection)

    def stamp(self) -> int:
        """Another number after every change, by whichever process: what was read before it may have changed.

        The change and its number are committed together, so whoever sees the new stamp sees the new rows.
        """
        with (
            self._told(),
            self._opened().connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            return int(connection.scalar(_COUNT) or 0)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.place.worded(error) from error
        except sa.exc.TimeoutError as error:
            raise LedgerUnavailable(f"Every connection to the ledger {self.place.name} is in use.") from error

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            raise LedgerError(f"The ledger {self.place.name} is not open.")
        return self._engine


def distinct(
    connection: sa.Connection, column: sa.Column[Any], *where: sa.ColumnElement[bool]
) -> Iterator[Any]:
    """The column's distinct values in order, by jumping along its index: `select distinct` reads every row."""
    value = sa.func.min(column).label("value")
    found = sa.select(value).where(*where).cte("found", recursive=True)
    higher = sa.select(value).where(*where, column > found.c.value).scalar_subquery()
    found = found.union_all(sa.select(higher).where(found.c.value.is_not(None)))
    yield from connection.scalars(sa.select(found.c.value).where(found.c.value.is_not(None)))


def _note_change(
    connection: sa.Connection,
    cursor: Any,
    _statement: str,
    _parameters: object,
    context: DefaultExecutionContext | None,
    _many: bool,
) -> None:
    """A statement that touched no row changed nothing: an idle engine asks for work several times a second."""
    if context and (context.isinsert or context.isupdate or context.isdelete) and cursor.rowcount:
        connection.info[_CHANGED] = True


def _count_change(connection: sa.Connection) -> None:
    if not connection.execute(changes.update().values(count=changes.c.count + 1)).rowcount:
        connection.execute(changes.insert().values(name="ledger", count=1))
