"""Figures drawn once for all visits: kept by what they show and the theme, for plotly takes longer than any read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from ui.charts import finished, theme

Build = Callable[..., tuple[go.Figure, int]]


def kept(build: Build) -> Callable[..., go.Figure]:
    """Keep what `build` makes (a figure and its height). Its arguments must tell by their repr what is drawn.

    A kept figure is shared between visits: it may be shown, never changed.
    """

    def made(*args: Any) -> go.Figure:
        return _made(build.__qualname__, theme(), repr(args), build, args)

    return made


@st.cache_resource(show_spinner=False, max_entries=256)
def _made(name: str, theme: str, shown: str, _build: Build, _args: tuple[Any, ...]) -> go.Figure:
    fig, height = _build(*_args)
    return finished(fig, height)
