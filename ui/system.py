"""The parts of the page System: services, resources, sizes, pipelines, versions and what the doctor found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, drawings, fmt, state, widgets, words_runs
from ui import words_system as words
from ui.widgets import Html, pill_cell

if TYPE_CHECKING:
    from etl.facts import Finding, PipelineFacts, Resources, ServiceFacts, SystemFacts

EVERY_SECONDS = 5
_WORST_FIRST = ("failed", "warned", "unexamined", "passed")


def services(found: Sequence[ServiceFacts]) -> None:
    """Each service with its address, its health and how fast it answered."""
    widgets.compact(
        {"Service": "", "Health": "", "Address": "", "Says": "", "Answered in": "n"},
        [
            (
                Html(f'<b class="keep">{escape(each.name)}</b>'),
                pill_cell(each.state, words.HEALTH.get(each.state, "")),
                Html(f'<span class="code">{escape(each.address)}</span>'),
                each.detail or fmt.MISSING,
                words_runs.took(each.answered_in_seconds),
            )
            for each in found
        ],
    )


def living(drawn: SystemFacts, found: Sequence[Finding], runs: Sequence[PipelineFacts]) -> None:
    """What changes while one looks: the verdict, the services, and what is used now and over the last minutes.

    Read again while the page is open; when a service fares otherwise than before, the whole page is drawn again.
    """
    first = True

    @st.fragment(run_every=EVERY_SECONDS)
    def part() -> None:
        nonlocal first
        with widgets.boundary():
            facts = drawn if first else data.living().system()
            first = False
            if _faring(facts.services) != _faring(drawn.services):
                st.rerun()
            widgets.verdict(*words.system_verdict(facts.services, found, runs))
            with widgets.card("services", "Services"):
                services(facts.services)
            window = words.in_window(facts.history)
            tiles = "".join(_tile(each, window) for each in gauges(facts.now, facts.history))
            st.html(f'<div class="ml gauges">{tiles}</div>')

    part()


def _faring(services: Sequence[ServiceFacts]) -> list[tuple[str, str, str]]:
    return [(each.name, str(each.state), each.address) for each in services]


@dataclass(frozen=True)
class Gauge:
    """One resource: its value now, a note, its course (oldest first) and the top of its scale (None: its own most)."""

    label: str
    value: str
    note: str
    course: tuple[float, ...]
    top: float | None = None


def gauges(now: Resources, history: Sequence[Resources]) -> tuple[Gauge, ...]:
    """The four resources. What is part of a whole stands on the scale of the whole."""
    passed = rates(history)
    received, sent = passed[-1] if passed else (None, None)
    return (
        Gauge(
            "CPU",
            f"{now.cpu_percent:.0f} %",
            f"this process {now.process_cpu_percent:.0f} %",
            tuple(each.cpu_percent for each in history),
            100.0,
        ),
        Gauge(
            "Memory",
            fmt.size(now.memory_used_bytes),
            f"of {fmt.size(now.memory_total_bytes)}, this process {fmt.size(now.process_memory_bytes)}",
            tuple(each.memory_used_bytes for each in history),
            now.memory_total_bytes,
        ),
        Gauge(
            "Disk",
            f"{100 * now.disk_used_bytes / max(now.disk_total_bytes, 1):.0f} %",
            f"{fmt.size(now.disk_total_bytes - now.disk_used_bytes)} free of {fmt.size(now.disk_total_bytes)}",
            tuple(each.disk_used_bytes for each in history),
            now.disk_total_bytes,
        ),
        Gauge(
            "Network",
            fmt.MISSING if received is None or sent is None else f"{fmt.size(received + sent)}/s",
            f"{fmt.size(received)}/s in, {fmt.size(sent)}/s out" if passed else "needs two samples",
            tuple(sum(each) for each in passed),
        ),
    )


def rates(history: Sequence[Resources]) -> list[tuple[float, float]]:
    """Bytes a second received and sent between neighbouring samples; a counter that was reset gives 0."""
    found = []
    for before, after in pairwise(history):
        took = (after.at - before.at).total_seconds()
        if took > 0:
            received = max(after.network_received_bytes - before.network_received_bytes, 0) / took
            found.append((received, max(after.network_sent_bytes - before.network_sent_bytes, 0) / took))
    return found


def _tile(gauge: Gauge, window: str) -> str:
    scale = (0.0, float(gauge.top or max(gauge.course, default=0.0) or 1.0))
    return (
        f'<div class="layer"><div class="row"><span class="h">{gauge.label}</span>'
        f'<span class="push sub">{window}</span></div>'
        f'<div class="big num">{escape(gauge.value)}</div><div class="sub num">{escape(gauge.note)}</div>'
        f"{drawings.sparkline(gauge.course, 'accent', scale)}</div>"
    )


def sizes(found: Sequence[tuple[str, int]]) -> None:
    """What lies on disk, each with its part of the whole."""
    most = max((size for _, size in found), default=0) or 1
    rows = "".join(
        f'<div class="size"><div class="row"><span>{escape(name)}</span>'
        f'<span class="push num">{fmt.size(size)}</span></div>'
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
                words_runs.due(facts),
                fmt.count(facts.runs),
            )
            for facts in found
        ],
    )


def findings(found: Sequence[Finding]) -> None:
    """What the doctor looked at, the worst first, and what to do."""
    for each in sorted(found, key=lambda finding: _WORST_FIRST.index(finding.state)):
        widgets.line(str(each.state), each.what, " ".join(filter(None, (each.detail, each.hint))), top=True)
    if not found:
        widgets.nothing("stethoscope", words.NO_FINDINGS)
