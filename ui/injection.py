"""The card of the page System that checks the checks: a button, what is at work, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import data, reads_system, state, widgets
from ui import words_injection as words
from ui.widgets import pill_cell

if TYPE_CHECKING:
    from etl.inject import Injection

EVERY_SECONDS = 0.5


def draw() -> None:
    """The card; while a check of the checks is at work it looks again twice a second."""
    first = reads_system.known()
    at_work = bool(first and first.running)

    @st.fragment(run_every=EVERY_SECONDS if at_work else None)
    def part() -> None:
        with widgets.boundary():
            known = reads_system.known()
            if at_work != bool(known and known.running):
                st.rerun()  # to begin to look again and again, or to end it
            _body()

    with widgets.card("inject", words.TITLE, words.LEAD):
        part()


def _body() -> None:
    known = reads_system.known()
    running = bool(known and known.running)
    st.button(words.ASK, key="inject", icon=":material/bug_report:", disabled=running, on_click=_ask)
    if running:
        widgets.line("running", words.RUNNING, words.RUNNING_WHY)
    elif known and known.problem:
        widgets.problem(known.problem)
    elif known and known.found:
        _found(known.found)
    else:
        widgets.line("unexamined", words.NEVER, words.NEVER_DO)


def _ask() -> None:
    def request() -> str:
        begun = reads_system.checking().start(data.living())
        return words.STARTED if begun else words.AT_WORK

    state.asked(request)


def _found(found: Injection) -> None:
    widgets.verdict(*words.summary(found))
    for fault in found.faults:
        if fault.caught == "no":
            widgets.line("failed", *words.missed(fault), top=True)
    widgets.compact(
        {"Kind of fault": "", "Caught": "", "Caught by": ""},
        [
            (words.kind(kind), pill_cell(*words.counted(faults)), words.catchers(faults))
            for kind, faults in reads_system.by_kind(found).items()
        ],
    )
    frame = reads_system.frame(found.faults)
    with st.expander(words.EVERY):
        st.dataframe(frame, hide_index=True)
    widgets.csv_button(frame, "planted-faults")
