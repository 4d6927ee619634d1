"""An answer that is lost on its way from PostgreSQL: what took effect is found out, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.errors import LeaseLost, WarehouseUnavailable
from etl.model import RunState
from etl.settings import Settings
from etl.warehouse import postgres_held
from etl.warehouse import postgres_parquet as parquet
from etl.warehouse.postgres import PostgresWarehouse
from etl.warehouse.postgres_session import PostgresSession
from tests.contents import contents, succeeded
from tests.postgres import Server
from tests.warehouses import on_postgres
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> Iterator[Settings]:
    with on_postgres(postgres):
        made = workspace(tmp_path)
        few_files(made)
        yield made


@contextmanager
def lost_answers(
    monkeypatch: pytest.MonkeyPatch, warehouse: Any, *, committed: bool, times: int = 1
) -> Iterator[list[str]]:
    """The connection breaks at the next commits of the engine: before or after the server has done them."""
    commit = PostgresWarehouse._commit
    lost: list[str] = []

    def broken(self: PostgresWarehouse, session: PostgresSession) -> None:
        if len(lost) == times:
            commit(self, session)
            return

        class Breaking(PostgresSession):
            def run(self, sql: str, params: Any = ()) -> None:
                if sql != "commit":
                    super().run(sql, params)
                    return
                lost.append(sql)
                if committed:
                    super().run(sql)
                self.connection.close()
                super().run("select 1")  # what psycopg2 says of a connection that is gone

        commit(self, Breaking(session._connection, session._address, session._fence))

    with monkeypatch.context() as patched:
        patched.setattr(PostgresWarehouse, "_commit", broken)
        yield lost


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_told_as_what_it_came_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    with opened(settings) as service:
        with lost_answers(monkeypatch, service._warehouse, committed=committed, times=2) as lost:
            succeeded(service)
        assert len(lost) == 2
        arrivals = service.select("select count(*) from bronze._arrivals").rows
        batches = service.select("select count(*) from bronze._batches").rows
        assert (arrivals, batches) == (((2,),), ((2,),))
        assert all(account.closes for account in service.accounts().row_batches)
        assert service.select("select count(*), sum(sale_amount) from silver.sales_clean").rows == ((4, 100),)


def test_a_number_that_the_server_gives_again_after_a_crash_is_not_taken_for_the_commit(
    settings: Settings,
) -> None:
    """`pg_xact_status` would say `committed` of another transaction that got the same number since."""
    with opened(settings) as service:
        succeeded(service)
        warehouse: Any = service._warehouse
        with warehouse.session() as session:
            session.run("select pg_current_xact_id()")
        assert not warehouse._has_committed("never written")


def test_what_an_attempt_before_has_landed_is_not_seen_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as service:
        once: list[Any] = []
        land_it = PostgresWarehouse.land

        def lost(self: PostgresWarehouse, *given: Any) -> Any:
            landed = land_it(self, *given)
            if not once:
                once.append(landed)
                raise WarehouseUnavailable("Whether it was committed is not known.")
            return landed

        monkeypatch.setattr(PostgresWarehouse, "land", lost)
        ended = succeeded(service)
        assert once
        told = {task.name: task.message for task in ended.tasks}
        assert any("1 new file, 3 rows" in message for message in told.values()), told
        assert service.select("select count(*) from bronze._arrivals").rows == ((2,),)


def test_a_publication_that_is_tried_again_is_the_one_that_was_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as service:
        once: list[int] = []
        publish = PostgresWarehouse.publish

        def lost(self: PostgresWarehouse, publication: Any) -> int:
            version = publish(self, publication)
            if publication.built and not once:
                once.append(version)
                raise WarehouseUnavailable("Whether it was committed is not known.")
            return version

        monkeypatch.setattr(PostgresWarehouse, "publish", lost)
        ended = succeeded(service)
        assert ended.version == once[0] == service.version()
        assert service.verdict().ready, service.verdict().reasons


def test_a_file_that_takes_longer_to_turn_into_csv_than_the_server_waits_is_landed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = parquet.write_csv

    def slowly(*given: Any) -> int:
        time.sleep(2.5)
        return write(*given)

    monkeypatch.setattr(parquet, "write_csv", slowly)
    monkeypatch.setitem(postgres_held.OPTIONS, "idle_in_transaction_session_timeout", "1s")
    with opened(settings) as service:
        succeeded(service, "bronze")
        assert service.select("select count(*) from bronze.erp_sales_raw").rows == ((4,),)


def test_rows_that_are_lost_on_the_way_into_the_database_are_not_landed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = parquet.write_csv

    def shortened(session: Any, source: str, target: Path, *given: Any) -> int:
        rows = write(session, source, target, *given)
        lines = target.read_bytes().splitlines(keepends=True)
        target.write_bytes(b"".join(lines[:-1]))
        return rows

    monkeypatch.setattr(parquet, "write_csv", shortened)
    with opened(settings) as service:
        ended = run(service)
        assert ended.state is RunState.FAILED
        assert "2 of the 3 rows of crm/crm_customers.csv reached" in ended.error
        assert service.select("select count(*) from bronze._batches").rows == ((0,),)


def test_an_engine_that_was_overtaken_does_not_tidy_up_behind_the_one_that_works(settings: Settings) -> None:
    with opened(settings) as frozen:
        succeeded(frozen)
        warehouse: Any = frozen._warehouse
        with warehouse.session() as session:
            session.run("update bronze._fence set fence = fence + 1")
            session.run("create unlogged table silver._new_9_sales_clean as select 1 as built")
        with pytest.raises(LeaseLost):
            warehouse.prepare(list(frozen.catalog.contracts.values()))
        with warehouse.session() as session:
            assert session.rows("select built from silver._new_9_sales_clean") == [(1,)]


def test_a_table_that_somebody_drops_comes_back_as_one_that_a_crash_does_not_empty(
    settings: Settings,
) -> None:
    with opened(settings) as service:
        succeeded(service)
        before = contents(service, ["silver.sales_clean"])
        warehouse: Any = service._warehouse
        build = PostgresSession.build

        def dropped_meanwhile(self: PostgresSession, table: str, select: str) -> int:
            rows = build(self, table, select)
            if table == "silver.sales_clean":
                self.run("drop table silver.sales_clean")
            return rows

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(PostgresSession, "build", dropped_meanwhile)
            succeeded(service, "silver", "gold", full=True)
        with warehouse.session() as session:
            kind = session.rows(
                "select relpersistence from pg_class where oid = 'silver.sales_clean'::regclass"
            )
        assert kind == [("p",)]
        assert contents(service, ["silver.sales_clean"]) == before


def test_the_password_of_the_reading_role_stands_in_no_log_of_the_server(
    settings: Settings, postgres: Server
) -> None:
    secret = "TOP-SECRET-OF-A-TEST"
    own = replace(
        settings, database=replace(settings.database, reader="reader_of_a_log_test", reader_password=secret)
    )
    postgres.execute("alter system set log_statement = 'all'")
    postgres.execute("select pg_reload_conf()")
    try:
        with opened(own) as service:
            succeeded(service, "init_db_schemas")
    finally:
        postgres.execute("alter system reset log_statement")
        postgres.execute("select pg_reload_conf()")
    log = postgres.log()
    assert "reader_of_a_log_test" in log
    assert secret not in log


def test_a_new_file_after_all_this_is_taken_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(settings) as service:
        with lost_answers(monkeypatch, service._warehouse, committed=True, times=2):
            succeeded(service)
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "4,Di,di@example.com,WEST\n")
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,4,1,2026-03-01,5.00\n")
        succeeded(service)
        assert service.select("select count(*), sum(sale_amount) from silver.sales_clean").rows == ((5, 105),)
