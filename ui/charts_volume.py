"""Rows of each batch of a source, over the range that was usual when it came."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ui import charts, fmt

HEIGHT = 230


def volume(frame: pd.DataFrame, key: str, alt: str) -> None:
    """Bars by arrival, evenly spaced; amber out of range, hollow where left out. The range is drawn behind them."""
    places = list(range(len(frame)))
    fig = go.Figure()
    known = frame[frame["low"].notna()]
    fig.add_bar(
        x=[place for place, low in zip(places, frame["low"].notna(), strict=True) if low],
        y=(known["high"] - known["low"]).astype(int),
        base=known["low"].astype(int),
        width=1,
        marker={"color": charts.tint(charts.ink("accent"), 0.16), "line": {"width": 0}},
        hoverinfo="skip",
    )
    fig.add_bar(
        x=places,
        y=frame["rows"],
        width=0.62,
        marker={
            "color": list(map(_ink, frame["odd"], frame["left_out"])),
            "line": {"color": charts.ink("calm"), "width": [1.5 if out else 0 for out in frame["left_out"]]},
        },
        customdata=[_told(row) for _, row in frame.iterrows()],
        hovertemplate="%{customdata}<extra></extra>",
    )
    ticks = places[:: max(1, len(places) // 6)]
    fig.update_xaxes(
        tickvals=ticks,
        ticktext=[frame["arrived"].iloc[at].strftime("%-d %b") for at in ticks],
        showgrid=False,
    )
    fig.update_yaxes(rangemode="tozero", tickformat="~s")
    fig.update_layout(barmode="overlay")
    charts.show(fig, key, HEIGHT, alt)


def _ink(odd: bool, left_out: bool) -> str:
    if left_out:
        return "rgba(0,0,0,0)"
    return charts.ink("warned" if odd else "calm")


def _told(row: pd.Series) -> str:
    usual = (
        ""
        if pd.isna(row["low"])
        else f"<br>{fmt.count(int(row['low']))} to {fmt.count(int(row['high']))} usual"
    )
    out = "<br>left out" if row["left_out"] else ""
    name = str(row["file"]).replace("<", "&lt;")
    return f"{name}<br>{fmt.count(int(row['rows']), 'row')}{usual}{out}"
