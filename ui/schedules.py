"""What runs by itself: the pipelines with their switches, and what became of each scheduled time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import actions, fmt, widgets
from ui import words_runs as words
from ui.widgets import keep, pill_cell

if TYPE_CHECKING:
    from etl.facts import PipelineFacts
    from etl.model import Tick


def pipelines(found: Sequence[PipelineFacts]) -> None:
    """Each pipeline with its last run, when it runs next by itself, and the switch that stops it from doing so."""
    for facts in found:
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, key=f"pipeline-{facts.name}"
        ):
            last = facts.last_run.state if facts.last_run else "unexamined"
            widgets.line(str(last), facts.title, words.pipeline_facts(facts))
            if facts.cron:
                _switch(facts)


def _switch(facts: PipelineFacts) -> None:
    key = f"runs-{facts.name}"
    # The ledger is the truth: a pause from the command line must show here too.
    st.session_state[key] = not facts.paused

    def thrown() -> None:
        actions.pause(facts.name, facts.title, not st.session_state[key])

    st.toggle(words.switch(facts), key=key, on_change=thrown, help=words.SWITCH)


def ticks(found: Sequence[Tick]) -> None:
    """What became of each scheduled time, newest first."""
    if not found:
        widgets.nothing("event_upcoming", words.NO_TICKS)
        return
    widgets.compact(
        {"Due": "", "Outcome": "", "Pipeline": "", "Run": "n", "Why": ""},
        [
            (
                keep(words.tick_times(tick)) if tick.count == 1 else words.tick_times(tick),
                pill_cell(tick.outcome),
                keep(words.pipeline(tick.pipeline)),
                fmt.count(tick.run_id),
                tick.reason or fmt.MISSING,
            )
            for tick in found
        ],
    )
