"""What was asked for in the workbench and on batches, by whom and why, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui import fmt, reads_quality, state, widgets
from ui import words_mending as words
from ui.widgets import Cell, Html, card

if TYPE_CHECKING:
    from etl.mends import Mend


def history(mends: Sequence[Mend]) -> None:
    """Every request, newest first."""
    with card("mends", words.HISTORY, words.HISTORY_LEAD):
        if not mends:
            widgets.nothing("history", words.NO_HISTORY)
            return
        paths = reads_quality.paths()
        widgets.listing(
            {"What": "", "Why": "", "By": "", "When": "", "State": "", "Run": "n"},
            [_line(mend, paths) for mend in mends],
        )


def _line(mend: Mend, paths: Mapping[str, str]) -> list[Cell]:
    tone, word = words.MEND_STATES.get(str(mend.state), ("unexamined", str(mend.state)))
    refusal = mend.message if mend.state == "refused" else ""
    why = words.joined([said for said in (mend.reason, refusal) if said])
    run = f'<a href="runs?run={mend.run_id}" target="_self">{mend.run_id}</a>'
    return [
        words.mend(mend, paths.get(mend.batch_id, "")),
        why or fmt.MISSING,
        mend.author or fmt.MISSING,
        state.ago(mend.requested_at),
        widgets.pill_cell(tone, word),
        Html(run) if mend.run_id is not None else fmt.MISSING,
    ]
