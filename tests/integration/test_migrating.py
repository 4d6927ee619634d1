"""Moving up: an embedded installation is carried over into a PostgreSQL, whole or not at all, and goes on there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.mends import RowPlace
from etl.moving import migrating, sums
from etl.service import Service, open_service
from etl.settings import ROOT, Settings
from tests.both import Both
from tests.commands import command, environment
from tests.lived import batch, lived
from tests.postgres import Server, drop_fresh, fresh_database
from tests.workspaces import QUICK, SALES, few_files, land, opened, run, workspace

CARRY = [sys.executable, "-m", "etl", "migrate", "--to"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Used by every test of this file: nothing that is tried may change it."""
    return lived(tmp_path_factory.mktemp("lived"), sample=True)


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """An installation of few rows."""
    made = workspace(tmp_path)
    few_files(made)
    with opened(made) as service:
        run(service)
    return made


@pytest.fixture
def ledger_url(postgres: Server) -> Iterator[str]:
    """A second empty database."""
    url = fresh_database(postgres)
    yield url
    drop_fresh(postgres, url)


@contextmanager
def both_of(source: Settings, moved: Settings) -> Iterator[Both]:
    """The installation that stayed and the one that moved, with one clock."""
    begun = datetime.now(UTC)
    clock: list[Both] = []

    def now() -> datetime:
        return clock[0].now if clock else begun

    with (
        open_service(source, clock=now, retry=QUICK) as one,
        open_service(moved, clock=now, retry=QUICK) as other,
    ):
        clock.append(Both(one, other, begun))
        yield clock[0]


def moved_to(url: str, source: Settings, state: Path) -> Settings:
    """The same workspace in a PostgreSQL, its own files elsewhere."""
    return replace(source, warehouse=url, ledger=url, state=state)


def files_of(settings: Settings) -> dict[str, str]:
    """Every file of an installation by its content; not who works on it, and nothing that is only remembered."""
    passing = ("remembered", "logs", ".lease", "-wal", "-shm", "spill", "scratch")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(settings.state.rglob("*"))
        if path.is_file() and not any(part in str(path) for part in passing)
    }


def results(service: Service) -> list[tuple[Any, ...]]:
    """Of every check, but for how long it took just now."""
    return [
        (found.check, found.table, found.history, replace(found.result, duration_seconds=0.0, query=""))
        for found in service.checks()
    ]


def tables_in(server: Server, url: str) -> int:
    """How many tables there are under the names of MetaLayer."""
    found = server.execute(
        "select count(*) from pg_tables where schemaname in ('bronze', 'silver', 'gold', 'quarantine', 'ledger')",
        url.rpartition("/")[2],
    )
    return int(found[0][0])


def test_everything_is_carried_over_and_nothing_is_due_afterwards(
    source: Settings, postgres_url: str, tmp_path: Path
) -> None:
    before = files_of(source)
    ended = command(source, "migrate", "--to", postgres_url)
    assert ended.code == 0, ended.out + ended.err
    assert f"METALAYER_WAREHOUSE={postgres_url}" in ended.out
    assert "NO" not in ended.out.split()
    assert files_of(source) == before

    moved = moved_to(postgres_url, source, tmp_path / "state")
    with both_of(source, moved) as both:
        stayed, there = both.duckdb, both.postgres
        both.require_equal()
        assert there.runs(1_000).runs == stayed.runs(1_000).runs
        assert there.reports(100) == stayed.reports(100)
        assert there.report() == stayed.report()
        assert there.mends(100) == stayed.mends(100)
        assert there.incidents() == stayed.incidents() != ()
        assert [p.paused for p in there.pipelines()] == [p.paused for p in stayed.pipelines()]
        assert results(there) == results(stayed)
        assert there.accounts() == stayed.accounts()
        assert there.explain("silver.sales_clean", "5") == stayed.explain("silver.sales_clean", "5")
        assert there.explain("silver.sales_clean", "6") == stayed.explain("silver.sales_clean", "6")
        assert there.version() == stayed.version()
        assert there.plan() == stayed.plan()
    dry = command(moved, "run", "--dry-run", "--json").document["plan"]
    due = [step["name"] for step in dry["steps"] if step["mode"] != "skip"]
    assert due == ["validate_source_data", "determine_processing_branch", "validate"], (
        "nothing to land or to build"
    )


