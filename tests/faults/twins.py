"""A workspace that faults happen to, beside one that they never happen to: what must be the same in both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from etl.mends import Edit, MendState
from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.contents import BRONZE, PUBLISHED, contents
from tests.faults.processes import until
from tests.postgres import Server, fresh_database
from tests.workspaces import CUSTOMERS, SALES, land, run

MASTER = "master_etl_orchestrator"
SALES_IN_A_FILE = 400
WITHOUT_MENDS = 2  # files before the first mend
Shown = dict[str, list[tuple[Any, ...]]]


def lying_on(server: Server, settings: Settings) -> Settings:
    """The same workspace in a new database of this server."""
    url = fresh_database(server)
    return replace(settings, warehouse=url, ledger=url)


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
    mends: bool = True
    versions: list[Shown] = field(default_factory=list)  # after each pair of files
    bronze: list[Shown] = field(default_factory=list)

    def go_on(self) -> None:
        """Take in the next files, and from the third on what was mended."""
        number = len(self.versions)
        files(self.service.settings, number)
        if self.mends and number >= WITHOUT_MENDS:
            mend(self.service, number)
        ended = run(self.service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        self.versions.append(contents(self.service, PUBLISHED))
        self.bronze.append(contents(self.service, BRONZE))


def require_whole(service: Service, uninterrupted: Uninterrupted) -> None:
    """Whatever was hit: whole batches, one whole version, closed accounts."""
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


def require_swept(service: Service) -> None:
    """No leftovers."""
    known = {batch.batch_id for batch in service.batches()}
    lying = {path.stem for path in (service.settings.files / "bronze").rglob("*") if path.is_file()}
    assert lying <= (set() if service.settings.on_postgres else known), "a Parquet file without a batch"
    for folder in ("scratch", "copy"):
        assert not list((service.settings.files / folder).glob("*"))
    with service._warehouse.session() as session:
        aside = session.rows(
            "select table_schema, table_name from information_schema.tables "
            "where table_name like '#_new#_%' escape '#' or table_name like '#_cut#_%' escape '#' "
            "or table_name like '#_put#_%' escape '#'"
        )
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


def require_once(service: Service) -> None:
    """Nothing is doubled: batches, arrivals, publications, runs at work."""
    for key, table in {
        "source, sha256": "bronze._batches where state = 'landed'",
        "batch_seq": "bronze._batches",
        "source, path, mtime_ns": "bronze._arrivals",
        "version, table_name": "bronze._publications",
        "version, source, batch_id": "bronze._accounts",
    }.items():
        twice = service.select(f"select {key}, count(*) from {table} group by {key} having count(*) > 1")
        assert twice.rows == (), table


def require_ended_well(service: Service, uninterrupted: Uninterrupted) -> None:
    """All is up to date: what is there is what the uninterrupted workspace has."""
    require_whole(service, uninterrupted)
    require_once(service)
    require_swept(service)
    assert contents(service, PUBLISHED) == uninterrupted.versions[-1]
    assert contents(service, BRONZE) == uninterrupted.bronze[-1], "every file once"
    assert {asked.state for asked in service.mends()} <= {MendState.APPLIED}, "every mend once"


def require_lease(service: Service) -> None:
    """Wait until what held the lease is known to be gone."""
    assert service.keeper is not None
    until(service.keeper.take, 15)
