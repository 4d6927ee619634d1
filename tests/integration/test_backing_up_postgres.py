"""Backup and restore where others work in the same PostgreSQL, or the ledger has a database of its own."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.model import Run, RunState
from etl.moving import backing_up
from etl.moving.restored import UNFINISHED
from etl.settings import Settings
from tests.both import tables
from tests.commands import command
from tests.contents import succeeded
from tests.postgres import Server, fresh_database
from tests.warehouses import on_postgres
from tests.workspaces import few_files, opened, run, workspace

GOLD = "gold/customer_analytics"
WAITS = (
    "select 1 from pg_locks as l join pg_database as d on d.oid = l.database "
    "where d.datname = '{name}' and not l.granted and l.mode = 'AccessExclusiveLock'"
)


@pytest.fixture(autouse=True)
def lying_on_postgres(postgres: Server) -> Iterator[None]:
    with on_postgres(postgres):
        yield


def rows_in(backup: Path) -> list[bytes]:
    with gzip.open(backup / f"{GOLD}.copy.gz") as file:
        return sorted(file)


def retype(settings: Settings) -> None:
    file = settings.project / f"{GOLD}.sql"
    text = file.read_text(encoding="utf-8")
    changed = text.replace("total_quantity, type: integer", "total_quantity, type: text").replace(
        "    r.total_quantity,", "    cast(r.total_quantity as varchar) as total_quantity,"
    )
    assert changed.count("varchar") == 1
    file.write_text(changed, encoding="utf-8")


def test_a_column_that_changes_its_type_waits_for_a_backup_which_holds_it_whole(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    begun, go_on = threading.Event(), threading.Event()
    real = backing_up._copied

    def paused(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return real(*arguments)

    with opened(settings) as service:
        succeeded(service)
        service.backup(str(tmp_path / "before"))
        monkeypatch.setattr(backing_up, "_copied", paused)
        taken = threading.Thread(target=service.backup, args=[str(tmp_path / "meanwhile")])
        taken.start()
        assert begun.wait(60)
        retype(settings)
        ended: list[Run] = []
        running = threading.Thread(target=lambda: ended.append(run(service)))
        running.start()
        name = settings.warehouse.rpartition("/")[2]
        give_up_at = time.monotonic() + 30
        while running.is_alive() and time.monotonic() < give_up_at:
            if postgres.execute(WAITS.format(name=name)):
                break
            time.sleep(0.02)
        waited = running.is_alive()
        go_on.set()
        taken.join()
        running.join()
        assert rows_in(tmp_path / "meanwhile") == rows_in(tmp_path / "before")
        assert waited, f"nothing waited for the backup: {ended}"
        assert [made.state for made in ended] == [RunState.SUCCEEDED], ended
        found = service.select("select total_quantity from gold.customer_analytics order by 1").rows
        assert found == (("2",), ("3",))


@pytest.mark.parametrize("replaces", [False, True])
def test_a_restore_that_ended_between_two_databases_is_recognised_and_done_again(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with opened(settings) as service:
        succeeded(service)
        service.backup(str(tmp_path / "backup"))
        before = tables(service)
    warehouse, ledger = fresh_database(postgres), fresh_database(postgres)
    there = replace(settings, state=tmp_path / "there", warehouse=warehouse, ledger=ledger)
    said = ["restore", str(tmp_path / "backup"), *(["--replace"] if replaces else [])]
    if replaces:
        with opened(there) as service:
            run(service, "init_db_schemas")
    with monkeypatch.context() as patched:
        cut_off_after_the_ledger(patched, postgres, there)
        assert command(there, *said).code == 1
    assert comment(postgres, ledger) == UNFINISHED
    for asked in ("status", "run", "doctor"):
        told = command(there, asked)
        assert (told.code, "was broken off" in told.out + told.err) == (1, True), told.out + told.err
    again = command(there, *said)
    assert again.code == 0, again.err
    assert comment(postgres, ledger) is None
    with opened(there) as service:
        after = tables(service)
        assert {n: r for n, r in after.items() if "_fence" not in n} == {
            n: r for n, r in before.items() if "_fence" not in n
        }
        succeeded(service)


def cut_off_after_the_ledger(monkeypatch: pytest.MonkeyPatch, postgres: Server, settings: Settings) -> None:
    """Whoever commits to the ledger's database loses every connection to the warehouse's."""
    real = sa.RootTransaction.commit
    warehouse, ledger = (url.rpartition("/")[2] for url in (settings.warehouse, settings.ledger))

    def commit(transaction: sa.RootTransaction) -> None:
        real(transaction)
        assert transaction.connection is not None
        if transaction.connection.engine.url.database == ledger:
            postgres.execute(
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{warehouse}'"
            )

    monkeypatch.setattr(sa.RootTransaction, "commit", commit)


def comment(postgres: Server, ledger: str) -> Any:
    found = postgres.execute(
        "select obj_description(to_regclass('ledger.runs'), 'pg_class')", ledger.rpartition("/")[2]
    )
    return found[0][0]
