"""The parts of Quality → Checks on arriving files: their volume, days marked as incidents, columns that differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import charts_volume, data, reads_watching, state, widgets, words_mending
from ui import words_checks as words
from ui.widgets import card

if TYPE_CHECKING:
    from etl.drift import Drift
    from etl.volume import Incident, SourceVolume

_LACKING = "incident-lacks-a-reason"
_FORM = ("incident-source", "incident-day", "incident-why")


def draw() -> None:
    """All three, below the checks that they explain."""
    volumes = reads_watching.volumes()
    if volumes:
        volume(volumes)
        incidents(reads_watching.incidents(), [found.source for found in volumes])
    drift(reads_watching.drift())


def volume(found: Sequence[SourceVolume]) -> None:
    """One source's files and what is usual for it; the days that do not count, and how to mark one."""
    with card("volume", "Volume", words.VOLUME_LEAD):
        sources = [volume.source for volume in found]
        picked = st.segmented_control(
            words.SOURCE, sources, default=sources[0], required=True, label_visibility="collapsed",
            key="volume-of",
        )  # fmt: skip
        shown = next((volume for volume in found if volume.source == picked), found[0])
        if not shown.batches:
            widgets.nothing("bar_chart", words.VOLUME_EMPTY)
            return
        charts_volume.volume(reads_watching.volume_frame(shown), "volume-chart", words.volume_alt(shown))
        st.html(f'<div class="ml sub num">{words.expected(shown.expected)}</div>')


def incidents(found: Sequence[Incident], sources: Sequence[str]) -> None:
    """The days that were marked, each with a way back, and the form that marks one."""
    with card("incidents", "Incidents", words.INCIDENTS_LEAD):
        if not found:
            st.html(f'<div class="ml sub">{words.NO_INCIDENTS}</div>')
        for incident in found:
            _incident(incident)
        with st.expander(words.MARK, bool(st.session_state.get(_LACKING)), icon=":material/event_busy:"):
            _form(sources)


def _incident(found: Incident) -> None:
    place = f"{found.source}-{found.day.isoformat()}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"incident-{place}"):
        widgets.line(
            "skipped", words.incident(found), f"{found.reason} · {words.marked(found, state.ago(found.at))}"
        )
        st.button(
            words.TAKE_BACK,
            key=f"unmark-{place}",
            icon=":material/undo:",
            type="tertiary",
            on_click=partial(_take_back, found.source, found.day),
        )


def _form(sources: Sequence[str]) -> None:
    with st.form("incident", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        left.selectbox(words.SOURCE, sources, key=_FORM[0])
        right.date_input(
            words.DAY, state.now().date(), max_value=state.now().date(), key=_FORM[1], format="YYYY-MM-DD"
        )
        st.text_input(words.WHY, placeholder=words.WHY_HINT, max_chars=500, key=_FORM[2])
        if st.session_state.get(_LACKING):
            st.html(f'<div class="ml"><div class="failed" role="alert">{words.WHY_MISSING}</div></div>')
        st.form_submit_button(words.MARK_IT, on_click=_mark, key="mark-incident")


def _mark() -> None:
    source, day, why = (st.session_state.get(name) for name in _FORM)
    st.session_state[_LACKING] = not str(why or "").strip()
    if st.session_state[_LACKING]:
        return

    def request() -> str:
        found = data.living().mark_incident(str(source), _day(day), str(why or ""), by=words_mending.VISITOR)
        st.session_state[_FORM[2]] = ""
        return words.is_marked(found.source, found.day.isoformat())

    state.asked(request)


def _day(value: object) -> date:
    """What a date field holds; today when it was emptied."""
    return value if isinstance(value, date) else state.now().date()


def _take_back(source: str, day: date) -> None:
    def request() -> str:
        data.living().unmark_incident(source, day, by=words_mending.VISITOR)
        return words.taken_back(source, day.isoformat())

    state.asked(request)


def drift(found: Sequence[Drift]) -> None:
    """The columns that differed, of the newest files first."""
    with card("drift", "Columns that differ", words.DRIFT_LEAD):
        if not found:
            st.html(f'<div class="ml sub">{words.NO_DRIFT}</div>')
            return
        headings = dict.fromkeys(("What", "Column", "Found", "When", "What to do"), "")
        widgets.listing(headings, [_drift_line(one) for one in found[: words.DRIFT_SHOWN]])
        with st.container(horizontal=True, vertical_alignment="center"):
            widgets.csv_button(reads_watching.drift_frame(found), "columns-that-differ")
            if len(found) > words.DRIFT_SHOWN:
                st.html(f'<div class="ml sub num">{words.shown(words.DRIFT_SHOWN, len(found))}</div>')


def _drift_line(found: Drift) -> list[widgets.Cell]:
    word, tone = words.DRIFT_KINDS.get(str(found.kind), (str(found.kind), "unexamined"))
    return [
        widgets.Html(widgets.badge(word, tone)),
        widgets.Html(
            f'<div><span class="code">{escape(found.column)}</span>'
            f'<div class="sub">{escape(found.path)}</div></div>'
        ),
        words.drift_detail(found),
        widgets.keep(state.ago(found.at)),
        found.proposal or (words.AGREED if found.agreed else ""),
    ]
