"""The parts of the page Runs: the grid, one run, the list, timings, schedules and ticks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import actions, charts, data, fmt, live, reads_runs, state, widgets
from ui import charts_analytics as drawn
from ui import controls_analytics as controls
from ui import words as common
from ui import words_analytics as words
from ui.reads_runs import Lane
from ui.tokens import LAYERS, STATES, TOKENS, look
from ui.widgets import Html, icon, pill, pill_cell, tile

if TYPE_CHECKING:
    from etl.facts import PipelineFacts, StageTiming
    from etl.model import Run, Task, Tick

_TALLEST = 34  # px of the bar above a run's column
_STEP_INKS = ("accent", "superseded", "calm", "faint")
_RUN_STATES = ("queued", "running", "succeeded", "failed", "interrupted", "cancelled")
_OVER = ("failed", "interrupted", "cancelled")


def grid(runs: Sequence[Run], chosen: int | None) -> None:
    """Tasks by runs, newest run first; each cell is its state's symbol on its tint, in words when pointed at."""
    shown = runs[: reads_runs.GRID_RUNS]
    rows = "".join(_lane(lane, shown, chosen) for lane in reads_runs.lanes(shown))
    st.html(
        '<div class="ml grid-scroll" role="region" tabindex="0" aria-label="Recent runs by task"><table class="grid">'
        f"<thead>{_heads(shown, chosen)}</thead><tbody>{rows}</tbody></table></div>"
    )
    seen = {str(task.state) for run in shown for task in run.tasks}
    legend = "".join(
        f'<span class="row" style="gap:.35rem">{_square(name)}{look(name).word}</span>'
        for name in STATES
        if name in seen
    )
    st.html(f'<div class="ml sub row wrap" style="gap:.3rem 1rem" aria-hidden="true">{legend}</div>')


def _heads(runs: Sequence[Run], chosen: int | None) -> str:
    longest = max((run.seconds or 0 for run in runs), default=0) or 1
    heads = "".join(
        f'<th scope="col" class="{_mark(run, chosen)}"><a href="?run={run.run_id}" target="_self" title="{_run_tip(run)}">'
        f'<span class="took"><i style="height:{_TALLEST * (run.seconds or 0) / longest:.0f}px;'
        f'background:var(--{look(run.state).tone})"></i></span>{run.run_id}</a></th>'
        for run in runs
    )
    return f'<tr><th scope="col" class="name"><span class="sub">Newest first</span></th>{heads}</tr>'


def _lane(lane: Lane, runs: Sequence[Run], chosen: int | None) -> str:
    square = tile(lane.layer) if lane.layer in LAYERS else '<span class="tile"></span>'
    indent = " child" if lane.child else ""
    cells = "".join(
        f'<td class="{_mark(run, chosen)}">{_cell(lane, run, task)}</td>'
        for run, task in zip(runs, lane.tasks, strict=True)
    )
    title = escape(common.short(lane.name))
    return f'<tr><th scope="row" class="name{indent}" title="{escape(lane.name)}">{square}<span>{title}</span></th>{cells}</tr>'


def _cell(lane: Lane, run: Run, task: Task | None) -> str:
    if task is None:
        return '<span class="none" aria-label="Not part of this run"></span>'
    took = f", {fmt.seconds(task.seconds)}" if task.seconds is not None else ""
    why = f". {task.message}" if task.message else ""
    tip = escape(f"{lane.name}, run {run.run_id}: {look(task.state).word.lower()}{took}{why}")
    return f'<a href="?run={run.run_id}" target="_self" title="{tip}" aria-label="{tip}">{_square(task.state)}</a>'


def _square(name: str) -> str:
    seen = look(name)
    turn = "spin" if name == "running" else ""
    return f'<span class="cell {seen.tone}" style="background:var(--{seen.tone}-bg)">{icon(seen.symbol, turn)}</span>'


