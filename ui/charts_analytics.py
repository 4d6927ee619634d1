"""The charts of regions and products: values in, a drawn figure out. No figures are made here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from ui import fmt
from ui.charts import ink, show_finished, tint
from ui.currency import Currency
from ui.figures import kept
from ui.fmt import Number

_MOST_POINTS = 2_000


def ranking(
    names: Sequence[str],
    values: Sequence[Number],
    label: Callable[[Any], str],
    key: str,
    picked: str | None = None,
    on_pick: Callable[[str], None] | None = None,
    hover: Sequence[str] = (),
) -> None:
    """Horizontal bars in the order given. The picked bar, or else the first, is in the accent; a click picks a bar."""
    tags = [label(value) for value in values]
    fig = _ranking(list(names), [float(value) for value in values], tags, list(hover) or tags, picked)
    ends = f"{names[0]} {tags[0]} to {names[-1]} {tags[-1]}" if names else "no bars"
    _pickable(fig, key, f"Bars, largest first: {ends}", names, on_pick)


@kept
def _ranking(
    names: list[str], lengths: list[float], tags: list[str], hover: list[str], picked: str | None
) -> tuple[go.Figure, int]:
    lead = picked if picked in names else next(iter(names), None)
    fig = go.Figure(
        go.Bar(
            x=lengths,
            y=[escape(name) for name in names],
            orientation="h",
            text=tags,
            textposition="outside",
            cliponaxis=False,
            customdata=hover,
            marker={
                "color": [ink("accent" if name == lead else "calm") for name in names],
                "cornerradius": 4,
            },
            hovertemplate="%{y}<br><b>%{customdata}</b><extra></extra>",
            textfont={"color": ink("text"), "size": 13},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    fig.update_xaxes(visible=False, range=[0, (max(lengths, default=0) or 1) * 1.28])
    fig.update_yaxes(autorange="reversed", showgrid=False, ticksuffix="  ", type="category")
    return fig, 34 * len(names) + 16


def months(
    x: Sequence[date],
    y: Sequence[Number | None],
    key: str,
    money: Currency,
    height: int = 300,
) -> None:
    """One amount by month as a filled line."""
    show_finished(_months(list(x), list(y), money, height), key, _ends(x, y, money.short))


@kept
def _months(x: list[date], y: list[Number | None], money: Currency, height: int) -> tuple[go.Figure, int]:
    accent = ink("accent")
    values = [None if value is None else float(value) for value in y]
    fig = go.Figure(
        go.Scatter(
            x=x,
            y=values,
            mode="lines" if len(values) > 1 else "markers",
            line={"color": accent, "width": 2.2},
            marker={"color": accent, "size": 9},
            fill="tozeroy",
            fillgradient={"type": "vertical", "colorscale": [[0, tint(accent, 0)], [1, tint(accent, 0.22)]]},
            customdata=[money.exact(value) for value in y],
            hovertemplate="%{x|%B %Y}<br><b>%{customdata}</b><extra></extra>",
        )
    )
    most = max((value for value in values if value is not None), default=0) or 1
    fig.update_yaxes(range=[0, most * 1.15], nticks=5, **_money_axis(money))
    _calendar(fig, x)
    fig.update_layout(margin={"r": 16})
    return fig, height


def shares(names: Sequence[str], parts: Sequence[float], key: str, picked: str | None = None) -> None:
    """Parts of a whole (0..1) in one bar, the largest first and darkest; the picked one in full colour."""
    said = ", ".join(f"{name} {fmt.share(part)}" for name, part in zip(names, parts, strict=True))
    show_finished(_shares(list(names), list(parts), picked), key, f"Shares of the whole: {said}")


@kept
def _shares(names: list[str], parts: list[float], picked: str | None) -> tuple[go.Figure, int]:
    most = max(parts, default=1) or 1
    bars = [
        go.Bar(
            x=[part],
            y=[""],
            orientation="h",
            marker={
                "color": ink("accent") if name == picked else tint(ink("accent"), 0.12 + 0.48 * part / most),
                "cornerradius": 4,
                "line": {"color": ink("surface"), "width": 2},
            },
            text=f"<b>{fmt.share(part)}</b><br>{escape(name)}",
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": "#FFFFFF" if name == picked else ink("text"), "size": 12},
            hovertemplate=f"{escape(name)}<br><b>{fmt.share(part)}</b><extra></extra>",
        )
        for name, part in zip(names, parts, strict=True)
    ]
    fig = go.Figure(bars)
    fig.update_layout(barmode="stack", bargap=0, margin={"t": 0}, uniformtext={"minsize": 11, "mode": "hide"})
    fig.update_xaxes(visible=False, range=[0, sum(parts) or 1])
    fig.update_yaxes(visible=False)
    return fig, 58


def pareto(
    reached: Sequence[float], share: float, needed: int, noun: str, key: str, height: int = 226
) -> None:
    """The running share (0..1) over rank, best first, and the rank at which `share` is reached."""
    of = f"{fmt.count(needed, noun)} of {fmt.count(len(reached))}"
    fig = _pareto(list(reached), share, needed, noun, height)
    show_finished(fig, key, f"{of} make {round(100 * share)} % of the revenue")


@kept
def _pareto(reached: list[float], share: float, needed: int, noun: str, height: int) -> tuple[go.Figure, int]:
    ranks, line = _thinned(list(range(1, len(reached) + 1)), reached, needed)
    fig = go.Figure(
        go.Scatter(
            x=[0, *ranks],
            y=[0.0, *line],
            mode="lines",
            line={"color": ink("accent"), "width": 2.2},
            fill="tozeroy",
            fillcolor=tint(ink("accent"), 0.1),
            customdata=[fmt.share(part) for part in (0.0, *line)],
            hovertemplate=f"The first %{{x:,}} {noun}s<br><b>%{{customdata}}</b><extra></extra>",
        )
    )
    _marked(
        fig,
        needed,
        share,
        f"<b>{fmt.count(needed, noun)}</b> make {round(100 * share)} %",
        needed * 2 > len(reached),
    )
    fig.update_xaxes(
        showgrid=False, range=[0, max(len(reached), 1) * 1.01], nticks=6, tickformat=",d", ticklabelstandoff=8
    )
    fig.update_yaxes(range=[0, 1.04], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], ticksuffix="  ")
    return fig, height


def scatter(
    x: Sequence[int],
    y: Sequence[Number],
    names: Sequence[str],
    money: Currency,
    key: str,
    picked: str | None = None,
    on_pick: Callable[[str], None] | None = None,
    height: int = 226,
) -> None:
    """Quantity against revenue, one point a product; the picked one large and named. A click picks a point."""
    fig = _scatter(list(x), list(y), list(names), money, picked, height)
    _pickable(fig, key, f"{fmt.count(len(names), 'product')} by pieces sold and revenue", names, on_pick)


@kept
def _scatter(
    x: list[int], y: list[Number], names: list[str], money: Currency, picked: str | None, height: int
) -> tuple[go.Figure, int]:
    chosen = [name == picked for name in names]
    accent = ink("accent")
    tips = [
        f"{escape(name)}<br><b>{money.exact(amount)}</b><br>{fmt.count(pieces, 'piece')}"
        for name, pieces, amount in zip(names, x, y, strict=True)
    ]
    marks = go.Scatter(
        x=x,
        y=[float(amount) for amount in y],
        mode="markers+text",
        text=[name if is_it else "" for name, is_it in zip(names, chosen, strict=True)],
        textposition="middle left",
        textfont={"color": ink("text"), "size": 13},
        marker={
            "size": [13 if is_it else 8 for is_it in chosen],
            "color": [accent if is_it else tint(accent, 0.55) for is_it in chosen],
            "line": {"color": ink("surface"), "width": 1},
        },
        customdata=tips,
        hovertemplate="%{customdata}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )
    fig = go.Figure(marks)
    fig.update_xaxes(
        title_text="Pieces sold", rangemode="tozero", tickformat="~s", nticks=6, ticklabelstandoff=6
    )
    fig.update_yaxes(range=[0, 1.16 * max(map(float, y), default=1)], nticks=6, **_money_axis(money))
    return fig, height


def _pickable(
    fig: go.Figure,
    key: str,
    said: str,
    names: Sequence[str],
    on_pick: Callable[[str], None] | None,
) -> None:
    if on_pick is None:
        show_finished(fig, key, said)
        return

    def took() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            on_pick(names[points[0]["point_index"]])

    show_finished(fig, key, said, on_select=took, selection_mode="points")


def _marked(fig: go.Figure, x: float, y: float, text: str, late: bool) -> None:
    """A dashed corner at a point of a rising curve, with words where the curve is not: above it when it is `late`."""
    line = {"color": ink("faint"), "width": 1, "dash": "dot"}
    fig.add_shape(type="line", x0=0, x1=x, y0=y, y1=y, line=line)
    fig.add_shape(type="line", x0=x, x1=x, y0=0, y1=y, line=line)
    fig.add_scatter(
        x=[x], y=[y], mode="markers", marker={"color": ink("accent"), "size": 9}, hoverinfo="skip"
    )
    fig.add_annotation(
        x=x,
        y=y,
        text=text,
        showarrow=False,
        xanchor="right" if late else "left",
        yanchor="bottom" if late else "top",
        xshift=-8 if late else 10,
        yshift=4 if late else -8,
        font={"color": ink("text")},
    )


def _money_axis(money: Currency) -> dict[str, str]:
    return {"tickprefix": money.prefix, "tickformat": ".3~s", "ticksuffix": "  "}


def _calendar(fig: go.Figure, x: Sequence[date]) -> None:
    few = len(x) <= 6  # noqa: PLR2004  (every month gets its own label)
    fig.update_xaxes(showgrid=False, ticklabelstandoff=8, tickformat="%b<br>%Y", nticks=8)
    if few:
        fig.update_xaxes(tickvals=list(x))


def _ends(x: Sequence[date], y: Sequence[Number | None], label: Callable[[Any], str]) -> str:
    if not x:
        return "No months"
    return f"Line from {label(y[0])} in {x[0]:%B %Y} to {label(y[-1])} in {x[-1]:%B %Y}"


def _thinned(x: list[int], y: list[float], keep: int) -> tuple[list[int], list[float]]:
    """At most about `_MOST_POINTS` points of a curve, always with its last one and the one at rank `keep`."""
    step = max(1, len(x) // _MOST_POINTS)
    at = sorted({*range(0, len(x), step), len(x) - 1, keep - 1}) if x else []
    return [x[i] for i in at], [y[i] for i in at]
