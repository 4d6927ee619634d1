"""The plotly template, filled from the tokens of the theme in use; every chart is shown through here."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

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