def _mark(run: Run, chosen: int | None) -> str:
    return "on" if run.run_id == chosen else ""


def _run_tip(run: Run) -> str:
    took = f", {fmt.seconds(run.seconds)}" if run.seconds is not None else ""
    return escape(f"Run {run.run_id}, {common.run_title(run)}: {look(run.state).word.lower()}{took}")


def one(run: Run) -> None:
    """One run: what it was for, what can be asked about it, its timeline, its tasks and every error in full."""
    with widgets.card("run", words.run_title(run), words.run_facts(run), pill(run.state)):
        _buttons(run)
        if run.error:
            widgets.verdict("failed", words.stopped(run), run.error)
        if not run.tasks:
            widgets.nothing("schedule", words.no_tasks(run))
            return
        _timeline(run)
        _tasks(run.tasks)
        _faults(run)


def _buttons(run: Run) -> None:
    with st.container(horizontal=True, gap="small"):
        if run.state == "running":
            return  # the card of what runs now has the button
        if run.finished_at is None:
            st.button(
                "Cancel",
                key=f"stop-{run.run_id}",
                icon=":material/close:",
                disabled=run.cancel_requested,
                on_click=actions.cancel,
                args=(run.run_id,),
            )
            return
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
        drawn.timeline(bars, rows, reads_runs.length(run, now), f"timeline-{run.run_id}")


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


def keep(text: str) -> Html:
    """Text for a cell that is not to be broken."""
    return Html(f'<span class="keep">{escape(text)}</span>')


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


def _state_column(states: Sequence[str]) -> object:
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
    drawn.stages(stages.runs, stages.seconds, inks, "stages")
    newest = reads_runs.newest_stages(found)
    widgets.compact(
        {f"Run {newest[0].run_id}": "", "Took": "n", "Rows": "n", "Peak memory": "n"},
        [
            (each.stage, fmt.seconds(each.seconds), fmt.count(each.rows), fmt.size(each.peak_memory_bytes))
            for each in newest
        ],
    )


def pipelines(found: Sequence[PipelineFacts]) -> None:
    """Each pipeline with its last run, when it runs next by itself, and the switch that stops it from doing so."""
    for facts in found:
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, key=f"pipeline-{facts.name}"
        ):
            last = facts.last_run.state if facts.last_run else "unexamined"
            widgets.line(str(last), facts.title, words.pipeline_facts(facts))
            if facts.cron:
                _switch(facts)


def _switch(facts: PipelineFacts) -> None:
    key = f"runs-{facts.name}"
    # The ledger is the truth: a pause from the command line must show here too.
    st.session_state[key] = not facts.paused

    def thrown() -> None:
        actions.pause(facts.name, facts.title, not st.session_state[key])

    st.toggle(words.switch(facts), key=key, on_change=thrown, help=words.SWITCH)


def ticks(found: Sequence[Tick]) -> None:
    """What became of each scheduled time, newest first."""
    if not found:
        widgets.nothing("event_upcoming", words.NO_TICKS)
        return
    widgets.compact(
        {"Due": "", "Outcome": "", "Pipeline": "", "Run": "n", "Why": ""},
        [
            (
                keep(words.tick_times(tick)) if tick.count == 1 else words.tick_times(tick),
                pill_cell(tick.outcome),
                keep(words.pipeline(tick.pipeline)),
                fmt.count(tick.run_id),
                tick.reason or fmt.MISSING,
            )
            for tick in found
        ],
    )


def now(active: Run | None, shown: Run | None) -> None:
    """What runs at this moment; in full where it is the run that is looked at."""
    if active is None:
        return
    live.progress(active)
    if shown is not None and shown.run_id == active.run_id:
        one(active)


def chosen(runs: Sequence[Run]) -> Run | None:
    """The run that the address names, else the newest. Raises UsageError where there is no such run."""
    wanted = state.number(controls.RUN)
    if wanted is not None:
        return data.living().run(wanted)
    return runs[0] if runs else None
