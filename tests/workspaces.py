"""Real workspaces for tests: a project folder of its own, landing and state under a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.model import Run
from etl.service import Service, open_service
from etl.settings import ROOT, Settings
from etl.tools import Retry
from tests.warehouses import NOW

QUICK = Retry(attempts=3, first_wait_seconds=0.01, longest_wait_seconds=0.05, patience_seconds=0.5)


def workspace(folder: Path, *, sample: bool = False) -> Settings:
    """An empty workspace in `folder` with the shipped contracts and gold files, free to be edited."""
    project, state = folder / "project", folder / "state"
    landing = ROOT / "data" / "sample" if sample else folder / "landing"
    for name in ("contracts", "gold"):
        shutil.copytree(ROOT / name, project / name, dirs_exist_ok=True)
    if not sample:
        for system in ("crm", "erp"):
            (landing / system).mkdir(parents=True, exist_ok=True)
    warehouse, ledger = NOW.urls(state)
    return Settings(
        root=ROOT,
        project=project,
        landing=landing,
        state=state,
        warehouse=warehouse,
        ledger=ledger,
        sample=sample,
    )


@contextmanager
def opened(settings: Settings) -> Iterator[Service]:
    """The living service of a workspace, quick to try again."""
    with open_service(settings, retry=QUICK) as service:
        yield service


def run(service: Service, *targets: str, full: bool = False, downstream: bool = False) -> Run:
    """Request a run and work it off."""
    asked = service.request_run(targets, full=full, downstream=downstream)
    return service.work(asked.run_id)


def land(settings: Settings, path: str, text: str | bytes) -> Path:
    """Put a file into the landing folder."""
    target = settings.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)
    return target


CUSTOMERS = "customer_id,customer_name,email,region\n"
SALES = "sales_id,product_id,customer_id,quantity,sale_date,sale_amount\n"


def few_files(settings: Settings) -> None:
    """Three customers in two regions and four sales worth 100.00 in all."""
    land(
        settings,
        "crm/crm_customers.csv",
        CUSTOMERS + "1,Ada,ada@example.com,WEST\n2,Bo,bo@example.com,EAST\n3,Cy,cy@example.com,WEST\n",
    )
    land(
        settings,
        "erp/erp_sales.csv",
        SALES + "1,10,1,1,2026-01-05,40.00\n2,10,2,2,2026-01-06,30.00\n"
        "3,11,1,1,2026-02-05,20.00\n4,11,3,1,2026-02-06,10.00\n",
    )
