"""What the pages read and show is the same on every warehouse: the same frames, to the type, and the same figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest

from etl.settings import Settings
from tests.pages.conftest import FAULTS, SAMPLE, Shared, faulty
from tests.pages.screens import Page, Screen, Serve
from tests.postgres import Server
from tests.warehouses import DUCKDB, POSTGRES, on_postgres
from tests.workspaces import workspace
from ui import reads_accounts, reads_analytics, reads_drill, reads_products
from ui.period import Period

WHOLE, BOUNDED = Period(), Period(date(2026, 2, 1), date(2026, 6, 1))
FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "months": reads_analytics.region_months,
    "regions": lambda: reads_analytics.regions(WHOLE),
    "regions of some months": lambda: reads_analytics.regions(BOUNDED),
    "by month": lambda: reads_analytics.by_month(WHOLE),
    "by month in a region": lambda: reads_analytics.by_month(BOUNDED, "WEST"),
    "customers": lambda: reads_drill.customers("WEST", BOUNDED),
    "lines of a customer": lambda: reads_drill.customer_lines(
        int(reads_drill.customers("WEST", WHOLE)["customer_id"][0]), WHOLE
    ),
    "lines of a product": lambda: reads_drill.product_lines(int(reads_products.products()["product_id"][0])),
    "products": reads_products.products,
    "a product by month": lambda: reads_products.product_by_month(
        int(reads_products.products()["product_id"][0])
    ),
    "silver rows": lambda: reads_accounts.rows_in("erp_sales", "silver"),
}
FAULTY: dict[str, Callable[[], pd.DataFrame]] = {
    "quarantined": lambda: reads_accounts.rows_in("erp_sales", "quarantined"),
    "superseded": lambda: reads_accounts.rows_in("crm_customers", "superseded"),
    "unreadable": lambda: reads_accounts.rows_in("erp_sales", "unreadable"),
}
SHOWN = {
    "regional_revenue": {"region": "WEST", "customer": "1"},
    "products": {},
    "explain": {"table": "silver.sales_clean", "key": "11004"},
}
PASSING = re.compile(r"\d+ (s|min|h) ago|just now|\d+(\.\d+)? (kB|MB|GB)|Version \d+")


@pytest.fixture
def on_each(
    shared: Shared, postgres: Server, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """What is asked of the same files on each warehouse."""

    def make(name: str) -> Callable[[], Settings]:
        folder = tmp_path_factory.mktemp(
            "same"
        )  # each its own: the pages keep what they read by state folder
        return (lambda: workspace(folder, sample=True)) if name == SAMPLE else (lambda: faulty(folder))

    def ask(name: str, question: Callable[[], Any]) -> dict[str, Any]:
        serve(shared.published(name, DUCKDB, make(name)))
        embedded = question()
        with on_postgres(postgres):
            serve(shared.published(name, POSTGRES, make(name)))
            return {DUCKDB: embedded, POSTGRES: question()}

    return ask


@pytest.mark.parametrize("name", [*FRAMES, *FAULTY])
def test_the_pages_read_equal_frames_on_both_warehouses(on_each: Any, name: str) -> None:
    read = FRAMES.get(name) or FAULTY[name]
    found = on_each(FAULTS if name in FAULTY else SAMPLE, read)
    assert len(found[DUCKDB])
    drop = [column for column in ("_batch_id",) if column in found[DUCKDB]]
    one, other = (found[kind].drop(columns=drop) for kind in (DUCKDB, POSTGRES))
    pd.testing.assert_frame_equal(one, other)
    assert [list(map(type, row)) for row in one.to_numpy()] == [
        list(map(type, row)) for row in other.to_numpy()
    ]


@pytest.mark.parametrize("name", SHOWN)
def test_the_pages_show_the_same_figures_on_both_warehouses(on_each: Any, page: Page, name: str) -> None:
    found = on_each(SAMPLE, lambda: figures(page(name, **SHOWN[name])))
    assert found[DUCKDB] == found[POSTGRES]


def figures(screen: Screen) -> list[str]:
    """Everything that stands on a page but what passes: ages, sizes, versions."""
    metrics = [f"{each.label} {each.value} {each.delta}" for each in screen.app.metric]
    tables = [each.value.to_csv() for each in screen.app.dataframe]
    return [PASSING.sub("", part) for part in (screen.text, *metrics, *tables)]
