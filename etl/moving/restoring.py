"""What a backup holds, put where the settings say; checked before anything is touched, and looked at afterwards."""
# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from etl.catalog import Catalog
from etl.errors import LedgerError, UsageError, WarehouseError, WarehouseUnavailable
from etl.lease import lease_of
from etl.ledger import Ledger
from etl.ledger import schema as schemas
from etl.ledger.copying import TABLES
from etl.ledger.postgres import SCHEMA
from etl.ledger.tables import metadata
from etl.moving import manifest as manifests
from etl.moving.drawing import Drawn, draw
from etl.moving.manifest import EMBEDDED, POSTGRES, KeptTable, Manifest
from etl.moving.places import Places, opened
from etl.moving.restored import is_marked, mark, mark_of, unmark
from etl.settings import Settings, embedded_path, is_postgres
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb_attached import AttachedDuckDB
from etl.warehouse.naming import ASIDE, quoted
from etl.warehouse.postgres import PostgresWarehouse
from etl.warehouse.postgres_sql import named

NAMED_AT_MOST = 5
Say = Callable[[str], None]
KIND = re.compile(
    r"[a-z][a-z ]*(\(\d+(,\d+)?\))?( [a-z ]+)?(\[\])?"
)  # of a column: nothing else gets into SQL


@dataclass(frozen=True)
class Restored:
    """What stands now, and what is not as it should be."""

    version: int
    rows: int
    accounts: int
    faults: tuple[str, ...]
    moved_to: str = ""  # where what was there before lies now

    @property
    def well(self) -> bool:
        """Whether every account holds."""
        return not self.faults


def restore(
    folder: Path,
    settings: Settings,
    catalog: Catalog,
    clock: Callable[[], datetime],
    say: Say,
    *,
    replace: bool,
) -> Restored:
    """Put a backup in place of nothing, or with `replace` of what stands.

    Raises UsageError for what is no backup of this kind or a target that holds anything, WarehouseError for a damaged
    one, WarehouseUnavailable while an engine works.
    """
    manifest = manifests.read(folder)
    _require_kind(manifest, settings)
    _require_known(manifest)
    say(f"Checking {len(manifest.files)} files …")
    manifests.require_whole(folder, manifest)
    work = _into_postgres if manifest.kind == POSTGRES else _into_files
    return work(folder, manifest, settings, catalog, clock, replace)


def _require_kind(manifest: Manifest, settings: Settings) -> None:
    kinds = {POSTGRES if is_postgres(url) else EMBEDDED for url in (settings.warehouse, settings.ledger)}
    if kinds != {manifest.kind}:
        way = (
            "Restore it into an empty state folder (METALAYER_STATE), then carry that over with migrate."
            if manifest.kind == EMBEDDED
            else "Name a PostgreSQL with METALAYER_WAREHOUSE."
        )
        raise UsageError(
            f"The backup is of an installation that is {_kind(manifest.kind)}; the settings name one that is "
            f"{' and '.join(sorted(_kind(kind) for kind in kinds))}.",
            way,
        )


def _kind(kind: str) -> str:
    return "embedded" if kind == EMBEDDED else "in PostgreSQL"


def _require_known(manifest: Manifest) -> None:
    if manifest.ledger_revision not in schemas.REVISIONS:
        raise LedgerError(
            f"The ledger in the backup has revision {manifest.ledger_revision}; this MetaLayer knows revisions up "
            f"to {schemas.HEAD}.",
            "Update MetaLayer.",
        )


# -- in files --------------------------------------------------------------------------------------------------


def _into_files(
    folder: Path, manifest: Manifest, settings: Settings, catalog: Catalog, clock: Callable[[], datetime],
    replace: bool,
) -> Restored:  # fmt: skip
    lease = lease_of(settings)
    with manifests.os_told(settings.state):
        if not lease.take():
            raise WarehouseUnavailable(
                f"A MetaLayer works on {settings.state}.", "Stop it (Ctrl-C, or SIGTERM), then try again."
            )
        try:
            moved_to = _put_files(folder, manifest, settings, clock, replace)
        finally:
            lease.give_back()
    warehouse = AttachedDuckDB(settings, list(catalog.contracts.values()))
    try:
        with Ledger(settings.ledger, clock) as ledger:
            drawn = draw(settings, catalog, warehouse, ledger, clock)
    finally:
        warehouse.close()
    return _restored(manifest, drawn, str(moved_to) if moved_to else "")


