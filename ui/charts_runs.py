"""The charts of runs: values in, a drawn figure out. No figures are made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from ui import fmt
from ui.charts import ink, show
from ui.tokens import look

if TYPE_CHECKING:
    from ui.reads_runs import Bar


def timeline(bars: Sequence[Bar], rows: Sequence[str], length: float, key: str) -> None:
    """One row a task, in the order of work; bars in seconds since the run started. Very short bars are widened."""
    least = max(length, 0.001) * 0.006
    tones = {bar.state: look(bar.state) for bar in bars}
    fig = go.Figure(
        [
            go.Bar(
                base=[bar.start for bar in bars if bar.state == state],
                x=[max(bar.length, least) for bar in bars if bar.state == state],
                y=[bar.row for bar in bars if bar.state == state],
                orientation="h",
                width=0.5,
                marker={"color": ink(tone.tone), "cornerradius": 3},
                customdata=[bar.tip for bar in bars if bar.state == state],
                hovertemplate="%{customdata}<extra></extra>",
                name=tone.word,
            )
            for state, tone in tones.items()
        ]
    )
    fig.update_layout(barmode="overlay", bargap=0.4, margin={"t": 30})
    fig.update_xaxes(
        range=[0, (length or 1) * 1.02],
        ticksuffix=" s",
        nticks=5,
        tickangle=0,
        side="top",
        rangemode="tozero",
    )
    fig.update_yaxes(
        categoryorder="array",
        categoryarray=list(rows),
        autorange="reversed",
        showgrid=False,
        ticksuffix="  ",
        type="category",
    )
    longest = max(bars, key=lambda bar: bar.length, default=None)
    said = f"; the longest is {longest.row}, {fmt.seconds(longest.length)}" if longest else ""
    show(
        fig,
        key,
        30 * len(rows) + 44,
        f"Timeline of {fmt.count(len(rows), 'task')} over {fmt.seconds(length)}{said}",
    )


def stages(
    runs: Sequence[str], seconds: Mapping[str, Sequence[float]], inks: Mapping[str, str], key: str
) -> None:
    """One stacked bar a run, oldest first: wall seconds by stage."""
    fig = go.Figure(
        [
            go.Bar(
                x=list(runs),
                y=list(values),
                name=stage,
                marker={"color": ink(inks[stage]), "line": {"color": ink("surface"), "width": 1}},
                customdata=[fmt.seconds(value) for value in values],
                hovertemplate=f"Run %{{x}} · {escape(stage)}<br><b>%{{customdata}}</b><extra></extra>",
            )
            for stage, values in seconds.items()
        ]
    )
    fig.update_layout(barmode="stack", bargap=0.35)
    fig.update_xaxes(type="category", showgrid=False, tickprefix="#", nticks=12)
    fig.update_yaxes(ticksuffix=" s ", nticks=5, rangemode="tozero")
    totals = [sum(parts) for parts in zip(*seconds.values(), strict=True)]
    said = f", the newest {fmt.seconds(totals[-1])}" if totals else ""
    show(fig, key, 260, f"Seconds by stage of the last {fmt.count(len(runs), 'run')}{said}")
