"""The parts of Quality that say what was examined and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import charts, fmt, reads_quality, widgets, words, words_checks
from ui.tokens import look
from ui.widgets import card, state_icon

if TYPE_CHECKING:
    from etl.facts import CheckFacts
    from etl.model import CheckResult

MOST_UNFOLDED = 14
_NUMBERS = ("examined", "failing")
_FOLDED = ("unexamined", "passed")


def checks(found: Sequence[CheckFacts]) -> None:
    """Every check with what it examined and found; one of them in full."""
    with card("checks", "Checks", words.CHECKS_LEAD):
        if not found:
            widgets.nothing("rule", "No check is declared", words.NO_CHECKS)
            return
        shown = _filtered(found)
        if not shown:
            widgets.nothing("filter_alt_off", words_checks.NONE_SHOWN)
            return
        with st.container(key="wide-checks"):
            _checks_table(shown)
        with st.container(key="narrow-checks"):
            st.html(f'<div class="ml">{_check_lines(shown)}</div>')
        widgets.csv_button(reads_quality.checks_frame(found), "checks")
        _look_at(shown)


def _check_lines(shown: Sequence[CheckFacts]) -> str:
    """The list for a phone: the worst are listed, what was not examined or passed is folded away below them."""
    groups = {
        state: [one for one in shown if one.result.state == state] for state in reads_quality.by_state(shown)
    }
    listed = [
        (state, "".join(map(_check_line, found)), look(state).word.lower()) for state, found in groups.items()
    ]
    return "".join(
        lines
        if at == 0 or state not in _FOLDED
        else f'<details><summary class="line">{len(groups[state])} {word}</summary>{lines}</details>'
        for at, (state, lines, word) in enumerate(listed)
    )


def _check_line(found: CheckFacts) -> str:
    result = found.result
    broken = (
        f"{fmt.count(result.failing)} of {fmt.count(result.examined)}" if result.examined else fmt.MISSING
    )
    return (
        f'<div class="row line">{state_icon(str(result.state))}<div style="min-width:0">'
        f'<div class="cut">{escape(words.check_title(found.check))}</div>'
        f'<div class="sub cut">{escape(words.short(found.table))}</div></div>'
        f'<span class="push sub num" style="white-space:nowrap">{broken}{_history(found.history)}</span></div>'
    )


def _history(failing: Sequence[int], tall: int = 18) -> str:
    """A bar for each of the last examinations, as high as its share of the most; a thin one where none failed."""
    if not failing:
        return ""
    most = max(failing) or 1
    bars = "".join(
        f'<i title="{words_checks.history(rows)}" style="height:{max(2, round(tall * rows / most))}px;'
        f'background:var(--{"warned" if rows else "calm"})"></i>'
        for rows in failing
    )
    said = ", ".join(map(str, failing))
    return f'<span class="past" role="img" aria-label="{words_checks.HISTORY}: {said}">{bars}</span>'


def _look_at(shown: Sequence[CheckFacts]) -> None:
    """One check in full: the one chosen here, or the row that was clicked."""
    names = [f"{words.check_title(check.check)} on {words.short(check.table)}" for check in shown]
    picked = st.selectbox(
        "Look at a check",
        range(len(shown)),
        index=None,
        format_func=names.__getitem__,
        key="check",
        placeholder=words.PICK_A_CHECK,
        label_visibility="collapsed",
    )
    if picked is not None and picked < len(shown):
        _check(shown[picked])


def _filtered(found: Sequence[CheckFacts]) -> list[CheckFacts]:
    counts = reads_quality.by_state(found)
    present = {words_checks.kind(check.check) for check in found}
    picked = st.segmented_control(
        "Show",
        ["all", *counts],
        default="all",
        required=True,
        format_func=lambda name: words.filter_label(name, counts.get(name, len(found))),
        label_visibility="collapsed",
        key="show",
        bind="query-params",
    )
    kind = st.selectbox(
        "Kind",
        [words_checks.EVERY_KIND, *(kind for kind in words_checks.KINDS if kind in present)],
        label_visibility="collapsed",
        key="kind",
        bind="query-params",
        width=280,
    )
    return [
        check
        for check in found
        if picked in ("all", check.result.state)
        and kind in (words_checks.EVERY_KIND, words_checks.kind(check.check))
    ]


def _checks_table(shown: Sequence[CheckFacts]) -> None:
    column = st.column_config
    tones = [look(name) for name in reads_quality.WORST_FIRST]
    st.dataframe(
        reads_quality.checks_frame(shown).drop(columns="severity"),
        hide_index=True,
        height="content" if len(shown) <= MOST_UNFOLDED else 620,
        row_height=38,
        placeholder=fmt.MISSING,
        key="checks-table",
        alt=words.CHECKS_LEAD,
        on_select=_follow_row,
        selection_mode="single-row",
        column_config={
            "state": column.MultiselectColumn(
                "State",
                options=[tone.word for tone in tones],
                color=[charts.ink(f"{tone.tone}-bg") for tone in tones],
                width=108,
            ),
            "check": column.TextColumn("Check", width=205),
            "table": column.TextColumn("Table", width=140),
            **{
                name: column.NumberColumn(name.capitalize(), format="localized", width=76)
                for name in _NUMBERS
            },
            "took": column.TextColumn("Took", width=70),
            "when": column.TextColumn("When", width=80),
            "history": column.BarChartColumn("Last 10", y_min=0, width=76, color=charts.ink("warned")),
        },
    )


def _follow_row() -> None:
    """A click on a row of the table chooses that check."""
    rows = st.session_state["checks-table"].selection.rows
    st.session_state["check"] = rows[0] if rows else None


def _check(found: CheckFacts) -> None:
    result = found.result
    said = " · ".join(filter(None, (found.description, result.message)))
    widgets.line(
        str(result.state), f"{words.check_title(found.check)} on {words.short(found.table)}", said, top=True
    )
    widgets.kpis(
        [
            widgets.Kpi(
                "Examined",
                fmt.count(result.examined) if result.examined else fmt.MISSING,
                words_checks.unit(found.check),
            ),
            widgets.Kpi("Failing", fmt.count(result.failing) if result.examined else fmt.MISSING),
            widgets.Kpi("When it fails", words.SEVERITIES.get(found.severity, str(found.severity))),
            widgets.Kpi("Took", fmt.seconds(result.duration_seconds) if result.examined else fmt.MISSING),
        ]
    )
    past = _history(found.history, 34) or words_checks.NO_HISTORY
    st.html(f'<div class="ml row"><span class="sub">{words_checks.HISTORY}</span>{past}</div>')
    _sample(result)
    if result.query:
        with st.expander(words_checks.QUERY):
            st.code(result.query, language="sql", wrap_lines=True)


def _sample(result: CheckResult) -> None:
    if not result.sample:
        return
    names = list(result.sample[0])
    widgets.listing(
        dict.fromkeys(names, ""), [[words.cell(row.get(name)) for name in names] for row in result.sample]
    )
    st.html(f'<div class="ml sub num">{words.sample_of(len(result.sample), result.failing)}</div>')
