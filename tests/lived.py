"""An installation with a past: every kind of thing that can have happened in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.mends import Aside, Edit, RowPlace
from etl.service import Service
from etl.settings import ROOT, Settings
from tests.contents import succeeded
from tests.workspaces import SALES, few_files, land, opened, workspace

BAD = (
    SALES + "5,12,1,0,2026-03-01,5.00\n"  # line 2: quantity below 1
    "6,12,987654,1,2026-03-02,7.00\n"  # line 3: nobody knows that customer
    "7,12,1,1,2026-03-03\n"  # line 4: one field too few
    '8,12,1,x,2026-03-04,"12,345\\ ""é"" \t"\n'  # line 5: two rules, and all that CSV and COPY could trip over
)
EXTRA = (
    "customer_id,customer_name,email,region,notes\n"  # a column that the contract does not know
    '4,"Dee, ""D""",dee@example.com,WEST,"a,b\\N"\n5,Émile,e@example.com,EAST,\n'
)


def lived(folder: Path, *, sample: bool = False) -> Settings:
    """Several versions, quarantine, corrections, discards, a withdrawn batch, an incident, a pause, a failed run."""
    settings = workspace(folder)
    few_files(settings)
    with opened(settings) as service:
        succeeded(service)
        land(settings, "erp/erp_sales_bad.csv", BAD)
        land(settings, "crm/crm_customers_more.csv", EXTRA)
        succeeded(service)
        land(settings, "erp/erp_sales_wrong.csv", SALES + "1,10,1,9,2026-01-05,999.00\n")
        if sample:
            _take_samples(settings)
        succeeded(service)
        _mend(service)
        land(settings, "erp/erp_sales_refused.csv", "nothing,like,it\n1,2,3\n")
        service.work(service.request_run().run_id)
        service.pause("gold_layer_analytics_pipeline", paused=True)
        day = service._ledger.runs(1)[0].requested_at.date()
        service.mark_incident("erp_sales", day, "export broke off", by="ada")
        succeeded(service, "gold", full=True)
    return settings


def _take_samples(settings: Settings) -> None:
    for name in ("sample", "sample-dirty"):
        for system in ("crm", "erp"):
            for file in (ROOT / "data" / name / system).glob("*.csv"):
                shutil.copy(file, settings.landing / system / f"{file.stem}_{name}.csv")


def _mend(service: Service) -> None:
    bad = batch(service, "_bad.csv")
    edits = [
        Edit(RowPlace(bad, 2), (("quantity", "3"),)),
        Edit(RowPlace(bad, 5), (("quantity", "2"), ("sale_amount", "12.34"))),
    ]
    service.work(service.replay_edits("erp_sales", edits, by="ada", note="typing errors").run_id)
    service.work(service.discard("erp_sales", [RowPlace(bad, 3)], "a test", by="bo").run_id)
    wrong = batch(service, "_wrong.csv")
    service.work(service.withdraw_batch(wrong, "the wrong file", by="cy").run_id)
    assert service.aside("erp_sales", Aside.DISCARDED).total == 1


def batch(service: Service, end: str) -> str:
    """The batch of the file whose name ends so."""
    return next(b.batch_id for b in service.batches("erp_sales") if b.path.endswith(end))
