"""Batches: what came in, file by file; withdrawn as a whole, brought back, or read again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import charts, fmt, state, widgets, workbench_requests
from ui import words_mending as words
from ui.tokens import look
from ui.widgets import card
from ui.workbench_asking import Question, ask

if TYPE_CHECKING:
    from etl.facts import Accounts, BatchFacts
    from etl.mends import Mend

WITHDRAWN = "withdrawn"
_SHORT = 12
_MOST_UNFOLDED = 12
_ROW = 38


def batches(found: Sequence[BatchFacts], accounts: Accounts, mends: Sequence[Mend]) -> None:
    """Every batch, newest first; one of them in full, with what can be asked about it."""
    with card("landed", "Batches", words.BATCHES_LEAD):
        if not found:
            widgets.nothing("inventory_2", words.NO_BATCHES)
            return
        gone = {account.batch_id for account in accounts.row_batches if account.withdrawn}
        states = [WITHDRAWN if batch.batch_id in gone else str(batch.state) for batch in found]
        with st.container(key="wide-batches"):
            _table(found, states)
        with st.container(key="narrow-batches"):
            st.html(f'<div class="ml">{"".join(map(_line, found[:_MOST_UNFOLDED], states))}</div>')
        names = [f"{batch.path} ({batch.source}, {batch.batch_id[:_SHORT]})" for batch in found]
        picked = st.selectbox(
            "Choose a file",
            range(len(found)),
            index=None,
            format_func=names.__getitem__,
            key="batch",
            placeholder=words.PICK_A_BATCH,
            label_visibility="collapsed",
        )
        if picked is not None:
            _one(found[picked], states[picked], mends)


def _table(found: Sequence[BatchFacts], states: Sequence[str]) -> None:
    column = st.column_config
    tones = [look(name) for name in (*words.BATCH_STATES,)]
    st.dataframe(
        _frame(found, states),
        hide_index=True,
        height="content" if len(found) <= _MOST_UNFOLDED else _ROW * _MOST_UNFOLDED,
        row_height=_ROW,
        placeholder=fmt.MISSING,
        key="batches-table",
        alt=words.BATCHES_LEAD,
        on_select=_follow_row,
        selection_mode="single-row",
        column_config={
            "state": column.MultiselectColumn(
                "State",
                options=[tone.word for tone in tones],
                color=[charts.ink(f"{tone}-bg") for tone in words.BATCH_STATES.values()],
                width=108,
            ),
            "file": column.TextColumn("File", width=300),
            "source": column.TextColumn("Source", width=150),
            "rows": column.NumberColumn("Rows", format="localized", width=90),
            "unreadable": column.NumberColumn("Unreadable", format="localized", width=100),
            "arrived": column.TextColumn("Arrived", width=110),
            "batch": column.TextColumn("Batch", width=120),
        },
    )


def _frame(found: Sequence[BatchFacts], states: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (
                [look(name).word],
                batch.path,
                batch.source,
                batch.rows,
                batch.unreadable,
                state.ago(batch.arrived_at),
                batch.batch_id[:_SHORT],
            )
            for batch, name in zip(found, states, strict=True)
        ],
        columns=["state", "file", "source", "rows", "unreadable", "arrived", "batch"],
    )


def _line(batch: BatchFacts, name: str) -> str:
    return (
        f'<div class="row line"><div style="min-width:0"><div class="cut">{escape(batch.path)}</div>'
        f'<div class="sub num">{fmt.count(batch.rows, "row")} · {state.ago(batch.arrived_at)}</div></div>'
        f'<span class="push">{_pill(name)}</span></div>'
    )


def _pill(name: str) -> str:
    return widgets.pill(words.BATCH_STATES.get(name, name), look(name).word)


def _follow_row() -> None:
    """A click on a row of the table chooses that batch."""
    rows = st.session_state["batches-table"].selection.rows
    st.session_state["batch"] = rows[0] if rows else None


def _one(batch: BatchFacts, name: str, mends: Sequence[Mend]) -> None:
    facts = words.batch_facts(batch.rows, batch.unreadable, batch.arrivals, state.ago(batch.arrived_at))
    st.html(
        f'<div class="ml"><div class="row wrap"><b>{escape(batch.path)}</b>'
        f'<span class="sub">{escape(batch.source)}</span><span class="push">{_pill(name)}</span></div>'
        f'<div class="sub num">{escape(facts)}</div>{_why(batch, name, mends)}</div>'
    )
    with st.container(horizontal=True, key="batch-actions"):
        if name == WITHDRAWN:
            st.button(
                "Reinstate",
                key="reinstate",
                icon=":material/undo:",
                on_click=workbench_requests.reinstate,
                args=(batch.batch_id, batch.path),
            )
        elif name == "landed":
            st.button(
                "Withdraw", key="withdraw", icon=":material/remove_circle:", on_click=_withdraw, args=(batch,)
            )
        st.button(
            "Read again",
            key="read-again",
            icon=":material/replay:",
            help=words.READ_AGAIN_HELP,
            on_click=workbench_requests.read_again,
            args=(batch.batch_id, batch.path),
        )


def _why(batch: BatchFacts, name: str, mends: Sequence[Mend]) -> str:
    """Why a file was refused, or who withdrew it and why."""
    if name != WITHDRAWN:
        return f'<div class="failed">{escape(batch.reason)}</div>' if batch.reason else ""
    for mend in mends:
        if mend.batch_id == batch.batch_id and mend.kind == "withdraw" and mend.state == "applied":
            said = words.withdrawn(mend.author, state.ago(mend.requested_at), mend.reason)
            return f'<div class="muted">{escape(said)}</div>'
    return ""


def _withdraw(batch: BatchFacts) -> None:
    ask(
        Question(
            words.WITHDRAW_TITLE,
            words.withdraw_lead(batch.path, batch.rows),
            "Withdraw",
            partial(workbench_requests.withdraw, batch.batch_id, batch.path),
        )
    )
