"""The ledger in a PostgreSQL: its schema, what it refuses, and a server that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from etl.errors import DiskFull, LedgerError, LedgerUnavailable
from etl.ledger import Ledger, schema
from etl.ledger.postgres import WRITERS_LOCK, PostgresSchema
from etl.ledger.tables import metadata
from etl.settings import Database
from tests.clock import Clock
from tests.postgres import ADMIN_PASSWORD, Server, drop_fresh, fresh_database, running_server

MASTER = "master_etl_orchestrator"
SECRET = "a word that nobody may see"


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(postgres_url: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(postgres_url, clock) as opened:
        yield opened


def migrated(url: str) -> sa.Engine:
    """A ledger made by its migrations, step by step."""
    place = PostgresSchema(url, Database())
    engine = place.connect()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        place.make_room(connection)
        schema.migrate(connection)
    return engine


def test_the_migrations_make_exactly_the_tables_of_the_code(postgres_url: str) -> None:
    engine = migrated(postgres_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


COLUMNS = """
select table_name, column_name, data_type, is_nullable, column_default, collation_name
from information_schema.columns where table_schema = 'ledger'
"""
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'ledger'"
CONSTRAINTS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'ledger'::regnamespace
"""


def test_a_first_start_without_alembic_makes_the_same_schema_as_the_migrations(
    postgres: Server, postgres_url: str, ledger: Ledger
) -> None:
    other = fresh_database(postgres)
    migrated(other).dispose()
    for query in (COLUMNS, INDEXES, CONSTRAINTS):
        made, by_migrations = (postgres.execute(query, name_of(url)) for url in (postgres_url, other))
        assert len(made) > 10
        assert set(made) == set(by_migrations)
    drop_fresh(postgres, other)


def test_an_older_ledger_is_migrated_and_keeps_its_rows(
    postgres: Server, postgres_url: str, ledger: Ledger, clock: Clock
) -> None:
    ledger.mark("dirty_sample", "on")
    ledger.close()
    for statement in (
        "drop table ledger.lease",
        "drop table ledger.changes",
        "update ledger.alembic_version set version_num = '0003'",
    ):
        postgres.execute(statement, name_of(postgres_url))
    with Ledger(postgres_url, clock) as again:
        assert (again.revision(), again.marks()) == (schema.HEAD, {"dirty_sample": "on"})
        again.note_lease("one:11", "", 1)


def test_everything_is_in_one_schema_and_other_schemas_are_left_alone(
    postgres: Server, postgres_url: str, clock: Clock
) -> None:
    postgres.execute("create table public.runs (n integer)", name_of(postgres_url))
    with Ledger(postgres_url, clock) as ledger:
        ledger.request(MASTER, ())
        assert ledger.size_bytes() > 0
    own = "select count(*) from pg_tables where schemaname = 'ledger'"
    assert postgres.execute(own, name_of(postgres_url)) == [(len(metadata.tables) + 1,)]
    assert postgres.execute("select count(*) from public.runs", name_of(postgres_url)) == [(0,)]


def test_a_ledger_newer_than_the_code_is_refused(
    postgres: Server, postgres_url: str, ledger: Ledger, clock: Clock
) -> None:
    postgres.execute("update ledger.alembic_version set version_num = '9999'", name_of(postgres_url))
    with pytest.raises(LedgerError, match=r"schema ledger has revision 9999.*up to 0004.*METALAYER_LEDGER"):
        Ledger(postgres_url, clock).open()


def test_a_schema_that_is_no_ledger_is_refused_and_left_alone(
    postgres: Server, postgres_url: str, clock: Clock
) -> None:
    for statement in ("create schema ledger", "create table ledger.customers (id integer)"):
        postgres.execute(statement, name_of(postgres_url))
    with pytest.raises(LedgerError, match="is no MetaLayer ledger: it has a table customers"):
        Ledger(postgres_url, clock).open()
    tables = "select tablename from pg_tables where schemaname = 'ledger'"
    assert postgres.execute(tables, name_of(postgres_url)) == [("customers",)]


