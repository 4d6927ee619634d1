"""One conversation with PostgreSQL: statements, temporary tables, builds aside."""
# ruff: noqa: S608  # names are quoted, values bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2.extras import execute_batch, execute_values

from etl.database import faults
from etl.errors import WarehouseError
from etl.warehouse.naming import BUILD, CUT, PUT, quoted
from etl.warehouse.postgres_sql import aside, bound, named

ROWS_AT_ONCE = 500
WITNESS = "bronze.witness"  # the name of what is built aside with the first build


class PostgresSession:
    """One connection. Its temporary tables live until it is closed."""

    def __init__(self, connection: Any, address: str, fence: int = 0) -> None:
        self._connection = connection
        self._address = address
        self._fence = fence
        self._has_temporary = False

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with faults(self._address), self._connection.cursor() as cursor:
            _execute(cursor, sql, params)
            return list(cursor.fetchall())

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """A statement without an answer."""
        with faults(self._address), self._connection.cursor() as cursor:
            _execute(cursor, sql, params)

    def many(self, sql: str, params: Sequence[Sequence[Any]]) -> None:
        """A statement once for each set of values."""
        if params:
            with faults(self._address), self._connection.cursor() as cursor:
                execute_batch(cursor, bound(sql), [list(values) for values in params], page_size=ROWS_AT_ONCE)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of all of a table's columns, many at a time."""
        if rows:
            with faults(self._address), self._connection.cursor() as cursor:
                execute_values(cursor, f"insert into {table} values %s", rows, page_size=ROWS_AT_ONCE)

    def copy(self, table: str, columns: Sequence[str], file: Any) -> int:
        """How many rows came in from CSV without a header, in which NULL is nothing and texts stand in quotes."""
        listed = ", ".join(map(quoted, columns))
        with faults(self._address), self._connection.cursor() as cursor:
            cursor.copy_expert(f"copy {table} ({listed}) from stdin (format csv)", file)
            return int(cursor.rowcount)

    def temporary(self, name: str, select: str) -> None:
        """Keep a SELECT's rows for the rest of this session. Its statistics are taken: nobody else would."""
        self._drop_temporary(name)
        self.run(f"create temporary table {quoted(name)} as {select}")
        self.run(f"analyze {quoted(name)}")

    def view(self, name: str, select: str) -> None:
        """Read a SELECT under `name` for the rest of this session."""
        self._drop_temporary(name)
        self.run(f"create temporary view {quoted(name)} as {select}")

    def _drop_temporary(self, name: str) -> None:
        self._has_temporary = True
        found = self.rows(
            "select relkind from pg_class where relnamespace = pg_my_temp_schema() and relname = ?", [name]
        )
        for (kind,) in found:
            self.run(f"drop {'view' if kind == 'v' else 'table'} pg_temp.{quoted(name)} cascade")

    def build(self, table: str, select: str) -> int:
        """Build `table` aside; returns its rows. What replaces a published table is only read once, so it is not
        logged; a first build becomes the table itself.
        """
        self._drop_aside(table)
        self._set_witness()
        logged = "" if self.columns(named(table)) is None else "unlogged"
        self.run(f"create {logged} table {self.aside(table)} as {select}")
        self.run(f"analyze {self.aside(table)}")
        return self._count(self.aside(table))

    def merge(self, table: str, cut: str, put: str) -> tuple[int, int]:
        """Keep what a publication will change in `table`; `_new_<table>` is a view of how it will read."""
        self._drop_aside(table)
        self._set_witness()
        cuts, puts = self.aside(table, CUT), self.aside(table, PUT)
        for name, select in ((cuts, cut), (puts, put)):
            self.run(f"create unlogged table {name} as {select}")
            self.run(f"analyze {name}")
        gone, come = self._count(cuts), self._count(puts)
        kept = f"select t.* from {named(table)} as t"
        kept += f" where not exists (select 1 from {cuts} as c where {self.shared(cuts)})" if gone else ""
        own = ", ".join(map(quoted, self.columns(named(table)) or {}))
        more = f" union all select {own} from {puts}" if come else ""
        self.run(f"create view {self.aside(table)} as {kept}{more}")
        return gone, come

    def shared(self, cuts: str) -> str:
        """The condition under which a row `t` is one that `c` cuts: no column of either is ever blank."""
        return " and ".join(f"t.{quoted(name)} = c.{quoted(name)}" for name in self.columns(cuts) or {})

    def columns(self, name: str) -> dict[str, str] | None:
        """The columns of a table with their types, in its order; None where there is no such table."""
        found = self.rows(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = to_regclass(?) and attnum > 0 and not attisdropped order by attnum",
            [name],
        )
        return dict(found) or None

    def aside(self, table: str, prefix: str = BUILD) -> str:
        """The name of what is built aside for a table by this engine."""
        return aside(table, self._fence, prefix)

    def _set_witness(self) -> None:
        """A row that a crash of the server takes away, as it does all rows of tables that are not logged."""
        self.run(f"create unlogged table if not exists {self.aside(WITNESS)} as select true as stands")

    def require_builds(self) -> None:
        """Raises WarehouseError when the server has crashed since: what was built aside is empty then."""
        if not self.rows(f"select 1 from {self.aside(WITNESS)}"):
            raise WarehouseError(
                "The database was started anew after a crash, and what this run had built is gone.",
                "Run again: what stands was not touched.",
            )

    def _count(self, name: str) -> int:
        return int(self.rows(f"select count(*) from {name}")[0][0])

    def _drop_aside(self, table: str) -> None:
        kinds = dict(
            self.rows("select relkind, 1 from pg_class where oid = to_regclass(?)", [self.aside(table)])
        )
        if kinds:
            self.run(f"drop {'view' if 'v' in kinds else 'table'} {self.aside(table)}")
        for prefix in (CUT, PUT):
            self.run(f"drop table if exists {self.aside(table, prefix)}")

    @property
    def connection(self) -> Any:
        """psycopg2's own."""
        return self._connection.driver_connection

    def close(self) -> None:
        """Leave nothing behind in the connection, which goes on to serve others."""
        if self._has_temporary:
            self.run("discard temporary")


def _execute(cursor: Any, sql: str, params: Sequence[Any]) -> None:
    if params:
        cursor.execute(bound(sql), list(params))
    else:
        cursor.execute(sql)
