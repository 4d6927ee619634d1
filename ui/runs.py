"""The parts of the page Runs: one run in full, the list, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import actions, charts, charts_runs, data, fmt, live, reads_runs, state, widgets
from ui import controls_analytics as controls
from ui import words as common
from ui import words_runs as words
from ui.tokens import LAYERS, TOKENS, look
from ui.widgets import Html, pill, pill_cell, tile

if TYPE_CHECKING:
    from etl.facts import StageTiming
    from etl.model import Run, Task

_STEP_INKS = ("accent", "superseded", "calm", "faint")
_RUN_STATES = ("queued", "running", "succeeded", "failed", "interrupted", "cancelled")
_OVER = ("failed", "interrupted", "cancelled")


def chosen(runs: Sequence[Run]) -> Run | None:
    """The run that the address names, else the newest. Raises UsageError where there is no such run."""
    wanted = state.number(controls.RUN)
    if wanted is not None:
        return data.living().run(wanted)
    return runs[0] if runs else None


def now(active: Run | None, shown: Run | None) -> None:
    """What runs at this moment; below it the run that is looked at, where it is not over yet."""
    if active is not None:
        live.progress(active)
    if shown is not None and shown.finished_at is None:
        one(data.living().run(shown.run_id), stoppable=active is None or active.run_id != shown.run_id)


def one(run: Run, stoppable: bool = True) -> None:
    """One run: what it was for, what can be asked about it, its timeline, its tasks and every error in full.

    Not `stoppable` where the button that stops it stands elsewhere on the page.
    """
    with widgets.card("run", words.run_title(run), words.run_facts(run), pill(run.state)):
        _buttons(run, stoppable)
        if run.error:
            widgets.verdict("failed", words.stopped(run), run.error)
        if not run.tasks:
            widgets.nothing("schedule", words.no_tasks(run))
            return
        _timeline(run)
        _tasks(run.tasks)
        _faults(run)


def _buttons(run: Run, stoppable: bool) -> None:
    with st.container(horizontal=True, gap="small"):
        if run.finished_at is not None:
            _again(run)
        elif stoppable:
            st.button(
                "Cancel",
                key=f"stop-{run.run_id}",
                icon=":material/close:",
                disabled=run.cancel_requested,
                on_click=actions.cancel,
                args=(run.run_id,),
            )


def _again(run: Run) -> None:
    if run.state in _OVER:
        st.button(
            "Rerun from failure",
            key=f"resume-{run.run_id}",
            type="primary",
            icon=":material/resume:",
            help=words.FROM_FAILURE,
            on_click=actions.from_failure,
            args=(run,),
        )
    st.button(
        "Rerun",
        key=f"again-{run.run_id}",
        icon=":material/replay:",
        help=words.RERUN,
        on_click=actions.again,
        args=(run,),
    )


def _timeline(run: Run) -> None:
    now = state.now()
    bars = reads_runs.bars(run, now)
    if bars:
        rows = list(dict.fromkeys(bar.row for bar in bars))
        charts_runs.timeline(bars, rows, reads_runs.length(run, now), f"timeline-{run.run_id}")


def _tasks(tasks: Sequence[Task]) -> None:
    widgets.compact(
        {
            "Task": "",
            "State": "",
            "Attempts": "n",
            "Rows": "n",
            "Took": "n",
            "What it says, and why it was due": "",
        },
        [
            (
                Html(_named(task)),
                pill_cell(task.state),
                fmt.count(len(task.attempts)) if task.attempts else fmt.MISSING,
                fmt.count(task.rows),
                words.took(task.seconds),
                Html(_said(task)),
            )
            for task in tasks
        ],
    )


def _said(task: Task) -> str:
    failed = any(attempt.error and attempt.error == task.message for attempt in task.attempts)
    message = "" if failed else task.message
    why = f'<div class="sub">{escape(task.reason)}</div>' if task.reason else ""
    return f'<div class="said">{escape(message)}{why}</div>'


def _named(task: Task) -> str:
    square = tile(task.layer) if task.layer in LAYERS else '<span class="tile"></span>'
    indent = " child" if task.parent else ""
    return f'<span class="row task{indent}">{square}<span>{escape(common.short(task.name))}</span></span>'


def _faults(run: Run) -> None:
    for task, attempt in reads_runs.faults(run):
        widgets.line(attempt.state, words.fault(task, attempt), words.fault_when(attempt))
        st.code(attempt.error, language=None, wrap_lines=True)


def listing(runs: Sequence[Run]) -> None:
    """Every recent run; a selected row becomes query parameter `run`."""
    st.html(f'<div class="ml sub">{words.PICK_RUN}</div>')
    frame = pd.DataFrame(
        [
            (
                [look(run.state).word],
                run.run_id,
                common.run_title(run),
                words.asked_by(run),
                state.local(run.requested_at),
                fmt.seconds(run.seconds),
                run.version,
                run.error,
            )
            for run in runs
        ],
        columns=["state", "run", "what", "by", "when", "took", "version", "error"],
    ).astype({"version": "Int64"})
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        row_height=38,
        height=38 * (min(len(runs), 10) + 1) + 2,
        placeholder=fmt.MISSING,
        column_config={
            "state": _state_column(_RUN_STATES),
            "run": number("Run", format="%d", width=60),
            "what": text("What", width=120),
            "by": text("Asked by", width=120),
            "when": text("When", width=140),
            "took": text("Took", width=80),
            "version": number("Version", format="%d", width=70),
            "error": text("Error", width=260),
        },
        alt="Recent runs",
        **controls.selectable(frame, "run", controls.RUN),
    )
    widgets.csv_button(frame, "runs")


def _state_column(states: Sequence[str]) -> Any:
    looks = [look(name) for name in states]
    return st.column_config.MultiselectColumn(
        "State",
        options=[seen.word for seen in looks],
        color=[charts.ink(f"{seen.tone}-bg") for seen in looks],
        width=115,
    )


def timings(found: Sequence[StageTiming]) -> None:
    """Where the time of the last runs went, and the newest of them in figures."""
    if not found:
        widgets.nothing("timer", words.NO_TIMINGS)
        return
    stages = reads_runs.stages(found)
    spare = iter(_STEP_INKS * len(stages.seconds))
    inks = {name: name if name in TOKENS else next(spare) for name in stages.seconds}
    legend = "".join(
        f'<span class="row" style="gap:.4rem">{tile(ink)}{escape(name)}</span>' for name, ink in inks.items()
    )
    st.html(f'<div class="ml sub row wrap" style="gap:.3rem 1.1rem">{legend}</div>')
    charts_runs.stages(stages.runs, stages.seconds, inks, "stages")
    newest = reads_runs.newest_stages(found)
    widgets.compact(
        {f"Run {newest[0].run_id}": "", "Took": "n", "Rows": "n", "Peak memory": "n"},
        [
            (each.stage, fmt.seconds(each.seconds), fmt.count(each.rows), fmt.size(each.peak_memory_bytes))
            for each in newest
        ],
    )