def test_a_column_has_the_type_that_a_warehouse_of_its_own_gives_it(
    small: Settings, postgres: Server, postgres_url: str, ledger_url: str, tmp_path: Path
) -> None:
    assert command(small, "migrate", "--to", postgres_url).code == 0
    with opened(moved_to(ledger_url, small, tmp_path / "own")) as service:
        run(service)
    ours = "('bronze', 'silver', 'gold', 'quarantine', 'ledger')"
    shape = (
        "select table_schema, table_name, column_name, ordinal_position, is_nullable, numeric_precision, "
        "numeric_scale, replace(data_type, 'character varying', 'text') from information_schema.columns "
        f"where table_schema in {ours} order by 1, 2, 3"
    )
    indexes = (
        "select schemaname, tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'ON') from pg_indexes "
        f"where schemaname in {ours} order by 1, 2, 3"
    )
    grants = (
        "select table_schema, table_name, privilege_type from information_schema.role_table_grants "
        "where grantee = 'metalayer_reader' order by 1, 2, 3"
    )
    for sql in (shape, indexes, grants):
        one, other = (postgres.execute(sql, url.rpartition("/")[2]) for url in (postgres_url, ledger_url))
        assert one == other
        assert one


def test_what_was_carried_over_goes_on_like_the_one_that_stayed(tmp_path: Path, postgres_url: str) -> None:
    source = lived(tmp_path / "stays")
    assert command(source, "migrate", "--to", postgres_url).code == 0
    with both_of(source, moved_to(postgres_url, source, tmp_path / "state")) as both:
        both.run()
        land(
            source,
            "erp/erp_sales_new.csv",
            SALES + "1,10,1,1,2026-01-05,41.00\n20,10,2,1,2026-07-05,1.10\n21,10,77,1,2026-07-05,1.10\n",
        )
        both.run()
        bad = batch(both.duckdb, "_bad.csv")
        both.mend(lambda service: service.restore("erp_sales", [RowPlace(bad, 3)], by="bo"))
        both.mend(lambda service: service.reinstate_batch(batch(service, "_wrong.csv"), by="cy"))
        both.mend(lambda service: service.withdraw_batch(batch(service, "_new.csv"), "no", by="cy"))
        both.run(full=True)


def test_a_ledger_may_go_into_a_database_of_its_own(
    small: Settings, postgres: Server, postgres_url: str, ledger_url: str, tmp_path: Path
) -> None:
    ended = command(small, "migrate", "--to", postgres_url, "--ledger-to", ledger_url)
    assert ended.code == 0, ended.err
    assert f"METALAYER_LEDGER={ledger_url}" in ended.out
    moved = replace(moved_to(postgres_url, small, tmp_path / "state"), ledger=ledger_url)
    with both_of(small, moved) as both:
        both.require_equal()
        assert both.postgres.runs().runs == both.duckdb.runs().runs
        both.run(full=True)


