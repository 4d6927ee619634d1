"""Law 3 for readers that are no part of MetaLayer: a tool with a connection of its own and no lock of ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl.model import RunState
from etl.service import Service
from tests.contents import LAYERS, succeeded
from tests.postgres import Server
from tests.warehouses import on_postgres
from tests.workspaces import SALES, few_files, land, opened, run, workspace

PUBLICATIONS = 32  # every fourth of everything anew
PATIENCE = "200ms"  # a reader that waits this long for a lock fails
BOTH_SUMS = (
    "select (select sum(total_revenue) from gold.customer_analytics), "
    "(select sum(sale_amount) from silver.sales_clean), (select count(*) from silver.sales_clean)"
)
THROUGH_A_VIEW = "select gold, silver, sales from public.sums"
ROLE, READER = "analyst", "metalayer_reader"
TABLES = ("silver.sales_clean", "silver.customers_clean", "gold.customer_analytics", "bronze.erp_sales_raw")


@dataclass
class Reader:
    """Reads again and again over a connection of its own; each reading says how long it took."""

    server: Server
    database: str
    user: str = "postgres"
    sql: str = BOTH_SUMS
    seen: list[tuple[Any, ...]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    longest: float = 0.0

    def connected(self) -> Any:
        return self.server.connect(self.database, self.user, options=f"-c lock_timeout={PATIENCE}")

    def read(self, cursor: Any) -> tuple[Any, ...]:
        """One reading, which is wrong when it waits for a lock, is empty, or mixes two versions."""
        started = time.perf_counter()
        cursor.execute(self.sql)
        (row,) = cursor.fetchall()
        self.longest = max(self.longest, time.perf_counter() - started)
        gold, silver, sales = row
        if gold is None or gold != silver or not sales:
            self.wrong.append(str(row))
        return tuple(row)

    def once(self, cursor: Any) -> None:
        row = self.read(cursor)
        if not self.seen or self.seen[-1] != row:
            self.seen.append(row)

    def loop(self, ended: threading.Event) -> None:
        connection = self.connected()
        try:
            with connection.cursor() as cursor:
                while not ended.wait(0.001):
                    self.once(cursor)
        except psycopg2.Error as fault:
            self.wrong.append(str(fault))
        finally:
            connection.close()


@dataclass
class OfOneMoment(Reader):
    """Goes on reading within one transaction, which began before the publications."""

    begun: threading.Event = field(default_factory=threading.Event)

    def loop(self, ended: threading.Event) -> None:
        connection = self.connected()
        connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        try:
            with connection.cursor() as cursor:
                self.once(cursor)
                self.begun.set()
                while not ended.wait(0.001):
                    self.once(cursor)
        except psycopg2.Error as fault:
            self.wrong.append(str(fault))
        finally:
            self.begun.set()
            connection.close()


class Watch:
    """Looks at the server itself for readers that wait for a lock."""

    def __init__(self, server: Server, database: str) -> None:
        self._server, self._database = server, database
        self.waiting: list[tuple[Any, ...]] = []
        self.looks = 0

    def loop(self, ended: threading.Event) -> None:
        connection = self._server.connect(self._database)
        try:
            with connection.cursor() as cursor:
                while not ended.wait(0.005):
                    cursor.execute(
                        "select usename, wait_event, query from pg_stat_activity where datname = current_database() "
                        "and wait_event_type = 'Lock' and application_name not like 'metalayer%%'"
                    )
                    self.waiting += cursor.fetchall()
                    self.looks += 1
        finally:
            connection.close()


@contextmanager
def looping(*readers: Reader | Watch) -> Iterator[None]:
    ended = threading.Event()
    threads = [threading.Thread(target=reader.loop, args=(ended,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def service(tmp_path: Path, postgres: Server) -> Iterator[Service]:
    """A built workspace, whose reading role may log in."""
    with on_postgres(postgres):
        made = workspace(tmp_path)
        settings = replace(made, database=replace(made.database, reader_password="of a reader"))
        few_files(settings)
        with opened(settings) as service:
            succeeded(service)
            yield service


@pytest.fixture
def database(service: Service) -> str:
    return service.settings.warehouse.rpartition("/")[2]


@pytest.fixture
def analyst(postgres: Server, database: str) -> Iterator[str]:
    """A role, a grant and a view of somebody's own."""
    postgres.execute(f"create role {ROLE} login", database)
    for schema in ("silver", "gold", "bronze"):
        postgres.execute(f"grant usage on schema {schema} to {ROLE}", database)
    for table in TABLES:
        postgres.execute(f"grant select on {table} to {ROLE}", database)
    postgres.execute(f"create view public.sums (gold, silver, sales) as {BOTH_SUMS}", database)
    postgres.execute(f"grant select on public.sums to {ROLE}", database)
    yield ROLE
    postgres.execute("drop view public.sums", database)
    postgres.execute(f"drop owned by {ROLE}", database)
    postgres.execute(f"drop role {ROLE}", database)


