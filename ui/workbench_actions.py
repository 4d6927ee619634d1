"""What can be done with rows as they are: discard or restore those ticked, or all that match; take them away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from ui import reads_mending, state, workbench_requests
from ui import words_mending as words
from ui.reads_mending import Chosen, Place
from ui.words_mending import DISCARDED, UNREADABLE
from ui.workbench_asking import Question, ask

if TYPE_CHECKING:
    from etl.mends import AsideRow


def actions(picked: Chosen, ticked: Mapping[Place, AsideRow]) -> None:
    """Discard what is open and restore what is discarded, of the ticked rows or of all that match; the CSV."""
    to_restore = [row for row in ticked.values() if reads_mending.is_discarded(row)]
    to_discard = [row for row in ticked.values() if reads_mending.is_open(row)]
    with st.container(horizontal=True, vertical_alignment="center", key="aside-actions"):
        if picked.state != DISCARDED:
            _button("Discard", "delete_sweep", picked, to_discard)
            st.button(
                "Discard all", key="discard-all", type="tertiary", on_click=_discard_all, args=(picked,)
            )
        if picked.state == DISCARDED or to_restore:
            _button("Restore", "undo", picked, to_restore)
        if picked.state == DISCARDED:
            st.button(
                "Restore all", key="restore-all", type="tertiary", on_click=_restore_all, args=(picked,)
            )
        st.space("stretch")
        _csv(picked)


def _button(verb: str, symbol: str, picked: Chosen, rows: Sequence[AsideRow]) -> None:
    st.button(
        f"{verb} {len(rows):,} ticked" if rows else f"{verb} ticked",
        key=f"{verb.lower()}-ticked",
        icon=f":material/{symbol}:",
        disabled=not rows,
        on_click=_discard if verb == "Discard" else _restore,
        args=(picked, rows, words.picked_said(picked.source)),
    )


def _discard_all(picked: Chosen) -> None:
    rows = [row for row in reads_mending.every_row(picked) if reads_mending.is_open(row)]
    if not rows:
        state.toast(words.NOTHING_OPEN, "info")
        return
    _discard(picked, rows, words.filter_said(picked.source, picked.path, picked.reason))


def _restore_all(picked: Chosen) -> None:
    rows = reads_mending.every_row(picked)
    _restore(picked, rows, words.filter_said(picked.source, picked.path, picked.reason))


def _discard(picked: Chosen, rows: Collection[AsideRow], lead: str) -> None:
    lines = picked.state == UNREADABLE
    places = sorted(row.place for row in rows)
    discard = partial(workbench_requests.discard, picked.source, places, lines)
    ask(Question(words.discard_title(len(places), lines), lead, "Discard", discard))


def _restore(picked: Chosen, rows: Collection[AsideRow], lead: str) -> None:
    lines = sorted(row.place for row in rows if reads_mending.is_line(row))
    others = sorted(row.place for row in rows if not reads_mending.is_line(row))
    restore = partial(workbench_requests.restore, picked.source, others, lines)
    title = words.restore_title(len(others), len(lines))
    ask(Question(title, lead, "Restore", lambda _: restore(), reason_due=False))


def _csv(picked: Chosen) -> None:
    st.download_button(
        "CSV",
        partial(reads_mending.export, picked),
        f"{picked.state}-{picked.source}.csv",
        "text/csv",
        key="csv-aside",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
