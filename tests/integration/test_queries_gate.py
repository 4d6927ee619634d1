"""What people may ask a warehouse in PostgreSQL: a SELECT over its tables, run as a role that can do nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl.errors import MetaLayerError, UsageError, WarehouseError
from etl.gate import require_select
from etl.service import Service
from etl.settings import Settings
from tests.contents import succeeded
from tests.postgres import ADMIN_PASSWORD, Server, fresh_database, running_server
from tests.warehouses import on_postgres
from tests.workspaces import few_files, opened, run, workspace

SALES = "silver.sales_clean"
READER = "metalayer_reader"

ATTACKS = {
    "a setting": "select set_config('default_transaction_read_only', 'off', false)",
    "a setting that is read": "select current_setting('data_directory')",
    "a query in a text": "select query_to_xml('delete from silver.sales_clean', true, true, '')",
    "a table as XML": "select table_to_xml('pg_authid', true, true, '')",
    "another server": "select * from dblink('dbname=x', 'drop table x') as t (a int)",
    "a file as an object": "select lo_import('/etc/passwd')",
    "a file": "select pg_read_file('/etc/passwd')",
    "a folder": "select * from pg_ls_dir('/')",
    "a sleep": "select pg_sleep(100)",
    "a sleep in a filter": "select count(*) filter (where pg_sleep(9) is null) from silver.sales_clean",
    "a sleep in a window": "select sum(1) over (order by pg_sleep(9))",
    "a sleep in an order": "select * from silver.sales_clean order by pg_sleep(9)",
    "a sleep in a limit": "select 1 limit (select 1 from pg_sleep(9))",
    "a sleep in a list": "select array(select pg_sleep(9))",
    "a sleep in a row": "select (pg_sleep(9)).x",
    "a sleep in VALUES": "values (pg_sleep(9))",
    "the end of another": "select pg_terminate_backend(1)",
    "a number drawn": "select nextval('silver.x')",
    "COPY to a file": "copy silver.sales_clean to '/tmp/x'",
    "COPY to a program": "copy (select 1) to program 'id'",
    "a block of code": "do $$ begin perform 1; end $$",
    "SELECT INTO": "select * into silver.copied from silver.sales_clean",
    "FOR UPDATE": "select * from silver.sales_clean for update",
    "FOR KEY SHARE": "select * from silver.sales_clean for key share",
    "a delete within": "with gone as (delete from silver.sales_clean returning *) select * from gone",
    "an insert within": "with come as (insert into silver.sales_clean values (1) returning *) select * from come",
    "an update within": "with u as (update silver.sales_clean set quantity = 1 returning *) select * from u",
    "a function as a table": "select * from generate_series(1, 10)",
    "a function as a lateral table": "select * from silver.sales_clean, lateral pg_sleep(9)",
    "functions as rows": "select * from rows from (pg_sleep(1), pg_sleep(2))",
    "XML as a table": "select * from xmltable('/a' passing '<a/>' columns b text)",
    "a function of the catalog": "select pg_catalog.pg_sleep(9)",
    "an allowed name in another schema": "select public.lower('a')",
    "an allowed name in the catalog": "select pg_catalog.lower('a')",
    "a function in quotes": 'select "pg_sleep"(9)',
    "schema and function in quotes": 'select "pg_catalog"."pg_sleep"(9)',
    "a function in signs": 'select U&"pg\\005fsleep"(9)',
    "a schema in signs": 'select * from U&"pg_\\0063atalog".pg_authid',
    "the catalog": "select * from pg_catalog.pg_authid",
    "the catalog unnamed": "select * from pg_authid",
    "TABLE": "table pg_authid",
    "the schema of schemas": "select * from information_schema.tables",
    "the ledger": "select * from ledger.runs",
    "another database": "select * from postgres.silver.sales_clean",
    "temporary tables": "select * from pg_temp.x",
    "a name that becomes a number": "select 'pg_authid'::regclass",
    "a role that becomes a number": "select cast('postgres' as regrole)",
    "a function that becomes a number": "select 'pg_sleep'::regproc::text",
    "a type of one's own": "select quantity::silver.mine from silver.sales_clean",
    "XML": "select '<a/>'::xml",
    "an operator of a schema": "select 1 operator(public.+) 2",
    "who asks": "select current_user",
    "who asks, as a column": "select user",
    "which role asks": "select current_role",
    "two statements": "select 1; select 2",
    "a second one behind a comment": "select 1 /* ; */; drop table silver.sales_clean",
    "a second one behind a line": "select 1 -- harmless\n; drop table silver.sales_clean",
    "a function between comments": "select 1 /* one /* two */ */ , pg_sleep(9)",
    "a function behind dollars": "select $a$ $$ $a$, pg_sleep(9)",
    "a function behind an escape": "select e'\\'' || pg_sleep(9)::text",
    "a statement behind a backslash": "select 'a\\'; select pg_sleep(9); --'",
    "EXPLAIN": "explain analyze select 1",
    "PREPARE": "prepare x as select 1",
    "a cursor": "declare c cursor for select 1",
    "SET ROLE": "set role postgres",
    "RESET": "reset all",
    "BEGIN": "begin",
    "COMMIT": "commit",
    "LISTEN": "listen x",
    "VACUUM": "vacuum",
    "TRUNCATE": "truncate silver.sales_clean",
    "CALL": "call x()",
    "CREATE": "create table silver.x (a int)",
    "DROP": "drop table silver.sales_clean",
    "ALTER": "alter table silver.sales_clean add column x int",
    "GRANT": "grant all on silver.sales_clean to public",
    "LOCK": "lock table silver.sales_clean",
}

ORDINARY = {
    "sums by month": "select date_trunc('month', sale_date), sum(sale_amount) from "
    "silver.sales_clean group by 1 order by 1",
    "a join": "select region, count(*) from silver.sales_clean join silver.customers_clean using "
    "(customer_id) group by 1",
    "a window": "select rank() over (partition by product_id order by sale_amount desc) from silver.sales_clean",
    "a running sum": "select sum(sale_amount) over (order by sale_date rows between 1 preceding and current row)"
    " from silver.sales_clean",
    "a query with a name": "with big as (select * from silver.sales_clean where quantity > 1) select * from big",
    "what stands without": "select * from silver.customers_clean c where not exists (select 1 from silver.sales_clean s"
    " where s.customer_id = c.customer_id)",
    "a filter": "select count(*) filter (where quantity > 1) from silver.sales_clean",
    "a choice": "select case when quantity > 1 then 'many' else 'one' end, coalesce(null, 1) from silver.sales_clean",
    "texts": "select upper(region), lower(email), length(email), trim(region) || '!' from silver.customers_clean",
    "likeness": "select * from silver.customers_clean where email like '%@%' and email ~ '^a'",
    "casts": "select sale_amount::float8, cast(sales_id as text), sale_date::timestamp from silver.sales_clean",
    "days": "select extract(year from sale_date), sale_date + interval '1 day' from silver.sales_clean",
    "percentiles": "select percentile_cont(0.5) within group (order by sale_amount) from silver.sales_clean",
    "reasons": "select unnest(_reasons) from quarantine.erp_sales",
    "a list": "select array_agg(sales_id order by sales_id), string_agg(product_id::text, ',') from silver.sales_clean",
    "gold": "select * from gold.customer_analytics order by total_revenue desc limit 1 offset 0",
    "sets": "select 1 union all select 2 except select 3",
    "dollars": "select $$it's$$",
    "a comment": "select 1 /* one /* two */ */ -- three",
    "quoted names": 'select "user" from (select 1 as "user") as t',
    "bronze": "select count(*) from bronze.erp_sales_raw",
}


def built(folder: Path, **more: Any) -> Settings:
    made = workspace(folder)
    few_files(made)
    return replace(made, database=replace(made.database, **more))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Service]:
    with on_postgres(postgres), opened(built(tmp_path_factory.mktemp("gate"))) as service:
        succeeded(service)
        yield service


@pytest.mark.parametrize("sql", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_is_no_plain_question_is_refused_with_one_sentence(sql: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_select(sql, "postgres")
    assert caught.value.message.count("\n") == 0
    assert caught.value.message.endswith(".")
    assert caught.value.hint


@pytest.mark.parametrize("sql", ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_question_is_answered(service: Service, sql: str) -> None:
    assert service.select(sql).columns


def test_values_are_bound_and_a_percent_sign_is_one(service: Service) -> None:
    sql = "select '100%', '?', ? from silver.sales_clean where sales_id = ?"
    assert service.select(sql, ["%s; drop table x", 1]).rows == (("100%", "?", "%s; drop table x"),)
    assert service.select("select '%s %% %(a)s'").rows == (("%s %% %(a)s",),)


def test_a_backslash_ends_no_text_whatever_the_server_is_set_to(service: Service, postgres: Server) -> None:
    database = service.settings.warehouse.rpartition("/")[2]
    postgres.execute(f"alter database {database} set standard_conforming_strings = off", database)
    service._warehouse._engine.dispose()  # type: ignore[attr-defined]  # new connections are set as the database says
    try:
        assert service.select(r"select 'a\', ' || pg_sleep(9) --'").rows == (("a\\", " || pg_sleep(9) --"),)
    finally:
        postgres.execute(f"alter database {database} reset standard_conforming_strings", database)


# -- past the gate --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that asks for passwords, as in earnest."""
    with running_server(scram=True) as server:
        yield server