def publish_again_and_again(service: Service) -> list[tuple[Any, ...]]:
    """New files one after the other, now and then everything anew; what the sums were, in order."""
    sums = [(Decimal("100.00"), Decimal("100.00"), 4)]
    for number in range(1, PUBLICATIONS + 1):
        lines = f"1,10,1,1,2026-01-05,{number}.00\n{number + 4},12,{number % 3 + 1},1,2026-03-01,5.00\n"
        land(service.settings, f"erp/erp_sales_{number:03}.csv", SALES + lines)
        succeeded(service, *LAYERS, full=number % 4 == 0)
        total = Decimal(60 + number + 5 * number)
        sums.append((total, total, 4 + number))
    return sums


def test_no_reader_of_their_own_waits_or_sees_an_empty_or_a_mixed_version(
    service: Service, postgres: Server, database: str, analyst: str, record_property: Any
) -> None:
    plain = Reader(postgres, database)
    earlier = OfOneMoment(postgres, database)
    theirs = Reader(postgres, database, analyst, THROUGH_A_VIEW)
    ours = Reader(postgres, database, READER)
    watch = Watch(postgres, database)
    version = service.version()
    with looping(plain, earlier, theirs, ours, watch):
        assert earlier.begun.wait(30)
        sums = publish_again_and_again(service)
    assert service.version() >= version + 2 * PUBLICATIONS, "bronze, then silver and gold, each time"
    for reader in (plain, earlier, theirs, ours):
        assert reader.wrong == []
    for reader in (plain, theirs, ours):
        assert reader.seen == [found for found in sums if found in reader.seen], "one version after the other"
        assert len(reader.seen) > PUBLICATIONS / 2, "it must have been there while it happened"
    assert earlier.seen == sums[:1], "what it began with"
    assert watch.waiting == []
    assert watch.looks > PUBLICATIONS
    slowest = max(reader.longest for reader in (plain, earlier, theirs, ours))
    record_property(
        "measured",
        f"PostgreSQL: over {service.version() - version} publications the slowest of "
        f"{len(plain.seen) + len(theirs.seen) + len(ours.seen)} versions' readings took {slowest * 1000:.0f} ms; "
        "no reader waited for a lock.",
    )


def may_read(server: Server, database: str, role: str) -> set[str]:
    rows = server.execute(
        f"select t from unnest(array{list(TABLES)}) as t where has_table_privilege('{role}', t, 'select')",
        database,
    )
    return {table for (table,) in rows}


def test_views_and_grants_survive_every_rebuild(
    service: Service, postgres: Server, database: str, analyst: str
) -> None:
    before = {table: oid_of(postgres, database, table) for table in TABLES}
    for number in range(3):
        land(
            service.settings, f"erp/erp_sales_{number}.csv", SALES + f"{number + 50},12,1,1,2026-03-01,5.00\n"
        )
        succeeded(service, *LAYERS, full=number == 1)
        for role in (analyst, READER):
            assert may_read(postgres, database, role) == set(TABLES)
        ((gold, silver, sales),) = postgres.execute("select * from public.sums", database)
        assert (gold, silver, sales) == (105 + 5 * number, 105 + 5 * number, 5 + number)
    assert {table: oid_of(postgres, database, table) for table in TABLES} == before, (
        "the tables are the same ones"
    )


def oid_of(server: Server, database: str, table: str) -> int:
    return int(server.execute(f"select '{table}'::regclass::oid", database)[0][0])


def test_a_table_that_comes_later_can_be_read_by_the_reading_role(
    service: Service, postgres: Server, database: str
) -> None:
    shipped = service.settings.project / "gold" / "product_analytics.sql"
    (shipped.parent / "products_again.sql").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    succeeded(service)
    ((allowed,),) = postgres.execute(
        f"select has_table_privilege('{READER}', 'gold.products_again', 'select')", database
    )
    assert allowed


def test_a_view_that_stands_in_the_way_of_a_new_definition_is_named(
    service: Service, postgres: Server, database: str
) -> None:
    postgres.execute(
        "create view public.newest as select last_sale_date from gold.customer_analytics", database
    )
    file = service.settings.project / "gold" / "customer_analytics.sql"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "r.last_sale_date" not in line]
    text = "\n".join(line for line in lines if "{name: last_sale_date" not in line)
    file.write_text(text.replace("as average_order,", "as average_order"), encoding="utf-8")
    ended = run(service)
    assert ended.state is RunState.FAILED
    assert "gold.customer_analytics is to lose or to change its column last_sale_date" in ended.error
    assert "view public.newest depends on column last_sale_date" in ended.error
    assert "Drop what uses it, run again" in ended.error
    postgres.execute("drop view public.newest", database)
    succeeded(service)
