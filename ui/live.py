"""What follows a run while it runs: nothing is polled while nothing does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from ui import actions, data, state, widgets, words

if TYPE_CHECKING:
    from etl.model import Run

EVERY_SECONDS = 0.5
ENGINE_EVERY_SECONDS = 1.0
RETURN_EVERY_SECONDS = 2.0


def follow(draw: Callable[[Run | None], None]) -> None:
    """Draw with the active run, again twice a second while there is one, and the whole page when it ends."""
    first = data.active_run()
    awaited = state.awaited()
    if first is None and awaited is not None:
        # A quick run may end while the page that asked for it is drawn: what stands above is then old.
        _announce(awaited)
        st.rerun()

    @st.fragment(run_every=EVERY_SECONDS if first else None)
    def part() -> None:
        with widgets.boundary():
            current = data.active_run()
            if first and (current is None or current.run_id != first.run_id):
                _announce(first.run_id)
                st.rerun()
            draw(current)

    part()


def wait_for_engine(title: str) -> None:
    """Say what keeps the engine from starting, and draw the page as soon as it is up."""
    widgets.header(title)

    @st.fragment(run_every=ENGINE_EVERY_SECONDS)
    def part() -> None:
        if data.engine_is_up():
            st.rerun()
        fault = data.startup_problem()
        if fault:
            widgets.problem(fault)
        else:
            widgets.verdict("running", words.STARTING, words.STARTING_WHY)

    part()


def wait_for_return() -> None:
    """Draw the page again as soon as ledger and warehouse answer; nobody has to press anything."""
    asked = False

    @st.fragment(run_every=RETURN_EVERY_SECONDS)
    def part() -> None:
        nonlocal asked
        if asked and data.answers():
            st.rerun()
        asked = True  # not at once: what answers again and fails again must not turn in a circle

    part()


def _announce(run_id: int) -> None:
    state.end_said(run_id)
    ended = data.living().run(run_id)
    state.toast(words.run_ended(ended), "check" if ended.state == "succeeded" else "priority_high")


def progress(run: Run) -> None:
    """The task that runs now, how many are done, and a way to stop."""
    with widgets.card("running"), st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            widgets.line(str(run.state), words.run_now(run), words.run_progress(run, state.now()))
            st.button(
                "Cancel",
                key=f"cancel-{run.run_id}",
                type="tertiary",
                icon=":material/close:",
                disabled=run.cancel_requested,
                on_click=actions.cancel,
                args=(run.run_id,),
            )
        st.progress(words.done_share(run))
