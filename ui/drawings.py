"""Drawings made of markup alone: sparklines and the pipeline's graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import streamlit as st

from ui.standing import Standing
from ui.tokens import LAYERS
from ui.widgets import state_icon, tile

if TYPE_CHECKING:
    from etl.facts import TableFacts

_STROKE = 'fill="none" stroke="#000" vector-effect="non-scaling-stroke" stroke-linejoin="round"'
LEAST_POINTS = 2
_PITCH, _LANE, _GAP = 66, 82 / 3, 9  # px per node, % per lane and between lanes; style.css agrees


def sparkline(values: Sequence[float], ink: str, scale: tuple[float, float] | None = None) -> str:
    """A trend without axes, from its least to its most or on `scale`; nothing with fewer than two values."""
    if len(values) < LEAST_POINTS:
        return '<div class="spark"></div>'
    low, high = scale or (min(values), max(values))
    step, reach = 100 / (len(values) - 1), (high - low) or 1
    points = " ".join(f"{at * step:.1f},{34 - (v - low) / reach * 28:.1f}" for at, v in enumerate(values))
    body = (
        f'<polygon points="0,40 {points} 100,40" fill-opacity=".12"/>'
        f'<polyline points="{points}" {_STROKE} stroke-width="1.75"/>'
    )
    return _drawing(body, 40, ink, "spark")


def pipeline(tables: Sequence[TableFacts], standings: Mapping[str, Standing]) -> None:
    """Lanes of nodes; one stretched drawing behind them is the edges, so it needs no script and no width."""
    lanes = {layer: _members(layer, tables) for layer in LAYERS}
    body = "".join(_lane(layer, members, standings) for layer, members in lanes.items())
    st.html(
        f'<div class="ml graph" role="group" aria-label="Pipeline">{_edges(lanes, standings)}{body}</div>'
    )


def _members(layer: str, tables: Sequence[TableFacts]) -> list[TableFacts]:
    """The tables of a lane; those that nothing reads come last, except where nothing is meant to."""
    found = [table for table in tables if table.layer == layer]
    return found if layer == LAYERS[-1] else sorted(found, key=lambda table: not table.feeds)


def _lane(layer: str, tables: Sequence[TableFacts], standings: Mapping[str, Standing]) -> str:
    nodes = "".join(_node(table, standings[table.name]) for table in tables)
    return f'<div><div class="lane row">{tile(layer)}{layer.title()}</div>{nodes}</div>'


def _node(table: TableFacts, stand: Standing) -> str:
    reads = f"Reads {', '.join(table.inputs)}. " if table.inputs else ""
    tip = escape(f"{reads}{table.problem or table.stale_because or table.state_note}")
    return (
        f'<div class="node {"live" if stand.live else ""}" title="{tip}">{state_icon(stand.state)}'
        f'<div><b>{escape(table.short)}</b><span class="sub num">{escape(stand.note)}</span></div></div>'
    )


def _edges(lanes: Mapping[str, Sequence[TableFacts]], standings: Mapping[str, Standing]) -> str:
    spots = {
        table.name: (lane * (_LANE + _GAP), _PITCH * row + 27)
        for lane, members in enumerate(lanes.values())
        for row, table in enumerate(members)
    }
    still = live = ""
    for members in lanes.values():
        for table in members:
            lines = [_edge(spots[name], spots[table.name]) for name in table.inputs if name in spots]
            if standings[table.name].live:
                live += "".join(
                    f'<path d="{d}" {_STROKE} stroke-width="2" stroke-dasharray="5 4"/>' for d in lines
                )
            else:
                still += "".join(
                    f'<path d="{d}" {_STROKE} stroke-width="1.5" stroke-opacity=".5"/>' for d in lines
                )
    tall = _PITCH * max(map(len, lanes.values()), default=0)
    return _drawing(still, tall, "faint", "edges", tall) + _drawing(live, tall, "running", "edges", tall)


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    if x1 == x2:  # in one lane the nodes cover all but the gap between them
        return f"M{x1 + 3.4:.2f} {min(y1, y2)} V{max(y1, y2)}"
    bend = x2 - _GAP / 2
    return f"M{x1 + _LANE:.2f} {y1} H{x2 - _GAP:.2f} C{bend:.2f} {y1} {bend:.2f} {y2} {x2:.2f} {y2}"


def _drawing(body: str, height: int, ink: str, css: str, tall: int = 0) -> str:
    """An SVG as a mask over a token's colour: st.html drops <svg>, and this way it follows the theme."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 {height}" preserveAspectRatio="none">'
        f"{body}</svg>"
    )
    exact = f"height:{tall}px;" if tall else ""
    mask = f"mask:url('data:image/svg+xml,{quote(svg)}') 0 0/100% 100% no-repeat"
    return f'<div class="{css}" aria-hidden="true" style="{exact}background:var(--{ink});{mask}"></div>'
