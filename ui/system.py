"""The parts of the page System: services, resources, sizes, pipelines, versions and what the doctor found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, drawings, fmt, state, widgets
from ui import words_analytics as words
from ui.widgets import Html, pill_cell

if TYPE_CHECKING:
    from etl.facts import Finding, PipelineFacts, Resources, ServiceFacts

EVERY_SECONDS = 5


def services(found: Sequence[ServiceFacts]) -> None:
    """Each service with its address, its health and how fast it answered."""
    widgets.compact(
        {"Service": "", "Health": "", "Address": "", "Says": "", "Answered in": "n"},
        [
            (
                Html(f"<b>{escape(each.name)}</b>"),
                pill_cell(each.state, words.HEALTH.get(each.state, "")),
                Html(f'<span class="code">{escape(each.address)}</span>'),
                each.detail or fmt.MISSING,
                words.took(each.answered_in_seconds),
            )
            for each in found
        ],
    )


@st.fragment(run_every=EVERY_SECONDS)
def resources() -> None:
    """CPU, memory, disk and network now and over the last minutes; sampled again while the page is open."""
    with widgets.boundary():
        facts = data.living().system()
        tiles = "".join(
            _tile(*each, words.in_window(facts.history)) for each in _gauges(facts.now, facts.history)
        )
        st.html(f'<div class="ml gauges">{tiles}</div>')


def _gauges(
    now: Resources, history: Sequence[Resources]
) -> list[tuple[str, str, str, list[float], float | None]]:
    """Label, value, note, course and the top of its scale; shares of a whole stand on 0 to 100 %."""
    rates = _rates(history)
    return [
        (
            "CPU",
            f"{now.cpu_percent:.0f} %",
            f"this process {now.process_cpu_percent:.0f} %",
            [each.cpu_percent for each in history],
            100.0,
        ),
        (
            "Memory",
            fmt.size(now.memory_used_bytes),
            f"of {fmt.size(now.memory_total_bytes)}, this process {fmt.size(now.process_memory_bytes)}",
            [float(each.memory_used_bytes) for each in history],
            float(now.memory_total_bytes),
        ),
        (
            "Disk",
            fmt.share(now.disk_used_bytes / max(now.disk_total_bytes, 1)),
            f"{fmt.size(now.disk_total_bytes - now.disk_used_bytes)} free of {fmt.size(now.disk_total_bytes)}",
            [float(each.disk_used_bytes) for each in history],
            float(now.disk_total_bytes),
        ),
        (
            "Network",
            f"{fmt.size(sum(rates[-1]))}/s" if rates else fmt.MISSING,
            f"{fmt.size(rates[-1][0])}/s in, {fmt.size(rates[-1][1])}/s out"
            if rates
            else "needs two samples",
            [received + sent for received, sent in rates],
            None,
        ),
    ]


def _rates(history: Sequence[Resources]) -> list[tuple[float, float]]:
    """Bytes a second received and sent between neighbouring samples; a counter that was reset gives 0."""
    found = []
    for before, after in zip(history, history[1:], strict=False):
        took = (after.at - before.at).total_seconds()
        if took > 0:
            received = max(after.network_received_bytes - before.network_received_bytes, 0) / took
            found.append((received, max(after.network_sent_bytes - before.network_sent_bytes, 0) / took))
    return found


def _tile(label: str, value: str, note: str, course: Sequence[float], top: float | None, window: str) -> str:
    scale = (0.0, top or max(course, default=0.0) or 1.0)
    return (
        f'<div class="layer"><div class="row"><span class="h">{label}</span><span class="push sub">{window}</span></div>'
        f'<div class="big num">{escape(value)}</div><div class="sub num">{escape(note)}</div>'
        f"{drawings.sparkline(course, 'accent', scale)}</div>"
    )


def sizes(found: Sequence[tuple[str, int]]) -> None:
    """What lies on disk, each with its part of the whole."""
    most = max((size for _, size in found), default=0) or 1
    rows = "".join(
        f'<div class="size"><div class="row"><span>{escape(name)}</span><span class="push num">{fmt.size(size)}</span></div>'
        f'<div class="bar" aria-hidden="true"><span style="width:{100 * size / most:.1f}%;'
        f'background:var({"--accent" if size else "--raised"})"></span></div></div>'
        for name, size in found
    )
    total = fmt.size(sum(size for _, size in found))
    st.html(f'<div class="ml">{rows}<div class="sub num">{total} in all</div></div>')


def versions(found: Sequence[tuple[str, str]]) -> None:
    """The libraries in use."""
    widgets.compact({"Library": "", "Version": "n"}, list(found))


def pipelines(found: Sequence[PipelineFacts]) -> None:
    """How the last run of each pipeline ended."""
    widgets.compact(
        {"Pipeline": "", "Last run": "", "When": "", "Took": "n", "Next": "", "Runs": "n"},
        [
            (
                facts.title,
                pill_cell(facts.last_run.state) if facts.last_run else pill_cell("unexamined", "Never run"),
                state.ago(facts.last_run.requested_at if facts.last_run else None),
                fmt.seconds(facts.last_run.seconds if facts.last_run else None),
                words.due(facts),
                fmt.count(facts.runs),
            )
            for facts in found
        ],
    )


def findings(found: Sequence[Finding]) -> None:
    """What the doctor looked at, the worst first, and what to do."""
    order = ("failed", "warned", "unexamined", "passed")
    by_weight: Callable[[Finding], int] = lambda each: order.index(each.state)  # noqa: E731
    for each in sorted(found, key=by_weight):
        widgets.line(str(each.state), each.what, " ".join(filter(None, (each.detail, each.hint))), top=True)
    if not found:
        widgets.nothing("stethoscope", words.NO_FINDINGS)
