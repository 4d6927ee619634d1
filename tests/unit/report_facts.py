"""A small healthy workspace as facts; tests change one of them and see what verdict and report make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from etl.declared import Field, Kind, Layer, Severity
from etl.facts import (
    Accounts,
    BatchFacts,
    CheckFacts,
    Freshness,
    LayerFacts,
    PipelineFacts,
    Resources,
    Retention,
    Rows,
    ServiceFacts,
    SourceFacts,
    StageTiming,
    SystemFacts,
    TableFacts,
    Verdict,
    Workspace,
)
from etl.mends import Edit, Mend, MendKind, MendState, RowPlace
from etl.model import (
    Attempt,
    CheckResult,
    CheckState,
    MoneyAccount,
    Published,
    RowAccount,
    Run,
    RunState,
    Task,
    TaskState,
    Trigger,
)
from etl.report import Definition, Measure, ReportInput
from etl.verdict import decide

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
REVENUE = Decimal("1000.00")


def table(name: str, **changes: Any) -> TableFacts:
    """A published table of version 3 with ten rows."""
    layer, short = name.split(".")
    fields = (Field("total_revenue", Kind.DECIMAL, "USD"),) if layer == "gold" else ()
    facts = TableFacts(
        name,
        short,
        Layer(layer),
        "erp_sales" if layer == "bronze" else None,
        "one row per sale",
        "",
        ("sales_id",),
        fields,
        (),
        ("silver.sales_clean",),
        10,
        2048,
        3,
        NOW,
        False,
        "",
        CheckState.PASSED,
        "Passed",
        Freshness(CheckState.PASSED, NOW, timedelta(hours=24)),
    )
    return replace(facts, **changes)


def never_built(name: str, **changes: Any) -> TableFacts:
    """A declared table that was never published."""
    grey = Freshness(CheckState.UNEXAMINED, None, None)
    return table(
        name, rows=None, version=0, published_at=None, state=CheckState.UNEXAMINED, freshness=grey, **changes
    )


def check(name: str = "key_unique", of: str = "silver.sales_clean", **changes: Any) -> CheckFacts:
    """A blocking check that stands passed on ten rows of version 3."""
    severity = changes.pop("severity", Severity.BLOCK)
    history = changes.pop("history", ())
    result = CheckResult(name, of, severity, CheckState.PASSED, 10, 0, 0.01, version=3)
    return CheckFacts(name, of, severity, "", replace(result, **changes), history)


def row_account(**changes: Any) -> RowAccount:
    """Ten lines and a header, all in silver."""
    return replace(RowAccount("erp_sales", "", 11, 1, 10, 0, 0, 0, False, silver=10), **changes)


def money_account(**changes: Any) -> MoneyAccount:
    """All of the money is in silver."""
    nothing = Decimal(0)
    account = MoneyAccount(
        "erp_sales", "", "sale_amount", "USD", REVENUE, REVENUE, nothing, nothing, nothing, 0
    )
    return replace(account, **changes)


def retention(**changes: Any) -> Retention:
    """Every bronze row is in silver."""
    kept = Retention("erp_sales", "erp_sales_raw", "sales_clean", 10, 10, 0, 0, 0, 0, 0, Decimal(1))
    return replace(kept, **changes)


def accounts(**changes: Any) -> Accounts:
    """Accounts that close."""
    sound = Accounts(
        3, (row_account(),), (row_account(batch_id="b1"),), (money_account(),), (), (), (retention(),)
    )
    return replace(sound, **changes)


def landed(**changes: Any) -> BatchFacts:
    """The one file that came in."""
    batch = BatchFacts(
        "b1", 1, "erp_sales", "erp/erp_sales.csv", "a" * 64, 512, "landed", "", 11, 10, 0, 0, NOW, 1, 7
    )
    return replace(batch, **changes)


def mend(**changes: Any) -> Mend:
    """A correction of one row that took effect."""
    edit = Edit(RowPlace("b1", 3), (("quantity", "2"),))
    found = Mend(
        "m1",
        MendKind.CORRECT,
        "erp_sales",
        "",
        (edit,),
        (),
        False,
        "typed wrong",
        "ada",
        NOW,
        MendState.APPLIED,
    )
    return replace(found, **{"rows": 1, **changes})


def stands(table: str, **changes: Any) -> Published:
    """What is published of a table."""
    return replace(Published(table, 3, 7, "f" * 64, (), 10, 2048, NOW), **changes)


def refused(path: str) -> BatchFacts:
    """A file that could not be taken in."""
    return BatchFacts(
        "b2", 2, "erp_sales", path, "00", 5, "refused", "it has no header", 0, 0, 0, 0, NOW, 1, 4
    )


TABLES = (
    table("bronze.erp_sales_raw"),
    table("silver.sales_clean", feeds=("gold.customer_analytics",)),
    table("gold.customer_analytics", feeds=()),
    table("gold.product_analytics", feeds=()),
)
CHECKS = (check(), check("total_revenue equals silver.sales_clean.sale_amount", "gold.customer_analytics"))


def judge(**changes: Any) -> Verdict:
    """The verdict on the healthy workspace, but for `changes`."""
    facts: dict[str, Any] = {"tables": TABLES, "checks": CHECKS, "accounts": accounts()}
    return decide(**{**facts, **changes})


def make_run(run_id: int, state: RunState = RunState.SUCCEEDED, **changes: Any) -> Run:
    """A run with one task that took a second."""
    later = NOW + timedelta(seconds=1)
    task = Task(
        1,
        run_id,
        0,
        "sales_clean",
        "silver",
        "silver.sales_clean",
        "",
        "new files",
        TaskState.SUCCEEDED,
        (Attempt(1, TaskState.SUCCEEDED, NOW, later, ""),),
        NOW,
        later,
        10,
        "",
    )
    run = Run(
        run_id,
        "master_etl_orchestrator",
        (),
        False,
        False,
        None,
        Trigger.SCHEDULE,
        "",
        state,
        NOW,
        NOW,
        later,
        3,
        "",
        tasks=(task,),
    )
    return replace(run, **changes)


def regions(*revenues: str, truncated: bool = False) -> Rows:
    """gold.customer_analytics with one row per revenue."""
    rows = tuple((f"R{i}", 5, 3, Decimal(revenue)) for i, revenue in enumerate(revenues))
    return Rows(("region", "total_customers", "total_orders", "total_revenue"), ("t",) * 4, rows, truncated)


def products(number: int, revenue: str) -> Rows:
    """gold.product_analytics with `number` products of the same revenue."""
    rows = tuple((i, 2, 4, Decimal(revenue)) for i in range(number))
    return Rows(("product_id", "total_orders", "total_quantity_sold", "total_revenue"), ("i",) * 4, rows)


def given(**changes: Any) -> ReportInput:
    """The healthy workspace as a report gets it, but for `changes`."""
    run = make_run(7)
    resources = Resources(NOW, 12.0, 3.0, 1 << 30, 4 << 30, 1 << 28, 1 << 33, 1 << 35, 10, 20, 8)
    services = (ServiceFacts("Ledger", "sqlite:///ledger.sqlite", CheckState.PASSED, "answers"),)
    fresh = Freshness(CheckState.PASSED, NOW - timedelta(hours=2), timedelta(hours=24))
    whole = ReportInput(
        run_id=7,
        now=NOW,
        workspace=Workspace(False, False, "landing", "state", "duckdb", "sqlite", 3, NOW),
        verdict=judge(),
        layers=tuple(
            LayerFacts(layer, 1, 10, 2048, CheckState.PASSED, "Passed", fresh, (10,)) for layer in Layer
        ),
        tables=TABLES,
        checks=CHECKS,
        accounts=accounts(),
        sources=(
            SourceFacts(
                "erp_sales",
                "erp_sales.odcs.yaml",
                "1.0.0",
                "erp/*.csv",
                "erp_sales_raw",
                "sales_clean",
                "one row",
                1,
                0,
                10,
                fresh,
            ),
        ),
        pipelines=(
            PipelineFacts("master_etl_orchestrator", "Everything", False, "*/15 * * * *", NOW, run, 1),
        ),
        runs=(run,),
        timings=(StageTiming(7, "silver", 0.5, 10, 1 << 28, 0.4),),
        system=SystemFacts(services, (("warehouse", 4096),), resources, (), (("duckdb", "2.0.0"),), NOW),
        reasons=(),
        regional=regions("700.00", "300.00"),
        products=products(20, "50.00"),
        completeness=(Measure("silver.sales_clean", "sales_id", 10, 10),),
        next_due=NOW + timedelta(minutes=15),
        batches=(landed(),),
        definitions=(
            Definition("erp_sales", "erp_sales.odcs.yaml", "1.0.0", "c" * 64),
            Definition("silver.sales_clean", "erp_sales.odcs.yaml", "1.0.0", "f" * 64),
        ),
        published=(stands("bronze.erp_sales_raw"), stands("silver.sales_clean")),
        rules_version=1,
        python="3.11.7",
    )
    return replace(whole, **changes)
