"""Everything that was made, written into one folder: of one published version, whoever works meanwhile."""
# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2.errors

import etl
from etl.database import address_of, engine_of, faults
from etl.errors import UsageError, WarehouseUnavailable
from etl.ledger import Ledger
from etl.ledger.copying import TABLES
from etl.ledger.postgres import SCHEMA
from etl.moving import manifest as manifests
from etl.moving.copies import copy_sqlite
from etl.moving.manifest import KeptTable, Manifest
from etl.settings import Settings, embedded_path, is_postgres
from etl.warehouse import Warehouse
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.naming import ASIDE, quoted
from etl.warehouse.postgres_bronze import OWNED
from etl.warehouse.postgres_held import OPTIONS
from etl.warehouse.postgres_sql import SCHEMAS

AT_EASE = {"statement_timeout": "0", "lock_timeout": "60s", "idle_in_transaction_session_timeout": "0"}
BUILT = f"^({'|'.join(ASIDE)})"  # aside, and not published
TRIES = 10
LEVEL = 3  # of gzip: the disk is no slower than that


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds."""

    folder: str
    kind: str
    version: int
    rows: int
    files: int
    size_bytes: int
    made_at: datetime


def back_up(
    settings: Settings, warehouse: Warehouse, ledger: Ledger, folder: Path, clock: Callable[[], datetime]
) -> BackedUp:
    """Write a backup into a new folder. Publications wait while an embedded one is copied.

    Raises UsageError for a folder that holds anything, DiskFull.
    """
    if settings.on_postgres != is_postgres(settings.ledger):
        raise UsageError(
            "Warehouse and ledger are of different kinds, which one backup does not hold.",
            "Keep both in files, or both in PostgreSQL.",
        )
    made_at = clock()
    manifests.made_folder(folder)
    with manifests.os_told(folder):
        made = (
            _of_postgres(settings, folder, ledger.revision(), made_at)
            if settings.on_postgres
            else _of_files(settings, warehouse, ledger, folder, made_at)
        )
        manifests.settle(folder / file.path for file in made.files)
        manifests.write(folder, made)
    return BackedUp(
        str(folder), made.kind, made.version, made.rows, len(made.files), made.size_bytes, made_at
    )


def _manifest(kind: str, version: int, rows: int, revision: str, made_at: datetime, folder: Path,
              tables: tuple[KeptTable, ...] = ()) -> Manifest:  # fmt: skip
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return Manifest(
        manifests.WHAT, manifests.FORMAT, str(getattr(etl, "__version__", "unreleased")), made_at.isoformat(),
        kind, version, rows, revision, tuple(manifests.kept_file(folder, path) for path in files), tables,
    )  # fmt: skip


# -- in files --------------------------------------------------------------------------------------------------


def _of_files(
    settings: Settings, warehouse: Warehouse, ledger: Ledger, folder: Path, made_at: datetime
) -> Manifest:
    assert isinstance(warehouse, DuckDBWarehouse)  # noqa: S101 - for mypy: what is no PostgreSQL is one
    scratch = settings.files / "scratch" / f"backup-{made_at:%Y%m%d%H%M%S%f}"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        with warehouse.held_still():
            # First: a run that the warehouse has published and the ledger has not is found out at the next start.
            copy_sqlite(embedded_path(settings.ledger), folder / "ledger.sqlite")
            copied = warehouse.copy_into(scratch / "warehouse.duckdb")
            for path in copied.bronze_files:
                target = folder / "bronze" / path.relative_to(warehouse.bronze_files)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        shutil.move(scratch / "warehouse.duckdb", folder / "warehouse.duckdb")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    revision = ledger.revision()
    return _manifest(manifests.EMBEDDED, copied.version, copied.rows, revision, made_at, folder)


# -- in PostgreSQL ---------------------------------------------------------------------------------------------


def _of_postgres(settings: Settings, folder: Path, revision: str, made_at: datetime) -> Manifest:
    if settings.ledger == settings.warehouse:
        with _snapshot(settings, (*SCHEMAS, SCHEMA)) as raw:
            tables = [*_ledger(raw, folder), *_warehouse(raw, folder)]
            version = _version(raw)
    else:
        with _snapshot(settings, (SCHEMA,), ledger=True) as raw:  # first: as above
            tables = _ledger(raw, folder)
        with _snapshot(settings, SCHEMAS) as raw:
            tables += _warehouse(raw, folder)
            version = _version(raw)
    rows = sum(table.rows for table in tables if not table.name.startswith(f"{SCHEMA}."))
    return _manifest(manifests.POSTGRES, version, rows, revision, made_at, folder, tuple(tables))


@contextmanager
def _snapshot(settings: Settings, schemas: tuple[str, ...], *, ledger: bool = False) -> Iterator[Any]:
    """A connection of psycopg2 in one transaction that sees one state; no table of the schemas changes its columns."""
    url = settings.ledger if ledger else settings.warehouse
    own = settings.database.ledger_password if ledger else None
    password = settings.database.password if own is None else own
    engine = engine_of(
        url, settings.database, name="metalayer backup", password=password, options=OPTIONS | AT_EASE,
        pool_size=0,
    )  # fmt: skip
    with faults(address_of(url)):
        connection = engine.raw_connection()
        try:
            raw = connection.driver_connection
            assert raw is not None  # noqa: S101 - for mypy: just made
            raw.set_session(isolation_level="REPEATABLE READ", readonly=True)
            _hold_columns(raw, schemas)
            yield raw
        finally:
            connection.close()
            engine.dispose()


def _hold_columns(raw: Any, schemas: tuple[str, ...]) -> None:
    """Begin the transaction with a lock on every table: a column added anew is empty to a snapshot from before.

    The snapshot is of the first SELECT after the locks. Tables come and go until then, so it is looked at again.
    """
    for _ in range(TRIES):
        expected = _tables(raw, schemas)
        raw.rollback()
        try:
            with raw.cursor() as cursor:
                for schema, name in expected:
                    cursor.execute(f"lock table {quoted(schema)}.{quoted(name)} in access share mode")
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.DeadlockDetected):
            raw.rollback()
            continue
        if _tables(raw, schemas) == expected:
            return
        raw.rollback()
    raise WarehouseUnavailable(
        "Tables came and went each time that the backup began.", "Take it again when the run has ended."
    )


def _tables(raw: Any, schemas: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return _asked(
        raw,
        "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = any(%s) and c.relkind = 'r' and c.relname !~ %s order by 1, 2",
        (list(schemas), BUILT),
    )


def _warehouse(raw: Any, folder: Path) -> list[KeptTable]:
    found = _asked(
        raw,
        "select n.nspname, c.relname, coalesce(obj_description(c.oid, 'pg_class'), '') from pg_class as c "
        "join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = any(%s) and c.relkind = 'r' and c.relname !~ %s order by 1, 2",
        (list(SCHEMAS), BUILT),
    )
    return [
        _copied(raw, folder, schema, name, said.removeprefix(OWNED) if said.startswith(OWNED) else "")
        for schema, name, said in found
    ]


def _ledger(raw: Any, folder: Path) -> list[KeptTable]:
    return [_copied(raw, folder, SCHEMA, table.name) for table in TABLES]


def _copied(raw: Any, folder: Path, schema: str, name: str, source: str = "") -> KeptTable:
    columns = tuple(
        (str(column), str(kind), not strict)
        for column, kind, strict in _asked(
            raw,
            "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
            "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
            (f"{quoted(schema)}.{quoted(name)}",),
        )
    )
    path = folder / schema / f"{name}.copy.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(quoted(column) for column, _, _ in columns)
    with gzip.open(path, "wb", compresslevel=LEVEL) as file, raw.cursor() as cursor:
        cursor.copy_expert(f"copy (select {listed} from {quoted(schema)}.{quoted(name)}) to stdout", file)
        rows = int(cursor.rowcount)
    return KeptTable(f"{schema}.{name}", path.relative_to(folder).as_posix(), rows, columns, source)


def _version(raw: Any) -> int:
    return int(_asked(raw, "select coalesce(max(version), 0) from bronze._publications", None)[0][0])


def _asked(raw: Any, sql: str, params: Any) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
