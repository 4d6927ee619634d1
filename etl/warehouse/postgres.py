"""The warehouse of a team: schemas of one PostgreSQL, which any number of processes read and one writes."""
# ruff: noqa: S608  # names are quoted, values bound

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from psycopg2.extensions import encrypt_password

from etl.database import FITNESS, engine_of, faults, require_fit, sqlstate
from etl.declared import Contract
from etl.errors import MetaLayerError, WarehouseError, WarehouseUnavailable
from etl.facts import Rows
from etl.postgres_functions import functions
from etl.settings import Settings
from etl.warehouse import Session
from etl.warehouse import bookkeeping as books
from etl.warehouse.naming import ASIDE, CUT, PUT, literal, quoted
from etl.warehouse.postgres_bronze import PostgresBronze
from etl.warehouse.postgres_held import COMMITS, MAKE_COMMITS, OPTIONS
from etl.warehouse.postgres_indexes import index_of, missing_indexes
from etl.warehouse.postgres_session import PostgresSession
from etl.warehouse.postgres_sql import PLACE, SCHEMAS, aside, fence_of, named, short, typed
from etl.warehouse.reading import Reading
from etl.warehouse.writing import newest

QUERY_SECONDS = 60.0
MADE_BY_ANOTHER = ("42710", "23505")  # the role is there already: another process was quicker
STILL_USED = "2BP01"  # something depends on what is to be dropped
PREPARING = 7_205_759_403  # the number of the lock under which schemas are made


