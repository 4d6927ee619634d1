"""Backup and restore: what comes back equals what was there, row for row, and goes on working."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.errors import LeaseLost, UsageError
from etl.ledger.copying import TABLES
from etl.model import RunState
from etl.moving.manifest import NAME
from etl.moving.restored import mark_of
from etl.service import Service, start_service
from etl.settings import Settings
from etl.warehouse.postgres import PostgresWarehouse
from tests.both import tables
from tests.commands import Ended, command
from tests.contents import succeeded
from tests.lived import batch, lived
from tests.postgres import fresh_database
from tests.warehouses import NOW
from tests.workspaces import QUICK, SALES, few_files, land, opened, run, workspace


@pytest.fixture(scope="module")
def past(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with a past, and its backup in `backup` beside its state folder; nobody changes them."""
    settings = lived(tmp_path_factory.mktemp(f"lived_{kind}"))
    ended = command(settings, "backup", "--out", str(backup_of(settings)))
    assert ended.code == 0, ended.err
    return settings


def backup_of(settings: Settings) -> Path:
    return settings.state.parent / "backup"


def empty_beside(settings: Settings, folder: Path) -> Settings:
    """The same contracts and files, in a place where nothing is yet."""
    state = folder / "state"
    if NOW.server is not None:
        NOW.databases[state] = fresh_database(NOW.server)
    warehouse, ledger = NOW.urls(state)
    return replace(settings, state=state, warehouse=warehouse, ledger=ledger)


