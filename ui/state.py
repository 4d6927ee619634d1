"""What a visit remembers: query parameters, messages for the next run of the script, clock and zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ui import fmt

_TOASTS = "_toasts"
_FAULT = "_fault"
_AWAITED = "_awaited"
_TITLED = "_titled"


def now() -> datetime:
    """The clock of the pages, aware UTC."""
    return datetime.now(UTC)


def zone() -> tzinfo:
    """The viewer's zone as the browser told it; UTC when it did not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def ago(at: datetime | None) -> str:
    """`3 min ago`, by the clock of the pages."""
    return fmt.ago(at, now())


def until(at: datetime | None) -> str:
    """`in 12 min`, by the clock of the pages."""
    return fmt.until(at, now())


def local(at: datetime | None) -> str:
    """The moment in the viewer's zone."""
    return fmt.when(at, zone())


def number(name: str) -> int | None:
    """Query parameter `name` as a whole number, or None."""
    value = st.query_params.get(name, "")
    return int(value) if value.isdecimal() else None


def choose(name: str, value: str | int | None) -> None:
    """Set or, with None, remove query parameter `name`."""
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)


def toast(text: str, symbol: str = "check") -> None:
    """Say `text` at the next run of the script, so that a rerun does not swallow it."""
    st.session_state.setdefault(_TOASTS, []).append((text, symbol))


def show_toasts() -> None:
    """Say what waits to be said; once per run of the script."""
    for text, symbol in st.session_state.pop(_TOASTS, []):
        st.toast(text, icon=f":material/{symbol}:")


def keep_fault(fault: Exception) -> None:
    """Remember why a button's request was refused; the next run shows it under the header."""
    st.session_state[_FAULT] = fault


def take_fault() -> Exception | None:
    """The refusal to show now, once."""
    fault: Exception | None = st.session_state.pop(_FAULT, None)
    return fault


def note_title(*, drawn: bool) -> None:
    """Remember whether this run of the script has drawn the page's title."""
    st.session_state[_TITLED] = drawn


def has_title() -> bool:
    """Whether it has."""
    return bool(st.session_state.get(_TITLED))


def await_run(run_id: int) -> None:
    """Remember the run that this visit asked for until its end has been said."""
    st.session_state[_AWAITED] = run_id


def awaited() -> int | None:
    """The run that this visit asked for and whose end has not been said yet."""
    run_id: int | None = st.session_state.get(_AWAITED)
    return run_id


def end_said(run_id: int) -> None:
    """Await that run no longer."""
    if awaited() == run_id:
        del st.session_state[_AWAITED]


def asked(request: Callable[[], str]) -> None:
    """Do what a button asks (for `on_click`) and say the sentence it returns, or keep the refusal."""
    try:
        toast(request())
    except Exception as fault:
        if not told(fault):
            raise
        keep_fault(fault)


def told(fault: Exception) -> bool:
    """Whether `fault` speaks for itself. By its fields: after a reload its class is not the engine's."""
    return hasattr(fault, "message") and hasattr(fault, "hint")
