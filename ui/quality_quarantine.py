"""The parts of Quality that keep what could not be used: rows, lines and files, and the way to mend them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import (
    fmt,
    reads_mending,
    state,
    widgets,
    words,
    workbench,
    workbench_filter,
    workbench_history,
    workbench_requests,
    workbench_upload,
)
from ui import words_mending as mending
from ui.quality_listing import code, shown
from ui.widgets import card

if TYPE_CHECKING:
    from etl.facts import Accounts, BatchFacts, ReasonCount
    from etl.mends import Mend

_TWO = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));column-gap:2rem"


def quarantine(accounts: Accounts, reasons: Sequence[ReasonCount]) -> None:
    """What was set aside: why, how many, which; and all that can be done about it."""
    rows = sum(source.quarantined for source in accounts.retention)
    with widgets.boundary():
        mends = _followed()
        with card("quarantine", "Quarantine", words.quarantined(rows)):
            _reason_bars(reasons)
            _bench(accounts, mends)
        workbench_history.history(mends)


def _followed() -> Sequence[Mend]:
    """The mends, with what became of this visit's own said on top."""
    mends = reads_mending.mends()
    workbench_requests.follow(mends)
    workbench_requests.outcome(mends)
    return mends


def _bench(accounts: Accounts, mends: Sequence[Mend]) -> None:
    counts = reads_mending.sources(accounts)
    if not any(counts.values()):
        widgets.nothing("inventory_2", "Nothing is set aside", mending.NOTHING_ASIDE)
        return
    picked = workbench_filter.chosen(accounts, counts)
    with widgets.boundary():
        workbench.rows(picked, mends)
    if picked.state != mending.DISCARDED:
        workbench_upload.upload(picked.source)


def _reason_bars(reasons: Sequence[ReasonCount]) -> None:
    """Bars as markup: a reason is a sentence, too long for the axis of a chart. What is rare is folded away."""
    most = max((reason.rows for reason in reasons), default=0)
    bars = [_bar(reason, most, "calm" if at else "accent") for at, reason in enumerate(reasons)]
    rest = "".join(bars[words.MOST_REASONS :])
    folded = (
        f'<details><summary class="line muted">{mending.more_reasons(len(bars) - words.MOST_REASONS)}</summary>'
        f'<div style="{_TWO}">{rest}</div></details>'
    )
    if bars:
        shown_first = "".join(bars[: words.MOST_REASONS])
        st.html(f'<div class="ml"><div style="{_TWO}">{shown_first}</div>{folded if rest else ""}</div>')


def _bar(reason: ReasonCount, most: int, ink: str) -> str:
    return (
        f'<div class="reason"><div class="row"><span>{escape(reason.reason)}</span>'
        f'<span class="sub">{escape(mending.whose(reason.source, reason.unreadable))}</span>'
        f'<b class="push num">{shown(reason.rows)}</b></div>'
        f'<div class="bar" aria-hidden="true"><span style="width:{100 * reason.rows / most:.1f}%;'
        f'background:var(--{ink})"></span></div></div>'
    )


def refused(batches: Sequence[BatchFacts]) -> None:
    """Files that could not be taken in at all."""
    with card("refused", "Refused files", words.REFUSED_LEAD):
        if not batches:
            widgets.nothing("draft", "No file was refused", "")
        widgets.listing(
            {"File": "", "Source": "", "Why": "", "Size": "n", "Arrived": "n"},
            [
                (
                    code(batch.path),
                    batch.source,
                    batch.reason,
                    fmt.size(batch.size_bytes),
                    state.ago(batch.arrived_at),
                )
                for batch in batches
            ],
        )
