"""What the lists of the Quality page share."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from ui import fmt, reads_quality, widgets, words
from ui.widgets import Html


def shown(count: Any) -> str:
    """A count out of a frame, where a missing one is no number."""
    return fmt.MISSING if pd.isna(count) else fmt.count(int(count))


def listed(frame: pd.DataFrame, name: str) -> None:
    """The download of all rows, and how many of them are listed above it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.csv_button(frame, name)
        if len(frame) > reads_quality.MOST_LISTED:
            st.html(f'<div class="ml sub num">{words.shown(len(frame), reads_quality.MOST_LISTED)}</div>')


def code(text: str) -> Html:
    """Text as it stands in a file."""
    return Html(f'<span class="code">{escape(text)}</span>')
