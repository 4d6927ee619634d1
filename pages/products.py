"""Products: ranking, how few make most of the revenue, and one product down to the lines of the files."""

from __future__ import annotations

import streamlit as st

from ui import charts_analytics as charts
from ui import controls_analytics as controls
from ui import drill, products, reads_drill, reads_products, widgets
from ui import reads_analytics as reads
from ui import words_analytics as words
from ui.currency import Currency


def comparison(product: int | None, money: Currency) -> None:
    """Every product beside the others."""
    left, right = st.columns([1.15, 1], gap="small")
    with left, widgets.card("ranking", "Revenue by product", words.PICK_PRODUCT):
        products.ranking(table, product, money)
    with right:
        with widgets.card("pareto", "How few make most of it", words.pareto_note(len(table))):
            products.pareto(table)
        with widgets.card("scatter", "Pieces and revenue", words.PICK_POINT):
            products.scatter(table, product, money)


def one_product(product: int, money: Currency) -> None:
    """One product month by month, its sales, and where one of them came from."""
    course = reads_products.product_by_month(product)
    if len(course):
        with widgets.card(
            "trend", f"{words.product(product)} by month", products.facts(table, product, money)
        ):
            charts.months(list(course["month"]), list(course["revenue"]), "trend", money, 240)
    if not reads_drill.can_drill():
        return
    with widgets.card("sales", words.sales_of_product(product)):
        lines = reads_drill.product_lines(product)
        shown = ("sale_date", "sales_id", "customer_id", "region", "quantity", "sale_amount")
        drill.sales_lines(lines, "product_sales", money, shown)
    drill.way_of_chosen_sale()


table = reads_products.products()
with st.container(horizontal=True, vertical_alignment="center"):
    widgets.header("Products", products.provenance())
    chosen = controls.product(list(table["product_id"])) if len(table) else None
widgets.refusal()
if table.empty:
    widgets.empty("package_2", words.NO_PRODUCTS, words.RUN_FIRST)
else:
    dollars = Currency(reads.unit(*reads_products.REVENUE))
    products.figures(table, dollars)
    comparison(chosen, dollars)
    if chosen is not None:
        one_product(chosen, dollars)
    with widgets.card("all", "All products"):
        products.product_table(table, dollars)
