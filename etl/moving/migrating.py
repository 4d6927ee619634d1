"""An embedded installation carried over into a PostgreSQL, and proven equal before it takes effect."""
# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from etl.catalog import Catalog
from etl.errors import UsageError, WarehouseUnavailable
from etl.lease import lease_of
from etl.ledger import Ledger
from etl.ledger import schema as schemas
from etl.ledger.copying import TABLES, copy_into
from etl.ledger.postgres import SCHEMA
from etl.moving import sums
from etl.moving.copies import copy_sqlite
from etl.moving.drawing import Drawn, draw
from etl.moving.places import Places, opened
from etl.settings import Settings, embedded_path, is_postgres
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb_attached import AttachedDuckDB
from etl.warehouse.naming import literal, quoted
from etl.warehouse.postgres import PostgresWarehouse
from etl.warehouse.postgres_sql import named
from etl.warehouse.postgres_within import type_in_postgres

UNFINISHED = "MetaLayer: a migration has begun here and has not ended"
NAMED_AT_MOST = 5
Say = Callable[[str], None]


@dataclass(frozen=True)
class Compared:
    """One table on both sides."""

    table: str
    rows_before: int
    rows_after: int
    equal: bool


@dataclass(frozen=True)
class Migration:
    """What was carried over, and what the comparison said. Nothing has taken effect unless it is `well`."""

    tables: tuple[Compared, ...]
    ledger: tuple[Compared, ...]
    accounts: int  # row accounts and money accounts drawn up anew on both sides
    faults: tuple[str, ...]
    warehouse: str
    ledger_at: str
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Whether everything is the same on both sides."""
        return not self.faults and all(found.equal for found in (*self.tables, *self.ledger))


@dataclass
class _Moving:
    """The two sides while the rows are on their way."""

    before: AttachedDuckDB
    ledger: Ledger  # a copy of the one before
    places: Places
    folder: Path
    catalog: Catalog
    say: Say
    compared: list[Compared] = field(default_factory=list)

    def table(self, table: str, source: str, columns: Mapping[str, str]) -> None:
        """Rows out of `source`, a FROM clause, into a table that is there, and both compared."""
        with self.before.session() as session:
            file = self.folder / "rows.csv"
            texts = [quoted(name) for name, kind in columns.items() if kind.startswith("VARCHAR")]
            listed = ", ".join(_written(name, kind) for name, kind in columns.items())
            forced = f", force_quote ({', '.join(texts)})" if texts else ""
            session.run(
                f"copy (select {listed} from {source}) to {literal(str(file))} "
                f"(format csv, header false, nullstr ''{forced})"
            )
            with file.open("rb") as rows:
                self.places.warehouse.copy_in(table, list(columns), rows)
            file.unlink()
            before = sums.in_duckdb(session, source, columns)
        with self.places.warehouse.session() as session:
            there = session.columns(named(table)) or {}
            after = sums.in_postgres(session, named(table), {name: there[name] for name in columns})
        self.compared.append(Compared(table, before.rows, after.rows, before == after))
        self.say(f"{table}: {after.rows:,} rows")


def _written(name: str, kind: str) -> str:
    """A list as PostgreSQL reads an array."""
    column = quoted(name)
    if not kind.endswith("[]"):
        return column
    escaped = r"""'"' || replace(replace(x, '\', '\\'), '"', '\"') || '"'"""
    return f"'{{' || array_to_string(list_transform({column}, lambda x: {escaped}), ',') || '}}' as {column}"


def migrate(
    source: Settings, target: Settings, catalog: Catalog, clock: Callable[[], datetime], say: Say
) -> Migration:
    """Carry everything over and compare it, in one transaction of the target. The source is only read.

    Raises UsageError when the source is not embedded or the target is no empty PostgreSQL, WarehouseUnavailable
    when the source is in use.
    """
    _require_embedded(source)
    _require_postgres(target)
    started = clock()
    with ExitStack() as stack:
        stack.enter_context(_nobody_works(source))
        before = AttachedDuckDB(source, list(catalog.contracts.values()))
        stack.callback(before.close)
        folder = stack.enter_context(_scratch(source))
        ledger = stack.enter_context(_copy_of_ledger(source, folder, clock))
        with opened(target) as places:
            places.require_free()
            _require_empty(places)
            found = _carry(_Moving(before, ledger, places, folder, catalog, say), source, target, clock)
            if not found.well:
                places.forget()
    if found.well:
        _finish(target)
    return replace(found, seconds=(clock() - started).total_seconds())


def _require_embedded(source: Settings) -> None:
    if source.on_postgres or is_postgres(source.ledger):
        raise UsageError(
            "This installation is not embedded: its warehouse or its ledger is a PostgreSQL already.",
            "For a move between PostgreSQL databases use backup and restore.",
        )
    if not embedded_path(source.warehouse).exists() or not embedded_path(source.ledger).exists():
        raise UsageError(
            f"There is nothing to carry over: {source.state} holds no warehouse and ledger.",
            "Set METALAYER_STATE, or simply start with METALAYER_WAREHOUSE naming the PostgreSQL.",
        )


def _require_postgres(target: Settings) -> None:
    if not target.on_postgres or not is_postgres(target.ledger):
        raise UsageError(
            "--to and --ledger-to name databases of a PostgreSQL.",
            "Write postgresql+psycopg2://USER@HOST:PORT/DATABASE.",
        )


@contextmanager
def _nobody_works(source: Settings) -> Iterator[None]:
    lease = lease_of(source)
    if not lease.take():
        raise WarehouseUnavailable(
            f"A MetaLayer works on {source.state}.",
            "Stop it (Ctrl-C, or SIGTERM) and run the command again.",
        )
    try:
        yield
    finally:
        lease.give_back()


@contextmanager
def _scratch(source: Settings) -> Iterator[Path]:
    """A folder of the warehouse's own for what is on its way; swept at the next start if this process is killed."""
    folder = source.files / "scratch" / f"moving-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _copy_of_ledger(source: Settings, folder: Path, clock: Callable[[], datetime]) -> Iterator[Ledger]:
    """A copy, brought up to this version if need be: the ledger itself stays as it is."""
    path, copy = embedded_path(source.ledger), folder / "ledger.sqlite"
    copy_sqlite(path, copy)
    with Ledger(f"sqlite:///{copy}", clock) as ledger:
        yield ledger


def _require_empty(places: Places) -> None:
    """Nothing of MetaLayer, and nothing of others under its names, may be there."""
    with places.warehouse.session() as session:
        begun = session.rows(
            "select 1 from pg_namespace where nspname = ? and obj_description(oid, 'pg_namespace') = ?",
            [SCHEMA, UNFINISHED],
        ) if places.shared else places.ledger.exec_driver_sql(
            "select 1 from pg_namespace where nspname = %s and obj_description(oid, 'pg_namespace') = %s",
            (SCHEMA, UNFINISHED),
        ).all()  # fmt: skip
    found = places.warehouse.found()
    if begun and not found:  # a try that was killed between two databases: this schema it has made itself
        places.ledger.exec_driver_sql(f"drop schema {SCHEMA} cascade")
    else:
        listed = places.ledger.exec_driver_sql(
            "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = %s and c.relkind in ('r', 'v', 'm', 'p', 'f') order by 1",
            (SCHEMA,),
        )
        found += [str(name) for (name,) in listed]
    if found:
        more = f" and {len(found) - NAMED_AT_MOST} more" if len(found) > NAMED_AT_MOST else ""
        raise UsageError(
            f"{places.warehouse.address} is not empty: it holds {', '.join(found[:NAMED_AT_MOST])}{more}.",
            "Name a database without tables in bronze, silver, gold, quarantine and ledger.",
        )


def _carry(moving: _Moving, source: Settings, target: Settings, clock: Callable[[], datetime]) -> Migration:
    before, after = moving.before, moving.places.warehouse
    after.make_books()
    for table in before.tables():
        columns = _columns(before, table)
        if table not in books.TABLES:
            after.make_table(table, [(name, type_in_postgres(kind)) for name, kind in columns.items()])
        moving.table(table, table_in_duckdb(table), columns)
        if table not in books.TABLES:
            after.index(table)
    _carry_bronze(moving)
    ledger = _carry_ledger(moving)
    drawn = draw(source, moving.catalog, before, moving.ledger, clock)
    with after.session() as session:
        session.run("analyze")
    drawn_after = draw(target, moving.catalog, after, moving.ledger, clock)
    return Migration(
        tables=tuple(moving.compared),
        ledger=tuple(ledger),
        accounts=len(drawn.rows) + len(drawn.money),
        faults=_unlike(drawn, drawn_after),
        warehouse=target.warehouse,
        ledger_at=target.ledger,
    )


def table_in_duckdb(table: str) -> str:
    """A table's name in SQL."""
    schema, name = table.split(".", 1)
    return f"{quoted(schema)}.{quoted(name)}"


def _columns(before: AttachedDuckDB, table: str) -> dict[str, str]:
    with before.session() as session:
        return {row[0]: row[1] for row in session.rows(f"describe {table_in_duckdb(table)}")}


def _carry_bronze(moving: _Moving) -> None:
    contracts = moving.catalog.contracts
    for source, (table, names) in moving.before.sources(list(contracts.values())).items():
        moving.places.warehouse.make_bronze(source, table, names, contracts.get(source))
        columns = dict.fromkeys(names, "VARCHAR") | {"_batch_id": "VARCHAR", "_row_number": "BIGINT"}
        moving.table(table, table_in_duckdb(table), columns)


def _carry_ledger(moving: _Moving) -> list[Compared]:
    places = moving.places
    with places.as_ledger() as connection:
        places.schema.make_room(connection)
        if not places.shared:
            connection.exec_driver_sql(f"comment on schema {SCHEMA} is '{UNFINISHED}'")
        schemas.bring_to_head(connection, places.schema)
        copy_into(moving.ledger, connection, places.schema)
        with moving.ledger._reading() as before:  # noqa: SLF001 - reads what no method of it tells
            return [
                _compared(f"ledger.{table.name}", _summed(before, table), _summed(connection, table))
                for table in TABLES
            ]


def _compared(table: str, before: tuple[int, int], after: tuple[int, int]) -> Compared:
    return Compared(table, before[0], after[0], before == after)


def _summed(connection: sa.Connection, table: sa.Table) -> tuple[int, int]:
    """Rows, and a sum over what they hold; a NUL in a text counts as it is written in PostgreSQL."""
    rows = total = 0
    with connection.execute(sa.select(table).execution_options(yield_per=1_000)) as found:
        for row in found:
            text = repr(tuple(row)).replace("\\x00", "\\\\x00")
            total += int.from_bytes(
                hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            )
            rows += 1
    return rows, total


def _unlike(before: Drawn, after: Drawn) -> tuple[str, ...]:
    faults = [*before.faults, *(fault for fault in after.faults if fault not in before.faults)]
    pairs = ((before.rows, after.rows, "row accounts"), (before.money, after.money, "money accounts"))
    faults += [f"The {what} drawn up on both sides are not the same." for a, b, what in pairs if a != b]
    return tuple(faults)


def _finish(target: Settings) -> None:
    """What does not go into the transaction: rights on tables, and the mark of a ledger in another database."""
    warehouse = PostgresWarehouse(target)
    try:
        warehouse.grant_all()
    finally:
        warehouse.close()
    if target.ledger != target.warehouse:
        with opened(target) as places:
            places.ledger.exec_driver_sql(f"comment on schema {SCHEMA} is null")
