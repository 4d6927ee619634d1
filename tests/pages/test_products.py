"""Products, over the real engine: ranking, how few make most of it, and one product down to its file lines."""

from __future__ import annotations

import json
from typing import Any

from etl.errors import MetaLayerError
from etl.service import Service
from tests.pages.screens import Screen
from ui import controls_analytics as controls
from ui import products as parts
from ui import reads_products as reads
from ui import words_analytics as words

PAGE = "products"


def table(screen: Screen, column: str) -> Any:
    """The table that has the column, as a frame."""
    return next(each.value for each in screen.app.dataframe if column in each.value.columns)


def test_an_empty_workspace_says_what_to_do_first(page, empty: Service) -> None:
    screen = page(PAGE)
    assert words.NO_PRODUCTS in screen.text
    assert words.RUN_FIRST in screen.text
    assert not screen.app.dataframe


def test_the_sample_has_88_products_worth_all_of_the_revenue(page, healthy: Service) -> None:
    screen = page(PAGE)
    shown = table(screen, "revenue_rank")
    assert len(shown) == 88
    assert round(shown["total_revenue"].sum(), 2) == 2066057.34
    assert "Products 88" in screen.text
    assert "gold.product_analytics" in screen.text


def test_the_best_product_is_chosen_until_somebody_chooses(page, healthy: Service) -> None:
    screen = page(PAGE)
    best = healthy.rows("gold.product_analytics", order_by=("revenue_rank",), limit=1).rows[0][0]
    assert screen.app.selectbox(key=controls.PRODUCT).value == best
    assert words.sales_of_product(best) in screen.text


def test_the_fewest_products_that_make_80_percent_are_counted(page, healthy: Service) -> None:
    amounts = [
        row[0]
        for row in healthy.select(
            "select total_revenue from gold.product_analytics order by total_revenue desc"
        ).rows
    ]
    needed = next(n for n in range(1, 89) if sum(amounts[:n]) >= sum(amounts) * 80 / 100)
    assert f"{needed} make 80 %" in page(PAGE).text


def test_running_shares_end_at_the_whole(page, healthy: Service) -> None:
    shown = table(page(PAGE), "revenue_rank")
    assert shown["reached"].is_monotonic_increasing
    assert shown["reached"].iloc[-1] == 100


def test_only_the_best_products_are_bars_until_all_are_asked_for(page, healthy: Service) -> None:
    screen = page(PAGE)
    toggle = screen.app.toggle(key="all")
    assert toggle.label == "Show all 88"
    assert bars(screen) == parts.TOP
    toggle.set_value(True).run()
    assert bars(screen) == 88


def bars(screen: Screen) -> int:
    """How many bars the ranking has."""
    chart = next(each for each in screen.app.get("plotly_chart") if each.proto.id.endswith("-products"))
    return len(json.loads(chart.proto.spec)["data"][0]["text"])


def test_a_product_leads_to_the_file_lines_of_its_sales(page, mixed: Service) -> None:
    screen = page(PAGE, product="Product 11")
    assert words.product(11) in screen.text
    found = table(screen, "line")[["sales_id", "file", "line"]]
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        (4, "erp/erp_sales.csv", 5),
        (3, "erp/erp_sales.csv", 4),
    ]


def test_a_sale_is_explained_down_to_its_line_in_the_file(page, mixed: Service) -> None:
    screen = page(PAGE, product="Product 11", sale="4")
    assert words.way_of_sale(4) in screen.text
    assert screen.app.code[0].value == "4,11,3,1,2026-02-06,10.00"


def test_months_without_sales_are_shown_as_nothing_sold(page, mixed: Service) -> None:
    course = reads.product_by_month(11)
    assert list(course["orders"]) == [0, 2]
    assert [str(amount) for amount in course["revenue"]] == ["0", "30.00"]


def test_every_table_can_be_taken_away_as_csv(page, mixed: Service) -> None:
    assert {"csv-products", "csv-product_sales"} <= set(page(PAGE).keys("download_button"))


def test_a_warehouse_that_is_gone_is_one_problem_with_what_to_do(page, closed: Service) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "Traceback" not in screen.text


def test_an_engine_that_did_not_start_is_one_problem(page, unstartable: MetaLayerError) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "erp_sales.odcs.yaml" in screen.text
