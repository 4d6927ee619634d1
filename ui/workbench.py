"""The workbench: what was set aside, edited and ticked; what would become of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import (
    reads_mending,
    widgets,
    workbench_actions,
    workbench_drafts,
    workbench_filter,
    workbench_form,
    workbench_preview,
)
from ui import words_mending as words
from ui.reads_mending import RAW, TICK, Chosen, Place
from ui.words_mending import DISCARDED, UNREADABLE

if TYPE_CHECKING:
    from etl.mends import AsideRows, Mend

_ROW = 38
_ROWS_SEEN = 10
_LETTER, _PADDING = 7, 44  # px
_FIXED = ("_state", "_reasons", "_file", "_line", "_correction", "_note", "_author", "_at")


def rows(picked: Chosen, mends: Sequence[Mend]) -> None:
    """One page of what matches, what can be done with it, and what would become of the edited rows."""
    total = reads_mending.aside(picked).total
    if not total:
        widgets.nothing("filter_alt", words.EMPTY[picked.state], words.EMPTY_DO)
        return
    lead, table = st.container(), st.container()
    found = reads_mending.aside(picked, workbench_filter.page(total))
    key = workbench_drafts.grid_key(picked.source, picked.state, found.rows)
    workbench_drafts.take(key, picked.source, picked.state, found.rows)
    waiting = reads_mending.waiting(mends, picked.source)
    changed = _ready(workbench_drafts.changes(picked.source, picked.state), waiting)
    ticked = _ready(workbench_drafts.ticks(picked.source, picked.state), waiting)
    with lead:
        _lead(picked, total, len(changed), len(ticked))
    with table:
        with st.container(key="wide-aside"):
            _grid(found, picked.state, key)
        with st.container(key="narrow-aside"):
            workbench_form.rows(found.rows, picked.source, picked.state)
    workbench_actions.actions(picked, ticked)
    if changed and picked.state != DISCARDED:
        workbench_preview.preview(
            f"preview-{picked.state}",
            picked.source,
            workbench_drafts.edits(changed),
            workbench_drafts.rows(picked.source, picked.state),
            partial(workbench_drafts.forget, picked.source, picked.state),
        )


def _ready(kept: Mapping[Place, Any], waiting: Collection[Place]) -> dict[Place, Any]:
    """What was not asked for yet."""
    return {at: mine for at, mine in kept.items() if at not in waiting}


def _lead(picked: Chosen, total: int, edited: int, ticked: int) -> None:
    said = words.matching(total, picked.state == UNREADABLE, edited, ticked)
    st.html(f'<div class="ml sub num"><b>{said}</b><br>{words.LEADS[picked.state]}</div>')


def _grid(found: AsideRows, state: str, key: str) -> None:
    frame = reads_mending.grid(
        found, workbench_drafts.changes(found.source, state), workbench_drafts.ticks(found.source, state)
    )
    columns = [str(name) for name in frame]
    fixed = [name for name in columns if name in _FIXED or (state == DISCARDED and name != TICK)]
    st.data_editor(
        frame,
        key=key,
        hide_index=True,
        row_height=_ROW,
        height="content" if len(frame) <= _ROWS_SEEN else _ROW * (_ROWS_SEEN + 1),
        disabled=fixed,
        placeholder="–",
        alt=words.GRID,
        column_config={name: _text_column(frame[name]) for name in found.columns if name in frame}
        | _columns(),
    )
    if reads_mending.too_long(found.rows):
        st.html(f'<div class="ml sub">{words.shown_cut(reads_mending.MOST_CELL)}</div>')


def _text_column(values: pd.Series) -> Any:
    """As wide as what stands in it, within reason."""
    longest = max((len(str(value)) for value in [values.name, *values.dropna()]), default=0)
    return st.column_config.TextColumn(width=min(max(_LETTER * longest + _PADDING, 84), 230))


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        TICK: column.CheckboxColumn("Tick", width=76, pinned=True),
        "_state": column.TextColumn("State", width=100),
        "_reasons": column.ListColumn("Reasons", width=246),
        RAW: column.TextColumn(words.LINE, width=520),
        "_file": column.TextColumn("File", width=200),
        "_line": column.NumberColumn("Line", format="localized", width=70),
        "_correction": column.NumberColumn("Correction", width=90),
        "_note": column.TextColumn(words.WHY, width=220),
        "_author": column.TextColumn("By", width=110),
        "_at": column.DatetimeColumn("When", format="D MMM YYYY, HH:mm", width=150),
    }
