"""What both drills draw: sales lines with the file line each came from, and the way of one line."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import controls_analytics as controls
from ui import reads_analytics as reads
from ui import reads_drill, state, widgets
from ui import words_analytics as words
from ui.currency import Currency

if TYPE_CHECKING:
    from etl.facts import Explained

_ROWS_SEEN = 8
_ROW = 38


def table_height(rows: int, most: int = _ROWS_SEEN) -> int:
    """Pixels for at most `most` rows and the heading; more rows scroll inside."""
    return _ROW * (min(max(rows, 1), most) + 1) + 2


def columns(money: Currency) -> dict[str, Any]:
    """How the columns of sales lines and customers are written."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "sale_date": st.column_config.DateColumn("Sold on", format="D MMM YYYY", width=100),
        "last_sale": st.column_config.DateColumn("Last sale", format="D MMM YYYY", width=100),
        "sales_id": number("Sale", format="%d", width=70),
        "customer_id": number("Customer", format="%d", width=85),
        "customer_name": text("Name", width=150),
        "email": text("E-mail", width=190),
        "region": text("Region", width=108),
        "product_id": number("Product", format="%d", width=78),
        "orders": number("Orders", format="localized", width=75),
        "quantity": number("Pieces", format="localized", width=70),
        "revenue": number("Revenue", format=money.cell, width=110),
        "sale_amount": number("Amount", format=money.cell, width=92),
        "file": text("File", width=190),
        "line": number("Line", format="localized", width=72),
        "corrected": st.column_config.CheckboxColumn("Corrected", width=90),
    }


def sales_lines(lines: pd.DataFrame, name: str, money: Currency, shown: tuple[str, ...]) -> None:
    """Sales lines, newest first; a selected row becomes query parameter `sale`."""
    st.html(
        f'<div class="ml sub num">{escape(words.at_most(len(lines), reads_drill.MOST_LINES, "line", "newest first"))}. '
        f"{escape(words.PICK_LINE)}</div>"
    )
    order = [*shown, "file", "line", *(["corrected"] if lines["corrected"].any() else [])]
    st.dataframe(
        reads.plain(lines),
        hide_index=True,
        row_height=_ROW,
        height=table_height(len(lines)),
        column_order=order,
        column_config=columns(money),
        placeholder="–",
        alt="Sales lines with the file and line each came from",
        **controls.selectable(lines, "sales_id", controls.SALE),
    )
    widgets.csv_button(lines, name, "Sales lines as CSV")


def way_of_chosen_sale() -> None:
    """The way of the sales line that query parameter `sale` names, if any."""
    sale = state.number(controls.SALE)
    if sale is None:
        return
    with widgets.card("way", words.way_of_sale(sale)):
        way(reads_drill.explained(sale))


def way(found: Explained) -> None:
    """Where one row came from, step by step, and its line as it stands in the file."""
    steps = "".join(
        f"<li><b>{escape(heading)}</b><div class='muted'>{escape(sentence)}</div></li>"
        for heading, sentence in found.steps
    )
    st.html(f'<div class="ml"><ol class="way">{steps}</ol></div>')
    if found.raw:
        where = f"{found.path}, line {found.line_number:,}" if found.line_number else found.path
        st.html(f'<div class="ml sub">{escape(where)}</div>')
        st.code(found.raw, language=None, wrap_lines=True)