def _put_files(
    folder: Path, manifest: Manifest, settings: Settings, clock: Callable[[], datetime], replace: bool
) -> Path | None:
    begun, bronze = mark_of(settings), settings.files / "bronze"
    warehouse, ledger = embedded_path(settings.warehouse), embedded_path(settings.ledger)
    standing = [path for path in (warehouse, ledger) if path.exists() and path.stat().st_size]
    standing += [bronze] if bronze.exists() and any(bronze.rglob("*.parquet")) else []
    if standing and not replace:
        raise UsageError(
            f"There is an installation already: {', '.join(map(str, standing))}.",
            "Set METALAYER_STATE to an empty folder, or say --replace: what is there is then moved aside.",
        )
    coming = settings.state / f"restore-{os.getpid()}"
    try:
        for file in manifest.files:
            target = coming / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.path, target)
        begun.touch()
        moved_to = _move_aside(settings, clock) if standing else None
        for name, place in (("ledger.sqlite", ledger), ("bronze", bronze), ("warehouse.duckdb", warehouse)):
            place.parent.mkdir(parents=True, exist_ok=True)
            if (coming / name).exists():
                shutil.move(coming / name, place)
        begun.unlink()
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return moved_to


def _move_aside(settings: Settings, clock: Callable[[], datetime]) -> Path:
    """What stands, with what belongs beside it, in a folder of its own."""
    aside = settings.state / f"replaced-{clock():%Y%m%dT%H%M%S}-{os.getpid()}"
    aside.mkdir()
    for path in (embedded_path(settings.warehouse), embedded_path(settings.ledger)):
        for end in ("", ".wal", "-wal", "-shm"):
            found = path.with_name(f"{path.name}{end}")
            if found.exists():
                shutil.move(found, aside / found.name)
    bronze = settings.files / "bronze"
    if bronze.exists():
        shutil.move(bronze, aside / "bronze")
    return aside


# -- in PostgreSQL ---------------------------------------------------------------------------------------------


def _into_postgres(
    folder: Path, manifest: Manifest, settings: Settings, catalog: Catalog, clock: Callable[[], datetime],
    replace: bool,
) -> Restored:  # fmt: skip
    with opened(settings) as places:
        places.require_free()
        _require_room(places, replace)
        before = _fence(places)
        _put_ledger(folder, manifest, places)
        _put_warehouse(folder, manifest, places)
        _raise_fence(places, before)
        with places.warehouse.session() as session:
            session.run("analyze")
        drawn = draw(
            settings, catalog, places.warehouse, Ledger(settings.ledger, clock, settings.database), clock
        )
    unmark(settings)
    warehouse = PostgresWarehouse(settings)
    try:
        warehouse.grant_all()
    finally:
        warehouse.close()
    return _restored(manifest, drawn, "")


def _require_room(places: Places, replace: bool) -> None:
    # A ledger whose warehouse never came is what an earlier try has left.
    found = places.warehouse.found() + ([] if is_marked(places.ledger) else _ledger_tables(places))
    if found and not replace:
        more = f" and {len(found) - NAMED_AT_MOST} more" if len(found) > NAMED_AT_MOST else ""
        raise UsageError(
            f"{places.warehouse.address} is not empty: it holds {', '.join(found[:NAMED_AT_MOST])}{more}.",
            "Name an empty database, or say --replace: what the backup holds then takes its place.",
        )


def _ledger_tables(places: Places) -> list[str]:
    found = places.ledger.exec_driver_sql(
        "select n.nspname || '.' || c.relname from pg_catalog.pg_class as c "
        "join pg_catalog.pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname = %s and c.relkind = 'r' order by 1",
        (SCHEMA,),
    )
    return [str(name) for (name,) in found]


def _fence(places: Places) -> int:
    with places.warehouse.session() as session:
        if session.columns("bronze._fence") is None:
            return 0
        return int(session.rows("select coalesce(max(fence), 0) from bronze._fence")[0][0])


def _raise_fence(places: Places, before: int) -> None:
    """An engine that was at work before, frozen or cut off, must not take itself for the newest."""
    with places.warehouse.session() as session:
        session.run("update bronze._fence set fence = greatest(fence, ?) + 1", [before])


