"""What a row of gold is made of: the silver rows of its key, and whether they add up to it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, fmt, quality_rows, reads_quality, widgets, words, words_explain
from ui.currency import Currency
from ui.widgets import Kpi, card, pill

if TYPE_CHECKING:
    from etl.facts import GoldRow, TableFacts

MOST_ROWS = 50


def row(table: TableFacts, key: str) -> None:
    """The row itself, then the silver rows behind it, each with its own way."""
    found = data.living().gold_row(table.name, key, MOST_ROWS)
    if not found.own.rows:
        widgets.empty("search_off", words_explain.NOT_THERE, words_explain.NO_GOLD_ROW)
        return
    values = zip(found.own.columns, found.own.rows[0], strict=True)
    widgets.kpis([Kpi(name, _written(table, name, value)) for name, value in values])
    if found.why_not:
        widgets.empty("route", found.why_not)
    else:
        _made_of(table, found)


def _written(table: TableFacts, name: str, value: object) -> str:
    unit = next((field.unit for field in table.fields if field.name == name), "")
    if isinstance(value, Decimal) and unit.isupper():
        return Currency(unit).exact(value)
    return fmt.count(value) if isinstance(value, int) and unit else words.cell(value)


def _made_of(table: TableFacts, found: GoldRow) -> None:
    unit = next((field.unit for field in table.fields if field.name == found.column), "")
    say = words_explain.made_of(found, Currency(unit).exact if unit.isupper() else str)
    mark = pill("passed", words_explain.ADDS_UP) if found.adds_up else pill("failed", words_explain.DIFFERS)
    silver = next(facts for facts in data.tables() if facts.name == found.source_table)
    frame, paths = data.frame(found.rows), reads_quality.paths()
    frame.insert(0, "_path", [paths.get(batch_id) for batch_id in frame["_batch_id"]])
    with card("made-of", f"Made of {silver.short}", say, mark):
        quality_rows.listed_rows(frame, f"made-of-{table.short}", silver, typed=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            widgets.csv_button(frame, f"{table.short}-made-of")
            st.html(f'<div class="ml sub num">{words_explain.shown_rows(len(frame), found.count)}</div>')
