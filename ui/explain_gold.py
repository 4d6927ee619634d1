"""What a row of gold is made of: the silver rows of its key, and whether they add up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import data, quality_rows, widgets, words, words_explain
from ui.currency import Currency
from ui.widgets import card, pill

if TYPE_CHECKING:
    from etl.facts import GoldRow, TableFacts

MOST_ROWS = 50


def row(table: TableFacts, key: str) -> None:
    """The row itself, then the silver rows behind it, each with its own way."""
    found = data.living().gold_row(table.name, key, MOST_ROWS)
    if not found.own.rows:
        widgets.empty("search_off", words_explain.NOT_THERE, words_explain.NO_GOLD_ROW)
        return
    with card("gold-row", words_explain.title(table.name, key), table.grain):
        values = [
            (name, _written(table, name, value))
            for name, value in zip(found.own.columns, found.own.rows[0], strict=True)
        ]
        widgets.listing({"Column": "", "Value": "n"}, values)
    if found.why_not:
        widgets.empty("route", found.why_not)
    else:
        _made_of(table, found)


def _written(table: TableFacts, name: str, value: object) -> str:
    unit = next((field.unit for field in table.fields if field.name == name), "")
    if value is None or not unit.isupper():
        return words.cell(value)
    return Currency(unit).exact(value)  # type: ignore[arg-type]


def _made_of(table: TableFacts, found: GoldRow) -> None:
    unit = next((field.unit for field in table.fields if field.name == found.column), "")
    say = words_explain.made_of(found, Currency(unit).exact if unit.isupper() else str)
    mark = pill("passed", words_explain.ADDS_UP) if found.adds_up else pill("failed", words_explain.DIFFERS)
    silver = next(facts for facts in data.tables() if facts.name == found.source_table)
    frame = data.frame(found.rows)
    with card("made-of", f"Made of {silver.short}", say, mark):
        quality_rows.listed_rows(frame, f"made-of-{table.short}", silver, typed=True)
        widgets.csv_button(frame, f"{table.short}-made-of")
        st.html(f'<div class="ml sub num">{words_explain.shown_rows(len(frame), found.count)}</div>')