def _put_ledger(folder: Path, manifest: Manifest, places: Places) -> None:
    kept = {table.name: table for table in manifest.tables}
    with places.as_ledger() as connection:
        places.schema.make_room(connection)
        if manifest.ledger_revision == schemas.HEAD:
            schemas.bring_to_head(connection, places.schema)
            for table in reversed(TABLES):
                connection.execute(table.delete())
        else:
            metadata.drop_all(connection)
            connection.exec_driver_sql("drop table if exists alembic_version")
            schemas.migrate(connection, manifest.ledger_revision)
        raw = connection.connection
        for table in TABLES:
            if f"{SCHEMA}.{table.name}" in kept:
                _copy_in(raw, folder, kept[f"{SCHEMA}.{table.name}"], f"{SCHEMA}.{quoted(table.name)}")
        schemas.bring_to_head(connection, places.schema)
        places.schema.count_on(connection)
        _tell_others(connection)
        if not places.shared:  # and so committed before the warehouse
            mark(connection)


def _tell_others(connection: sa.Connection) -> None:
    """Whoever has read the ledger reads it anew."""
    from etl.ledger.tables import changes

    if not connection.execute(changes.update().values(count=changes.c.count + 1)).rowcount:
        connection.execute(changes.insert().values(name="ledger", count=1))


def _put_warehouse(folder: Path, manifest: Manifest, places: Places) -> None:
    tables = [table for table in manifest.tables if not table.name.startswith(f"{SCHEMA}.")]
    _make_way(places, tables)
    places.warehouse.make_books()
    with places.warehouse.session() as session:
        for table in tables:
            there = session.columns(named(table.name))
            if there is None:
                _make(places, table)
            elif table.name in books.TABLES:
                _require_columns(table, there)
            _copy_in(places.raw, folder, table, named(table.name))


def _make(places: Places, table: KeptTable) -> None:
    columns = []
    for name, kind, may_be_empty in table.columns:
        if not KIND.fullmatch(kind):
            raise WarehouseError(
                f"The backup names {kind!r} as the type of {table.name}.{name}, which is none."
            )
        collated = ' collate "C"' if kind.startswith(("text", "character varying")) else ""
        columns.append((name, f"{kind}{collated}{'' if may_be_empty else ' not null'}"))
    places.warehouse.make_table(table.name, columns)
    places.warehouse.index(table.name)
    if table.source:
        places.warehouse.note_source(table.name, table.source)


def _require_columns(table: KeptTable, there: dict[str, str]) -> None:
    unknown = [name for name, _, _ in table.columns if name not in there]
    if unknown:
        raise WarehouseError(
            f"The backup has {table.name}.{unknown[0]}, which this MetaLayer does not know.",
            "Update MetaLayer.",
        )


def _make_way(places: Places, tables: list[KeptTable]) -> None:
    """What stays as a table is emptied: rights on it and views of others stay good. Everything else goes."""
    coming = {table.name: {name: kind for name, kind, _ in table.columns} for table in tables}
    built = re.compile(f"({'|'.join(map(re.escape, ASIDE))})")
    with places.warehouse.session() as session:
        kinds = session.rows(
            "select n.nspname, c.relname, c.relkind from pg_class as c "
            "join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = any(?) and c.relkind in ('r', 'v') order by c.relkind desc",
            [["bronze", "silver", "gold", "quarantine"]],
        )
        for schema, name, kind in kinds:
            table, place = f"{schema}.{name}", f"{quoted(schema)}.{quoted(name)}"
            if kind == "v":
                if built.match(name):
                    session.run(f"drop view {place}")
            elif table in books.TABLES or coming.get(table) == session.columns(place):
                session.run(f"delete from {place}")
            else:
                session.run(f"drop table {place}")


def _copy_in(raw: object, folder: Path, table: KeptTable, place: str) -> None:
    from etl.database import faults

    listed = ", ".join(quoted(name) for name, _, _ in table.columns)
    with gzip.open(folder / table.path, "rb") as file, faults(place), raw.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.copy_expert(f"copy {place} ({listed}) from stdin", file)
        rows = int(cursor.rowcount)
    if rows != table.rows:
        raise WarehouseError(
            f"{table.name} has {rows:,} rows in the backup; {table.rows:,} were written.",
            "Take another backup.",
        )


def _restored(manifest: Manifest, drawn: Drawn, moved_to: str) -> Restored:
    return Restored(
        manifest.version, manifest.rows, len(drawn.rows) + len(drawn.money), drawn.faults, moved_to
    )