@pytest.fixture
def two_roles(tmp_path: Path, guarded: Server) -> Iterator[Service]:
    """Queries of people log in as the reading role."""
    with (
        on_postgres(guarded),
        opened(
            built(tmp_path, password=ADMIN_PASSWORD, reader_password="it's a secret"),
        ) as service,
    ):
        succeeded(service)
        yield service


def test_a_question_runs_as_the_reading_role(two_roles: Service, guarded: Server) -> None:
    assert two_roles._warehouse.reading_role().startswith("whole")
    assert two_roles.select("select sum(sale_amount) from silver.sales_clean").rows == ((Decimal("100.00"),),)
    assert two_roles._warehouse.ask("select current_user, session_user").rows == ((READER, READER),)
    asking = threading.Thread(target=lambda: two_roles._warehouse.ask("select pg_sleep(2)"))
    asking.start()
    seen: list[tuple[Any, ...]] = []
    give_up_at = time.monotonic() + 20
    while not seen and time.monotonic() < give_up_at:
        seen = guarded.execute(
            "select distinct usename, application_name from pg_stat_activity where query like '%asked%' "
            f"and pid <> pg_backend_pid() and usename = '{READER}'"
        )
    asking.join()
    assert seen == [(READER, "metalayer query")]


@pytest.mark.parametrize(
    "sql",
    [
        "with gone as (delete from silver.sales_clean returning *) select * from gone",
        "select lo_import('/etc/passwd')",
        "select pg_read_file('/etc/passwd')",
        "select * from pg_catalog.pg_authid",
        "select * from ledger.runs",
        "select * from silver.sales_clean for update",
    ],
)
def test_what_would_pass_the_gate_the_reading_role_may_not_do(two_roles: Service, sql: str) -> None:
    with pytest.raises(WarehouseError):
        two_roles._warehouse.ask(sql)
    assert two_roles.select("select count(*) from silver.sales_clean").rows == ((4,),)


