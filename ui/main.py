"""The script Streamlit runs: page config, style, navigation, and where a page's failure is shown."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from ui import charts, data, live, state, widgets, words  # noqa: E402  (the path above comes first)
from ui.tokens import colour  # noqa: E402

log = logging.getLogger(__name__)

# name, title, symbol; absolute paths, because a pages folder that Streamlit finds by itself skips this script
PAGES = {
    "Data": (
        ("overview", "Overview", "space_dashboard"),
        ("regional_revenue", "Regional revenue", "public"),
        ("products", "Products", "package_2"),
    ),
    "Trust": (
        ("quality", "Quality", "verified_user"),
        ("report", "Report", "description"),
        ("explain", "Find a row", "route"),
    ),
    "Operations": (
        ("runs", "Runs", "play_circle"),
        ("system", "System", "monitor_heart"),
    ),
}


def page(name: str, title: str, symbol: str) -> Any:
    """The page in pages/`name`.py; its address is the name with dashes."""
    return st.Page(
        ROOT / "pages" / f"{name}.py",
        title=title,
        icon=f":material/{symbol}:",
        url_path=name.replace("_", "-"),
        default=name == "overview",
    )


def frame() -> None:
    """What stands around every page."""
    assets = ROOT / "ui" / "assets"
    st.set_page_config(page_title="MetaLayer", page_icon=str(assets / "icon.svg"), layout="wide")
    logo = (assets / "logo.svg").read_text().replace("#14181F", colour("text", charts.theme()))
    st.logo(logo, size="large", icon_image=logo)
    widgets.style()
    if data.is_open_to_anyone():
        widgets.banner("warned", "lock_open", words.OPEN_TO_ANYONE)
    state.show_toasts()


def draw(chosen: Any) -> None:
    """Run the page; a failure becomes one card that says what to do, whatever the page had drawn before."""
    if not data.engine_is_up():
        live.wait_for_engine(chosen.title)
        return
    state.note_title(drawn=False)
    try:
        chosen.run()
    except Exception as fault:
        if not state.told(fault):
            log.exception("Page %s could not be drawn", chosen.title)
            fault = words.Undrawn(chosen.title)
        if not state.has_title():
            widgets.header(chosen.title)
        widgets.problem(fault)
        if getattr(fault, "transient", False):
            live.wait_for_return()


frame()
draw(
    st.navigation(
        {
            group: [page(*entry) for entry in entries if (ROOT / "pages" / f"{entry[0]}.py").exists()]
            for group, entries in PAGES.items()
        },
        expanded=True,
    )
)
