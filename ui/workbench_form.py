"""The workbench on a phone, where a wide table cannot be written into: a list, and one row as a form."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import reads_mending, workbench_drafts
from ui import words_mending as words
from ui.reads_mending import MOST_CELL, RAW

if TYPE_CHECKING:
    from etl.mends import AsideRow

MOST_LISTED = 12
_CHOOSE = "form-row"


def rows(shown: Sequence[AsideRow], source: str, state: str) -> None:
    """The first rows of the page, and a way to any of them."""
    lines = "".join(_line(row) for row in shown[:MOST_LISTED])
    st.html(f'<div class="ml">{lines}</div>')
    picked = st.selectbox(
        words.CHOOSE_ROW,
        range(len(shown)),
        index=None,
        format_func=lambda at: _name(shown[at]),
        key=_CHOOSE,
        placeholder=words.choose_of(len(shown)),
        label_visibility="collapsed",
    )
    if picked is not None:
        _form(shown[picked], source, state)


def _name(row: AsideRow) -> str:
    first = next(iter(reads_mending.cells(row).values()), "") or ""
    return f"{first[:40]} · {words.joined(row.reasons)}"


def _line(row: AsideRow) -> str:
    cells = [value for value in reads_mending.cells(row).values() if value]
    return (
        f'<div class="line"><div class="cut">{escape(", ".join(cells)[:120])}</div>'
        f'<div class="sub cut">{escape(words.joined(row.reasons) or row.note)}</div></div>'
    )


def _form(row: AsideRow, source: str, state: str) -> None:
    at = reads_mending.place(row)
    key = f"form-{zlib.crc32(repr((source, state, at)).encode())}"
    written = workbench_drafts.changes(source, state).get(at, {})
    with st.form(key):
        st.html(f'<div class="ml sub">{escape(words.place(row.path, *at[1:]))}</div>')
        for name, value in reads_mending.cells(row).items() if state != words.DISCARDED else ():
            now = written.get(name, value) or ""
            field = st.text_area if name == RAW else st.text_input
            field(
                words.LINE if name == RAW else words.plain(name),
                now[:MOST_CELL],
                key=f"{key}-{name}",
                disabled=len(value or "") > MOST_CELL,
            )
        st.checkbox(words.TICKED, at in workbench_drafts.ticks(source, state), key=f"{key}-tick")
        st.form_submit_button(words.KEEP, on_click=_keep, args=(key, row, source, state))


def _keep(key: str, row: AsideRow, source: str, state: str) -> None:
    values = {name: st.session_state.get(f"{key}-{name}") for name in reads_mending.cells(row)}
    given = {name: value for name, value in values.items() if value is not None}
    workbench_drafts.write(row, source, state, given, tick=bool(st.session_state.get(f"{key}-tick")))
