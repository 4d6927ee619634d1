"""Regional revenue: totals, ranking, course and share, down to customers, their sales and the lines of the files."""

from __future__ import annotations

import streamlit as st

from ui import charts_analytics as charts
from ui import controls_analytics as controls
from ui import drill, reads_drill, regional, state, widgets
from ui import reads_analytics as reads
from ui import words_analytics as words
from ui.currency import Currency
from ui.period import Period


def figures(period: Period, region: str | None, money: Currency) -> None:
    """What the period comes to, against the months before it."""
    earlier = reads.comparable(period)
    regional.figures(
        reads.totals(period, region),
        reads.totals(earlier, region) if earlier else None,
        reads.by_month(period, region),
        money,
    )


def ranking(period: Period, region: str | None, money: Currency) -> None:
    """Which region makes how much, and how it came about month by month."""
    ranked, course = reads.regions(period), reads.by_month(period, region)
    left, right = st.columns([1.15, 1], gap="small")
    with left, widgets.card("ranking", "Revenue by region", words.PICK_REGION):
        charts.ranking(
            list(ranked["region"]),
            list(ranked["revenue"]),
            money.short,
            "ranking",
            region,
            controls.pick_region,
        )
    with (
        right,
        widgets.card(
            "trend", "Revenue by month", words.course_of(region, period, reads.newest_open_sale(period))
        ),
    ):
        charts.months(list(course["month"]), list(course["revenue"]), "trend", money, len(ranked) * 34 + 16)
    with widgets.card("share", "Share of revenue", words.leaders(list(ranked["share"]))):
        charts.shares(list(ranked["region"]), list(ranked["share"]), "shares", region)


def customers(period: Period, region: str | None, money: Currency) -> None:
    """A region's customers, a customer's sales, and where one of them came from."""
    if not reads_drill.can_drill():
        return
    with widgets.card("customers", words.customers_of(region)):
        if region is None:
            widgets.nothing("ads_click", words.CHOOSE_REGION, words.PICK_REGION)
            return
        regional.customer_table(reads_drill.customers(region, period), money)
    customer = state.number(controls.CUSTOMER)
    if customer is None:
        return
    with widgets.card("sales", words.sales_of_customer(customer), words.span(period)):
        lines = reads_drill.customer_lines(customer, period)
        drill.sales_lines(
            lines, "customer_sales", money, ("sale_date", "sales_id", "product_id", "quantity", "sale_amount")
        )
    drill.way_of_chosen_sale()


top = st.container()
months = reads.months()
with st.container(horizontal=True, vertical_alignment="center", key="filters"):
    period = controls.months(months) if months else Period()
    table = reads.regions(period)
    region = controls.region(list(table["region"])) if len(table) else None
with top:
    widgets.header("Regional revenue", regional.provenance(period))
    widgets.refusal()

if table.empty:
    widgets.empty("public", words.NO_REGIONS, words.RUN_FIRST)
else:
    dollars = Currency(reads.unit(*reads.REVENUE))
    figures(period, region, dollars)
    ranking(period, region, dollars)
    with widgets.card("regions", "Regions", words.regions_note(not reads.from_regions(period))):
        regional.region_table(table, period, dollars)
    customers(period, region, dollars)