def test_its_connections_say_who_they_are_and_wait_for_nothing_for_long(
    postgres: Server, ledger: Ledger
) -> None:
    with ledger._reading() as connection:
        shown = {
            name: connection.exec_driver_sql(f"show {name}").scalar()
            for name in (
                "application_name", "search_path", "lock_timeout", "statement_timeout",
                "idle_in_transaction_session_timeout", "transaction_isolation", "transaction_read_only",
            )
        }  # fmt: skip
    assert shown == {
        "application_name": "metalayer ledger",
        "search_path": "ledger",
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "3s",
        "transaction_isolation": "repeatable read",
        "transaction_read_only": "on",
    }


def test_a_reader_sees_one_state_from_its_first_query_to_its_last(ledger: Ledger) -> None:
    ledger.mark("first", "on")
    count = sa.text("select count(*) from marks")
    with ledger._reading() as connection:
        assert connection.scalar(count) == 1
        ledger.mark("second", "on")
        assert connection.scalar(count) == 1
    assert len(ledger.marks()) == 2


@pytest.mark.parametrize("durable", [True, False])
def test_only_what_exists_nowhere_else_waits_for_the_disk(clock: Clock, durable: bool) -> None:
    with running_server(durable=True) as server, Ledger(server.url(), clock) as ledger:
        with ledger._writing(durable=durable) as connection:
            found = connection.exec_driver_sql("show synchronous_commit").scalar()
        assert found == ("on" if durable else "off")


def test_readers_do_not_wait_for_a_writer(ledger: Ledger) -> None:
    with ledger._writing() as connection:
        connection.exec_driver_sql("insert into marks values ('half', 'done')")
        assert ledger.marks() == {}
    assert ledger.marks() == {"half": "done"}


