"""Kill -9 at any moment: what was published is whole, what was not is due again, and nothing is left lying about."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.faults.processes import command, ended, serving, until
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

SALES_IN_A_FILE = 40_000
CUSTOMERS_IN_ALL = 2_000
MASTER = "master_etl_orchestrator"


def files(settings: Settings, number: int) -> Decimal:
    """The next file of either source; every fifth sale takes the place of one in the file before. Their amounts."""
    customers = (f"{1 + n},Customer {number},c{n}@example.com,R{n % 9}" for n in range(CUSTOMERS_IN_ALL))
    land(settings, f"crm/crm_customers_{number}.csv", CUSTOMERS + "\n".join(customers) + "\n")
    first = number * SALES_IN_A_FILE * 4 // 5
    keys = range(first, first + SALES_IN_A_FILE)
    sales = (
        f"{1 + n},{n % 88},{1 + n % CUSTOMERS_IN_ALL},1,2026-03-{1 + n % 28:02},{1 + number}.01" for n in keys
    )
    land(settings, f"erp/erp_sales_{number}.csv", SALES + "\n".join(sales) + "\n")
    return (1 + number + Decimal("0.01")) * SALES_IN_A_FILE


def total(number: int) -> Decimal:
    """The amounts that stand when the files 0 to `number` have all been taken in."""
    kept = SALES_IN_A_FILE * 4 // 5
    return sum(
        ((1 + n + Decimal("0.01")) * (SALES_IN_A_FILE if n == number else kept) for n in range(number + 1)),
        Decimal(0),
    )


def require_whole(service: Service, number: int) -> None:
    """Whatever the kill hit: whole batches, whole versions, closed accounts, no leftovers."""
    for account in service.accounts().row_batches:
        assert account.closes, account
    for batch in service.batches():
        table = service.catalog.contracts[batch.source].bronze_table
        held = service.select(f"select count(*) from bronze.{table} where _batch_id = ?", [batch.batch_id])
        assert held.rows == ((batch.rows,),), "no half batch"
    if "gold.customer_analytics" in service._warehouse.published():
        sums = service.select(
            "select (select sum(total_revenue) from gold.customer_analytics), "
            "(select sum(sale_amount) from silver.sales_clean), (select sum(revenue) from gold.monthly_revenue)"
        ).rows[0]
        assert len(set(sums)) == 1, "one version"
        assert sums[0] in {total(n) for n in range(number + 1)}, "a whole one"
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
MOMENTS: dict[str, Callable[[Settings], bool]] = {
    "a file is being read": lambda s: any((s.files / "scratch").glob("reader-*")),
    "a file has become Parquet": lambda s: (
        (s.files / "bronze" / "erp_sales_raw").is_dir()
        and len(list((s.files / "bronze" / "erp_sales_raw").glob("*"))) > landed_before(s)
    ),
    "the log of the warehouse grows": lambda s: size(s.state / "warehouse.duckdb.wal") > 20_000,
}
SHARES = (0.55, 0.7, 0.85)


def landed_before(settings: Settings) -> int:
    return len(list((settings.landing / "erp").glob("*.csv"))) - 1


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_command_that_is_killed_leaves_whole_versions_and_the_next_one_goes_on(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    settings = workspace(tmp_path)
    files(settings, 0)
    started = time.monotonic()
    assert ended(command(settings, "run", "--json")).code == 0
    whole = time.monotonic() - started
    chance = Random(int(time.time()))  # noqa: S311 - told below, so that a failure can be looked into
    shares = [share + chance.uniform(-0.1, 0.1) for share in SHARES]
    outcomes = []
    points: list[Callable[[Settings], bool] | float] = [*MOMENTS.values(), *shares]
    for number, moment in enumerate(points, start=1):
        with opened(settings) as service:
            before = {found.run_id for found in service.runs().runs}
        files(settings, number)
        victim = command(settings, "run", "--json")
        if isinstance(moment, float):
            time.sleep(whole * moment)
        else:
            come = partial(moment, settings)
            until(lambda victim=victim, come=come: come() or victim.poll() is not None)  # type: ignore[misc]
        victim.kill()
        victim.communicate()
        with opened(settings) as service:
            require_reconciled(service, before)
            require_whole(service, number)
            outcomes += [
                found.state.value for found in service.runs().runs if found.run_id not in before
            ] or ["none"]
            rest = run(service)
            assert rest.state is RunState.SUCCEEDED, rest.error
            require_whole(service, number)
            assert service.select("select sum(sale_amount) from silver.sales_clean").rows == (
                (total(number),),
            )
            assert service.verdict().ready, (service.verdict().reasons, shares)
    assert "interrupted" in outcomes, f"no kill hit a run at work: {outcomes}"
    record_property("measured", f"kill -9 of a command at 6 points left: {', '.join(outcomes)}")


def test_a_server_that_is_killed_at_work_is_started_again_and_finishes(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with serving(settings, tmp_path / "first.log") as first:
        until(lambda: first.ready().ask("verdict")["ready"])
        files(settings, 1)
        until(
            lambda: any(
                run["state"] == "running" and run["tasks"] for run in first.ask("runs", limit=1)["runs"]
            )
        )
        time.sleep(Random(int(time.time())).uniform(0, 0.6))  # noqa: S311 - any moment will do
        first.kill()
        announced = first.announced
        assert announced["pid"] == first.process.pid, "nobody could take it away"
    with serving(settings, tmp_path / "second.log") as second:
        assert second.ready().announced["secret"] != announced["secret"]
        # What had landed is no news to the watcher: it is taken up by the next run, whoever asks for one.
        asked = second.ask("request_run")["run_id"]
        until(lambda: second.ask("run", run_id=asked)["state"] == "succeeded", told=lambda: second.said)
        assert second.ask("verdict")["ready"], second.ask("verdict")
        states = {found["state"] for found in second.ask("runs")["runs"]}
        assert states <= {"succeeded", "interrupted"}
        second.stop()
    with opened(settings) as service:
        assert service.select("select count(*) from silver.sales_clean").rows == ((4 + SALES_IN_A_FILE,),)
        require_swept(service)
        assert all(account.closes for account in service.accounts().row_batches)