def history(service: Service) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the ledger."""
    with service._ledger._reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in TABLES
        }


def state_of(settings: Settings) -> tuple[Any, ...]:
    with opened(settings) as service:
        return tables(service), history(service), service.accounts(), service.version()


def without_fence(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """Whoever opens it takes a new fencing number."""
    return ({name: rows for name, rows in found[0].items() if "_fence" not in name}, *found[1:])


def restored(backup: Path, settings: Settings, *more: str) -> Ended:
    ended = command(settings, "restore", str(backup), *more)
    assert ended.code == 0, ended.out + ended.err
    return ended


def test_what_is_restored_equals_what_was_backed_up_history_included(past: Settings, tmp_path: Path) -> None:
    there = empty_beside(past, tmp_path)
    ended = restored(backup_of(past), there)
    assert "accounts hold" in ended.out
    assert without_fence(state_of(there)) == without_fence(state_of(past))


def test_what_is_restored_goes_on_working(past: Settings, tmp_path: Path) -> None:
    own = replace(past, landing=tmp_path / "landing")
    shutil.copytree(past.landing, own.landing)
    there = empty_beside(own, tmp_path)
    restored(backup_of(past), there)
    land(there, "erp/erp_sales_new.csv", SALES + "1,10,1,1,2026-01-05,41.00\n20,10,2,1,2026-07-05,1.10\n")
    with opened(there) as service:
        before = len(service.runs(1_000).runs)
        succeeded(service)
        found = service.select("select count(*) from silver.sales_clean where sales_id in (1, 20) ").rows
        assert found == ((2,),)
        service.work(service.reinstate_batch(batch(service, "_wrong.csv"), by="cy").run_id)
        assert len(service.runs(1_000).runs) == before + 2
        incremental = tables(service)
        succeeded(service, full=True)
        again = tables(service)
        for name in incremental:
            if name.startswith(("silver.", "gold.", "quarantine.")):
                assert again[name] == incremental[name], name
        assert all(account.closes for account in service.accounts().row_batches)


def test_a_backup_is_not_put_over_anything_unless_asked_to(past: Settings, tmp_path: Path) -> None:
    there = empty_beside(past, tmp_path)
    with opened(there) as service:
        run(service, "init_db_schemas")
        run(service, full=True)
    before = without_fence(state_of(there))
    refused = command(there, "restore", str(backup_of(past)))
    assert refused.code == 2
    assert "--replace" in refused.err
    assert without_fence(state_of(there)) == before
    restored(backup_of(past), there, "--replace")
    assert without_fence(state_of(there)) == without_fence(state_of(past))


@pytest.mark.embedded
def test_files_that_were_replaced_are_moved_aside(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with opened(settings) as service:
        succeeded(service)
        service.backup(str(tmp_path / "backup"))
    restored(tmp_path / "backup", settings, "--replace")
    (aside,) = settings.state.glob("replaced-*")
    assert {path.name for path in aside.iterdir()} >= {"warehouse.duckdb", "ledger.sqlite", "bronze"}


def test_an_engine_of_before_a_restore_cannot_write_after_it(
    past: Settings, tmp_path: Path, kind: str
) -> None:
    if kind == "duckdb":  # it holds the file: as long as it lives nothing is restored
        with opened(past):
            assert command(past, "restore", str(backup_of(past)), "--replace").code == 1
        return
    there = empty_beside(past, tmp_path)
    with opened(there) as service:
        run(service)
    for _ in range(20):  # far above the number in the backup
        with opened(there):
            pass
    frozen = PostgresWarehouse(there)
    try:
        before = frozen.take_fence()
        restored(backup_of(past), there, "--replace")
        with pytest.raises(LeaseLost), frozen._transaction():
            pass
        with opened(there) as service:
            assert service._fence > before, "a number that was given once is given again"
    finally:
        frozen.close()


@contextmanager
def changed(backup: Path, folder: Path) -> Iterator[Path]:
    """A copy of a backup to be spoiled."""
    copy = folder / "copy"
    shutil.copytree(backup, copy)
    yield copy
    shutil.rmtree(copy)


def some_file(backup: Path, kind: str) -> Path:
    return backup / ("warehouse.duckdb" if kind == "duckdb" else "silver/sales_clean.copy.gz")


def test_a_damaged_unfinished_or_foreign_backup_is_refused_by_name(
    past: Settings, tmp_path: Path, kind: str
) -> None:
    there = empty_beside(past, tmp_path)

    def refused(copy: Path) -> str:
        ended = command(there, "restore", str(copy))
        assert ended.code in (1, 2), ended.out
        return ended.err

    with changed(backup_of(past), tmp_path) as copy:
        file = some_file(copy, kind)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        assert f"{file} is not as it was written" in refused(copy)
        file.write_bytes(content[:-1])
        assert f"{file} is not as it was written" in refused(copy)
        file.unlink()
        assert f"{file} is missing" in refused(copy)
    with changed(backup_of(past), tmp_path) as copy:
        (copy / NAME).unlink()
        assert "holds no whole backup: it was not finished" in refused(copy)
        (copy / NAME).write_text("{}")
        assert "is not that of a MetaLayer backup" in refused(copy)
        (copy / NAME).write_text("{")
        assert "cannot be read" in refused(copy)
    with changed(backup_of(past), tmp_path) as copy:
        said = json.loads((copy / NAME).read_text())
        for change, words in (
            ({"format": 99}, "format 99"),
            ({"ledger_revision": "9999"}, "revision 9999"),
            ({"files": 5}, "is damaged"),
            (
                {"files": [*said["files"], {"path": "../out", "size_bytes": 1, "sha256": "x"}]},
                "outside of it",
            ),
            ({"kind": "embedded" if kind != "duckdb" else "postgresql"}, "the settings name one that is"),
        ):
            (copy / NAME).write_text(json.dumps(said | change))
            assert words in refused(copy)
    (tmp_path / "empty").mkdir()
    assert "it is empty" in refused(tmp_path / "empty")
    assert "There is no folder" in refused(tmp_path / "nowhere")
    restored(backup_of(past), there)  # nothing of all that has touched the place


def test_a_backup_of_an_older_ledger_is_brought_up_to_date(past: Settings, tmp_path: Path) -> None:
    with changed(backup_of(past), tmp_path) as copy:
        said = json.loads((copy / NAME).read_text())
        (copy / NAME).write_text(json.dumps(said | {"ledger_revision": "0003"}))
        there = empty_beside(past, tmp_path)
        restored(copy, there)
        restored(copy, there, "--replace")
    with opened(there) as service, opened(past) as before:
        assert service._ledger.revision() == before._ledger.revision()
        assert history(service) == history(before)
        assert run(service).state is RunState.SUCCEEDED


def test_a_backup_needs_a_folder_of_its_own(past: Settings, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = command(past, "backup", "--out", str(tmp_path))
    assert (ended.code, "is not empty" in ended.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == ["mine.txt"]


def test_a_backup_during_a_run_holds_one_version_whole(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    service = start_service(settings, retry=QUICK)
    stop = threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        number = 100
        try:
            while not stop.is_set():
                number += 1
                land(settings, f"erp/erp_sales_{number}.csv", f"{SALES}{number},10,1,1,2026-01-05,1.00\n")
                succeeded(service)
        except BaseException as fault:
            faults.append(fault)

    worker = threading.Thread(target=work)
    try:
        succeeded(service)
        worker.start()
        made = [service.backup(str(tmp_path / f"backup-{number}")) for number in range(4)]
    finally:
        stop.set()
        worker.join()
        service.close()
    assert not faults
    assert made[0].version < made[-1].version, "no run had published between the backups"
    for number, found in enumerate(made):
        there = empty_beside(settings, tmp_path / f"there-{number}")
        restored(tmp_path / f"backup-{number}", there)
        with opened(replace(there, landing=tmp_path / "no landing")) as back:
            assert back.version() == found.version
            silver = back.select("select count(*), sum(sale_amount) from silver.sales_clean").rows[0]
            gold = back.select("select sum(total_revenue) from gold.customer_analytics").rows[0]
            assert gold[0] == silver[1], "gold is of another version than silver"


def test_a_running_app_is_asked_for_the_backup_and_holds_off_a_restore(
    past: Settings, tmp_path: Path
) -> None:
    with opened(past) as service:
        service.backup(str(tmp_path / "taken"))
        refused = command(past, "restore", str(tmp_path / "taken"), "--replace")
    assert refused.code == 1
    assert "works on" in refused.err
    assert (tmp_path / "taken" / NAME).exists()


@pytest.mark.embedded
def test_a_restore_that_was_broken_off_is_recognised_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with opened(settings) as service:
        succeeded(service)
        service.backup(str(tmp_path / "backup"))
        before = tables(service)
    moved: list[object] = []
    real = shutil.move

    def breaks_off(path: Any, target: Any) -> Any:
        moved.append(path)
        if len(moved) == 4:
            raise OSError(5, "Input/output error", str(path))
        return real(path, target)

    monkeypatch.setattr(shutil, "move", breaks_off)
    assert command(settings, "restore", str(tmp_path / "backup"), "--replace").code != 0
    monkeypatch.undo()
    assert mark_of(settings).exists()
    told = command(settings, "status")
    assert (told.code, "was broken off" in told.err) == (1, True)
    restored(tmp_path / "backup", settings, "--replace")
    with opened(settings) as service:
        after = tables(service)
        assert {n: r for n, r in after.items() if "_fence" not in n} == {
            n: r for n, r in before.items() if "_fence" not in n
        }


@pytest.mark.embedded
def test_a_backup_of_two_kinds_is_refused(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    with opened(settings) as service:
        service.settings = replace(settings, ledger="postgresql+psycopg2://a@b/c")
        with pytest.raises(UsageError, match="of different kinds"):
            service.backup(str(tmp_path / "backup"))
