"""The question before something that touches many rows: what it does, why (where a reason is due), yes or no.

It stays open over reruns of the page, also when a run ends meanwhile, until it is answered or closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from ui import words_mending as words

_OPEN, _MISSING, _REASON = "_question", "_question-missing", "question-reason"
MOST_REASON = 500


@dataclass(frozen=True)
class Question:
    """`act` is called with the reason, "" where none is asked for. The title holds no text from data."""

    title: str
    lead: str
    yes: str
    act: Callable[[str], None]
    reason_due: bool = True


def ask(question: Question) -> None:
    """Open a question at the next run of the script."""
    st.session_state[_OPEN] = question
    st.session_state.pop(_MISSING, None)


def draw() -> None:
    """The open question, if any; once per run of the script."""
    question: Question | None = st.session_state.get(_OPEN)
    if question is None:
        return
    st.dialog(question.title, on_dismiss=_close)(_body)()


def _body() -> None:
    question: Question | None = st.session_state.get(_OPEN)
    if question is None:  # answered: a dialog runs without the page, which has to follow
        st.rerun()
    # A dialog stands outside the page, where the colours of our own markup do not follow the theme.
    st.text(question.lead)
    st.caption(words.REVERSIBLE)
    with st.form("question", border=False, enter_to_submit=False):
        if question.reason_due:
            st.text_area(words.WHY, key=_REASON, max_chars=MOST_REASON, height=90)
        if st.session_state.get(_MISSING):
            st.error(words.WHY_MISSING)
        with st.container(horizontal=True):
            st.form_submit_button(question.yes, key="question-yes", type="primary", on_click=_answer)
            st.form_submit_button("Cancel", key="question-no", on_click=_close)


def _answer() -> None:
    question: Question | None = st.session_state.get(_OPEN)
    if question is None:
        return
    reason = str(st.session_state.get(_REASON) or "").strip()
    if question.reason_due and not reason:
        st.session_state[_MISSING] = True
        return
    _close()
    question.act(reason)


def _close() -> None:
    st.session_state.pop(_OPEN, None)
    st.session_state.pop(_MISSING, None)
