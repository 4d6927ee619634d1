"""The grid of recent runs by task: markup that a keyboard and a screen reader can walk through."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import fmt, reads_runs, words
from ui.reads_runs import Lane
from ui.tokens import LAYERS, STATES, look
from ui.widgets import icon, tile

if TYPE_CHECKING:
    from etl.model import Run, Task

_TALLEST = 34  # px of the bar above a run's column


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
        f'<th scope="col" class="{_mark(run, chosen)}">'
        f'<a href="?run={run.run_id}" target="_self" title="{_run_tip(run)}">'
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
    title = f'title="{escape(lane.name)}">{square}<span>{escape(words.short(lane.name))}</span>'
    return f'<tr><th scope="row" class="name{indent}" {title}</th>{cells}</tr>'


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
    return escape(f"Run {run.run_id}, {words.run_title(run)}: {look(run.state).word.lower()}{took}")