def test_the_reading_role_may_not_write_even_where_a_transaction_lets_it(
    two_roles: Service, guarded: Server
) -> None:
    database = two_roles.settings.warehouse.rpartition("/")[2]
    connection = guarded.connect(database, READER, password="it's a secret")
    try:
        with connection.cursor() as cursor:
            cursor.execute("set default_transaction_read_only = off")
            for sql in (
                "delete from silver.sales_clean",
                "update gold.customer_analytics set region = ''",
                "insert into bronze._fence values (99)", "create table silver.x (a int)",
                "drop table silver.sales_clean", "select fence from bronze._fence for update",
                "truncate quarantine.erp_sales",
            ):  # fmt: skip
                with pytest.raises(Exception, match=r"permission denied|must be owner"):
                    cursor.execute(sql)
    finally:
        connection.close()


def test_without_the_right_to_make_roles_everything_works_and_is_told(tmp_path: Path) -> None:
    with running_server() as server, on_postgres(server):
        made = built(tmp_path)
        database = fresh_database(server).rpartition("/")[2]  # in which the other user made nothing yet
        server.execute("create role ordinary login nosuperuser nocreaterole")
        server.execute(f'alter database "{database}" owner to ordinary')
        url = server.url(database, "ordinary")
        with opened(replace(made, warehouse=url, ledger=url)) as service:
            assert run(service).error == ""
            told = service._warehouse.reading_role()
            assert told.startswith("none: this user may not make the role")
            assert service.select("select count(*) from silver.sales_clean").rows == ((4,),)
            with pytest.raises(MetaLayerError, match="read-only"):
                service._warehouse.ask("select lo_create(0)")
