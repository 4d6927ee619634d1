"""The filter of the workbench: source, state, file and reason. It stands in the address: a view can be sent on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import reads_mending, reads_quality
from ui import state as visit
from ui import words_mending as words
from ui.reads_mending import PER_PAGE, Chosen
from ui.words_mending import DISCARDED, QUARANTINED, UNREADABLE

if TYPE_CHECKING:
    from etl.facts import Accounts

ALL = ""
SOURCE, STATE, BATCH, REASON, PAGE = "aside-source", "aside", "aside-batch", "aside-reason", "aside-page"


def chosen(accounts: Accounts, counts: Mapping[str, int]) -> Chosen:
    """The filter: source, state, file and reason, each with how many rows it leaves. It stands in the address."""
    fields = st.container(horizontal=True, vertical_alignment="bottom", key="aside-filter")
    with fields:
        source = str(_select("Source", SOURCE, list(counts), lambda name: words.choice(name, counts[name])))
    state = _state(source)
    paths = reads_quality.paths()
    files = reads_mending.files(accounts, source, state)
    reasons = _reasons(source, state)
    with fields:
        batch_id = _select(
            "File",
            BATCH,
            [ALL, *files],
            lambda each: words.choice(paths.get(each, each), files[each]) if each else words.EVERY_FILE,
        )
        reason = _select(
            "Reason",
            REASON,
            [ALL, *reasons],
            lambda each: words.choice(each, reasons[each]) if each else words.EVERY_REASON,
        )
    return Chosen(source, state, batch_id, reason, paths.get(batch_id, ""))


def _select(label: str, key: str, options: Sequence[str], say: Callable[[str], str]) -> str:
    _from_address(key, options)
    picked = st.selectbox(label, options, key=key, format_func=say, on_change=_first_page)
    return _to_address(key, str(picked or options[0]), options[0])


def _state(source: str) -> str:
    counts = {state: reads_mending.total(source, state) for state in words.STATES}
    _from_address(STATE, list(words.STATES))
    picked = st.segmented_control(
        "State",
        list(words.STATES),
        default=None if STATE in st.session_state else QUARANTINED,
        required=True,
        format_func=lambda state: words.choice(words.STATES[state], counts[state]),
        label_visibility="collapsed",
        key=STATE,
        on_change=_first_page,
    )
    return _to_address(STATE, str(picked or QUARANTINED), QUARANTINED)


def _from_address(key: str, options: Sequence[str]) -> None:
    """Start with what the address says. A bound widget would write its labels there, and they hold counts."""
    wanted = st.query_params.get(key)
    if key not in st.session_state and wanted in options:
        st.session_state[key] = wanted


def _to_address(key: str, picked: str, default: str) -> str:
    if picked != st.query_params.get(key, default):
        visit.choose(key, None if picked == default else picked)
    return picked


def _reasons(source: str, state: str) -> dict[str, int]:
    if state == DISCARDED:
        return reads_mending.discard_reasons(source)
    return {
        found.reason: found.rows
        for found in reads_quality.reasons()
        if found.source == source and found.unreadable == (state == UNREADABLE)
    }


def _first_page() -> None:
    if PAGE in st.session_state:
        st.session_state[PAGE] = 1


def page(total: int) -> int:
    """The page to show, counted from 1; the way to the others where there are any."""
    pages = -(-total // PER_PAGE)
    return st.pagination(pages, key=PAGE, bind="query-params") if pages > 1 else 1
