"""Overview: whether the numbers can be trusted, what runs, and the buttons that run things."""

from __future__ import annotations

import streamlit as st

from ui import data, live, overview, widgets

here = overview.title()
widgets.refusal()
overview.problems(here)
overview.verdict(data.verdict())
if here.published_at is None:
    overview.first_steps(here, data.sources())

live.follow(lambda run: overview.stages(run, data.layers(), data.tables()))

wide, narrow = st.columns([1.5, 1], gap="small")
with wide:
    overview.run_buttons(data.tables(), data.active_run())
with narrow:
    overview.attention(data.attention())
    overview.recent_runs(data.runs())
