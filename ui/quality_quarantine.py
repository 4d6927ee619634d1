"""The parts of Quality that keep what could not be used: rows, lines and files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import fmt, reads_quality, state, widgets, words
from ui.quality_listing import code, listed, shown
from ui.widgets import card

if TYPE_CHECKING:
    from etl.facts import BatchFacts, ReasonCount, Retention


def quarantine(reasons: Sequence[ReasonCount], kept: Sequence[Retention]) -> None:
    """Rows that broke a rule: why, how many, which."""
    rows = sum(source.quarantined for source in kept)
    waiting = [reason for reason in reasons if not reason.unreadable]
    with card("quarantine", "Quarantine", words.quarantined(rows)):
        if not waiting:
            widgets.nothing("inventory_2", "Quarantine is empty", words.NO_QUARANTINE)
            return
        _reason_bars(waiting)
        _quarantined_rows(waiting)


def _reason_bars(reasons: Sequence[ReasonCount]) -> None:
    """Bars as markup: a reason is a sentence, too long for the axis of a chart."""
    most = max(reason.rows for reason in reasons)
    body = "".join(
        f'<div class="reason"><div class="row"><span>{escape(reason.reason)}</span>'
        f'<span class="sub">{escape(reason.source)}</span><b class="push num">{shown(reason.rows)}</b></div>'
        f'<div class="bar" aria-hidden="true"><span style="width:{100 * reason.rows / most:.1f}%;'
        f'background:var(--{"accent" if at == 0 else "calm"})"></span></div></div>'
        for at, reason in enumerate(reasons[: words.MOST_REASONS])
    )
    st.html(f'<div class="ml">{body}</div>')


def _quarantined_rows(reasons: Sequence[ReasonCount]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox(
            "Source", list(dict.fromkeys(reason.source for reason in reasons)), key="quarantine-source"
        )
        picked = st.selectbox(
            "Reason",
            [words.ALL, *(reason.reason for reason in reasons if reason.source == source)],
            key="quarantine-reason",
        )
    frame = reads_quality.quarantine(str(source), "" if picked == words.ALL else str(picked))
    st.dataframe(
        frame,
        hide_index=True,
        height="auto",
        key="quarantine-rows",
        alt="Quarantined rows as they were received",
        column_config={
            "_reasons": st.column_config.ListColumn("Reasons", width=280),
            "_batch_id": st.column_config.TextColumn("Batch", width=120),
            "_row_number": st.column_config.NumberColumn("Line", width=70),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.csv_button(frame, f"quarantine-{source}")
        st.html(f'<div class="ml sub num">{words.shown(len(frame), reads_quality.MOST_ROWS)}</div>')


def unreadable(frame: pd.DataFrame) -> None:
    """Lines no reader could take apart."""
    with card("unreadable", "Unreadable lines", words.UNREADABLE_LEAD):
        if frame.empty:
            widgets.nothing("notes", "Every line could be read", "")
            return
        files = reads_quality.paths()
        widgets.listing(
            {"File": "", "Line": "n", "Why": "", "As received": ""},
            [
                (
                    code(files.get(row["batch_id"], row["batch_id"])),
                    shown(row["line_number"]),
                    str(row["reason"]),
                    code(str(row["raw"])[: words.MOST_RAW]),
                )
                for row in frame.head(reads_quality.MOST_LISTED).to_dict("records")
            ],
        )
        listed(frame, "unreadable")


def refused(batches: Sequence[BatchFacts]) -> None:
    """Files that could not be taken in at all."""
    with card("refused", "Refused files", words.REFUSED_LEAD):
        if not batches:
            widgets.nothing("draft", "No file was refused", "")
        widgets.listing(
            {"File": "", "Source": "", "Why": "", "Size": "n", "Arrived": "n"},
            [
                (
                    code(batch.path),
                    batch.source,
                    batch.reason,
                    fmt.size(batch.size_bytes),
                    state.ago(batch.arrived_at),
                )
                for batch in batches
            ],
        )
