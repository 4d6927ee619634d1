"""The parts of the Report page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, state, widgets
from ui.widgets import card, icon, pill

if TYPE_CHECKING:
    from etl.facts import Report, ReportSection, ReportSummary

FORMATS = (
    ("Markdown", "md", "text/markdown"),
    ("HTML", "html", "text/html"),
    ("JSON", "json", "application/json"),
)
_FIGURE = re.compile(r"[-+]?\$?[\d,]+(\.\d+)?( ?(%|s|ms|[KMGT]?B|min|h|d))?|–|")


def pick(kept: Sequence[ReportSummary]) -> Report | None:
    """The newest report, or the past one that is chosen."""
    if not kept:
        return None
    labels = {summary.report_id: _label(summary) for summary in kept}
    wanted = state.number("report")
    ids = list(labels)
    chosen = st.selectbox(
        "Report",
        ids,
        index=ids.index(wanted) if wanted in labels else 0,
        format_func=labels.__getitem__,
        key="report-id",
        label_visibility="collapsed",
    )
    state.choose("report", None if chosen == ids[0] else chosen)
    return data.report(chosen)


def _label(summary: ReportSummary) -> str:
    verdict = "ready" if summary.ready else "not ready"
    return f"{state.local(summary.made_at)} · version {summary.version} · {verdict}"


def verdict(report: Report) -> None:
    """Ready or not, and what that rests on or why not."""
    widgets.verdict(_worst(report), report.headline, _when(report), report.why_not)


def _worst(report: Report) -> str:
    """Ready with a warning in it is amber, not green."""
    if not report.ready:
        return "failed"
    return "warned" if any(section.state == "warned" for section in report.sections) else "passed"


def _when(report: Report) -> str:
    due = f" · next due {state.until(report.next_due)}" if report.next_due else ""
    return f"Run {report.run_id} · version {report.version} · made {state.ago(report.made_at)}{due}"


def rests_on(report: Report) -> None:
    """The facts that the verdict stands on."""
    if not report.rests_on:
        return
    with card("rests-on", "What the verdict rests on"):
        lines = "".join(
            f'<div class="row top line">{icon("check", "passed")}<span>{escape(sentence)}</span></div>'
            for sentence in report.rests_on
        )
        st.html(f'<div class="ml">{lines}</div>')


def downloads(report: Report) -> None:
    """The report as a file, made when it is asked for."""
    with st.container(horizontal=True):
        for label, suffix, mime in FORMATS:
            st.download_button(
                label,
                partial(data.report_text, report.report_id, suffix),
                f"metalayer-report-{report.report_id}.{suffix}",
                mime,
                key=f"report-{suffix}",
                icon=":material/download:",
                on_click="ignore",
            )


def sections(report: Report) -> None:
    """Each section folded to its title, except the first and those that hold bad news."""
    unfolded = st.toggle("Unfold every section", key="unfolded")
    body = "".join(
        _section(section, unfolded or at == 0 or section.state in ("warned", "failed"))
        for at, section in enumerate(report.sections)
    )
    st.html(f'<div class="ml sections">{body}</div>')


def _section(section: ReportSection, unfolded: bool) -> str:
    mark = f'<span class="push">{pill(str(section.state))}</span>' if section.state else ""
    rows = widgets.table(_columns(section), section.rows) if section.rows else ""
    return (
        f'<details class="section" {"open" if unfolded else ""}><summary>{icon("chevron_right", "turn")}'
        f'<h2 class="h">{escape(section.title)}</h2>{mark}</summary>'
        f'<div class="body"><div class="sub">{escape(section.lead)}</div>{rows}</div></details>'
    )


def _columns(section: ReportSection) -> dict[str, str]:
    """Headings with their side: a column of figures stands right."""
    return {
        name: "n" if section.rows and all(_FIGURE.fullmatch(row[at]) for row in section.rows) else ""
        for at, name in enumerate(section.columns)
    }
