"""Connections to a PostgreSQL, and its errors as ours. Ledger, warehouse and lease each have an engine of their own."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
TRIED = re.compile(r'connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed:')
LIBPQ_ASKS = "Is the server running on that host and accepting TCP/IP connections?"
NO_ANSWER = "The database {address} cannot be reached: {why}"
OLDEST_VERSION = 15

# What a server or libpq says when it lets nobody in, and what to do. There is no SQLSTATE while a connection is made.
# In this order: a certificate that is not there "does not exist" too.
REFUSALS = (
    ("password authentication failed", "Check the user in the URL and METALAYER_DATABASE_PASSWORD."),
    ("no password supplied", "Give it in METALAYER_DATABASE_PASSWORD, or METALAYER_DATABASE_PASSWORD_FILE."),
    ("authentication failed", "Check how the server lets this user in (pg_hba.conf)."),
    (
        "root certificate file",
        "Name the certificates to check the server's against in METALAYER_DATABASE_CA.",
    ),
    (
        "certificate verify failed",
        "METALAYER_DATABASE_CA does not hold what the server's certificate is signed by.",
    ),
    ("does not match host name", "Reach the server by the name in its certificate."),
    ("does not support SSL", "Give the server a certificate, or ask for less with METALAYER_DATABASE_TLS."),
    (
        "no pg_hba.conf entry",
        "Let the server's pg_hba.conf allow this user from here; it may ask for TLS (METALAYER_DATABASE_TLS).",
    ),
    ("is not permitted to log in", "Name another user in the URL."),
    ("permission denied for database", "Let an administrator grant connect on the database to this user."),
    ("does not exist", "Check user and database in the URL, or let an administrator make them."),
)


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


def refusal(fault: BaseException) -> str:
    """What to do about a server that answers but does not let us in; "" for any other fault. Trying again is no use."""
    origin = getattr(fault, "orig", None) or fault
    if sqlstate(origin) or not isinstance(origin, psycopg2.OperationalError):
        return ""
    said = str(origin)
    return next((cure for words, cure in REFUSALS if words in said), "")


def is_lost(fault: BaseException) -> bool:
    """Whether the connection is gone, or the server is just starting or stopping."""
    origin = getattr(fault, "orig", None) or fault
    state = sqlstate(origin)
    if state:
        return state.startswith(("08", "57P"))
    return not refusal(origin) and isinstance(origin, psycopg2.OperationalError | psycopg2.InterfaceError)


def is_transient(fault: BaseException) -> bool:
    """Whether the same may succeed in a moment."""
    return is_lost(fault) or sqlstate(fault).startswith(TRANSIENT)


def told(fault: BaseException) -> str:
    """What the server said, on one line, without the statement."""
    origin = getattr(fault, "orig", None) or fault
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    return str(primary or _unreached(" ".join(str(origin).split())))


def _unreached(said: str) -> str:
    """What libpq says without the address, which our own sentence names, and without its question; once for each
    address of a host that failed otherwise.
    """
    reasons = dict.fromkeys(part.strip() for part in TRIED.split(said.replace(LIBPQ_ASKS, "")))
    return "; ".join(filter(None, reasons)) or said


def cut(connection: Any) -> None:
    """End a connection of psycopg2 from another thread: who waits for an answer on it gets an error."""
    with suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


@contextmanager
def answering(connection: Any, seconds: float) -> Iterator[None]:
    """Cut the connection when what is done meanwhile takes longer: a silent server would be waited for without end."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
    cure = refusal(fault)
    if cure:
        return WarehouseError(f"The database {address} refuses the connection: {why}", cure)
    if is_lost(fault):
        return WarehouseUnavailable(
            NO_ANSWER.format(address=address, why=why), "It is tried again; see that it runs."
        )
    if is_transient(fault):
        return WarehouseUnavailable(
            f"The database {address} could not take the statement: {why}", "It is tried again."
        )
    return WarehouseError(why, "See the statement in the log of this run.")


def require_fit(encoding: str, version: int, address: str) -> None:
    """`version` as the server counts: 150004. Raises WarehouseError for a database that MetaLayer cannot work in."""
    if version < OLDEST_VERSION * 10_000:
        raise WarehouseError(
            f"The database {address} is a PostgreSQL {version // 10_000}; {OLDEST_VERSION} is the oldest that will do.",
            "Bring it up to date, or name another one.",
        )
    if encoding != "UTF8":
        raise WarehouseError(
            f"The database {address} keeps texts in {encoding}, which cannot hold every character of a file.",
            "Make one with: create database NAME template template0 encoding 'UTF8'.",
        )


FITNESS = "select current_setting('server_encoding'), current_setting('server_version_num')::integer"
