"""The parts of the Overview page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import actions, data, drawings, fmt, live, state, widgets, words
from ui.standing import Standing, layer_mark, standing, tasks_by_table
from ui.tokens import LAYERS
from ui.widgets import Html, badge, card, pill, state_icon, tile

if TYPE_CHECKING:
    from etl.facts import Freshness, LayerFacts, Sight, SourceFacts, TableFacts, Verdict, Workspace
    from etl.model import Run

RECENT_RUNS = 6
HERE = ("", "overview")


def title() -> Workspace:
    """The header with the buttons that concern everything; hands back the workspace it read."""
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.header("Overview", data.provenance())
        here = data.workspace()
        if here.sample and not here.dirty_loaded:
            st.button(
                "Load the dirty sample",
                key="load-dirty",
                icon=":material/science:",
                on_click=actions.load_dirty_sample,
            )
        st.button(
            "Run everything",
            key="run-everything",
            type="primary",
            icon=":material/play_arrow:",
            shortcut="mod+enter",
            on_click=actions.run,
        )
    return here


def verdict(found: Verdict) -> None:
    """The one sentence, and every reason when the answer is not plainly yes."""
    widgets.verdict(str(found.state), found.headline, found.detail, found.reasons)


def problems(here: Workspace) -> None:
    """What is wrong with the workspace itself."""
    for sentence in here.problems:
        widgets.verdict("failed", sentence)


def first_steps(here: Workspace, sources: Sequence[SourceFacts]) -> None:
    """What to do in a workspace that holds nothing yet."""
    with card("first", words.FIRST_TITLE, words.FIRST_LEAD):
        st.html(f'<div class="ml"><span class="code">{escape(here.landing)}</span></div>')
        widgets.listing(
            {"Source": "", "Files that match": "", "Lands in": ""},
            [
                (
                    source.source,
                    Html(f'<span class="code">{escape(source.pattern)}</span>'),
                    source.bronze_table,
                )
                for source in sources
            ],
        )
        st.html(f'<div class="ml sub">{words.FIRST_SAMPLE}</div>')


def stages(run: Run | None, layers: Sequence[LayerFacts], tables: Sequence[TableFacts]) -> None:
    """What runs, the three layers and the graph; redrawn while something runs."""
    if run:
        live.progress(run)
    standings = standings_of(tables, run)
    if any(layer.rows is not None for layer in layers):
        cards = "".join(_layer_card(layer, tables, standings) for layer in layers)
        st.html(f'<div class="ml layers">{cards}</div>')
    with card("pipeline", "Pipeline"):
        if tables:
            drawings.pipeline(tables, standings)
        else:
            widgets.nothing("account_tree", "No table is declared", words.NO_TABLES)


def standings_of(tables: Sequence[TableFacts], run: Run | None) -> dict[str, Standing]:
    """How each table stands, by qualified name."""
    doing, now = tasks_by_table(run), state.now()
    return {table.name: standing(table, doing, now) for table in tables}


def _layer_card(layer: LayerFacts, tables: Sequence[TableFacts], standings: Mapping[str, Standing]) -> str:
    name = str(layer.layer)
    members = [standings[table.name] for table in tables if table.layer == layer.layer]
    mark = pill(*layer_mark(str(layer.state), layer.state_note, members))
    return (
        f'<div class="layer"><div class="row">{tile(name)}<span class="h">{name.title()}</span>'
        f'<span class="push">{mark}</span></div>'
        f'<div class="big num">{fmt.count(layer.rows)} <small>rows</small></div>'
        f'<div class="sub num">{fmt.size(layer.size_bytes)} · {_freshness(layer.freshness)}</div>'
        f"{drawings.sparkline(layer.history, name)}</div>"
    )


def _freshness(found: Freshness) -> str:
    age = state.ago(found.newest_arrival) if found.newest_arrival else "freshness not examined"
    late = f'<span class="{found.state}">{age}</span>' if found.state in ("warned", "failed") else age
    due = f" · due every {fmt.span(found.fresh_within)}" if found.fresh_within else ""
    return f"{late}{due}"


def run_buttons(tables: Sequence[TableFacts], run: Run | None) -> None:
    """A button for each stage and each table, with or without what lies downstream."""
    standings = standings_of(tables, run)
    with card("tables", "Run a stage or a table", words.RUN_LEAD):
        downstream = st.toggle("With everything downstream", key="downstream", help=words.DOWNSTREAM_HELP)
        for layer in LAYERS:
            members = [table for table in tables if table.layer == layer]
            if members:
                _stage(layer, members, standings, downstream)


def _stage(
    layer: str, tables: Sequence[TableFacts], standings: Mapping[str, Standing], downstream: bool
) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"stagehead-{layer}"):
        st.html(f'<div class="ml row">{tile(layer)}<b>{layer.title()}</b></div>', width="stretch")
        st.button(
            f"Run {layer}",
            key=f"run-{layer}",
            icon=":material/play_arrow:",
            on_click=actions.run,
            args=((layer,), downstream),
        )
    with st.container(key=f"tables-{layer}", gap=None):
        for table in tables:
            _table_line(table, standings[table.name], downstream)


def _table_line(table: TableFacts, stand: Standing, downstream: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.html(
            f'<div class="ml row">{state_icon(stand.state)}<span class="cut">{escape(table.short)}</span>'
            f'<span class="push sub num">{words.rows(table.rows)}</span></div>',
            width="stretch",
        )
        st.button(
            f"Run {table.short}",  # for screen readers; the sheet shows the symbol alone
            key=f"run-{table.name}",
            icon=":material/play_arrow:",
            type="tertiary",
            help=f"Run {table.short}" + (" and everything downstream" if downstream else ""),
            disabled=stand.live,
            on_click=actions.run,
            args=((table.name,), downstream),
        )


def attention(sights: Sequence[Sight]) -> None:
    """What needs a person, worst first, each with where to look."""
    with card("attention", "Needs attention"):
        if not sights:
            st.html(f'<div class="ml sub">{words.NO_ATTENTION}</div>')
        for at, sight in enumerate(sights):
            with st.container(gap=None):
                widgets.line(str(sight.state), sight.headline, sight.detail, top=True)
                if sight.page not in HERE:
                    with st.container(key=f"act-{at}"):
                        widgets.page_link(sight.page, sight.action)


def recent_runs(runs: Sequence[Run]) -> None:
    """The last runs, newest first."""
    with card("recent", "Recent runs"):
        if not runs:
            st.html(f'<div class="ml sub">{words.NO_RUNS}</div>')
            return
        st.html(f'<div class="ml">{"".join(_run_line(run) for run in runs[:RECENT_RUNS])}</div>')
        widgets.page_link("runs", "All runs")


def _run_line(run: Run) -> str:
    when = "now" if run.state == "running" else state.ago(run.finished_at or run.requested_at)
    took = f" · {fmt.seconds(run.seconds)}" if run.seconds is not None else ""
    asker = words.TRIGGERS.get(run.trigger)
    return (
        f'<div class="row line">{state_icon(str(run.state))}'
        f'<span class="cut">{escape(words.run_title(run))}</span>{badge(asker) if asker else ""}'
        f'<span class="push sub num" style="white-space:nowrap">{when}{took}</span></div>'
    )
