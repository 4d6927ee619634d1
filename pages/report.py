"""Report: the kept validation report, its verdict, what it rests on, and past ones."""

from __future__ import annotations

import streamlit as st

from ui import data, report, widgets, words

with st.container(horizontal=True, vertical_alignment="bottom"):
    widgets.header("Report", data.provenance())
    shown = report.pick(data.reports())
widgets.refusal()

if shown is None:
    widgets.empty("description", "No report yet", words.NO_REPORT)
    st.stop()

report.verdict(shown)
report.downloads(shown)
report.rests_on(shown)
report.sections(shown)
