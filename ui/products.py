"""The figures and the table of the page Products, from frames of `ui.reads_analytics`."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ui import charts, data, fmt, reads_products, widgets
from ui import charts_analytics as drawn
from ui import controls_analytics as controls
from ui import reads_analytics as reads
from ui import words_analytics as words
from ui.currency import Currency
from ui.drill import columns, table_height

TOP = 15
MOST_POINTS = 2_000
MOST_RANKED = 100
PARETO_SHARE = 0.8


def provenance() -> str:
    """From which table and version."""
    return words.provenance(reads_products.PRODUCTS, data.published(reads_products.PRODUCTS))


def figures(frame: pd.DataFrame, money: Currency) -> None:
    """How many products, what they sold, and how few make most of it."""
    revenue = reads.added(frame["total_revenue"])
    orders, pieces = int(frame["total_orders"].sum()), int(frame["total_quantity_sold"].sum())
    needed = reads_products.needed_for(frame, PARETO_SHARE)
    best = frame.iloc[0]
    widgets.kpis(
        [
            widgets.Kpi(
                "Products", fmt.count(len(frame)), f"{fmt.count(needed)} make {round(100 * PARETO_SHARE)} %"
            ),
            widgets.Kpi("Revenue", money.short(revenue), f"{fmt.count(orders, 'order')}"),
            widgets.Kpi("Pieces sold", fmt.count(pieces), f"{pieces / max(orders, 1):.1f} an order"),
            widgets.Kpi(
                "Best product",
                words.product(best["product_id"]),
                f"{money.short(best['total_revenue'])} · {fmt.share(best['share'])}",
            ),
        ]
    )


def facts(frame: pd.DataFrame, product: int, money: Currency) -> str:
    """Where one product stands among all."""
    row = frame[frame["product_id"] == product].iloc[0]
    return words.product_facts(
        row["revenue_rank"], len(frame), money.exact(row["total_revenue"]), row["total_orders"]
    )


def ranking(frame: pd.DataFrame, product: int | None, money: Currency) -> None:
    """The best products as bars; a click chooses one."""
    bars = frame.head(MOST_RANKED if controls.all_products(len(frame), TOP, MOST_RANKED) else TOP)
    drawn.ranking(
        [words.product(each) for each in bars["product_id"]],
        list(bars["total_revenue"]),
        money.short,
        "products",
        None if product is None else words.product(product),
        controls.pick_product,
        [money.exact(amount) for amount in bars["total_revenue"]],
    )


def pareto(frame: pd.DataFrame) -> None:
    """How much of the revenue the first so many products make."""
    needed = reads_products.needed_for(frame, PARETO_SHARE)
    drawn.pareto(list(frame["reached"]), PARETO_SHARE, needed, "product", "pareto")


def scatter(frame: pd.DataFrame, product: int | None, money: Currency) -> None:
    """Pieces against revenue; a click chooses a product."""
    points = frame.head(MOST_POINTS)
    drawn.scatter(
        [int(pieces) for pieces in points["total_quantity_sold"]],
        list(points["total_revenue"]),
        [words.product(each) for each in points["product_id"]],
        money,
        "scatter",
        None if product is None else words.product(product),
        controls.pick_product,
    )


def product_table(frame: pd.DataFrame, money: Currency) -> None:
    """One row per product, and the same as CSV."""
    number, day = st.column_config.NumberColumn, st.column_config.DateColumn
    share = reads.percent(frame["share"])
    st.dataframe(
        reads.plain(frame).assign(share=share, reached=reads.percent(frame["reached"])),
        hide_index=True,
        row_height=38,
        height=table_height(len(frame), 12),
        placeholder=fmt.MISSING,
        column_order=[
            "revenue_rank",
            "product_id",
            "total_revenue",
            "share",
            "reached",
            "total_orders",
            "total_quantity_sold",
            "average_order",
            "unique_customers",
            "last_sale_date",
        ],
        column_config={
            **columns(money),
            "revenue_rank": number("Rank", format="%d", width=58),
            "total_revenue": number("Revenue", format=money.cell, width=102),
            "share": st.column_config.ProgressColumn(
                "Share",
                format="%.1f %%",
                min_value=0,
                max_value=max(share, default=1) * 1.15,
                width=112,
                color=charts.ink("accent"),
            ),
            "reached": number("Running share", format="%.1f %%", width=103),
            "total_orders": number("Orders", format="localized", width=68),
            "total_quantity_sold": number("Pieces", format="localized", width=70),
            "average_order": number("Average order", format=money.cell, width=104),
            "unique_customers": number("Customers", format="localized", width=86),
            "first_sale_date": day("First sale", format="D MMM YYYY", width=105),
            "last_sale_date": day("Last sale", format="D MMM YYYY", width=98),
        },
        alt="Products by revenue",
    )
    widgets.csv_button(frame, "products")
