"""What a workspace shows: every row of every table, in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.model import Run, RunState
from etl.service import Service
from tests.workspaces import run

LAYERS = ("bronze_layer_etl_pipeline", "silver_layer_etl_pipeline", "gold_layer_analytics_pipeline")
BRONZE = ("bronze.crm_customers_raw", "bronze.erp_sales_raw", "quarantine.unreadable_lines")
IN_SILVER = (  # of both sources: where a row can be
    "silver.customers_clean", "silver.sales_clean", "silver._superseded_customers_clean",
    "silver._superseded_sales_clean", "quarantine.crm_customers", "quarantine.erp_sales",
    "quarantine._aside_crm_customers", "quarantine._aside_erp_sales",
)  # fmt: skip
GOLD = ("gold.customer_analytics", "gold.product_analytics", "gold.monthly_revenue")
PUBLISHED = (*IN_SILVER, *GOLD)
TABLES = (*BRONZE, *PUBLISHED)


def contents(service: Service, tables: Sequence[str] = TABLES) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, of one version."""
    with service._warehouse.snapshot() as session:
        return {table: sorted(session.rows(f"select * from {table}"), key=repr) for table in tables}


def succeeded(service: Service, *targets: str, full: bool = False) -> Run:
    """A run that must not fail."""
    ended = run(service, *targets, full=full)
    assert ended.state is RunState.SUCCEEDED, ended.error
    return ended
