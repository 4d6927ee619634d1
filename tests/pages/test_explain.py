"""Find a row, over the real engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from etl.errors import MetaLayerError
from etl.mends import Edit
from etl.service import Service
from tests.pages.screens import HOSTILE, Page, Screen, Serve
from tests.workspaces import SALES, few_files, land, opened, run, workspace


@pytest.fixture
def mended(tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """A sale whose amount could not be read, corrected by ada."""
    settings = workspace(tmp_path)
    few_files(settings)
    land(settings, "erp/erp_sales_2.csv", f"{SALES}5,12,2,1,2026-03-01,x\n")
    with opened(settings) as service:
        run(service)
        (row,) = service.aside("erp_sales").rows
        service.work(
            service.replay_edits("erp_sales", [Edit(row.place, (("sale_amount", "8.00"),))], by="ada").run_id
        )
        serve(service)
        yield service


def stands(screen: Screen) -> list[str]:
    """Where each line with the key is now, from the pills."""
    return [
        mark for mark in ("Current", "Superseded", "Quarantined", "Pending") if f" {mark} " in screen.text
    ]


def test_an_empty_workspace_still_offers_its_tables(page: Page, empty: Service) -> None:
    screen = page("explain")
    assert screen.app.selectbox(key="table-name").options == ["customers_clean", "sales_clean"]
    assert "Type a key to see the way of its row" in screen.text


def test_before_a_key_is_typed_some_are_suggested(page: Page, healthy: Service) -> None:
    screen = page("explain", table="silver.sales_clean")
    assert 'href="explain?table=silver.sales_clean&amp;key=1"' in screen.html


def test_the_address_leads_to_the_way_of_a_row(page: Page, mixed: Service) -> None:
    screen = page("explain", table="silver.sales_clean", key="2")
    assert stands(screen) == ["Current"]
    assert "Line 3 of erp/erp_sales.csv" in screen.text
    assert "2,10,2,2,2026-01-06,30.00" in screen.text
    assert screen.text.index(" File ") < screen.text.index(" Bronze ") < screen.text.index(" Silver ")


def test_a_short_table_name_will_do(page: Page, mixed: Service) -> None:
    assert (
        page("explain", table="sales_clean", key="2").app.selectbox(key="table-name").value
        == "silver.sales_clean"
    )


def test_a_typed_key_becomes_part_of_the_address(page: Page, mixed: Service) -> None:
    screen = page("explain", table="silver.sales_clean")
    screen.app.text_input(key="row-key-silver.sales_clean").set_value(" 2 ").run()
    assert stands(screen) == ["Current"]
    assert screen.app.query_params["key"] == "2"


def test_each_line_with_the_key_has_a_way_of_its_own(page: Page, mixed: Service) -> None:
    screen = page("explain", table="silver.customers_clean", key="3")
    assert stands(screen) == ["Current", "Superseded"]
    assert "2 lines of files have this key" in screen.text
    assert "Line 4 of crm/crm_customers.csv" in screen.text
    assert "Line 2 of crm/crm_customers_2.csv" in screen.text


def test_a_row_that_broke_a_rule_says_which(page: Page, mixed: Service) -> None:
    screen = page("explain", table="silver.sales_clean", key="5")
    assert stands(screen) == ["Quarantined"]
    assert "sale_amount is not a number" in screen.text


def test_a_key_that_nothing_has_is_not_there(page: Page, mixed: Service) -> None:
    screen = page("explain", table="silver.sales_clean", key="404")
    assert "No row has this key" in screen.text
    assert stands(screen) == []


def test_markup_in_a_row_stays_text(page: Page, mixed: Service) -> None:
    html = page("explain", table="silver.customers_clean", key="4").html
    assert escape(HOSTILE) in html
    assert HOSTILE not in html


def test_markup_in_a_key_stays_text(page: Page, mixed: Service) -> None:
    assert HOSTILE not in page("explain", table="silver.customers_clean", key=HOSTILE).html


def test_a_broken_contract_is_the_one_thing_shown(page: Page, unstartable: MetaLayerError) -> None:
    assert len(page("explain").verdicts) == 1


@pytest.mark.parametrize("query", [{}, {"table": "silver.sales_clean", "key": "2"}])
def test_a_lost_warehouse_is_one_clear_problem(page: Page, closed: Service, query: dict[str, str]) -> None:
    assert len(page("explain", **query).verdicts) == 1


def test_a_mended_row_shows_what_was_received_and_what_it_became(page: Page, mended: Service) -> None:
    screen = page("explain", table="silver.sales_clean", key="5")
    assert "sales_clean 5 check_circle Current" in screen.text
    assert "made by ada" in screen.text
    received, became = re.findall(r"<pre[^>]*><code>([^<]*)</code>", screen.html)
    assert received == "5,12,2,1,2026-03-01,x"
    assert became == "5,12,2,1,2026-03-01,8.00"
    assert screen.html.index(received) < screen.html.index("<b>Correction</b>") < screen.html.index(became)


def test_a_row_of_gold_shows_the_silver_rows_that_add_up_to_it(page: Page, mixed: Service) -> None:
    screen = page("explain", table="gold.customer_analytics", key="WEST")
    assert "Adds up" in screen.text
    assert (
        "3 rows of sales_clean; their sale_amount adds up to $70.00. total_revenue says $70.00."
        in screen.text
    )
    (frame,) = (found.value for found in screen.app.dataframe)
    assert frame["sales_id"].tolist() == [1, 3, 4]
    assert frame["_way"].tolist()[0] == "explain?table=silver.sales_clean&key=1"


def test_a_gold_key_of_several_columns_is_joined_by_commas(page: Page, mixed: Service) -> None:
    screen = page("explain", table="gold.monthly_revenue", key="2026-01-01,EAST,10")
    assert "1 row of sales_clean; their sale_amount adds up to $30.00" in screen.text
    assert len(page("explain", table="gold.monthly_revenue", key="EAST").verdicts) == 1


def test_a_gold_key_that_nothing_has_is_not_there(page: Page, mixed: Service) -> None:
    assert "No row has this key" in page("explain", table="gold.customer_analytics", key="MOON").text
