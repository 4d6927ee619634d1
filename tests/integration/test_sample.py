"""The sample from files to gold, against the figures that the replaced system reported."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from etl.facts import Rows
from etl.model import CheckState, RunState
from etl.service import Service
from tests.workspaces import opened, run, workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = workspace(tmp_path_factory.mktemp("sample"), sample=True)
    with opened(settings) as service:
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        yield service


def figures(rows: Rows) -> list[dict[str, object]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def test_the_layers_hold_what_the_files_hold(built: Service) -> None:
    rows = {table.name: table.rows for table in built.tables()}
    assert rows["bronze.crm_customers_raw"] == 10_000
    assert rows["bronze.erp_sales_raw"] == 10_000
    assert rows["bronze.customers_raw"] == 2
    assert rows["bronze.customers_test"] == 1
    assert rows["silver.customers_clean"] == 10_000
    assert rows["silver.sales_clean"] == 10_000
    assert rows["gold.customer_analytics"] == 9
    assert rows["gold.product_analytics"] == 88
    layers = {layer.layer.value: layer.rows for layer in built.layers()}
    assert layers["bronze"] == 20_003
    assert layers["silver"] == 20_000


def test_the_three_largest_regions_come_out_to_the_cent(built: Service) -> None:
    regions = {str(row["region"]): row for row in figures(built.rows("gold.customer_analytics"))}
    assert len(regions) == 9
    expected = {
        "WEST": (1119, Decimal("448428.24")),
        "NORTHWEST": (1080, Decimal("256688.34")),
        "NORTHEAST": (1113, Decimal("221435.78")),
    }
    for region, (customers, revenue) in expected.items():
        assert (regions[region]["total_customers"], regions[region]["total_revenue"]) == (customers, revenue)
    others = [row["total_revenue"] for region, row in regions.items() if region not in expected]
    assert all(revenue < Decimal("221435.78") for revenue in others)  # type: ignore[operator]
    assert sum(int(str(row["total_customers"])) for row in regions.values()) == 10_000


def test_gold_adds_up_to_silver(built: Service) -> None:
    silver = built.select("select sum(sale_amount), count(*), sum(quantity) from silver.sales_clean").rows[0]
    sums = {
        "gold.customer_analytics": ("total_revenue", "total_orders", "total_quantity"),
        "gold.product_analytics": ("total_revenue", "total_orders", "total_quantity_sold"),
        "gold.monthly_revenue": ("revenue", "orders", "quantity"),
    }
    for table, (revenue, orders, quantity) in sums.items():
        found = built.select(f"select sum({revenue}), sum({orders}), sum({quantity}) from {table}").rows[0]
        assert found == silver, table


def test_every_line_and_every_cent_is_accounted_for(built: Service) -> None:
    accounts = built.accounts()
    assert {account.source for account in accounts.row_totals} == set(built.catalog.contracts)
    assert all(account.closes for account in accounts.row_batches)
    assert all(account.closes for account in accounts.money_batches)
    assert [str(kept.share) for kept in accounts.retention if kept.silver_table] == ["1", "1"]
    (money,) = accounts.money_totals
    assert (
        money.bronze
        == money.silver
        == built.select("select sum(sale_amount) from silver.sales_clean").rows[0][0]
    )


def test_the_verdict_is_ready_and_rests_on_examined_rows(built: Service) -> None:
    verdict = built.verdict()
    assert verdict.ready, verdict.reasons
    blocking = [c for c in built.checks() if c.severity == "block" and c.table.split(".")[0] != "bronze"]
    assert blocking
    assert all(c.result.state is CheckState.PASSED and c.result.examined > 0 for c in blocking)


def test_the_run_keeps_a_report_with_the_same_figures(built: Service) -> None:
    report = built.report()
    assert report is not None
    assert report.ready
    text = built.report_text(report.report_id, "md")
    assert "448,428.24" in text
    assert "20,003" in text


def test_running_again_adds_nothing(built: Service) -> None:
    before = built.version()
    again = run(built)
    assert again.state is RunState.SUCCEEDED
    assert [task.name for task in again.tasks if task.table and task.layer != "bronze"] == []
    assert built.version() == before


def test_the_dirty_sample_can_be_loaded_on_top(tmp_path: Path) -> None:
    with opened(workspace(tmp_path, sample=True)) as service:
        run(service)
        ended = service.work(service.load_dirty_sample().run_id)
        assert ended.state is RunState.SUCCEEDED, ended.error
        accounts = service.accounts()
        assert all(account.closes for account in accounts.row_batches)
        assert all(account.closes for account in accounts.money_batches)
        aside = {kept.source: kept.quarantined for kept in accounts.retention}
        assert aside["erp_sales"] > 0
        assert service.quarantine_reasons()
        assert service.workspace().dirty_loaded
        assert service.verdict().warned > 0