def test_a_ledger_locked_by_another_process_is_a_transient_fault(
    postgres: Server, postgres_url: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setitem(PostgresSchema.connect.__globals__["SESSION"], "lock_timeout", "100ms")
    with Ledger(postgres_url, clock) as hasty:
        blocker = postgres.connect(name_of(postgres_url))
        with blocker.cursor() as cursor:
            cursor.execute(f"select pg_advisory_lock({WRITERS_LOCK})")
        with pytest.raises(LedgerUnavailable, match="could not answer") as caught:
            hasty.mark("dirty_sample", "on")
        assert caught.value.transient
        blocker.close()
        hasty.mark("dirty_sample", "on")
        assert ledger.marks() == {"dirty_sample": "on"}


def test_a_process_that_freezes_in_a_transaction_holds_up_no_other(ledger: Ledger) -> None:
    def freeze() -> None:
        with ledger._writing() as connection:
            connection.exec_driver_sql("set idle_in_transaction_session_timeout = '100ms'")
            time.sleep(0.5)
            connection.exec_driver_sql("insert into marks values ('too', 'late')")

    with pytest.raises(LedgerUnavailable, match=r"could not answer|cannot be reached"):
        freeze()
    ledger.mark("in", "time")
    assert ledger.marks() == {"in": "time"}


def test_a_server_that_was_restarted_between_two_calls_is_not_noticed(clock: Clock) -> None:
    with running_server() as server, Ledger(server.url(), clock) as ledger:
        ledger.request(MASTER, ())
        for mode in ("fast", "immediate"):
            server.restart(mode)
            assert [run.run_id for run in ledger.queued()] == [1]
            server.restart(mode)
            ledger.mark("restarted", mode)
            server.restart(mode)
            assert ledger.stamp() > 0


def test_a_server_that_is_lost_in_the_middle_of_a_transaction_takes_nothing_in(clock: Clock) -> None:
    with running_server() as server, Ledger(server.url(), clock) as ledger:
        ledger.request(MASTER, ())

        def write_half() -> None:
            with ledger._writing(durable=True) as connection:
                connection.exec_driver_sql("insert into marks values ('half', 'done')")
                server.kill()
                connection.exec_driver_sql("insert into marks values ('whole', 'done')")

        with pytest.raises(LedgerUnavailable):
            write_half()
        server.start()
        assert (ledger.marks(), len(ledger.queued())) == ({}, 1)


def test_a_lost_server_is_told_and_passes_when_it_is_back(clock: Clock) -> None:
    with running_server(scram=True) as server:
        database = Database(password="of the warehouse", ledger_password=ADMIN_PASSWORD)
        with Ledger(server.url(), clock, database) as ledger:
            ledger.request(MASTER, ())
            server.stop()
            for ask in (ledger.marks, ledger.claim_next, ledger.ping, ledger.stamp, ledger.size_bytes):
                with pytest.raises(LedgerUnavailable, match=f"postgres@127.0.0.1:{server.port}") as caught:
                    ask()
                assert caught.value.transient
                assert ADMIN_PASSWORD not in f"{caught.value!s}{caught.value.__cause__!s}{caught.value!r}"
            server.start()
            assert len(ledger.queued()) == 1


def test_a_server_that_is_not_there_at_the_start_is_told_within_seconds(clock: Clock) -> None:
    began = time.monotonic()
    ledger = Ledger("postgresql+psycopg2://who@127.0.0.1:1/none", clock, Database(password=SECRET))
    with pytest.raises(LedgerUnavailable, match=r"who@127.0.0.1:1/none.*cannot be reached") as caught:
        ledger.open()
    assert SECRET not in f"{caught.value!s}{caught.value.__cause__!s}"
    assert time.monotonic() - began < 5


def test_the_password_of_the_warehouse_serves_where_the_ledger_has_none_of_its_own(clock: Clock) -> None:
    with running_server(scram=True) as server:
        right = Database(password=ADMIN_PASSWORD)
        with Ledger(server.url(), clock, right) as ledger:
            ledger.ping()
        for wrong in (replace(right, ledger_password=SECRET), Database(password=SECRET)):
            with pytest.raises(LedgerError, match="password authentication failed") as caught:
                Ledger(server.url(), clock, wrong).open()
            assert SECRET not in f"{caught.value!s}{caught.value.__cause__!s}"


@pytest.fixture
def guest(postgres: Server, postgres_url: str) -> Iterator[str]:
    """The URL of this test's database for a role that may only connect."""
    role = f"guest_{name_of(postgres_url)}"
    postgres.execute(f"create role {role} login")
    yield postgres.url(name_of(postgres_url), role)
    postgres.execute(f"drop owned by {role}", name_of(postgres_url))
    postgres.execute(f"drop role {role}")


def test_a_role_without_rights_is_told_what_an_administrator_can_do(
    postgres: Server, postgres_url: str, guest: str, clock: Clock
) -> None:
    cure = r'create schema ledger authorization "guest_'
    with pytest.raises(LedgerError, match=f"permission denied for database.*{cure}") as caught:
        Ledger(guest, clock).open()
    assert not caught.value.transient
    postgres.execute("create schema ledger", name_of(postgres_url))
    with pytest.raises(LedgerError, match=f"no schema has been selected.*{cure}"):
        Ledger(guest, clock).open()
    postgres.execute("drop schema ledger", name_of(postgres_url))
    role = sa.make_url(guest).username
    postgres.execute(f"create schema ledger authorization {role}", name_of(postgres_url))
    with Ledger(guest, clock) as ledger:
        ledger.request(MASTER, ())
        assert len(ledger.queued()) == 1


def test_a_full_disk_is_told_as_one(ledger: Ledger) -> None:
    raising = "do $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$"
    with (
        pytest.raises(DiskFull, match="The disk is full: the ledger postgres@"),
        ledger._writing() as connection,
    ):
        connection.exec_driver_sql(raising)


def test_more_threads_than_connections_wait_for_their_turn(ledger: Ledger) -> None:
    marked = threading.Barrier(60)

    def work(n: int) -> None:
        marked.wait()
        ledger.mark(f"n{n}", "on")
        ledger.marks()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.marks()) == 60


def test_a_stamp_takes_less_than_a_page_can_notice(ledger: Ledger, record_property) -> None:
    ledger.stamp()
    began = time.perf_counter()
    for _ in range(200):
        ledger.stamp()
    each = (time.perf_counter() - began) / 200
    record_property("measured", f"stamp of a ledger in PostgreSQL: {each * 1000:.2f} ms")
    assert each < 0.02
