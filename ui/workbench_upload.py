"""An exported CSV that was edited elsewhere: loaded, looked at, replayed."""

from __future__ import annotations

import streamlit as st

from etl.errors import UsageError
from ui import reads_mending, widgets, workbench_preview
from ui import words_mending as words

MOST_MB = 10  # 20,000 rows are about 3; .streamlit/config.toml lets no larger file in
_KEY = "upload"


def upload(source: str) -> None:
    """The place to load a file; below it what would become of its changes."""
    with st.expander(words.UPLOAD, icon=":material/upload_file:"):
        st.html(f'<div class="ml sub">{words.UPLOAD_LEAD}</div>')
        file = st.file_uploader(
            words.UPLOAD,
            type="csv",
            key=f"{_KEY}-{source}",
            max_upload_size=MOST_MB,
            label_visibility="collapsed",
        )
        if file is not None:
            with widgets.boundary():
                _loaded(source, file.name, file.getvalue())


def _loaded(source: str, name: str, content: bytes) -> None:
    with st.spinner(words.LOOKING):
        edits = reads_mending.edits_in(source, _text(name, content))
    if not edits:
        widgets.nothing("done_all", words.UPLOAD_SAME)
        return
    workbench_preview.preview(_KEY, source, edits, {})


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UsageError(words.not_text(name, fault.start + 1), words.NOT_TEXT_DO) from fault
