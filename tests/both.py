"""One workspace on each warehouse over the same files and contracts, taken through the same steps, then compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etl.mends import MendState, Requested
from etl.model import RunState
from etl.service import Service, open_service
from etl.settings import Settings
from tests.postgres import Server
from tests.warehouses import on_postgres
from tests.workspaces import QUICK, run, workspace

Row = tuple[tuple[str, str, Any], ...]  # (column, type, value) by column

STANDING = """
    select table_schema, table_name from information_schema.tables
    where table_schema in ('bronze', 'silver', 'gold', 'quarantine')
        and table_name <> '_commits'  -- of transactions, not of data; only a server can lose an answer
    order by 1, 2
"""
BY_CHANCE = ("mend_id",)  # drawn for every request


@dataclass
class Both:
    """The same steps for both; the time is the same for both and moves between steps only."""

    duckdb: Service
    postgres: Service
    now: datetime
    steps: int = 0

    def each(self, step: Callable[[Service], Any]) -> tuple[Any, Any]:
        """Do it to one, then to the other."""
        self.now += timedelta(minutes=1)
        self.steps += 1
        return step(self.duckdb), step(self.postgres)

    def run(self, *targets: str, full: bool = False, state: RunState = RunState.SUCCEEDED) -> None:
        """A run of both, which end alike; afterwards every table is equal."""
        one, other = self.each(lambda service: run(service, *targets, full=full))
        assert (one.state, other.state) == (state, state), (one.error, other.error)
        assert one.error == other.error
        self.require_equal()

    def mend(self, ask: Callable[[Service], Requested]) -> None:
        """What people ask for, taken up by both."""

        def asked(service: Service) -> None:
            request = ask(service)
            ended = service.work(request.run_id)
            assert ended.state is RunState.SUCCEEDED, ended.error
            found = {mend.mend_id: mend for mend in service.mends()}[request.mend_id]
            assert found.state is MendState.APPLIED, found.message

        self.each(asked)
        self.require_equal()

    def require_equal(self) -> None:
        """Every table of all four schemas, row for row, with equal columns, values and Python types."""
        found, expected = tables(self.postgres), tables(self.duckdb)
        assert found.keys() == expected.keys()
        for table, rows in expected.items():
            require_same_rows(table, found[table], rows)
        assert self.postgres.accounts() == self.duckdb.accounts()
        assert [table.rows for table in self.postgres.tables()] == [
            table.rows for table in self.duckdb.tables()
        ]


def require_same_rows(table: str, found: Mapping[Row, int], expected: Mapping[Row, int]) -> None:
    """Equal, or told by the first rows that differ."""
    if found == expected:
        return
    more = [row for row in found if found[row] != expected.get(row)]
    fewer = [row for row in expected if expected[row] != found.get(row)]
    told = [f"PostgreSQL has {row}" for row in more[:3]] + [f"DuckDB has {row}" for row in fewer[:3]]
    raise AssertionError("\n".join([f"{table}: {len(more)} and {len(fewer)} rows differ", *told]))


def tables(service: Service) -> dict[str, dict[Row, int]]:
    """Every table and view, and how often each of its rows stands in it."""
    with service._warehouse.snapshot() as session:
        names = [f'{schema}."{name}"' for schema, name in session.rows(STANDING)]
        return {name: counted(session, name) for name in names}


def counted(session: Any, name: str) -> dict[Row, int]:
    """The rows of a table, whatever the order of its rows and columns."""
    schema, _, table = name.partition(".")
    described = session.rows(
        "select column_name from information_schema.columns where table_schema = ? and table_name = ? "
        "order by column_name",
        [schema, table.strip('"')],
    )
    columns = [column for (column,) in described if column not in BY_CHANCE]
    listed = ", ".join(f'"{column}"' for column in columns)
    counts: dict[Row, int] = {}
    for values in session.rows(f"select {listed} from {name}"):
        row = tuple(
            (column, type(value).__name__, as_value(value))
            for column, value in zip(columns, values, strict=True)
        )
        counts[row] = counts.get(row, 0) + 1
    return counts


def as_value(value: Any) -> Any:
    """Lists cannot be counted; a double is its bits, a decimal its digits with the zeros behind."""
    if isinstance(value, list):
        return tuple(value)
    return value.hex() if isinstance(value, float) else str(value)


@contextmanager
def both(
    folder: Path,
    server: Server,
    *,
    sample: bool = False,
    prepared: Callable[[Settings], None] = lambda _: None,
) -> Iterator[Both]:
    """Two workspaces that share contracts, gold files and landing folder."""
    embedded = workspace(folder / "embedded", sample=sample)
    prepared(embedded)
    with on_postgres(server):
        made = workspace(folder / "served", sample=sample)
        served = replace(made, project=embedded.project, landing=embedded.landing)
        moment = datetime(2026, 3, 1, 6, tzinfo=UTC)
        clock: list[Both] = []

        def now() -> datetime:
            return clock[0].now if clock else moment

        with (
            open_service(embedded, clock=now, retry=QUICK) as one,
            open_service(served, clock=now, retry=QUICK) as other,
        ):
            clock.append(Both(one, other, moment))
            yield clock[0]
