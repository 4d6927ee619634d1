"""The figures and tables of the page Regional revenue, from frames of `ui.reads_analytics`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import charts, data, fmt, widgets
from ui import controls_analytics as controls
from ui import reads_analytics as reads
from ui import words_analytics as words
from ui.currency import Currency
from ui.drill import columns, table_height
from ui.period import Period
from ui.reads_drill import MOST_CUSTOMERS

if TYPE_CHECKING:
    from ui.reads_analytics import Totals

_FULL_BAR = 1.15  # the longest share bar stops short of its cell's edge


def provenance(period: Period) -> str:
    """Which months are shown, from which table and version."""
    table = reads.source_of_regions(period)
    return words.provenance(table, data.published(table), words.compared(period, reads.comparable(period)))


def figures(now: Totals, before: Totals | None, by_month: pd.DataFrame, money: Currency) -> None:
    """Revenue, orders, average order and customers, each over its course by month.

    The note is what the same figure was `before`, with the change; without one, the mean of a month.
    """
    course = reads.plain(by_month)
    count = max(len(course), 1)
    shown = (
        _Figure(
            "Revenue", money.short, lambda each: each.revenue, f"{money.short(now.revenue / count)} a month"
        ),
        _Figure("Orders", fmt.count, lambda each: each.orders, f"{fmt.compact(now.orders / count)} a month"),
        _Figure(
            "Average order",
            money.exact,
            lambda each: each.average,
            f"{now.quantity / max(now.orders, 1):.1f} pieces each",
        ),
        _Figure(
            "Customers who bought" if now.buying else "Customers",
            fmt.count,
            lambda each: each.customers,
            f"{fmt.compact(course['customers'].mean())} buy in a month" if len(course) else "",
        ),
    )
    courses = (course["revenue"], course["orders"], course["average"].ffill(), course["customers"])
    with st.grid(4, min_column_width=150, row_height=172, gap="small"):
        for figure, line in zip(shown, courses, strict=True):
            _metric(figure, now, before, list(line))


@dataclass(frozen=True)
class _Figure:
    """One KPI: how its value is written, where it is found, and its note while nothing is compared."""

    label: str
    write: Callable[[Any], str]
    of: Callable[[Totals], Any]
    note: str


def _metric(figure: _Figure, now: Totals, before: Totals | None, course: list[float]) -> None:
    value, earlier = figure.of(now), figure.of(before) if before else None
    compared = bool(value and earlier)
    st.metric(
        figure.label,
        figure.write(value),
        words.change(value, earlier) if compared else figure.note or None,
        delta_description=words.earlier(figure.write(earlier)) if compared else None,
        delta_color="blue",
        delta_arrow="auto" if compared else "off",
        chart_data=course,
        chart_type="area",
        border=True,
        height="stretch",
    )


def region_table(frame: pd.DataFrame, period: Period, money: Currency) -> None:
    """One row per region with its share as a bar and its course by month, and the same as CSV."""
    number = st.column_config.NumberColumn
    shown = reads.plain(frame).assign(share=reads.percent(frame["share"]))
    st.dataframe(
        shown,
        hide_index=True,
        height="content",
        row_height=40,
        placeholder=fmt.MISSING,
        column_order=["region", "revenue", "share", "orders", "average", "customers", "trend"],
        column_config={
            "region": st.column_config.TextColumn("Region", width=115),
            "revenue": number("Revenue", format=money.cell, width=110),
            "share": st.column_config.ProgressColumn(
                "Share",
                format="%.1f %%",
                min_value=0,
                max_value=float(shown["share"].max() * _FULL_BAR),
                width=125,
                color=charts.ink("accent"),
            ),
            "orders": number("Orders", format="localized", width=80),
            "average": number("Average order", format=money.cell, width=115),
            "customers": number(
                "Customers" if reads.from_regions(period) else "Bought", format="localized", width=95
            ),
            "trend": st.column_config.AreaChartColumn(
                words.span(period), width=165, color=charts.ink("accent"), y_min=0
            ),
        },
        alt="Regions by revenue",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.csv_button(frame.drop(columns="trend"), "regional_revenue")
        total = words.in_all(len(frame), money.exact(reads.added(frame["revenue"])))
        st.html(f'<div class="ml sub num" style="text-align:right">{total}</div>', width="stretch")


def customer_table(frame: pd.DataFrame, money: Currency) -> None:
    """The best customers of a region; a selected row becomes query parameter `customer`."""
    order = words.at_most(len(frame), MOST_CUSTOMERS, "customer", "most revenue first")
    st.html(f'<div class="ml sub num">{order}. {words.PICK_CUSTOMER}</div>')
    st.dataframe(
        reads.plain(frame),
        hide_index=True,
        row_height=38,
        height=table_height(len(frame)),
        column_order=["customer_id", "customer_name", "revenue", "orders", "quantity", "last_sale", "email"],
        column_config=columns(money),
        placeholder=fmt.MISSING,
        alt="Customers of the region by revenue",
        **controls.selectable(frame, "customer_id", controls.CUSTOMER, forget=(controls.SALE,)),
    )
    widgets.csv_button(frame, "customers", "Customers as CSV")
