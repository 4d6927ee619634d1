"""Find a row: the way of one row from the line of its file to silver and gold, or why it is not there."""

from __future__ import annotations

import streamlit as st

from ui import data, explain, widgets, words_explain

widgets.header("Find a row", data.provenance())
widgets.refusal()

tables = explain.tables(data.tables())
if not tables:
    widgets.empty("route", words_explain.NO_TABLES, words_explain.LAND_FILES)
    st.stop()

table, key = explain.wanted(tables)
if not key:
    explain.suggest(table)
    st.stop()

with widgets.boundary():
    explain.way(table, key)
