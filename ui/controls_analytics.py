"""The filters of the analytic pages. What they are set to stands in the address, so that a view can be sent on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from ui import period, state
from ui import words_analytics as words
from ui.period import Period

REGION = "region"
CUSTOMER = "customer"
PRODUCT = "product"
SALE = "sale"
RUN = "run"


def months(known: Sequence[date]) -> Period:
    """All months, the last 12, 6 or 3, or a range of months."""
    choice = st.segmented_control(
        "Period",
        period.CHOICES,
        default=period.ALL,
        required=True,
        key="span",
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
        on_change=_forget,
        args=(CUSTOMER, SALE),
    )
    picked: Sequence[date] = ()
    if choice == period.RANGE and len(known) > 1:
        picked = _range(known)
    return period.chosen(choice or period.ALL, known, picked)


def region(names: Sequence[str]) -> str | None:
    """One region, or None for all of them."""
    return st.selectbox(
        "Region",
        names,
        index=None,
        key=REGION,
        bind="query-params",
        placeholder="All regions",
        label_visibility="collapsed",
        on_change=_forget,
        args=(CUSTOMER, SALE),
        width=210,
    )


def pick_region(name: str) -> None:
    """What a click on a region's bar does."""
    st.session_state[REGION] = name
    _forget(CUSTOMER, SALE)


def product(ids: Sequence[int]) -> int | None:
    """One product; the best-selling one until somebody chooses."""
    return st.selectbox(
        "Product",
        ids,
        key=PRODUCT,
        bind="query-params",
        format_func=lambda each: f"Product {each}",
        label_visibility="collapsed",
        on_change=_forget,
        args=(SALE,),
        width=210,
    )


def all_products(count: int, few: int, most: int) -> bool:
    """Whether more than the best `few` are to be shown, at most `most`."""
    if count <= few:
        return False
    label = f"Show all {count}" if count <= most else f"Show the best {most}"
    return st.toggle(label, key="all", bind="query-params")


def pick_product(name: str) -> None:
    """What a click on a product's bar or point does."""
    st.session_state[PRODUCT] = int(name.rsplit(" ", 1)[-1])
    _forget(SALE)


def selectable(frame: pd.DataFrame, column: str, name: str, forget: Sequence[str] = ()) -> dict[str, Any]:
    """What makes a table's rows choose query parameter `name` by `column`; the row it names starts selected.

    A selection counts rows, so it must not outlive them: other rows make another widget.
    """
    keys = [str(value) for value in frame[column]]
    key = f"pick-{name}-{zlib.crc32(' '.join(keys).encode())}"

    def took() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        state.choose(name, keys[rows[0]] if rows and rows[0] < len(keys) else None)
        _forget(*forget)

    wanted = str(state.number(name))
    rows = [keys.index(wanted)] if wanted in keys else []
    on_select: Callable[[], None] = took
    return {
        "key": key,
        "on_select": on_select,
        "selection_mode": "single-row",
        "selection_default": {"selection": {"rows": rows}},
    }


def _range(known: Sequence[date]) -> Sequence[date]:
    return st.select_slider(
        "Months",
        list(known),
        value=(known[0], known[-1]),
        format_func=words.month,
        key="months",
        bind="query-params",
        label_visibility="collapsed",
    )


def _forget(*names: str) -> None:
    for name in names:
        state.choose(name, None)
