"""What the workbench asks of the engine; each request is a mend that the next run takes up, and is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, reads_mending, reads_quality, state, widgets, workbench_drafts
from ui import words_mending as words

if TYPE_CHECKING:
    from etl.mends import Edit, Mend, Requested, RowPlace

_ASKED = "_mends-asked"
_SAID = "_mends-said"


def replay(source: str, edits: Sequence[Edit], note: str = "") -> None:
    """Ask for edited rows to be taken in as corrections."""
    lines = all(edit.raw is not None for edit in edits)
    _ask(
        lambda: data.living().replay_edits(source, edits, note=note.strip(), by=words.VISITOR),
        words.asked("correct", len(edits), lines, source),
    )


def discard(source: str, places: Sequence[RowPlace], unreadable: bool, reason: str) -> None:
    """Ask for rows or lines to be set aside for good."""
    _ask(
        lambda: data.living().discard(source, places, reason, unreadable=unreadable, by=words.VISITOR),
        words.asked("discard", len(places), unreadable, source),
    )


def restore(source: str, rows: Sequence[RowPlace], lines: Sequence[RowPlace]) -> None:
    """Ask for discards to be taken back: rows and unreadable lines are two requests."""
    if rows:
        _restore(source, rows, unreadable=False)
    if lines:
        _restore(source, lines, unreadable=True)


def _restore(source: str, places: Sequence[RowPlace], *, unreadable: bool) -> None:
    _ask(
        lambda: data.living().restore(source, places, unreadable=unreadable, by=words.VISITOR),
        words.asked("restore", len(places), unreadable, source),
    )


def withdraw(batch_id: str, path: str, reason: str) -> None:
    """Ask for a whole batch to leave silver."""
    _ask(
        lambda: data.living().withdraw_batch(batch_id, reason, by=words.VISITOR),
        words.asked("withdraw", 0, False, path),
    )


def reinstate(batch_id: str, path: str) -> None:
    """Ask for a withdrawal to be taken back."""
    _ask(
        lambda: data.living().reinstate_batch(batch_id, by=words.VISITOR),
        words.asked("reinstate", 0, False, path),
    )


def read_again(batch_id: str, path: str) -> None:
    """Ask for a batch's file to be read again."""
    _ask(
        lambda: data.living().replay_batch(batch_id, by=words.VISITOR), words.asked("replay", 0, False, path)
    )


def _ask(request: Callable[[], Requested], said: str) -> None:
    def queue() -> str:
        wanted = request()
        state.await_run(wanted.run_id)
        reads_mending.asked()
        st.session_state.setdefault(_ASKED, {})[wanted.mend_id] = wanted.run_id
        return words.queued(wanted.run_id, said)

    state.asked(queue)


def follow(mends: Sequence[Mend]) -> None:
    """Take note of what became of this visit's requests: what is dealt with needs no draft any more."""
    asked: dict[str, int] = st.session_state.get(_ASKED, {})
    for mend in mends:
        if mend.mend_id in asked and mend.state != "waiting":
            st.session_state[_SAID] = (mend.mend_id, asked.pop(mend.mend_id))
            if mend.state == "applied":
                done = (*(edit.place for edit in mend.edits), *mend.places)
                workbench_drafts.mended(mend.source, map(reads_mending.key, done))


def outcome(mends: Sequence[Mend]) -> None:
    """What waits, and what became of this visit's last request, with a way to its run."""
    said: tuple[str, int] | None = st.session_state.get(_SAID)
    runs = {**st.session_state.get(_ASKED, {}), **dict([said] if said else [])}
    mine = [mend for mend in mends if mend.mend_id in runs]
    paths = reads_quality.paths() if mine else {}
    for mend in mine:
        _say(mend, words.mend(mend, paths.get(mend.batch_id, "")), mend.run_id or runs[mend.mend_id])


def _say(mend: Mend, sentence: str, run_id: int) -> None:
    if mend.state == "refused":
        widgets.verdict("failed", f"{sentence}: refused", mend.message)
        return
    tone, word, why = words.MEND_STANDINGS[_standing(mend, run_id)]
    with st.container(horizontal=True, vertical_alignment="center", key=f"mend-said-{mend.mend_id}"):
        widgets.line(tone, f"{sentence}: {word}", why or state.ago(mend.requested_at))
        widgets.page_link(f"runs?run={run_id}", f"Run {run_id}")


def _standing(mend: Mend, run_id: int) -> str:
    """A mend is applied early in its run; what it changes is seen when that run has published."""
    if mend.state == "waiting":
        return "waiting"
    run = data.living().run(run_id)
    if run.finished_at is None:
        return "publishing"
    return "applied" if run.state == "succeeded" else "hindered"