class PostgresWarehouse(PostgresBronze, Reading):
    """What is published, and reading it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._reader: sa.Engine | None = None
        try:
            with self.session() as session:
                encoding, version = session.rows(FITNESS)[0]
                require_fit(encoding, version, self.address)
                ready = session.rows("select to_regclass('bronze._fence') is not null")[0][0]
            if not ready:
                self._make_books()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection that is not in use."""
        super().close()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.dispose()

    # -- preparing -------------------------------------------------------------------------------------------

    def prepare(self, contracts: Sequence[Contract]) -> None:
        """Create what is missing, sweep what a crash left behind. For the holder of the lease."""
        if not self._only_writer:  # it takes over: what an engine before it holds on to would be waited for
            self._end_overtaken()
        self._make_books()
        with self._writing, self.session() as session:
            session.run("begin transaction")
            try:
                if (
                    self._only_writer
                ):  # one that was overtaken meanwhile must not tidy up behind its successor
                    self._check_fence(session)
                for contract in contracts:
                    self._bronze_table(session, contract)
                    self._publish_renamed(session, contract)
                session.run("commit")
            except BaseException:
                with suppress(MetaLayerError):
                    session.run("rollback")
                raise
            self._grant_all(session)
        self._version, self._kept = None, {}
        # Who is just taking over knows that nobody builds.
        self._drop_builds(self._fence if self._only_writer else None)
        self._sweep_files()

    def _make_books(self) -> None:
        """Schemas, functions and bookkeeping tables, by one process at a time, where they are not there already."""
        with self._writing, self.session() as session:
            if self._has_books(session):
                return
            session.run("begin transaction")
            try:
                session.run(f"select pg_advisory_xact_lock({PREPARING})")
                self._make_books_in(session)
                session.run("commit")
            except BaseException:
                with suppress(MetaLayerError):
                    session.run("rollback")
                raise

    def _make_books_in(self, session: PostgresSession) -> None:
        for schema in SCHEMAS:
            session.run(f"create schema if not exists {schema}")
        session.run(functions())
        session.run(MAKE_COMMITS)
        for table, columns in books.TABLES.items():
            self._make_book(session, table, typed(columns))
        session.run(f"comment on schema bronze is {literal(_made())}")

    def _has_books(self, session: PostgresSession) -> bool:
        """Whether all was made by this very version, and nobody has dropped a table since."""
        found = session.rows(
            "select obj_description(to_regnamespace('bronze')::oid, 'pg_namespace') = ? "
            "and not exists (select from unnest(?::text[]) as t where to_regclass(t) is null)",
            [_made(), [*books.TABLES, COMMITS]],
        )
        return bool(found[0][0])

    def _make_book(self, session: PostgresSession, table: str, columns: str) -> None:
        if session.columns(table) is None:
            session.run(f"create table {table} ({columns})")
            self._index(session, table, session.columns(table) or {})
        for name, kind in books.ADDED.get(table, {}).items():
            session.run(f"alter table {table} add column if not exists {name} {typed(kind)}")

    def _publish_renamed(self, session: PostgresSession, contract: Contract) -> None:
        """A contract that names its bronze table anew keeps its batches: they stand under the new name too."""
        table = f"bronze.{contract.bronze_table}"
        if session.rows("select 1 from bronze._publications where table_name = ? limit 1", [table]):
            return
        session.run(
            "insert into bronze._publications select ?, (array_agg(run_id order by batch_seq desc))[1], ?, ?, '[]', "
            "sum(rows), ?, max(arrived_at) from bronze._batches where source = ? and state = 'landed' "
            "having count(*) > 0",
            [newest(session) + 1, table, contract.fingerprint, self._fence, contract.source],
        )

    # -- who may read ----------------------------------------------------------------------------------------

    def grant_all(self) -> None:
        """Make the reading role, where this user may, and let it read everything that stands."""
        with self.session() as session:
            self._grant_all(session)

    def _grant_all(self, session: PostgresSession) -> None:
        """The reading role, where this user may make one, and its rights on everything that stands."""
        role = self._settings.database.reader
        if not self._has_reader(session):
            return
        for schema in SCHEMAS:
            session.run(f"grant usage on schema {schema} to {quoted(role)}")
        for schema, table in self._ungranted(session):
            session.run(f"grant select on {quoted(schema)}.{quoted(table)} to {quoted(role)}")

    def ungranted(self) -> list[str]:
        """What the reading role may not read although it stands; nothing where there is no such role."""
        with self.session() as session:
            if not session.rows("select 1 from pg_roles where rolname = ?", [self._settings.database.reader]):
                return []
            return [f"{schema}.{table}" for schema, table in self._ungranted(session)]

    def _ungranted(self, session: PostgresSession) -> list[tuple[Any, ...]]:
        return session.rows(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname = any(?) and c.relkind in ('r', 'v') and not c.relname ~ ? "
            "and not has_table_privilege(?, c.oid, 'select')",
            [list(SCHEMAS), f"^({'|'.join(ASIDE)})", self._settings.database.reader],
        )

    def _has_reader(self, session: PostgresSession) -> bool:
        database = self._settings.database
        if not session.rows("select 1 from pg_roles where rolname = ?", [database.reader]):
            try:
                session.run(f"create role {quoted(database.reader)} nologin")
            except WarehouseError as refused:
                return sqlstate(refused.__cause__ or refused) in MADE_BY_ANOTHER
        if database.reader_password is not None:
            with suppress(WarehouseError):  # the role is somebody else's: it keeps the password that it has
                # As the server keeps it: a statement that is refused stands in the server's log.
                secret = encrypt_password(
                    database.reader_password, database.reader, session.connection, "scram-sha-256"
                )
                session.run(f"alter role {quoted(database.reader)} login password {literal(secret)}")
        return True

    def _grant(self, session: PostgresSession, table: str) -> None:
        """Let the reading role see a table that has just come into being."""
        role = self._settings.database.reader
        if session.rows("select 1 from pg_roles where rolname = ?", [role]):
            session.run(f"grant select on {named(table)} to {quoted(role)}")

    def reading_role(self) -> str:
        """How people's own queries are kept from writing, in one sentence; begins with a word that tells how well."""
        database = self._settings.database
        with self.session() as session:
            found = session.rows("select rolcanlogin from pg_roles where rolname = ?", [database.reader])
        if not found:
            return f"none: this user may not make the role {database.reader}; queries are read-only transactions."
        if database.reader_password is None:
            return f"partly: {database.reader} has no password here; queries are read-only transactions of this user."
        return f"whole: queries log in as {database.reader}."

    # -- publishing ------------------------------------------------------------------------------------------

    def drop_builds(self) -> None:
        """Remove what was built aside and never published, but for what a newer engine is about to publish."""
        self._drop_builds(self._fence)

    def _drop_builds(self, upto: int | None) -> None:
        """Views first, they read the tables."""
        with self._writing, self.session() as session:
            left = session.rows(
                "select n.nspname, c.relname, c.relkind from pg_class as c "
                "join pg_namespace as n on n.oid = c.relnamespace "
                "where n.nspname = any(?) and c.relkind in ('r', 'v') and c.relname ~ ? order by c.relkind desc",
                [list(SCHEMAS), f"^({'|'.join(ASIDE)})"],
            )
            for schema, name, kind in left:
                if upto is not None and fence_of(name) > upto:
                    continue
                what = "view" if kind == "v" else "table"
                session.run(f"drop {what} if exists {quoted(schema)}.{quoted(name)}")

    def _switch(self, session: Session, table: str) -> None:
        """The rows of the build take the place of those of the table; the first build becomes the table."""
        session = cast("PostgresSession", session)  # its own ones alone come here
        session.require_builds()
        new, stands = aside(table, self._fence), named(table)
        columns, before = session.columns(new) or {}, session.columns(stands)
        if not columns:
            raise WarehouseError(
                f"What was built of {table} is gone.", "Run again: what stands was not touched."
            )
        if before is None:
            session.run(
                f"alter table {new} set logged"
            )  # built beside a table that somebody has dropped since
            session.run(f"alter table {new} rename to {quoted(short(table.split('.', 1)[1]))}")
            self._index(session, table, columns)
            self._grant(session, table)
            return
        self._reshape(session, table, before, columns)
        listed = ", ".join(map(quoted, columns))
        if set(PLACE) <= columns.keys() and before == columns:
            self._apply_difference(session, table, list(columns))
        else:
            session.run(f"delete from {stands}")
            session.run(f"insert into {stands} ({listed}) select {listed} from {new}")
        session.run(f"drop table {new}")

    def _apply_difference(self, session: PostgresSession, table: str, columns: Sequence[str]) -> None:
        """Only rows that differ leave and come in: a rebuild that changes nothing writes nothing."""
        new, stands = aside(table, self._fence), named(table)
        same = " and ".join(f"t.{name} = n.{name}" for name in PLACE)
        own, other = (", ".join(f"{alias}.{quoted(name)}" for name in columns) for alias in ("t", "n"))
        session.run(
            f"delete from {stands} as t where not exists "
            f"(select 1 from {new} as n where {same} and ({own}) is not distinct from ({other}))"
        )
        listed = ", ".join(map(quoted, columns))
        session.run(
            f"insert into {stands} ({listed}) select {other} from {new} as n "
            f"where not exists (select 1 from {stands} as t where {same})"
        )

    def _reshape(
        self, session: PostgresSession, table: str, before: Mapping[str, str], columns: Mapping[str, str]
    ) -> None:
        """Give the table the columns of its build. The one change for which readers wait, until this commits."""
        kept = {name: kind for name, kind in before.items() if columns.get(name) == kind}
        gone = [name for name in before if name not in kept]
        come = [name for name in columns if name not in kept]
        if not gone and not come:
            return
        session.run("set local lock_timeout = '2s'")  # behind a reader that lasts, all others would queue up
        for name in gone:
            _drop_column(session, table, name)
        for name in come:
            kind = columns[name] + (' collate "C"' if columns[name] in ("text", "character varying") else "")
            session.run(f"alter table {named(table)} add column {quoted(name)} {kind}")

    def _index(self, session: PostgresSession, table: str, columns: Mapping[str, str]) -> None:
        """The index that a table is looked into by. A table that is built anew keeps its own."""
        index = index_of(table, columns)
        if index is not None:
            session.run(index.sql)

    def make_indexes(self) -> None:
        """Make those that are missing."""
        with self.session() as session:
            for index in missing_indexes(session):
                session.run(index.sql)

    def _merge(self, session: Session, table: str) -> None:
        """What was cut leaves the table, what was put comes in; the view that showed both goes."""
        session = cast("PostgresSession", session)  # its own ones alone come here
        session.require_builds()
        cut, put, stands = aside(table, self._fence, CUT), aside(table, self._fence, PUT), named(table)
        session.run(f"drop view {aside(table, self._fence)}")
        if session.rows(f"select 1 from {cut} limit 1"):
            session.run(f"delete from {stands} as t using {cut} as c where {session.shared(cut)}")
        listed = ", ".join(map(quoted, session.columns(put) or {}))
        session.run(f"insert into {stands} ({listed}) select {listed} from {put}")
        session.run(f"drop table {cut}")
        session.run(f"drop table {put}")

    # -- reading ---------------------------------------------------------------------------------------------

    def query(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One SELECT in a read-only transaction; one row more than `limit` tells that there is more."""
        with self._lent() as connection:
            return self._queried(connection, sql, params, limit)

    def ask(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """As `query`, for what a person wrote: over a connection of the reading role, where it can log in."""
        engine = self._reading_engine()
        if engine is None:
            return self.query(sql, params, limit)
        with faults(self.address):
            connection = engine.raw_connection()
        try:
            return self._queried(connection, sql, params, limit)
        finally:
            connection.close()

    def _reading_engine(self) -> sa.Engine | None:
        database = self._settings.database
        if database.reader_password is None:
            return None
        if self._reader is None:
            url = sa.make_url(self._settings.warehouse).set(username=database.reader, password=None)
            self._reader = engine_of(
                url.render_as_string(hide_password=False), database, name="metalayer query",
                password=database.reader_password, options=OPTIONS | {"default_transaction_read_only": "on"},
                pool_size=4,
            )  # fmt: skip
        return self._reader

    def _queried(self, connection: Any, sql: str, params: Sequence[Any], limit: int) -> Rows:
        session = self._session_on(connection, autocommit=True)
        session.run("begin transaction isolation level repeatable read, read only")
        try:
            session.run(f"set local statement_timeout = {int(QUERY_SECONDS * 1000)}")
            session.run("set local cursor_tuple_fraction = 1.0")
            session.run(f"declare asked no scroll cursor for {sql}", params)
            with faults(self.address), connection.driver_connection.cursor() as cursor:
                cursor.execute(f"fetch forward {int(limit) + 1} from asked")
                found, described = cursor.fetchall(), cursor.description or ()
        except WarehouseUnavailable as fault:
            if sqlstate(fault.__cause__ or fault) != "57014":
                raise
            raise WarehouseError(
                f"The query was stopped after {QUERY_SECONDS:g} seconds.",
                "Ask for less, or for a part at a time.",
            ) from fault
        finally:
            with suppress(MetaLayerError):
                session.run("rollback")
        names = tuple(str(column.name) for column in described)
        types = tuple(KINDS.get(column.type_code, "OTHER") for column in described)
        return Rows(names, types, tuple(found[:limit]), truncated=len(found) > limit)

    def sizes(self) -> Mapping[str, int]:
        """Bytes each table takes with its indexes."""
        return dict(self._keep("sizes", self._read_sizes))

    def _read_sizes(self) -> dict[str, int]:
        with self.session() as session:
            found = session.rows(
                "select n.nspname || '.' || c.relname, pg_total_relation_size(c.oid) from pg_class as c "
                "join pg_namespace as n on n.oid = c.relnamespace "
                "where n.nspname = any(?) and c.relkind = 'r' and not starts_with(c.relname, '_')",
                [list(SCHEMAS)],
            )
        return {str(name): int(size) for name, size in found}

    def coming(self, table: str) -> str:
        """The name under which the rows that a merge brings into a table are read in SQL."""
        return aside(table, self._fence, PUT)

    def leaving(self, table: str) -> str:
        """The name under which is read what a merge cuts from a table."""
        return aside(table, self._fence, CUT)

    def physical(self, table: str, built: bool) -> str:
        """The name under which a table, or its build aside, is read in SQL."""
        return aside(table, self._fence) if built else named(table)


def _drop_column(session: PostgresSession, table: str, name: str) -> None:
    """Raises WarehouseError that names what still reads the column, such as a view of an analyst's own."""
    try:
        session.run(f"alter table {named(table)} drop column {quoted(name)}")
    except WarehouseError as refused:
        if sqlstate(refused.__cause__ or refused) != STILL_USED:
            raise
        why = getattr(getattr(refused.__cause__, "diag", None), "message_detail", None) or refused.message
        raise WarehouseError(
            f"{table} is to lose or to change its column {name}, which is still in use: {'; '.join(why.splitlines())}.",
            "Drop what uses it, run again, and make it anew.",
        ) from refused.__cause__


@cache
def _made() -> str:
    """The comment of the schema bronze, which tells what was made in it: the same for the same definitions."""
    what = json.dumps([functions(), MAKE_COMMITS, books.TABLES, books.ADDED])
    return f"MetaLayer: made as {hashlib.sha256(what.encode()).hexdigest()[:16]}"


# Types of a query's columns by their OID, in the words of the other warehouses.
KINDS = {
    16: "BOOLEAN", 20: "BIGINT", 23: "INTEGER", 21: "SMALLINT", 25: "VARCHAR", 1043: "VARCHAR", 701: "DOUBLE",
    1700: "DECIMAL", 1082: "DATE", 1114: "TIMESTAMP", 1184: "TIMESTAMP WITH TIME ZONE", 1009: "VARCHAR[]",
    1015: "VARCHAR[]",
}  # fmt: skip
