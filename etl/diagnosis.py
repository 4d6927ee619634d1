"""What is wrong with an installation, found without starting it, and what of it can be put right.

Works where an engine does not start: each thing is looked at on its own, and one that cannot be looked at is told.
No secret is in what is told.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from etl.announcement import read_announcement
from etl.database import FITNESS, address_of, engine_of, faults, require_fit
from etl.errors import LedgerError, MetaLayerError
from etl.facts import Finding
from etl.lease import IDLE_SECONDS, LOCK, FileLease
from etl.ledger import Ledger
from etl.model import CheckState, RunState
from etl.moving.restored import require_restored
from etl.settings import Settings, embedded_path, is_postgres

LITTLE_SPACE = 1_000_000_000  # bytes
VERY_LITTLE = 100_000_000
CLOCKS_APART = 5.0  # seconds
FEW_CONNECTIONS = 12  # of one copy: pools of warehouse, ledger and queries, and the lease
LOCAL = ("", "localhost", "127.0.0.1", "::1")
NAMED_AT_MOST = 3
SCHEMAS = ("bronze", "silver", "gold", "quarantine")


@dataclass(frozen=True)
class Found:
    """A finding, and how it is put right: by `mend`, or by the next start (`by_starting`), or by a person."""

    finding: Finding
    mend: Callable[[], object] | None = None
    by_starting: bool = False


def _utc_now() -> datetime:
    return datetime.now(UTC)


def look(
    settings: Settings, answers: Callable[[], bool], clock: Callable[[], datetime] = _utc_now
) -> list[Found]:
    """Everything that can be looked at from outside. `answers` asks the app that engine.json speaks of."""
    found = [*_folders(settings), *_announced(settings, answers)]
    reached = True
    if settings.on_postgres:
        found += (server := list(_told("Database", lambda: _database(settings, clock))))
        reached = all(one.finding.state is not CheckState.FAILED for one in server)
    if reached:
        found += _told("Engine lease", lambda: _lease(settings))
        found += _told("Ledger", lambda: _ledger(settings))
    if reached and settings.on_postgres:
        found += _told("Warehouse tables", lambda: _structure(settings))
    found += _leftovers(settings)
    return found


def _told(what: str, looking: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    """What a look finds; that it cannot look is a finding too."""
    try:
        yield from looking()
    except MetaLayerError as fault:
        yield _failed(what, fault.message, fault.hint)


def _passed(what: str, detail: str) -> Found:
    return Found(Finding(what, CheckState.PASSED, detail))


def _failed(what: str, detail: str, hint: str) -> Found:
    return Found(Finding(what, CheckState.FAILED, detail, hint))


def _warned(what: str, detail: str, hint: str, **how: Any) -> Found:
    return Found(Finding(what, CheckState.WARNED, detail, hint), **how)


# -- this machine ----------------------------------------------------------------------------------------------


def _folders(settings: Settings) -> Iterator[Found]:
    state = settings.state
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / f".doctor-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as fault:
        yield _failed(
            "State folder", f"{state} cannot be written: {fault.strerror}.",
            "Give this user the right, or set METALAYER_STATE.",
        )  # fmt: skip
        return
    yield _passed("State folder", f"{state} can be written.")
    free = shutil.disk_usage(state).free
    detail = f"{free / 1e9:,.1f} GB free where the state lies."
    if free < VERY_LITTLE:
        yield _failed("Disk", detail, "Free some space: runs will fail.")
    elif free < LITTLE_SPACE:
        yield _warned("Disk", detail, "Free some space.")
    try:
        with suppress(LedgerError):  # told where the ledger is looked at
            require_restored(settings)
    except MetaLayerError as fault:
        yield _failed("Restore", fault.message, fault.hint)


def _announced(settings: Settings, answers: Callable[[], bool]) -> Iterator[Found]:
    """Whether engine.json speaks of an app that is there."""
    file = settings.engine_file
    if not file.exists():
        return
    said = read_announcement(file)
    if said is not None and said.pid_lives and answers():
        yield _passed("App", f"Runs as process {said.pid} at {said.url}.")
    elif said is not None and said.pid_lives and _is_python(said.pid):
        yield _failed(
            "App",
            f"Process {said.pid} ({said.url}) lives but does not answer{_frozen(said.pid)}.",
            f"End it: kill {said.pid}; if it stays, kill -9 {said.pid}. What was published stays.",
        )
    else:
        yield _warned(
            "engine.json", f"{file} speaks of an app that is gone.", "./metalayer doctor --mend removes it.",
            mend=lambda: file.unlink(missing_ok=True),
        )  # fmt: skip


def _is_python(pid: int) -> bool:
    """Process numbers are given out again: one that is no Python is not ours."""
    try:
        return "python" in psutil.Process(pid).name().lower()
    except psutil.Error:
        return False


def _frozen(pid: int) -> str:
    try:
        return ": it is stopped" if psutil.Process(pid).status() == psutil.STATUS_STOPPED else ""
    except psutil.Error:
        return ""


def _leftovers(settings: Settings) -> Iterator[Found]:
    """Files of a run that was killed. Whoever starts sweeps them, if nobody works."""
    if _is_worked_on(settings):
        return
    names = ("scratch", "copy", *(("arriving",) if settings.on_postgres else ()))
    left = [path for name in names for path in (settings.files / name).rglob("*") if path.is_file()]
    left += [path for path in settings.state.glob("restore-[0-9]*") if path.is_dir()]
    if left:
        yield _warned(
            "Leftover files", f"{len(left)} below {settings.files}: of something that was broken off.",
            "The next start removes them.", by_starting=True, mend=lambda: _remove(left),
        )  # fmt: skip


def _remove(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def _is_worked_on(settings: Settings) -> bool:
    if is_postgres(settings.ledger):
        try:
            return bool(_lease_holders(settings))
        except MetaLayerError:
            return True  # nobody knows
    path = embedded_path(settings.ledger)
    if not path.parent.exists():
        return False
    lease = FileLease(path.with_name(f"{path.name}.lease"))
    try:
        free = lease.take()
        lease.give_back()
    except OSError:
        return True
    return not free


# -- the database ----------------------------------------------------------------------------------------------


def _asked(settings: Settings, sql: str, *params: object, ledger: bool = False) -> list[tuple[Any, ...]]:
    """Rows of one query, over a connection of its own. Raises MetaLayerError."""
    url = settings.ledger if ledger else settings.warehouse
    own = settings.database.ledger_password if ledger and settings.ledger != settings.warehouse else None
    engine = engine_of(
        url, settings.database, name="metalayer doctor", password=own, pool_size=0,
        options={"search_path": "pg_catalog", "statement_timeout": "10s"},
    )  # fmt: skip
    try:
        with faults(address_of(url)), engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, params or None)]
    finally:
        engine.dispose()


def _database(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Found]:
    address = address_of(settings.warehouse)
    encoding, version = _asked(settings, FITNESS)[0]
    require_fit(encoding, version, address)
    yield _passed("Database", f"{address}: PostgreSQL {version // 10_000}.{version % 10_000}, {encoding}.")
    yield from _rights(settings)
    yield from _clock(settings, clock)
    yield from _connections(settings)
    yield from _transport(settings)
    yield from _collation(settings)


def _rights(settings: Settings) -> Iterator[Found]:
    user = sa.make_url(settings.warehouse).username
    may_create, may_temp, database = _asked(
        settings,
        "select has_database_privilege(current_database(), 'create'), "
        "has_database_privilege(current_database(), 'temp'), current_database()",
    )[0]
    there = _asked(
        settings,
        "select nspname, has_schema_privilege(oid, 'usage') and has_schema_privilege(oid, 'create') "
        "from pg_namespace where nspname = any(%s)",
        [*SCHEMAS, "ledger"],
    )
    wanting = [schema for schema, may in there if not may]
    missing = {*SCHEMAS, "ledger"} - {schema for schema, _ in there}
    foreign = _asked(
        settings,
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = any(%s) and c.relkind = 'r' and not pg_has_role(c.relowner, 'usage') order by 1",
        [*SCHEMAS, "ledger"],
    )
    if not may_temp:
        wanting.append(f"temporary tables in {database}")
    if (missing and not may_create) or wanting or foreign:
        lacks = [f"create schemas in {database}"] if missing and not may_create else []
        lacks += [f"use and create in {name}" for name in wanting]
        lacks += [f"own {name}" for (name,) in foreign[:NAMED_AT_MOST]]
        yield _failed(
            "Rights", f"{user} may not: {', '.join(lacks)}.",
            f'Let an administrator run: grant create, temporary on database "{database}" to "{user}"; '
            f'schemas and tables of MetaLayer should be owned by "{user}".',
        )  # fmt: skip


def _clock(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Found]:
    before = clock()
    there = _asked(settings, "select clock_timestamp()")[0][0]
    after = clock()
    apart = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if apart > CLOCKS_APART:
        yield _warned(
            "Clock", f"The clocks of the database and of this machine are {apart:,.0f} s apart.",
            "Let both be set by the same time server: freshness and schedules go by this machine's clock.",
        )  # fmt: skip


def _connections(settings: Settings) -> Iterator[Found]:
    most, used = _asked(
        settings,
        "select least(current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')"
        "::integer, nullif((select datconnlimit from pg_database where datname = current_database()), -1), "
        "nullif((select rolconnlimit from pg_roles where rolname = current_user), -1)), "
        "(select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid())",
    )[0]
    if most - used < FEW_CONNECTIONS:
        yield _warned(
            "Connections", f"{used} of {most} are in use; a copy of MetaLayer takes {FEW_CONNECTIONS} and more.",
            "Raise max_connections, or the limit of this user or database.",
        )  # fmt: skip


def _transport(settings: Settings) -> Iterator[Found]:
    host = sa.make_url(settings.warehouse).host or ""
    ((tls,),) = _asked(settings, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    if not tls and host not in LOCAL and not host.startswith("/"):
        yield _warned(
            "TLS", f"The way to {host} is not encrypted.",
            "Set METALAYER_DATABASE_TLS=verify-full and METALAYER_DATABASE_CA.",
        )  # fmt: skip


def _collation(settings: Settings) -> Iterator[Found]:
    ((name, kept, now),) = _asked(
        settings,
        "select datname, datcollversion, pg_database_collation_actual_version(oid) from pg_database "
        "where datname = current_database()",
    )
    if kept and now and kept != now:
        yield _warned(
            "Collation", f"The database was made with version {kept} of its collation; the server has {now} now.",
            f'Let an administrator run: reindex database "{name}"; alter database "{name}" refresh collation version.',
        )  # fmt: skip


# -- lease and ledger ------------------------------------------------------------------------------------------


def _lease_holders(settings: Settings) -> list[tuple[Any, ...]]:
    """Who holds the lock, and for how many seconds nothing was heard of it."""
    return _asked(
        settings,
        "select a.application_name, extract(epoch from clock_timestamp() - a.state_change) from pg_locks as l "
        "join pg_stat_activity as a on a.pid = l.pid where l.locktype = 'advisory' and l.granted "
        "and l.classid = %s and l.objid = %s and l.objsubid = 1 "
        "and l.database = (select oid from pg_database where datname = current_database())",
        LOCK >> 32,
        LOCK & 0xFFFFFFFF,
        ledger=True,
    )


def _lease(settings: Settings) -> Iterator[Found]:
    if not is_postgres(settings.ledger):
        yield from _lease_of_file(settings)
        return
    for name, silent in _lease_holders(settings):
        holder = str(name).removeprefix("metalayer lease ")
        if silent > IDLE_SECONDS:
            yield _warned(
                "Engine lease", f"{holder} has it, but nothing was heard of it for {silent:.0f} s: it is frozen.",
                "End that process; another takes over within 10 s.",
            )  # fmt: skip


def _lease_of_file(settings: Settings) -> Iterator[Found]:
    path = embedded_path(settings.ledger)
    file = path.with_name(f"{path.name}.lease")
    if not file.exists() or not _is_worked_on(settings):
        return
    text = file.read_text(encoding="utf-8").strip()
    if text.isdigit() and _frozen(int(text)):
        yield _failed(
            "Engine lease", f"Process {text} holds the lease and is stopped: nothing runs.",
            f"Let it go on (kill -CONT {text}), or end it (kill -9 {text}).",
        )  # fmt: skip


def _ledger(settings: Settings) -> Iterator[Found]:
    if not is_postgres(settings.ledger) and not embedded_path(settings.ledger).exists():
        return
    with Ledger(settings.ledger, _utc_now, settings.database) as ledger:
        running = [run.run_id for run in ledger.unfinished() if run.state is RunState.RUNNING]
        noted = ledger.lease()
        worked_on = _is_worked_on(settings)
        if running and not worked_on:
            yield _warned(
                "Runs", f"Run {', '.join(map(str, running))} is noted as running, and no engine is there.",
                "The next start ends it, or finds that it was published.", by_starting=True,
            )  # fmt: skip
        if noted and not noted.released_at and not worked_on:
            yield _warned(
                "Engine lease", f"{noted.holder} is noted as its holder and has gone.",
                "The next start notes its own.", by_starting=True,
            )  # fmt: skip
        behind = ledger.behind()
        if behind:
            yield _warned(
                "Sequences", f"New ids of {', '.join(behind)} would be old ones.",
                "./metalayer doctor --mend puts them right.", mend=lambda: _count_on(settings),
            )  # fmt: skip


def _count_on(settings: Settings) -> None:
    with Ledger(settings.ledger, _utc_now, settings.database) as ledger:
        ledger.count_on()


# -- tables ----------------------------------------------------------------------------------------------------


def _structure(settings: Settings) -> Iterator[Found]:
    """Indexes, rights and builds of a warehouse in PostgreSQL that has been used before."""
    from etl.warehouse.postgres import PostgresWarehouse
    from etl.warehouse.postgres_indexes import missing_indexes

    if not _asked(settings, "select to_regclass('bronze._fence') is not null")[0][0]:
        return
    warehouse = PostgresWarehouse(settings)
    try:
        with warehouse.session() as session:
            missing = missing_indexes(session)
        if missing:
            names = ", ".join(
                f"{index.table} ({', '.join(index.columns)})" for index in missing[:NAMED_AT_MOST]
            )
            yield _warned(
                "Indexes", f"{len(missing)} are missing: {names}.", "./metalayer doctor --mend makes them.",
                mend=lambda: _on_warehouse(settings, lambda w: w.make_indexes()),
            )  # fmt: skip
        ungranted = warehouse.ungranted()
        if ungranted:
            yield _warned(
                "Grants", f"{settings.database.reader} may not read {', '.join(ungranted[:NAMED_AT_MOST])}.",
                "./metalayer doctor --mend grants it.", mend=lambda: _on_warehouse(settings, lambda w: w.grant_all()),
            )  # fmt: skip
        yield from _reader(settings, warehouse.reading_role())
        if not _is_worked_on(settings):
            yield from _builds(settings)
    finally:
        warehouse.close()


def _reader(settings: Settings, said: str) -> Iterator[Found]:
    how, _, sentence = said.partition(": ")
    if how == "whole":
        yield _passed("Reading role", sentence)
        return
    hint = "Set METALAYER_READER_PASSWORD, so that queries of people log in as that role."
    if how == "none":
        role = settings.database.reader
        hint = f'Let an administrator run: create role "{role}" nologin; or let this user create roles.'
    yield _warned(
        "Reading role", sentence, hint, mend=lambda: _on_warehouse(settings, lambda w: w.grant_all())
    )


def _builds(settings: Settings) -> Iterator[Found]:
    found = _asked(
        settings,
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = any(%s) and c.relkind in ('r', 'v') and c.relname ~ '^_(new|cut|put)_' order by 1",
        list(SCHEMAS),
    )
    if found:
        names = ", ".join(name for (name,) in found[:NAMED_AT_MOST])
        yield _warned(
            "Builds aside", f"{len(found)} were never published: {names}.", "The next start removes them.",
            by_starting=True,
        )  # fmt: skip


def _on_warehouse(settings: Settings, what: Callable[[Any], object]) -> None:
    from etl.warehouse.postgres import PostgresWarehouse

    warehouse = PostgresWarehouse(settings)
    try:
        what(warehouse)
    finally:
        warehouse.close()
