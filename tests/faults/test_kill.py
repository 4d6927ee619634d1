"""Kill -9 at any moment: what was published is whole, what was not is due again, and nothing is left lying about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.faults.forked import Forked
from tests.faults.processes import serving, until
from tests.faults.twins import (
    WITHOUT_MENDS,
    Uninterrupted,
    files,
    lying_on,
    mend,
    require_ended_well,
    require_lease,
    require_reconciled,
    require_swept,
    require_whole,
)
from tests.postgres import Server
from tests.templates import MEMORY
from tests.times import TIMES
from tests.warehouses import DUCKDB, KINDS, POSTGRES
from tests.workspaces import SALES, few_files, land, opened, run, workspace

# In a series; each series has a workspace of its own.
KILLS = {DUCKDB: 15, POSTGRES: 6 if TIMES == 1 else 15}
SERIES = range(1 if TIMES == 1 else -(-10 * TIMES // 15))


# Where a command is when it is killed: what has just come into being, or a share of the time a whole one takes.
Moment = Callable[[Settings], bool] | float
EMBEDDED_MOMENTS: tuple[Moment, ...] = (
    lambda s: any((s.files / "scratch").glob("reader-*")),  # a file is being read
    lambda s: (
        parquet_files(s) > len(list((s.landing / "erp").glob("*.csv"))) - 1
    ),  # a file has become Parquet
    lambda s: size(s.state / "warehouse.duckdb.wal") > 20_000,  # the log of the warehouse grows
)
POSTGRES_MOMENTS: tuple[Moment, ...] = (
    EMBEDDED_MOMENTS[0],
    lambda s: any((s.files / "copy").glob("*.csv")),  # rows are on their way into the database
)
MOMENTS = {DUCKDB: EMBEDDED_MOMENTS, POSTGRES: POSTGRES_MOMENTS}


def parquet_files(settings: Settings) -> int:
    return len(list((settings.files / "bronze" / "erp_sales_raw").glob("*")))


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def moments(kind: str, chance: Random) -> list[Moment]:
    """The named moments, and as many points as are left spread over the whole of a command, each at random."""
    spread = KILLS[kind] - len(MOMENTS[kind])
    shares = [(place + chance.random()) / spread for place in range(spread)]
    found: list[Moment] = [*MOMENTS[kind], *shares]
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
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_is_killed_leaves_whole_versions_and_the_next_one_goes_on(
    kind: str, series: int, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    seed = int(time.time())
    chance, outcomes = Random(seed), Counter[str]()  # noqa: S311 - told below, so that a failure can be looked into
    server: Server | None = request.getfixturevalue("postgres") if kind == POSTGRES else None

    def made(folder: Path) -> Settings:
        return workspace(folder) if server is None else lying_on(server, workspace(folder))

    with (
        TemporaryDirectory(dir=MEMORY) as folder,
        Forked(Path(folder) / "said") as forked,
        opened(made(Path(folder) / "uninterrupted")) as service_of_its_own,
    ):
        settings = made(Path(folder) / "killed")
        uninterrupted = Uninterrupted(service_of_its_own)
        whole = seconds_of_a_whole_command(forked, settings, uninterrupted)
        for number, moment in enumerate(moments(kind, chance), start=WITHOUT_MENDS):
            uninterrupted.go_on()
            with opened(settings) as service:
                before = {found.run_id for found in service.runs().runs}
                mend(service, number)
            files(settings, number)
            hit = killed_at(forked, settings, moment, whole)
            with opened(settings) as service:
                require_lease(service)
                require_reconciled(service, before)
                require_whole(service, uninterrupted)
                require_swept(service)
                outcomes.update(told(service, before) if hit else ["ended before"])
                rest = run(service)
                assert rest.state is RunState.SUCCEEDED, (rest.error, seed)
                require_ended_well(service, uninterrupted)
    assert outcomes["interrupted"] > 1, f"too few kills hit a run at work: {outcomes}, seed {seed}"
    record_property(
        "measured", f"{kind}: {KILLS[kind]} times kill -9 of a command left its run: {dict(outcomes)}"
    )


def seconds_of_a_whole_command(forked: Forked, settings: Settings, uninterrupted: Uninterrupted) -> float:
    """What the last of them takes: the first one has statements to compile."""
    started = 0.0
    for number in range(WITHOUT_MENDS):
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
