"""Where a ledger can lie, and what differs between those places. Everything else is said once, in `store`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from etl.errors import MetaLayerError
from etl.settings import Database, is_postgres


class Place(Protocol):
    """A file, or a schema of a server."""

    name: str
    """For messages: a path or an address, without secrets."""

    reading: Mapping[str, Any]
    """Options of a connection that reads: all its queries see one state."""

    another: str
    """What a person can do when this place cannot be used."""

    def connect(self) -> sa.Engine:
        """Connections that read one state, or write alone (options `writes` and `durable`), from their begin.

        Raises LedgerError or DiskFull when the place cannot be made.
        """
        ...

    def prepare(self, engine: sa.Engine) -> None:
        """What must be set before the first transaction that writes."""
        ...

    def make_room(self, connection: sa.Connection) -> None:
        """What must be there before the first table, in the transaction that makes it."""
        ...

    def worded(self, error: sa.exc.DBAPIError) -> MetaLayerError:
        """The error as a LedgerError, LedgerUnavailable or DiskFull that names the place."""
        ...

    def size_bytes(self, connection: sa.Connection) -> int:
        """Bytes that the ledger takes."""
        ...

    def count_on(self, connection: sa.Connection) -> None:
        """Let new ids follow those that were written from elsewhere."""
        ...

    def behind(self, connection: sa.Connection) -> tuple[str, ...]:
        """The tables whose next id is one that was given already."""
        ...


def place_of(url: str, database: Database | None) -> Place:
    """The place that a URL names. Raises LedgerError for a kind that is not known."""
    if is_postgres(url):
        from etl.ledger.postgres import PostgresSchema  # the driver is loaded only where it is used

        return PostgresSchema(url, database or Database())
    from etl.ledger.sqlite import SqliteFile

    return SqliteFile(url)
