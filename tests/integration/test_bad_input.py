"""What may be wrong around a run: each is told once, with what to do, and costs nothing but itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from etl.declared import Contract
from etl.errors import CatalogError, DiskFull, WarehouseUnavailable
from etl.model import Run, RunState, TaskState
from etl.reader import Reader, ReadResult, Survey
from etl.service import Service, open_service
from etl.settings import Settings
from tests.faults.processes import Ended, command, ended, environment
from tests.requirements_met import not_run
from tests.workspaces import CUSTOMERS, QUICK, SALES, few_files, land, opened, run, workspace

BAD = "erp/erp_sales_2.csv"
GOOD = SALES + "5,12,2,1,2026-03-01,5.00\n"
SALES_TABLES = (
    "bronze.erp_sales_raw",
    "silver.sales_clean",
    "quarantine.erp_sales",
    "gold.product_analytics",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """A workspace that has published 100.00 of sales."""
    with opened(settings) as made:
        healthy(made)
        yield made


def healthy(service: Service) -> Run:
    """A run after which nothing is wrong any more."""
    made = run(service)
    assert made.state is RunState.SUCCEEDED, made.error
    verdict = service.verdict()
    assert verdict.ready, verdict.reasons
    assert not service.accounts().refused
    assert not [sight for sight in service.attention() if sight.state == "failed"]
    return made


def contents(service: Service, tables: Sequence[str] = SALES_TABLES) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(service.select(f"select * from {table}").rows, key=repr) for table in tables}


def revenue(service: Service) -> Decimal:
    found: Decimal = service.select("select sum(total_revenue) from gold.customer_analytics").rows[0][0]
    return found


def another_customer(settings: Settings, number: int = 4) -> None:
    """Something for the other source to go on with."""
    land(settings, f"crm/crm_customers_{number}.csv", CUSTOMERS + f"{number},Di,di@example.com,EAST\n")


def customers(service: Service) -> int:
    return int(service.select("select count(*) from silver.customers_clean").rows[0][0])


def told_of(service: Service, name: str) -> list[str]:
    """What the Overview says about a file, a table or a source."""
    return [f"{s.headline} {s.detail}" for s in service.attention() if name in s.headline or name in s.detail]


# -- files that cannot be taken in ----------------------------------------------------------------------------

REFUSED = {
    "an empty file": (b"", "is empty (0 bytes). Export it again."),
    "blank lines alone": (b"\n\r\n  \n", "nothing but blank lines. Export it again."),
    "a column with another name": (
        SALES.replace("sale_amount", "amount").encode() + b"5,12,2,1,2026-03-01,5.00\n",
        "has no column 'sale_amount' (found 'amount'). Add 'amount' to its aliases in contracts/erp_sales.odcs.yaml",
    ),
    "no header": (b"5,12,2,1,2026-03-01,5.00\n", "Is its header line missing?"),
    "the other source's file": (CUSTOMERS.encode() + b"4,Di,di@example.com,EAST\n", "has no columns 'sales_id'"),
    "another delimiter": (GOOD.replace(",", ";").encode(), "separated by ';', but its contract says ','"),
    "a column twice": (SALES.replace("quantity", "sales_id").encode(), "has the column 'sales_id' more than once."),
    "an Excel workbook": (b"PK\x03\x04" + os.urandom(512), "an Excel workbook, not CSV text. Export it as CSV."),
    "a program": (b"\x7fELF" + os.urandom(512), "is a program, not CSV text."),
    "binary": (b"\x00\x01\x02" * 300, "is binary"),
    "invalid UTF-8 in the header": (GOOD.replace("quantity", "qu\xe4ntity").encode("latin-1"), "is not utf-8 text"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_cannot_be_taken_in_is_told_once_and_costs_nothing_but_itself(
    service: Service, settings: Settings, content: bytes, told: str
) -> None:
    good = contents(service)
    land(settings, BAD, content)
    another_customer(settings)
    made = run(service)
    assert made.state is RunState.SUCCEEDED, made.error
    (refused,) = service.accounts().refused
    assert refused.path == BAD
    assert refused.reason.startswith("erp_sales_2.csv ")
    assert told in refused.reason
    assert [told in sight for sight in told_of(service, BAD)] == [True]
    assert any(BAD in reason for reason in service.verdict().reasons)
    assert contents(service)["bronze.erp_sales_raw"] == good["bronze.erp_sales_raw"]
    assert (customers(service), revenue(service)) == (4, Decimal("100.00"))
    version = service.version()
    run(service)
    assert service.version() == version, "it is not tried again as long as it lies there so"
    land(settings, BAD, GOOD)
    healthy(service)
    assert revenue(service) == Decimal("105.00")


def test_a_file_with_nothing_but_a_header_is_a_batch_without_rows(
    service: Service, settings: Settings
) -> None:
    good = contents(service, ["silver.sales_clean"])
    land(settings, BAD, SALES)
    made = healthy(service)
    assert [task.message for task in made.tasks if task.name == "bronze.erp_sales_raw"] == [
        "1 new file, 0 rows"
    ]
    (batch,) = [batch for batch in service.batches() if batch.path == BAD]
    assert (batch.state, batch.lines, batch.rows) == ("landed", 1, 0)
    assert contents(service, ["silver.sales_clean"]) == good
    land(settings, BAD, GOOD)
    healthy(service)
    assert revenue(service) == Decimal("105.00")


def test_a_line_that_is_not_utf_8_is_kept_raw_and_the_others_are_taken(
    service: Service, settings: Settings
) -> None:
    land(settings, BAD, GOOD.encode() + b"6,12,2,1,2026-03-0\xe9,7.00\n7,12,2,1,2026-03-02,7.00\n")
    assert run(service).state is RunState.SUCCEEDED
    assert revenue(service) == Decimal("112.00")
    ((source, _, line, raw, reason),) = service.unreadable().rows
    assert (source, line, raw) == ("erp_sales", 3, "6,12,2,1,2026-03-0\\xe9,7.00")
    assert "not valid utf-8" in reason
    assert len([sight for sight in told_of(service, "erp_sales") if "unreadable" in sight]) == 1
    assert all(account.closes for account in service.accounts().row_batches)


def test_a_pipe_and_a_link_that_leads_elsewhere_are_refused_and_do_not_hang(
    service: Service, settings: Settings, tmp_path: Path
) -> None:
    os.mkfifo(settings.landing / "erp" / "erp_sales_pipe.csv")
    outside = tmp_path / "elsewhere.csv"
    outside.write_text(GOOD)
    (settings.landing / "erp" / "erp_sales_link.csv").symlink_to(outside)
    (settings.landing / "erp" / "erp_sales_nowhere.csv").symlink_to(tmp_path / "nowhere.csv")
    another_customer(settings)
    assert run(service).state is RunState.SUCCEEDED
    reasons = {batch.path: batch.reason for batch in service.accounts().refused}
    assert set(reasons) == {"erp/erp_sales_pipe.csv", "erp/erp_sales_link.csv"}
    assert "not a regular file" in reasons["erp/erp_sales_pipe.csv"]
    assert "Put the file itself there" in reasons["erp/erp_sales_link.csv"]
    assert (customers(service), revenue(service)) == (4, Decimal("100.00"))


# -- no folder, no files, no permission -----------------------------------------------------------------------


def test_without_a_landing_folder_the_run_fails_and_says_what_to_create(
    service: Service, settings: Settings
) -> None:
    good = contents(service)
    shutil.move(settings.landing, settings.landing.with_name("away"))
    made = run(service)
    assert made.state is RunState.FAILED
    assert made.error.splitlines() == [
        f"The landing folder {settings.landing} does not exist. "
        "Create it, or point METALAYER_LANDING at the folder that holds the files."
    ]
    assert contents(service) == good
    shutil.move(settings.landing.with_name("away"), settings.landing)
    land(settings, BAD, GOOD)
    healthy(service)
    assert revenue(service) == Decimal("105.00")


def test_without_files_a_run_says_which_names_it_waits_for_and_nothing_is_green(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    with opened(settings) as service:
        made = run(service)
        assert made.state is RunState.SUCCEEDED, made.error
        (said,) = [task.message for task in made.tasks if task.name == "validate_source_data"]
        assert said.startswith("No files yet. Put CSV files under the landing folder")
        assert "erp/erp_sales*.csv" in said
        assert not service.verdict().ready
        few_files(settings)
        healthy(service)


DROP_PRIVILEGES = """
import ctypes, os, sys
if os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read everything
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP: the program that is started has them no more
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def without_privileges(settings: Settings, *arguments: str) -> Ended:
    """A command that file permissions bind, also where the tests run as root."""
    started = subprocess.Popen(
        [sys.executable, "-c", DROP_PRIVILEGES, "-m", "etl", *arguments],
        cwd=settings.root, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    done = ended(started)
    if done.err.startswith("prctl: "):
        not_run(f"root's own rights cannot be dropped here ({done.err.strip()})")
    return done


def test_a_file_that_may_not_be_read_is_refused_and_taken_in_once_it_may(settings: Settings) -> None:
    bad = land(settings, BAD, GOOD)
    bad.chmod(0)
    first = without_privileges(settings, "run", "--json")
    assert first.code == 1, first
    (refused,) = first.document["refused"]
    assert refused["reason"] == (
        f"erp_sales_2.csv cannot be read: permission denied. Give read permission: chmod a+r {bad}"
    )
    assert first.document["accounts"]["money"][0]["silver"] == "100.00"
    assert first.document["accounts"]["closes"] is True
    again = without_privileges(settings, "run", "--json").document
    assert (again["version"], again["tables"]) == (first.document["version"], first.document["tables"])
    bad.chmod(0o644)
    mended = without_privileges(settings, "run", "--json")
    assert (mended.code, mended.document["accounts"]["money"][0]["silver"]) == (0, "105.00")
    with opened(settings) as service:
        healthy(service)
        assert [b.arrivals for b in service.batches() if b.path == BAD and b.state == "landed"] == [1]


def test_a_folder_that_may_not_be_read_is_told_and_the_other_is_taken(settings: Settings) -> None:
    closed = settings.landing / "erp"
    closed.chmod(0)
    try:
        done = without_privileges(settings, "run", "--json")
    finally:
        closed.chmod(0o755)
    assert done.code == 1
    assert done.document["run"]["error"].splitlines()[0] == (
        f"{closed} cannot be read: permission denied. What lies there is not taken in. "
        f"Give permission: chmod a+rx {closed}"
    )
    assert done.document["tables"]["silver.customers_clean"] == 3
    with opened(settings) as service:
        healthy(service)
        assert revenue(service) == Decimal("100.00")


# -- files that do not hold still -----------------------------------------------------------------------------


class Meddling(Reader):
    """A reader with somebody at the landing folder while it works."""

    meddle: Callable[[], None] = staticmethod(lambda: None)

    def read(
        self, path: Path, contract: Contract, target: Path, surveyed: Survey | None = None
    ) -> ReadResult:
        if path.name == Path(BAD).name:
            type(self).meddle()
        return super().read(path, contract, target, surveyed)


class MeddlingLate(Meddling):
    """The same, when the file has been found unchanged and its records are about to be read."""

    def read(
        self, path: Path, contract: Contract, target: Path, surveyed: Survey | None = None
    ) -> ReadResult:
        self._reading = path.name == Path(BAD).name
        return Reader.read(self, path, contract, target, surveyed)

    @contextmanager
    def _scratch_folder(self) -> Iterator[Path]:
        with super()._scratch_folder() as folder:
            if self._reading:
                type(self).meddle()
            yield folder


@contextmanager
def meddled(service: Service, when: str, meddle: Callable[[], None]) -> Iterator[None]:
    """`meddle` is called after the landing folder was listed: before a file is opened, or while it is read."""
    sound, files = service.engine.tools, service.settings.files
    kind: type[Meddling] = type("Once", (MeddlingLate if when == "late" else Meddling,), {})
    kind.meddle = staticmethod(meddle)

    def reader(roots: Sequence[Path]) -> Reader:
        if when == "unopened":
            meddle()
            return Reader(roots, files)
        return kind(roots, files)

    service.engine.tools = replace(sound, reader=reader)
    try:
        yield
    finally:
        service.engine.tools = sound


@pytest.mark.parametrize("when", ["unopened", "early", "late"])
def test_a_file_that_vanishes_is_told_and_everything_else_goes_on(
    service: Service, settings: Settings, when: str
) -> None:
    bad = land(settings, BAD, GOOD)
    land(settings, "erp/erp_sales_3.csv", SALES + "6,12,2,1,2026-03-01,7.00\n")
    another_customer(settings)
    good = contents(service, ["silver.sales_clean"])
    with meddled(service, when, lambda: bad.unlink(missing_ok=True)):
        made = run(service)
    assert made.state is RunState.FAILED
    (said,) = made.error.splitlines()
    assert said.startswith("erp_sales_2.csv vanished ")
    assert said.endswith("Put it back, or let it be: the next run goes by what lies there then.")
    assert customers(service) == 4
    assert contents(service, ["silver.sales_clean"]) == good
    arrivals = {batch.path: batch.arrivals for batch in service.batches()}
    assert arrivals["erp/erp_sales_3.csv"] == 1, "taken in once, however often the other was tried"
    healthy(service)
    assert revenue(service) == Decimal("107.00")
    land(settings, BAD, GOOD)
    healthy(service)
    assert revenue(service) == Decimal("112.00")


@pytest.mark.parametrize("when", ["unopened", "early", "late"])
def test_a_file_that_grows_once_while_it_is_read_is_read_again_and_whole(
    service: Service, settings: Settings, when: str
) -> None:
    bad = land(settings, BAD, GOOD)
    lines = iter(["6,12,2,1,2026-03-01,7.00\n"])
    with meddled(service, when, lambda: append(bad, next(lines, ""))):
        made = run(service)
    assert made.state is RunState.SUCCEEDED, made.error
    assert revenue(service) == Decimal("112.00")
    tries = [len(task.attempts) for task in made.tasks if task.name == "bronze.erp_sales_raw"]
    assert tries == [1 if when == "unopened" else 2]
    assert [batch.rows for batch in service.batches() if batch.path == BAD] == [2], (
        "one batch, not two halves"
    )
    healthy(service)


def test_a_file_that_never_holds_still_is_told_and_left_for_the_next_run(
    service: Service, settings: Settings
) -> None:
    bad = land(settings, BAD, GOOD)
    another_customer(settings)
    number = 5

    def grow() -> None:
        nonlocal number
        number += 1
        append(bad, f"{number},12,2,1,2026-03-01,1.00\n")

    with meddled(service, "late", grow):
        made = run(service)
    assert made.state is RunState.FAILED
    (said,) = made.error.splitlines()
    assert said.startswith("erp_sales_2.csv changed while it was read (")
    assert said.endswith("Write it as NAME.part and rename it when it is whole.")
    assert (customers(service), revenue(service)) == (4, Decimal("100.00"))
    assert BAD not in {batch.path for batch in service.batches()}
    healthy(service)
    assert revenue(service) == Decimal("105.00") + QUICK.attempts


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_whoever_appends_during_runs_loses_no_line_and_doubles_none(
    service: Service, settings: Settings
) -> None:
    bad = land(settings, BAD, SALES)
    ended, written = threading.Event(), 0

    def keep_appending() -> None:
        nonlocal written
        while not ended.wait(0.003):
            append(bad, f"{100 + written},12,2,1,2026-03-01,1.00\n")
            written += 1

    writer = threading.Thread(target=keep_appending)
    writer.start()
    try:
        for _ in range(4):
            run(service)
            assert all(account.closes for account in service.accounts().row_batches)
    finally:
        ended.set()
        writer.join()
    healthy(service)
    assert revenue(service) == 100 + written
    assert service.select("select count(*) from silver.sales_clean where sales_id >= 100").rows == (
        (written,),
    )


# -- contracts and gold files ---------------------------------------------------------------------------------

BROKEN = {
    "a misspelt key in a contract": ("contracts/erp_sales.odcs.yaml", "required: true", "requird: true", "requird"),
    "a contract that is no YAML": ("contracts/erp_sales.odcs.yaml", "schema:", "schema: [", "YAML"),
    "a column that silver does not have": (
        "gold/product_analytics.sql", "sum(s.quantity)", "sum(s.quantty)", "quantty",
    ),
    "a gold file that is no SQL": ("gold/product_analytics.sql", "with products as (", "with products as ((", "gold"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_of_the_project_keeps_a_start_back_with_its_name_and_line(
    settings: Settings, file: str, old: str, new: str, told: str
) -> None:
    path = settings.project / file
    shipped = path.read_text()
    path.write_text(shipped.replace(old, new, 1))
    with pytest.raises(CatalogError) as caught, opened(settings):
        pass
    assert [problem.file for problem in caught.value.problems] == [file]
    (problem,) = caught.value.problems
    assert problem.line > 0
    assert told in f"{problem.file} {problem.message} {problem.hint}"
    path.write_text(shipped)
    with opened(settings) as service:
        healthy(service)


@pytest.mark.parametrize(("file", "old", "new", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_of_the_project_that_breaks_while_it_lives_leaves_the_last_good_one_in_force(
    service: Service, settings: Settings, file: str, old: str, new: str, told: str
) -> None:
    path = settings.project / file
    shipped = path.read_text()
    path.write_text(shipped.replace(old, new, 1))
    land(settings, BAD, GOOD)
    made = run(service)
    assert made.state is RunState.SUCCEEDED, made.error
    assert revenue(service) == Decimal("105.00")
    (said,) = told_of(service, file)
    assert told in said
    assert not service.verdict().ready, "numbers of rules that are no longer the written ones"
    path.write_text(shipped)
    healthy(service)


def test_a_contract_that_is_taken_away_while_it_lives_is_told(service: Service, settings: Settings) -> None:
    path = settings.project / "contracts" / "erp_sales.odcs.yaml"
    kept = path.read_text()
    path.unlink()
    land(settings, BAD, GOOD)
    run(service)
    assert told_of(service, "silver.sales_clean"), "gold reads a table that nothing declares any more"
    assert not service.verdict().ready
    path.write_text(kept)
    healthy(service)
    assert revenue(service) == Decimal("105.00")


AT_RUN_TIME = {
    "a cast that one row does not stand": ("sum(s.quantity)", "sum(cast(s.product_id || 'x' as integer))"),
    "a number too large for its column": ("sum(s.quantity)", "sum(s.quantity) + 9223372036854775807"),
    "a subquery with two rows": ("sum(s.quantity)", "sum((select t.quantity from silver.sales_clean as t))"),
}


@pytest.mark.parametrize(("old", "new"), AT_RUN_TIME.values(), ids=AT_RUN_TIME.keys())
def test_a_gold_file_that_fails_on_the_data_alone_leaves_its_table_as_it_was_and_the_others_go_on(
    service: Service, settings: Settings, old: str, new: str
) -> None:
    path = settings.project / "gold" / "product_analytics.sql"
    shipped = path.read_text()
    good = contents(service, ["gold.product_analytics"])
    path.write_text(shipped.replace(old, new, 1))
    land(settings, BAD, GOOD)
    made = run(service)
    assert made.state is RunState.FAILED
    states = {task.table: task.state for task in made.tasks if task.layer == "gold"}
    assert states == {
        "gold.customer_analytics": TaskState.SUCCEEDED,
        "gold.monthly_revenue": TaskState.SUCCEEDED,
        "gold.product_analytics": TaskState.FAILED,
    }
    assert made.error.startswith("gold.product_analytics could not be built: ")
    assert "Mend gold/product_analytics.sql or the data it meets" in made.error
    assert len([task for task in made.tasks if task.state is TaskState.FAILED]) == 1
    assert (contents(service, ["gold.product_analytics"]), revenue(service)) == (good, Decimal("105.00"))
    assert not service.verdict().ready
    path.write_text(shipped)
    healthy(service)


# -- the warehouse --------------------------------------------------------------------------------------------

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(settings: Settings) -> Iterator[int]:
    """The warehouse in another process's hands. Gives its process id."""
    path = settings.state / "warehouse.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.pid
        finally:
            holder.kill()


@pytest.mark.embedded
def test_a_warehouse_that_another_process_holds_is_told_with_its_number_after_a_wait(
    settings: Settings,
) -> None:
    with opened(settings) as service:
        healthy(service)
    with held(settings) as holder:
        started = time.monotonic()
        with pytest.raises(WarehouseUnavailable) as caught, open_service(settings, wait_seconds=0.5):
            pass
        assert time.monotonic() - started >= 0.5
        assert f"held by process {holder}" in caught.value.message
        assert "stop it" in caught.value.hint
        assert caught.value.exit_code == 1
    with opened(settings) as service:
        healthy(service)


@pytest.mark.embedded
def test_a_warehouse_that_is_let_go_in_time_is_waited_for(settings: Settings) -> None:
    with opened(settings) as service:
        healthy(service)
    with held(settings):
        waiting = command(settings, "status", "--json")
        time.sleep(1.5)
        assert waiting.poll() is None
    assert ended(waiting).code == 0


@pytest.mark.embedded
def test_a_file_in_the_warehouses_place_is_told_and_left_alone(settings: Settings) -> None:
    path = settings.state / "warehouse.duckdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database\n" * 500)
    done = ended(command(settings, "run", "--json"))
    assert done.code == 1
    assert str(path) in done.document["error"]["message"]
    assert done.document["error"]["hint"]
    assert path.read_bytes().startswith(b"this is no database")


# -- a full disk ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few megabytes, and a way to fill it up."""

    folder: Path

    def fill(self, leave_bytes: int) -> Path:
        stopper = self.folder / "stopper"
        free = shutil.disk_usage(self.folder).free
        with stopper.open("wb") as file:
            file.write(b"\0" * max(0, free - leave_bytes))
        return stopper


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A tmpfs; where none may be mounted, the tests that need it are not run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        not_run("a small file system cannot be mounted. Run the tests as root, on Linux")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def on(disk: SmallDisk, settings: Settings, *, ledger: bool = False) -> Settings:
    """The same workspace with its warehouse, and perhaps its ledger, on the small disk."""
    state = disk.folder / "state"
    return replace(
        settings,
        state=state,
        warehouse=f"duckdb:///{state / 'warehouse.duckdb'}",
        ledger=f"sqlite:///{(state if ledger else settings.state) / 'ledger.sqlite'}",
    )


MANY = 200_000


def many_sales() -> str:
    """Sales that cannot be packed to nearly nothing."""
    chance = Random(7)  # noqa: S311 - the same at every run, not secret
    lines = (
        f"{1000 + number},{chance.randint(1, 9999)},{chance.randint(1, 3)},{chance.randint(1, 99)},"
        f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02},{chance.randint(1, 99_999_999) / 100:.2f}"
        for number in range(MANY)
    )
    return SALES + "\n".join(lines) + "\n"


@pytest.mark.embedded
@pytest.mark.parametrize("landed", [False, True], ids=["while a file is read", "while silver is built"])
def test_a_full_disk_is_told_and_nothing_is_lost_when_there_is_space_again(
    settings: Settings, small_disk: SmallDisk, landed: bool
) -> None:
    with opened(on(small_disk, settings)) as service:
        healthy(service)
        land(settings, BAD, many_sales())
        if landed:
            assert run(service, "bronze").state is RunState.SUCCEEDED
        good, version = contents(service, SALES_TABLES[1:]), service.version()
        stopper = small_disk.fill(leave_bytes=300_000)
        made = run(service)
        assert made.state is RunState.FAILED
        (said,) = made.error.splitlines()
        assert "No space is left" in said
        assert "Free some" in said
        assert (contents(service, SALES_TABLES[1:]), service.version()) == (good, version)
        assert not service.verdict().ready
        stopper.unlink()
        healthy(service)
        assert service.select("select count(*) from silver.sales_clean").rows == ((MANY + 4,),)


@pytest.mark.embedded
def test_a_full_disk_under_the_ledger_too_is_told_and_the_next_start_puts_things_right(
    settings: Settings, small_disk: SmallDisk
) -> None:
    placed = on(small_disk, settings, ledger=True)
    with opened(placed) as service:
        healthy(service)
        good = contents(service)
        land(settings, BAD, many_sales())
        stopper = small_disk.fill(leave_bytes=30_000)
        with pytest.raises(DiskFull, match="The disk is full: the ledger") as caught:
            run(service)
        assert caught.value.hint == "Free some space and try again."
        assert contents(service) == good
    stopper.unlink()
    with opened(placed) as service:
        assert not [found for found in service.runs().runs if found.state is RunState.RUNNING]
        healthy(service)
        assert service.select("select count(*) from silver.sales_clean").rows == ((MANY + 4,),)


@pytest.mark.embedded
@pytest.mark.parametrize("leave_bytes", [0, 6_000, 40_000, 120_000])
def test_a_full_disk_at_the_first_start_is_told_and_leaves_nothing_that_stops_the_second(
    settings: Settings, small_disk: SmallDisk, leave_bytes: int
) -> None:
    placed = on(small_disk, settings, ledger=True)
    stopper = small_disk.fill(leave_bytes)
    with pytest.raises(DiskFull) as caught, opened(placed):
        pass
    assert caught.value.hint.startswith("Free some space")
    stopper.unlink()
    with opened(placed) as service:
        healthy(service)
