"""What would become of edited rows, row by row, and the button that replays them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import reads_mending, reads_quality, widgets, workbench_requests
from ui import words_mending as words
from ui.reads_mending import RAW, Place
from ui.widgets import Cell

if TYPE_CHECKING:
    from etl.mends import AsideRow, Edit, Preview

MOST_LISTED = 50
_LABELS = {RAW: "line"}


def preview(
    key: str,
    source: str,
    edits: Sequence[Edit],
    received: Mapping[Place, AsideRow],
    undo: Callable[[], None] | None = None,
) -> None:
    """The outcome of each edit, worst first, and the replay. `received` are the rows as they stand, where known."""
    lines = all(edit.raw is not None for edit in edits)
    st.html(
        f'<div class="ml"><h3 class="h">{words.would_become(len(edits), lines)}</h3>'
        f'<div class="sub">{words.PREVIEW_LEAD}</div></div>'
    )
    with st.spinner(words.LOOKING):
        found = reads_mending.preview(source, edits)
    paths = {} if received else reads_quality.paths()
    counts = Counter(str(each.outcome) for each in found)
    st.html(f'<div class="ml row wrap">{_pills(counts)}</div>')
    widgets.listing(
        {"Row": "", "Change": "", "Then": "", "Why": ""},
        [_line(each, edit, received, paths) for each, edit in _worst_first(found, edits)[:MOST_LISTED]],
    )
    if len(found) > MOST_LISTED:
        st.html(f'<div class="ml sub num">{words.listed(MOST_LISTED, len(found))}</div>')
    _replay(key, source, edits, lines, bool(counts["refused"]), undo)


def _pills(counts: Mapping[str, int]) -> str:
    shown = [(*words.OUTCOMES[name], counts[name]) for name in words.OUTCOMES if counts.get(name)]
    return "".join(widgets.pill(state, f"{count:,} {text.lower()}") for state, text, count in shown)


def _worst_first(found: Sequence[Preview], edits: Sequence[Edit]) -> list[tuple[Preview, Edit]]:
    order = list(words.OUTCOMES)[::-1]
    return sorted(zip(found, edits, strict=True), key=lambda pair: order.index(str(pair[0].outcome)))


def _line(
    found: Preview, edit: Edit, received: Mapping[Place, AsideRow], paths: Mapping[str, str]
) -> list[Cell]:
    batch_id, line, correction = at = reads_mending.key(edit.place)
    row = received.get(at)
    state, text = words.OUTCOMES[str(found.outcome)]
    why = words.SUPERSEDED_WHY if found.outcome == "superseded" else ""
    return [
        words.place(row.path if row else paths.get(batch_id, batch_id), line, correction),
        words.joined(_changes(edit, row)),
        widgets.pill_cell(state, text),
        found.fault or words.joined(found.broken) or why,
    ]


def _changes(edit: Edit, row: AsideRow | None) -> list[str]:
    """Each changed cell, with what stood there where that is known."""
    before = reads_mending.cells(row) if row else None
    after = dict(edit.values) | ({RAW: edit.raw} if edit.raw is not None else {})
    return [
        words.change(
            _LABELS.get(name, name),
            reads_mending.cut(before.get(name)) if before is not None else None,
            reads_mending.cut(value),
            known=before is not None,
        )
        for name, value in after.items()
    ]


def _replay(
    key: str, source: str, edits: Sequence[Edit], lines: bool, refused: bool, undo: Callable[[], None] | None
) -> None:
    if refused:
        st.html(f'<div class="ml sub">{words.CANNOT}</div>')
    st.text_input("Note", key=f"{key}-note", placeholder=words.NOTE, label_visibility="collapsed")
    with st.container(horizontal=True, key=f"{key}-actions"):
        st.button(
            f"Replay {words.counted(len(edits), lines)}",
            key=f"{key}-replay",
            type="primary",
            icon=":material/replay:",
            disabled=refused,
            on_click=_ask,
            args=(key, source, edits),
        )
        if undo is not None:
            st.button("Undo", key=f"{key}-undo", icon=":material/undo:", type="tertiary", on_click=undo)


def _ask(key: str, source: str, edits: Sequence[Edit]) -> None:
    workbench_requests.replay(source, edits, str(st.session_state.get(f"{key}-note") or ""))
