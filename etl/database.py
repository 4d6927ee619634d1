"""Connections to a PostgreSQL, and its errors as ours. Ledger, warehouse and lease each have an engine of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import sqlalchemy as sa

from etl.errors import DiskFull, MetaLayerError, WarehouseError, WarehouseUnavailable
from etl.settings import Database

CONNECT_SECONDS = 5
KEEPALIVES = {
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
}
"""Of this side of the connection: a server that is gone without a word is noticed within seconds."""

# SQLSTATEs. What passes by itself is worth another try.
DISK_FULL = ("53100",)
TRANSIENT = ("08", "40001", "40P01", "53", "55P03", "57P01", "57P02", "57P03", "57P05", "25P03", "58030")
NO_ANSWER = "The database {address} cannot be reached: {why}"


def engine_of(
    url: str,
    database: Database,
    *,
    name: str,
    password: str | None = None,
    options: Mapping[str, str] | None = None,
    pool_size: int = 8,
    **more: Any,
) -> sa.Engine:
    """An engine whose connections are asked for a sign of life before use.

    `name` is what the server shows of a connection (application_name); `options` are settings of each session, such
    as `search_path` or `lock_timeout`. A `pool_size` of 0 keeps no connection.
    """
    given = {
        "application_name": name,
        "connect_timeout": CONNECT_SECONDS,
        "client_encoding": "utf8",
        **KEEPALIVES,
    }
    if options:
        given["options"] = " ".join(f"-c {key}={_escaped(value)}" for key, value in options.items())
    if database.tls:
        given["sslmode"] = database.tls
    if database.ca:
        given["sslrootcert"] = str(database.ca)
    secret = password if password is not None else database.password
    made = sa.make_url(url)
    if secret is not None:
        made = made.set(password=secret)
    pool = {"pool_size": pool_size, "max_overflow": 32} if pool_size else {"poolclass": sa.NullPool}
    return sa.create_engine(
        made, connect_args=given, pool_pre_ping=bool(pool_size), hide_parameters=True, **pool, **more
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def address_of(url: str) -> str:
    """Where a database is, without any secret: `user@host:port/database`."""
    made = sa.make_url(url)
    port = f":{made.port}" if made.port else ""
    return f"{made.username or ''}@{made.host or ''}{port}/{made.database}"


def sqlstate(fault: BaseException) -> str:
    """The five letters of an error of PostgreSQL; "" where the connection itself failed."""
    origin = getattr(fault, "orig", None) or fault
    return str(getattr(origin, "pgcode", None) or "")


def is_lost(fault: BaseException) -> bool:
    """Whether the connection is gone, or the server is just starting or stopping."""
    origin = getattr(fault, "orig", None) or fault
    state = sqlstate(origin)
    if state:
        return state.startswith(("08", "57P"))
    return isinstance(origin, psycopg2.OperationalError | psycopg2.InterfaceError)


def is_transient(fault: BaseException) -> bool:
    """Whether the same may succeed in a moment."""
    return is_lost(fault) or sqlstate(fault).startswith(TRANSIENT)


def told(fault: BaseException) -> str:
    """What the server said, on one line, without the statement."""
    origin = getattr(fault, "orig", None) or fault
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    return str(primary or " ".join(str(origin).split()))


@contextmanager
def faults(address: str) -> Iterator[None]:
    """Errors of a warehouse in PostgreSQL as ours, their cause kept."""
    try:
        yield
    except (psycopg2.Error, sa.exc.DBAPIError, sa.exc.TimeoutError) as fault:
        raise as_ours(fault, address) from fault


def as_ours(fault: BaseException, address: str) -> MetaLayerError:
    """The error that a fault of the warehouse's database is."""
    why = told(fault)
    if sqlstate(fault).startswith(DISK_FULL):
        return DiskFull(
            f"No space is left for the database {address}: {why}", "Free some space, then run again."
        )
    if isinstance(fault, sa.exc.TimeoutError):
        return WarehouseUnavailable(f"Every connection to {address} is in use.", "It is tried again.")
    if sqlstate(fault) == "57014":
        return WarehouseUnavailable(f"The statement was stopped in {address}: {why}", "It is tried again.")
    if is_lost(fault):
        return WarehouseUnavailable(
            NO_ANSWER.format(address=address, why=why), "It is tried again; see that it runs."
        )
    if is_transient(fault):
        return WarehouseUnavailable(
            f"The database {address} could not take the statement: {why}", "It is tried again."
        )
    return WarehouseError(why, "See the statement in the log of this run.")
