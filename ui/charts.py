"""The plotly template, filled from the tokens of the theme in use, and the charts several pages share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from ui import fmt
from ui.fmt import Number
from ui.tokens import colour

CONFIG = {"displaylogo": False, "displayModeBar": "hover", "modeBarButtons": [["toImage"]]}


def theme() -> str:
    """`light` or `dark`, as the browser shows it."""
    return st.context.theme.type or "light"


def ink(name: str) -> str:
    """Token `name` as hex in the theme in use."""
    return colour(name, theme())


def tint(hex_colour: str, alpha: float) -> str:
    """A colour let through by `alpha`."""
    red, green, blue = (int(hex_colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def template() -> go.layout.Template:
    """Quiet axes, no legend, hover on the card's surface."""
    axis = {
        "gridcolor": ink("grid"),
        "linecolor": ink("border"),
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "tickfont": {"color": ink("muted"), "size": 13},
        "title": {"font": {"color": ink("muted"), "size": 13}},
    }
    hover = {
        "bgcolor": ink("surface"),
        "bordercolor": ink("border"),
        "font": {"color": ink("text"), "size": 13},
    }
    return go.layout.Template(
        layout={
            "font": {"family": '"Source Sans", sans-serif', "size": 14, "color": ink("text")},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
            "xaxis": axis,
            "yaxis": axis,
            "bargap": 0.38,
            "showlegend": False,
            "hoverlabel": hover,
        }
    )


def show(fig: go.Figure, key: str, height: int, alt: str, **more: Any) -> Any:
    """Draw `fig` in the house template; `alt` says in words what it shows."""
    return show_finished(finished(fig, height), key, alt, **more)


def finished(fig: go.Figure, height: int) -> go.Figure:
    """`fig` in the house template of the theme in use."""
    fig.update_layout(template=template(), height=height, dragmode=False)
    return fig


def show_finished(fig: go.Figure, key: str, alt: str, **more: Any) -> Any:
    """Draw a figure that may be shared with other visits: it is not touched."""
    return st.plotly_chart(fig, theme=None, key=key, config=CONFIG, alt=alt, **more)


def ranking(
    names: Sequence[str], values: Sequence[Number], label: Callable[[Any], str], key: str, lead: int = 1
) -> None:
    """Horizontal bars in the order given; the first `lead` in the accent; the value at the bar's end."""
    lengths = [float(value) for value in values]
    fig = go.Figure(
        go.Bar(
            x=lengths,
            y=list(names),
            orientation="h",
            text=[label(value) for value in values],
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": [ink("accent") if at < lead else ink("calm") for at in range(len(names))],
                "cornerradius": 4,
            },
            hovertemplate="%{y}<br><b>%{x:,.2~f}</b><extra></extra>",
            textfont={"color": ink("text"), "size": 13},
        )
    )
    fig.update_xaxes(visible=False, range=[0, (max(lengths, default=0) or 1) * 1.28])
    fig.update_yaxes(autorange="reversed", showgrid=False, ticksuffix="  ", type="category")
    ends = f": {names[0]} {label(values[0])} to {names[-1]} {label(values[-1])}" if names else ""
    show(fig, key, 36 * len(names) + 16, f"Bars{ends}")


def area(
    x: Sequence[Any],
    y: Sequence[Number],
    key: str,
    height: int = 300,
    label: Callable[[Any], str] = fmt.money,
    prefix: str = "$",
) -> None:
    """One series over time as a filled line; `label` writes its ends for screen readers."""
    lengths = [float(value) for value in y]
    accent = ink("accent")
    fig = go.Figure(
        go.Scatter(
            x=list(x),
            y=lengths,
            mode="lines" if len(lengths) > 1 else "markers",
            line={"color": accent, "width": 2.2},
            marker={"color": accent, "size": 8},
            fill="tozeroy",
            fillgradient={"type": "vertical", "colorscale": [[0, tint(accent, 0)], [1, tint(accent, 0.22)]]},
            hovertemplate=f"%{{x}}<br><b>{prefix}%{{y:,.2~f}}</b><extra></extra>",
        )
    )
    fig.update_yaxes(range=[0, (max(lengths, default=0) or 1) * 1.15], tickprefix=prefix, tickformat=".3~s")
    fig.update_yaxes(nticks=5, ticksuffix="  ")
    fig.update_xaxes(showgrid=False, ticklabelstandoff=8)
    show(
        fig,
        key,
        height,
        f"Line from {label(y[0])} in {x[0]} to {label(y[-1])} in {x[-1]}" if y else "No values",
    )
