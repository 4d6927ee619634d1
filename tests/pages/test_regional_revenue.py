"""Regional revenue, over the real engine: the figures, the filters and the way down to the lines of the files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from etl.errors import MetaLayerError
from etl.service import Service
from tests.pages.screens import HOSTILE, Screen
from tests.workspaces import CUSTOMERS, SALES, land, run
from ui import controls_analytics as controls
from ui import period as periods
from ui import words_analytics as words

PAGE = "regional_revenue"


def figures(screen: Screen) -> dict[str, str]:
    """The KPI cards by label."""
    return {metric.label: metric.value for metric in screen.app.metric}


def table(screen: Screen, column: str) -> Any:
    """The table that has the column, as a frame."""
    return next(each.value for each in screen.app.dataframe if column in each.value.columns)


def test_an_empty_workspace_says_what_to_do_first(page, empty: Service) -> None:
    screen = page(PAGE)
    assert words.NO_REGIONS in screen.text
    assert words.RUN_FIRST in screen.text
    assert not screen.app.metric
    assert "check_circle" not in screen.html


def test_a_workspace_without_the_gold_tables_shows_the_empty_state(page, empty: Service) -> None:
    for name in ("customer_analytics", "monthly_revenue"):
        (empty.settings.project / "gold" / f"{name}.sql").unlink()
    assert words.NO_REGIONS in page(PAGE).text


def test_all_months_are_the_figures_of_customer_analytics(page, healthy: Service) -> None:
    screen = page(PAGE)
    assert figures(screen) == {
        "Revenue": "$2.07M",
        "Orders": "10,000",
        "Average order": "$206.61",
        "Customers": "10,000",
    }
    assert "gold.customer_analytics" in screen.text
    assert f"version {healthy.version()}" in screen.text


def test_regions_are_ranked_by_revenue_to_the_cent(page, healthy: Service) -> None:
    shown = table(page(PAGE), "share")
    assert list(shown["region"][:3]) == ["WEST", "NORTHWEST", "NORTHEAST"]
    assert list(shown["revenue"][:3]) == [448428.24, 256688.34, 221435.78]
    assert list(shown["customers"][:3]) == [1119, 1080, 1113]
    assert len(shown) == 9


def test_shares_are_cut_so_that_they_never_claim_more_than_the_whole(page, healthy: Service) -> None:
    assert 99 < table(page(PAGE), "share")["share"].sum() <= 100


def test_a_part_of_the_months_comes_from_monthly_revenue_and_counts_those_who_bought(
    page, healthy: Service
) -> None:
    screen = page(PAGE, span="3 months")
    assert "Aug – Oct 2026 against May – Jul 2026 · gold.monthly_revenue" in screen.text
    expected = healthy.select(
        "select sum(revenue), sum(orders) from gold.monthly_revenue where month >= ?", ["2026-08-01"]
    ).rows[0]
    assert table(screen, "share")["revenue"].sum() == float(expected[0])
    assert figures(screen)["Orders"] == f"{expected[1]:,}"
    bought = healthy.select(
        "select count(distinct customer_id) from silver.sales_clean where sale_date >= ?", ["2026-08-01"]
    ).rows[0][0]
    assert figures(screen)["Customers who bought"] == f"{bought:,}"
    assert words.regions_note(buying=True) in screen.text


def test_a_change_is_measured_against_the_months_before(page, healthy: Service) -> None:
    revenue = page(PAGE, span="3 months").app.metric[0]
    before, now = (
        healthy.select(
            "select sum(revenue) from gold.monthly_revenue where month >= ? and month < ?", bounds
        ).rows[0][0]
        for bounds in (["2026-05-01", "2026-08-01"], ["2026-08-01", "2026-11-01"])
    )
    assert revenue.delta == f"{100 * (float(now / before) - 1):.1f} %"


def test_the_first_months_are_compared_with_nothing(page, healthy: Service) -> None:
    assert "against" not in page(PAGE, span="12 months").text


def test_a_range_of_months_in_the_address_is_the_range_shown(page, healthy: Service) -> None:
    screen = page(PAGE, span=periods.RANGE, months=["Feb 2026", "Mar 2026"])
    assert "Feb – Mar 2026" in screen.text
    expected = healthy.select(
        "select sum(revenue) from gold.monthly_revenue where month in (?, ?)", ["2026-02-01", "2026-03-01"]
    ).rows[0][0]
    assert table(screen, "share")["revenue"].sum() == float(expected)


def test_the_figures_of_one_region_are_its_row_of_the_table(page, healthy: Service) -> None:
    screen = page(PAGE, region="WEST")
    assert figures(screen)["Revenue"] == "$448.4k"
    assert figures(screen)["Customers"] == "1,119"
    assert words.customers_of("WEST") in screen.text


def test_an_address_with_an_unknown_region_shows_all_of_them(page, healthy: Service) -> None:
    assert figures(page(PAGE, region="ATLANTIS"))["Orders"] == "10,000"


def test_a_region_leads_to_its_best_customers(page, healthy: Service) -> None:
    shown = table(page(PAGE, region="WEST"), "email")
    best = healthy.select(
        "select s.customer_id, sum(s.sale_amount) as revenue from silver.sales_clean as s "
        "join silver.customers_clean as c on c.customer_id = s.customer_id "
        "where c.region = 'WEST' group by s.customer_id order by revenue desc, s.customer_id",
        limit=1,
    ).rows[0]
    assert (shown["customer_id"][0], Decimal(str(shown["revenue"][0]))) == best


def test_a_customer_leads_to_the_file_lines_of_their_sales(page, mixed: Service) -> None:
    shown = table(page(PAGE, region="WEST", customer="1"), "line")
    found = [tuple(row) for row in shown[["sales_id", "file", "line"]].itertuples(index=False)]
    assert found == [(3, "erp/erp_sales.csv", 4), (1, "erp/erp_sales.csv", 2)]


def test_a_sale_is_explained_down_to_its_line_in_the_file(page, mixed: Service) -> None:
    screen = page(PAGE, region="WEST", customer="1", sale="3")
    assert words.way_of_sale(3) in screen.text
    assert "erp/erp_sales.csv, line 4" in screen.text
    assert screen.app.code[0].value == "3,11,1,1,2026-02-05,20.00"


def test_another_region_forgets_the_customer_of_the_last(page, mixed: Service) -> None:
    screen = page(PAGE, region="WEST", customer="1")
    screen.app.selectbox(key=controls.REGION).set_value("EAST").run()
    assert words.sales_of_customer(1) not in screen.text
    assert controls.CUSTOMER not in screen.app.query_params


def test_the_months_of_sales_end_with_a_word_where_the_last_may_still_grow(page, mixed: Service) -> None:
    assert "sales up to 6 February" in page(PAGE).text


def test_text_from_files_is_not_taken_for_markup(page, empty: Service) -> None:
    hostile_region(empty)
    screen = page(PAGE, region=HOSTILE.upper())
    assert words.customers_of(HOSTILE.upper()) in screen.text
    assert "<IMG" not in screen.html


def hostile_region(service: Service) -> None:
    """A region whose name is markup, with one sale."""
    land(service.settings, "crm/crm_customers.csv", f"{CUSTOMERS}1,Ada,ada@example.com,{HOSTILE}\n")
    land(service.settings, "erp/erp_sales.csv", f"{SALES}1,10,1,1,2026-01-05,40.00\n")
    run(service)


def test_a_warehouse_that_is_gone_is_one_problem_with_what_to_do(page, closed: Service) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "Traceback" not in screen.text


def test_an_engine_that_did_not_start_is_one_problem(page, unstartable: MetaLayerError) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "erp_sales.odcs.yaml" in screen.text


def test_a_new_version_shows_its_own_figures_at_once(page, empty: Service) -> None:
    hostile_region(empty)
    assert figures(page(PAGE))["Revenue"] == "$40.00"
    land(empty.settings, "erp/erp_sales_2.csv", f"{SALES}2,10,1,1,2026-01-06,2.50\n")
    run(empty)
    assert figures(page(PAGE))["Revenue"] == "$42.50"


def test_figures_older_than_what_they_are_made_from_are_called_stale(page, empty: Service) -> None:
    hostile_region(empty)
    assert "stale" not in page(PAGE).text
    land(empty.settings, "erp/erp_sales_2.csv", f"{SALES}2,10,1,1,2026-01-06,2.50\n")
    run(empty, "bronze")
    run(empty, "silver")
    assert "stale: " in page(PAGE).text
