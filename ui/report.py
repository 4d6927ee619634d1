"""The parts of the Report page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from etl.texts import is_figures
from ui import data, state, widgets, words
from ui.widgets import Cell, Html, card, icon, pill

if TYPE_CHECKING:
    from etl.facts import Report, ReportSection, ReportSummary

FORMATS = (
    ("Markdown", "md", "text/markdown"),
    ("HTML", "html", "text/html"),
    ("JSON", "json", "application/json"),
)
AS_CODE = ("SHA-256", "Fingerprint", "Query")
ALWAYS_OPEN = 2  # the summary, and what is not explained
MOST_ROWS = 200  # of a section on the screen; the files have all of them


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
    with card("rests-on", "What the verdict rests on"):
        lines = "".join(
            f'<div class="row top line">{icon("check", "passed")}<span>{escape(sentence)}</span></div>'
            for sentence in report.rests_on
        )
        digest = f'{words.digest(report.digest)} <span class="code">{escape(report.digest)}</span>'
        st.html(f'<div class="ml">{lines}<div class="sub" style="margin-top:.5rem">{digest}</div></div>')


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
    """Each section folded to its title, except the first two and those that hold bad news."""
    unfolded = st.toggle("Unfold every section", key="unfolded")
    body = "".join(
        _section(section, unfolded or at < ALWAYS_OPEN or section.state in ("warned", "failed"))
        for at, section in enumerate(report.sections)
    )
    st.html(f'<div class="ml sections">{body}</div>')


def _section(section: ReportSection, unfolded: bool) -> str:
    mark = f'<span class="push">{pill(str(section.state))}</span>' if section.state else ""
    return (
        f'<details class="section" {"open" if unfolded else ""}><summary>{icon("chevron_right", "turn")}'
        f'<h2 class="h">{escape(section.title)}</h2>{mark}</summary>'
        f'<div class="body"><div class="sub">{escape(section.lead)}</div>{_rows(section)}</div></details>'
    )


def _rows(section: ReportSection) -> str:
    """A table without rows says so; a long one is cut."""
    if not section.columns:
        return ""
    if not section.rows:
        return f"<div>{words.NONE}</div>"
    cut = ""
    if len(section.rows) > MOST_ROWS:
        cut = f'<div class="sub num">{escape(words.cut(MOST_ROWS, len(section.rows)))}</div>'
    columns = _columns(section)
    rows = [
        [_cell(name, cell) for name, cell in zip(columns, row, strict=True)]
        for row in section.rows[:MOST_ROWS]
    ]
    return widgets.table(columns, rows) + cut


def _cell(name: str, cell: str) -> Cell:
    if name in AS_CODE:
        return Html(f'<span class="code">{escape(cell)}</span>')
    return widgets.keep(cell) if name == "Table" else cell


def _columns(section: ReportSection) -> dict[str, str]:
    """Headings with their side: a column of figures stands right."""
    return {
        name: "n" if name not in AS_CODE and is_figures(row[at] for row in section.rows) else ""
        for at, name in enumerate(section.columns)
    }
