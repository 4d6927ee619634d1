"""The ledger, mostly as a file: how it is opened, what it refuses, faults, several processes at once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from etl.errors import DiskFull, LedgerError, LedgerUnavailable
from etl.ledger import Ledger, schema, sqlite
from etl.ledger.tables import metadata
from tests.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
MASTER = "master_etl_orchestrator"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(file: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{file}", clock) as opened:
        yield opened


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that runs `code`; `url` is its first argument."""
    start = (
        "import sys; from datetime import UTC, datetime; from etl.ledger import Ledger; "
        "ledger = Ledger(sys.argv[1], lambda: datetime.now(UTC))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = sqlite.engine_of(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_first_start_without_alembic_makes_the_same_database_as_the_migrations(
    tmp_path: Path, ledger: Ledger, file: Path
) -> None:
    engine = sqlite.engine_of(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.migrate(connection)
    engine.dispose()
    assert definitions(file) == definitions(tmp_path / "migrated.sqlite")


def definitions(file: Path) -> dict[str, list[str]]:
    """Every definition as SQLite keeps it, its lines sorted because constraints may come in another order."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    connection.close()
    return {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in rows}


def test_the_code_knows_every_migration_in_order() -> None:
    folder = ScriptDirectory(str(ROOT / "etl" / "ledger" / "migrations"))
    assert tuple(script.revision for script in reversed(list(folder.walk_revisions()))) == schema.REVISIONS


def test_a_ledger_without_a_revision_is_migrated(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) not null primary key)")
        connection.execute("insert into alembic_version values ('0000')")
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "REVISIONS", ("0000", *schema.REVISIONS))
        patch.setattr(schema, "migrate", lambda connection: migrated.append(connection.engine.url.database))
        migrated: list[str] = []
        Ledger(f"sqlite:///{file}", clock).open()
    assert migrated == [str(file)]


def test_a_ledger_newer_than_the_code_is_refused(ledger: Ledger, file: Path, clock: Clock) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    with pytest.raises(LedgerError, match=r"revision 9999.*up to 0004.*Update MetaLayer.*METALAYER_LEDGER"):
        Ledger(f"sqlite:///{file}", clock).open()


def test_a_database_that_is_no_ledger_is_refused_and_left_alone(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("create table customers (id integer)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="is no MetaLayer ledger: it has a table customers"):
        Ledger(f"sqlite:///{file}", clock).open()
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_with_its_cause(file: Path, clock: Clock) -> None:
    file.parent.mkdir()
    file.write_bytes(b"customer_id,name\n" * 500)
    with pytest.raises(LedgerError, match="file is not a database") as caught:
        Ledger(f"sqlite:///{file}", clock).open()
    assert isinstance(caught.value.__cause__, sa.exc.DatabaseError)
    assert not caught.value.transient


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d"])
def test_a_ledger_that_is_no_file_is_refused_without_telling_its_password(url: str, clock: Clock) -> None:
    with pytest.raises(LedgerError, match="METALAYER_LEDGER") as caught:
        Ledger(url, clock)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(LedgerError, match=r"state/deep cannot be made"):
        Ledger(f"sqlite:///{tmp_path / 'state' / 'deep' / 'ledger.sqlite'}", clock).open()


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()
    with pytest.raises(LedgerError, match="is not open"):
        ledger.ping()


def test_opening_needs_no_alembic_be_the_ledger_new_or_not(file: Path) -> None:
    for _ in range(2):
        other = python(
            "ledger.open(); print(ledger.revision(), 'alembic' in sys.modules)", f"sqlite:///{file}"
        )
        assert other.communicate(timeout=60)[0].split() == [schema.HEAD, "False"]


def test_readers_do_not_wait_for_a_writer(ledger: Ledger, file: Path) -> None:
    blocker = sqlite3.connect(file, isolation_level=None)
    blocker.execute("begin immediate")
    blocker.execute("insert into marks values ('half', 'done')")
    assert ledger.marks() == {}
    blocker.close()


def test_the_size_counts_the_write_ahead_log(ledger: Ledger, file: Path) -> None:
    ledger.mark("dirty_sample", "on")
    log = file.with_name("ledger.sqlite-wal").stat().st_size
    assert log > 0
    assert ledger.size_bytes() == file.stat().st_size + log


def test_a_ledger_locked_by_another_process_is_a_transient_fault(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    with Ledger(f"sqlite:///{file}", clock) as ledger:
        blocker = sqlite3.connect(file, isolation_level=None)
        blocker.execute("begin immediate")
        with pytest.raises(LedgerUnavailable, match="database is locked") as caught:
            ledger.mark("dirty_sample", "on")
        assert caught.value.transient
        blocker.close()
        ledger.mark("dirty_sample", "on")
        assert ledger.marks() == {"dirty_sample": "on"}


def test_a_full_disk_is_told_as_one_and_loses_nothing(ledger: Ledger) -> None:
    ledger.mark("before", "kept")
    engine = ledger._opened()
    engine.dispose()
    # SQLite answers exactly as on a full disk once the file may not grow.
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("pragma max_page_count = 1"))
    with pytest.raises(DiskFull, match="disk is full"):
        ledger.mark("large", "x" * 1_000_000)
    assert ledger.marks() == {"before": "kept"}


def test_a_run_asked_for_survives_a_kill(file: Path, clock: Clock) -> None:
    code = f"ledger.open(); ledger.request({MASTER!r}, ()); print('asked', flush=True); sys.stdin.read()"
    other = python(code, f"sqlite:///{file}")
    assert other.stdout is not None
    assert other.stdout.readline() == "asked\n"
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=30)
    with Ledger(f"sqlite:///{file}", clock) as ledger:
        assert [run.run_id for run in ledger.queued()] == [1]


ASK = """
sys.stdin.readline()
ledger.open()
for n in range(20):
    run, created = ledger.request('master_etl_orchestrator', [f'table_{n}'])
    print(n, run.run_id, created)
"""


def test_processes_that_ask_at_once_on_a_new_ledger_get_one_run_each_wish(
    ledger_url: str, clock: Clock
) -> None:
    others = [python(ASK, ledger_url) for _ in range(3)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    answers = [line.split() for other in others for line in other.communicate(timeout=60)[0].splitlines()]
    assert len(answers) == 60
    assert len({(n, run_id) for n, run_id, _ in answers}) == 20
    assert sum(created == "True" for _, _, created in answers) == 20
    with Ledger(ledger_url, clock) as ledger:
        assert len(ledger.queued()) == 20


WORK = """
sys.stdin.readline()
from etl.ledger import NewTask
from etl.model import RunState, TaskState
ledger.open()
for n in range(15):
    ledger.request('master_etl_orchestrator', [f'{sys.argv[2]}_{n}'])
    ledger.record_tick('master_etl_orchestrator', datetime(2026, 1, 1, 0, n, tzinfo=UTC), 'missed')
    run = ledger.claim_next()
    if run:
        for task in ledger.plan_tasks(run.run_id, [NewTask('a'), NewTask('b')]):
            ledger.start_task(task)
            ledger.finish_task(task, TaskState.SUCCEEDED)
            print(task)
        ledger.finish_run(run.run_id, RunState.SUCCEEDED)
"""


def test_processes_that_work_at_once_keep_one_running_run_and_ids_of_their_own(
    ledger_url: str, clock: Clock
) -> None:
    others = [python(WORK, ledger_url, n) for n in range(3)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    tasks = [line for other in others for line in other.communicate(timeout=120)[0].splitlines()]
    assert [other.returncode for other in others] == [0, 0, 0]
    assert len(tasks) == len(set(tasks)) > 0
    with Ledger(ledger_url, clock) as ledger:
        runs = ledger.runs(100)
        assert sorted(run.run_id for run in runs) == list(range(1, 46))
        assert len(tasks) == sum(len(run.tasks) for run in runs)
        assert len(ledger.ticks(100)) == 15
        ended = sorted((run for run in runs if run.finished_at), key=lambda run: run.started_at or clock.now)
        pairs = pairwise(ended)
        assert all(a.finished_at and b.started_at and a.finished_at <= b.started_at for a, b in pairs)


def test_threads_share_one_ledger(ledger_url: str, clock: Clock) -> None:
    with Ledger(ledger_url, clock) as ledger:
        ask_and_claim_at_once(ledger)


def ask_and_claim_at_once(ledger: Ledger) -> None:
    def work(n: int) -> bool:
        _, created = ledger.request(MASTER, [f"table_{n % 10}"])
        ledger.active_run()
        ledger.runs(5)
        return created

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(work, range(200)))
    assert sum(created) == 10
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(lambda _: ledger.claim_next(), range(32)))
    assert [run.run_id for run in claimed if run] == [1]
