"""Kill -9 at any moment: what was published is whole, what was not is due again, and nothing is left lying about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from etl.mends import Edit, MendState
from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.contents import BRONZE, PUBLISHED, contents
from tests.faults.forked import Forked
from tests.faults.processes import serving, until
from tests.templates import MEMORY
from tests.times import TIMES
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

MASTER = "master_etl_orchestrator"
KILLS = 15  # in a series; each series has a workspace of its own
SERIES = range(1 if TIMES == 1 else -(-10 * TIMES // KILLS))
WHOLE_COMMANDS = 2  # before the first kill
SALES_IN_A_FILE = 400
Shown = dict[str, list[tuple[Any, ...]]]


def files(settings: Settings, number: int) -> None:
    """The next file of either source: new keys and new versions, customers that come a file late, broken lines."""
    customers = [f"{1 + n},Customer {number},c{n}@example.com,R{n % 9}" for n in range(100 + 20 * number)]
    land(settings, f"crm/crm_customers_{number:03}.csv", CUSTOMERS + "\n".join([*customers, "1,2"]) + "\n")
    first = number * SALES_IN_A_FILE * 4 // 5
    sales = [
        f"{1 + n},{n % 88},{1 + n % (110 + 20 * number)},{n % 50},2026-03-{1 + n % 30:02},{1 + number}.{n % 100:02}"
        for n in range(first, first + SALES_IN_A_FILE)
    ]
    land(settings, f"erp/erp_sales_{number:03}.csv", SALES + "\n".join([*sales, '7,"open', "9,,,,,"]) + "\n")


def mend(service: Service, number: int) -> None:
    """Ask for what the next run is to take up beside its files: by turns a correction, a discard, a withdrawal of the
    sales before, and that taken back.
    """
    rows = service.aside("erp_sales", limit=5).rows
    batches = {batch.path: batch.batch_id for batch in service.batches()}
    match number % 4:
        case 0:
            service.replay_edits("erp_sales", [Edit(row.place, (("quantity", "1"),)) for row in rows])
        case 1:
            service.discard("erp_sales", [row.place for row in rows[:2]], "test rows")
        case 2:
            service.withdraw_batch(batches[f"erp/erp_sales_{number - 1:03}.csv"], "the wrong file")
        case _:
            service.reinstate_batch(batches[f"erp/erp_sales_{number - 2:03}.csv"])


@dataclass
class Uninterrupted:
    """A workspace that gets the same files and mends and is never killed: what each version must look like."""

    service: Service
    versions: list[Shown] = field(default_factory=list)  # after each pair of files
    bronze: list[Shown] = field(default_factory=list)

    def go_on(self) -> None:
        """Take in the next files, and from the third on what was mended."""
        number = len(self.versions)
        files(self.service.settings, number)
        if number >= WHOLE_COMMANDS:
            mend(self.service, number)
        ended = run(self.service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        self.versions.append(contents(self.service, PUBLISHED))
        self.bronze.append(contents(self.service, BRONZE))


def require_whole(service: Service, uninterrupted: Uninterrupted) -> None:
    """Whatever the kill hit: whole batches, one whole version, closed accounts, no leftovers."""
    accounts = service.accounts()
    assert all(account.closes for account in accounts.row_batches)
    assert all(account.closes for account in accounts.money_batches)
    for batch in service.batches():
        table = service.catalog.contracts[batch.source].bronze_table
        held = service.select(f"select count(*) from bronze.{table} where _batch_id = ?", [batch.batch_id])
        assert held.rows == ((batch.rows,),), "no half batch"
    assert contents(service, PUBLISHED) in uninterrupted.versions[-2:], (
        "the version before or the version after, whole"
    )
    require_swept(service)


def require_swept(service: Service) -> None:
    known = {batch.batch_id for batch in service.batches()}
    lying = {path.stem for path in (service.settings.files / "bronze").rglob("*") if path.is_file()}
    assert lying <= known, "a Parquet file without a batch"
    assert not list((service.settings.files / "scratch").glob("*"))
    with service._warehouse.session() as session:
        aside = session.rows("select table_name from duckdb_tables() where starts_with(table_name, '_new_')")
    assert aside == []


def require_reconciled(service: Service, before: set[int]) -> None:
    """The run that was cut off is told as what it came to."""
    published = {
        stands.run_id for stands in service._warehouse.published().values() if stands.table[:4] != "bron"
    }
    for found in service.runs().runs:
        assert found.state is not RunState.RUNNING
        if found.run_id in before or found.pipeline != MASTER:
            continue
        assert found.state in (RunState.SUCCEEDED, RunState.INTERRUPTED, RunState.QUEUED)
        if found.state is RunState.INTERRUPTED:
            assert found.run_id not in published
            assert "ended while the run was at work" in found.error
            assert all(task.finished_at or not task.started_at for task in found.tasks)
        if found.run_id in published:
            assert found.state is RunState.SUCCEEDED


# Where a command is when it is killed: what has just come into being, or a share of the time a whole one takes.
Moment = Callable[[Settings], bool] | float
MOMENTS: tuple[Moment, ...] = (
    lambda s: any((s.files / "scratch").glob("reader-*")),  # a file is being read
    lambda s: (
        parquet_files(s) > len(list((s.landing / "erp").glob("*.csv"))) - 1
    ),  # a file has become Parquet
    lambda s: size(s.state / "warehouse.duckdb.wal") > 20_000,  # the log of the warehouse grows
)


def parquet_files(settings: Settings) -> int:
    return len(list((settings.files / "bronze" / "erp_sales_raw").glob("*")))


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def moments(chance: Random) -> list[Moment]:
    """The named moments, and as many points as are left spread over the whole of a command, each at random."""
    spread = KILLS - len(MOMENTS)
    shares = [(place + chance.random()) / spread for place in range(spread)]
    found: list[Moment] = [*MOMENTS, *shares]
    chance.shuffle(found)
    return found


def killed_at(forked: Forked, settings: Settings, moment: Moment, whole_seconds: float) -> bool:
    """Start a command and kill it then. False when it had ended before."""
    forked.start(settings, "run", "--json")
    if isinstance(moment, float):
        time.sleep(whole_seconds * moment)
    else:
        while forked.works() and not moment(settings):
            time.sleep(0.0005)
    return forked.kill()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("series", SERIES)
def test_a_command_that_is_killed_leaves_whole_versions_and_the_next_one_goes_on(
    series: int, record_property: Callable[[str, object], None]
) -> None:
    seed = int(time.time())
    chance, outcomes = Random(seed), Counter[str]()  # noqa: S311 - told below, so that a failure can be looked into
    with (
        TemporaryDirectory(dir=MEMORY) as folder,
        Forked(Path(folder) / "said") as forked,
        opened(workspace(Path(folder) / "uninterrupted")) as service_of_its_own,
    ):
        settings = workspace(Path(folder) / "killed")
        uninterrupted = Uninterrupted(service_of_its_own)
        whole = seconds_of_a_whole_command(forked, settings, uninterrupted)
        for number, moment in enumerate(moments(chance), start=WHOLE_COMMANDS):
            uninterrupted.go_on()
            with opened(settings) as service:
                before = {found.run_id for found in service.runs().runs}
                mend(service, number)
            files(settings, number)
            hit = killed_at(forked, settings, moment, whole)
            with opened(settings) as service:
                require_reconciled(service, before)
                require_whole(service, uninterrupted)
                outcomes.update(told(service, before) if hit else ["ended before"])
                rest = run(service)
                assert rest.state is RunState.SUCCEEDED, (rest.error, seed)
                require_whole(service, uninterrupted)
                assert contents(service, PUBLISHED) == uninterrupted.versions[-1], seed
                assert contents(service, BRONZE) == uninterrupted.bronze[-1], "every file once"
                assert {asked.state for asked in service.mends()} == {MendState.APPLIED}, "every mend once"
    assert outcomes["interrupted"] > 1, f"too few kills hit a run at work: {outcomes}, seed {seed}"
    record_property("measured", f"{KILLS} times kill -9 of a command left its run: {dict(outcomes)}")


def seconds_of_a_whole_command(forked: Forked, settings: Settings, uninterrupted: Uninterrupted) -> float:
    """What the last of them takes: the first one has statements to compile."""
    started = 0.0
    for number in range(WHOLE_COMMANDS):
        files(settings, number)
        uninterrupted.go_on()
        started = time.monotonic()
        forked.start(settings, "run", "--json")
        code, said = forked.ended()
        assert code == 0, said
    return time.monotonic() - started


def told(service: Service, before: set[int]) -> Sequence[str]:
    """What the runs that were asked for by the killed command came to."""
    return [found.state.value for found in service.runs().runs if found.run_id not in before] or ["not asked"]


MANY = 40_000
NEVER = "0 0 29 2 *"  # a tick in between would be a run of its own


def many_sales(settings: Settings) -> None:
    """A file that takes a while."""
    sales = (f"{10 + n},{n % 88},{1 + n % 3},1,2026-03-{1 + n % 28:02},1.01\n" for n in range(MANY))
    land(settings, "erp/erp_sales_many.csv", SALES + "".join(sales))


def test_a_server_that_is_killed_at_work_is_started_again_and_finishes(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with serving(settings, tmp_path / "first.log", METALAYER_SCHEDULE=NEVER) as first:
        until(lambda: first.ready().ask("verdict")["ready"])
        many_sales(settings)
        until(
            lambda: any(
                run["state"] == "running" and run["tasks"] for run in first.ask("runs", limit=1)["runs"]
            )
        )
        time.sleep(Random(int(time.time())).uniform(0, 0.6))  # noqa: S311 - any moment will do
        first.kill()
        announced = first.announced
        assert announced["pid"] == first.process.pid, "nobody could take it away"
    with serving(settings, tmp_path / "second.log", METALAYER_SCHEDULE=NEVER) as second:
        assert second.ready().announced["secret"] != announced["secret"]
        # What had landed is no news to the watcher: it is taken up by the next run, whoever asks for one.
        asked = second.ask("request_run")["run_id"]
        until(lambda: second.ask("run", run_id=asked)["state"] == "succeeded", told=lambda: second.said)
        assert second.ask("verdict")["ready"], second.ask("verdict")
        states = {found["state"] for found in second.ask("runs")["runs"]}
        assert states <= {"succeeded", "interrupted"}
        second.stop()
    with opened(settings) as service:
        assert service.select("select count(*) from silver.sales_clean").rows == ((4 + MANY,),)
        require_swept(service)
        assert all(account.closes for account in service.accounts().row_batches)