def test_a_database_that_holds_anything_under_our_names_is_refused_by_it(
    small: Settings, postgres: Server, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.execute("create schema gold", name)
    postgres.execute("create table gold.mine (n integer)", name)
    ended = command(small, "migrate", "--to", postgres_url)
    assert ended.code == 2
    assert "is not empty: it holds gold.mine." in ended.err
    assert tables_in(postgres, postgres_url) == 1


def test_a_migration_that_differs_changes_nothing_and_says_where(
    small: Settings, postgres: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sums.in_postgres

    def lost_one(session: Any, source: str, columns: Any) -> sums.Sum:
        if source == '"silver"."sales_clean"':
            session.run(f"delete from {source} where _row_number = 3")
        return real(session, source, columns)

    monkeypatch.setattr(sums, "in_postgres", lost_one)
    ended = command(small, "migrate", "--to", postgres_url)
    assert ended.code == 1
    assert "Nothing was changed on either side." in ended.out
    assert "NOT EQUAL: The row account" in ended.out
    line = next(line for line in ended.out.splitlines() if line.startswith("silver.sales_clean"))
    assert line.split()[1:] == ["4", "3", "NO"]
    assert tables_in(postgres, postgres_url) == 0
    monkeypatch.undo()
    assert command(small, "migrate", "--to", postgres_url).code == 0


def test_a_migration_that_is_killed_leaves_nothing_and_a_second_try_works(
    source: Settings, postgres: Server, postgres_url: str
) -> None:
    copying = "select count(*) from pg_stat_activity where query like 'copy %' and datname = '{}'"
    killed = 0
    for seconds in (0.0, 0.4, 0.8):
        with subprocess.Popen(
            [*CARRY, postgres_url], cwd=ROOT, env=environment(source), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            give_up_at = time.monotonic() + 60
            while postgres.execute(copying.format(postgres_url.rpartition("/")[2])) == [(0,)]:
                assert process.poll() is None
                assert time.monotonic() < give_up_at
            time.sleep(seconds)
            os.kill(process.pid, signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        assert tables_in(postgres, postgres_url) == 0
    assert killed == 3
    assert command(source, "migrate", "--to", postgres_url).code == 0


def test_a_try_that_ended_between_two_databases_is_taken_up_again(
    small: Settings, postgres: Server, postgres_url: str, ledger_url: str
) -> None:
    name = ledger_url.rpartition("/")[2]
    postgres.execute("create schema ledger", name)
    postgres.execute("create table ledger.runs (half boolean)", name)
    refused = command(small, "migrate", "--to", postgres_url, "--ledger-to", ledger_url)
    assert (refused.code, "it holds ledger.runs" in refused.err) == (2, True)
    postgres.execute(f"comment on schema ledger is '{migrating.UNFINISHED}'", name)
    assert command(small, "migrate", "--to", postgres_url, "--ledger-to", ledger_url).code == 0
    marked = "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'ledger'"
    assert postgres.execute(marked, name) == [(None,)]


def test_a_workspace_that_is_in_use_is_not_carried_over(
    small: Settings, postgres: Server, postgres_url: str
) -> None:
    with opened(small):
        ended = command(small, "migrate", "--to", postgres_url)
    assert ended.code == 1
    assert "Stop it" in ended.err
    assert tables_in(postgres, postgres_url) == 0


def test_only_an_embedded_installation_with_something_in_it_is_carried_over(
    small: Settings, postgres_url: str, ledger_url: str, tmp_path: Path
) -> None:
    served = moved_to(ledger_url, small, tmp_path / "served")
    ended = command(served, "migrate", "--to", postgres_url)
    assert (ended.code, "is not embedded" in ended.err) == (2, True)
    ended = command(workspace(tmp_path / "new"), "migrate", "--to", postgres_url)
    assert (ended.code, "nothing to carry over" in ended.err) == (2, True)
    ended = command(small, "migrate", "--to", "duckdb:///elsewhere.duckdb")
    assert (ended.code, "--to" in ended.err) == (2, True)


def test_the_password_is_used_and_never_told(small: Settings, postgres_url: str) -> None:
    secret = postgres_url.replace("postgres@", "postgres:very-secret@")
    ended = command(small, "migrate", "--to", secret)
    assert ended.code == 0, ended.err
    assert "very-secret" not in ended.out + ended.err
    assert "METALAYER_DATABASE_PASSWORD" in ended.out


def test_rows_of_a_source_whose_contract_is_gone_are_carried_over_too(
    small: Settings, postgres: Server, postgres_url: str
) -> None:
    for path in (small.project / "gold").glob("*.sql"):
        path.unlink()
    (small.project / "contracts" / "erp_sales.odcs.yaml").unlink()
    ended = command(small, "migrate", "--to", postgres_url)
    assert ended.code == 0, ended.out + ended.err
    found = postgres.execute("select count(*) from bronze.erp_sales_raw", postgres_url.rpartition("/")[2])
    assert found == [(4,)]


def test_a_list_of_reasons_is_the_same_list_in_postgresql(postgres: Server) -> None:
    reasons = ['say "x"', "back\\slash", "a, b", "{}", "", "null", "it's é", "two\nlines"]
    written = migrating._written("r", "VARCHAR[]")
    (text,) = (
        duckdb.connect().execute(f"select {written} from (select ?::varchar[] as r)", [reasons]).fetchone()
        or ()
    )
    connection = postgres.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("select %s::text[]", [text])
            assert cursor.fetchone() == (reasons,)
    finally:
        connection.close()


ONE = "({}, {}, 1.50::decimal(38,4), date '0001-01-01', timestamp '2026-01-01 00:00:00.12', true, {})"
ROW = ONE.format(1, "'a'", "['x', 'y\"z']")
OTHERS = (
    ONE.format(2, "'a'", "['x', 'y\"z']"),
    ONE.format(1, "'A'", "['x', 'y\"z']"),
    ONE.format(1, "null", "['x', 'y\"z']"),
    ONE.format(1, "'a'", "['x']"),
    ROW.replace("1.50", "1.51"),
    ROW.replace("0001", "0002"),
    ROW.replace(".12", ".13"),
    ROW.replace("true", "false"),
)


def test_a_sum_does_not_depend_on_the_order_of_rows_and_tells_every_change() -> None:
    connection = duckdb.connect()

    class Here:
        def rows(self, sql: str, params: object = ()) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

    names = "t(a, b, c, d, e, f, g)"
    kinds = ("INTEGER", "VARCHAR", "DECIMAL(38,4)", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR[]")
    columns = dict(zip("abcdefg", kinds, strict=True))

    def summed(*rows: str) -> sums.Sum:
        here: Any = Here()
        return sums.in_duckdb(here, f"(values {', '.join(rows)}) as {names}", columns)

    assert summed(ROW, OTHERS[0]) == summed(OTHERS[0], ROW)
    assert summed(ROW, ROW) != summed(ROW)
    for changed in OTHERS:
        assert summed(changed) != summed(ROW)
