"""What can be done with rows as they are: discard or restore those ticked, or all that match; take them away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from ui import reads_mending, workbench_drafts, workbench_requests
from ui import words_mending as words
from ui.reads_mending import Chosen, Place
from ui.words_mending import DISCARDED, UNREADABLE
from ui.workbench_asking import Question, ask


def actions(picked: Chosen, total: int, ticked: Mapping[Place, bool]) -> None:
    """Discard or restore what is ticked, or all that matches."""
    verb, symbol = ("Restore", "undo") if picked.state == DISCARDED else ("Discard", "delete_sweep")
    with st.container(horizontal=True, vertical_alignment="center", key="aside-actions"):
        st.button(
            f"{verb} {len(ticked):,} ticked" if ticked else f"{verb} ticked",
            key=f"{verb.lower()}-ticked",
            icon=f":material/{symbol}:",
            disabled=not ticked,
            on_click=_ask,
            args=(picked, dict(ticked), words.picked_said(picked.source)),
        )
        st.button(
            f"{verb} all {total:,}",
            key=f"{verb.lower()}-all",
            type="tertiary",
            on_click=_ask_all,
            args=(picked,),
        )
        st.space("stretch")
        _csv(picked)


def _ask_all(picked: Chosen) -> None:
    found = {reads_mending.place(row): reads_mending.is_line(row) for row in reads_mending.every_row(picked)}
    _ask(picked, found, words.filter_said(picked.source, picked.path, picked.reason))


def _ask(picked: Chosen, named: Mapping[Place, bool], lead: str) -> None:
    rows = workbench_drafts.places(at for at, line in named.items() if not line)
    lines = workbench_drafts.places(at for at, line in named.items() if line)
    if picked.state == DISCARDED:
        restore = partial(workbench_requests.restore, picked.source, rows, lines)
        ask(
            Question(
                words.restore_title(len(rows), len(lines)),
                lead,
                "Restore",
                lambda _: restore(),
                reason_due=False,
            )
        )
        return
    unreadable = picked.state == UNREADABLE
    discard = partial(workbench_requests.discard, picked.source, lines if unreadable else rows, unreadable)
    ask(Question(words.discard_title(len(named), unreadable), lead, "Discard", discard))


def _csv(picked: Chosen) -> None:
    st.download_button(
        "CSV",
        partial(reads_mending.export, picked),
        f"{picked.state}-{picked.source}.csv",
        "text/csv",
        key=f"csv-quarantine-{picked.source}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
