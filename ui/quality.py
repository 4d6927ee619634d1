"""The parts of the Quality page."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import accounts, charts, charts_accounts, fmt, reads_quality, state, widgets, words
from ui.accounts import Account
from ui.currency import Currency
from ui.tokens import look
from ui.widgets import Cell, Html, card, pill, state_icon, tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.facts import Accounts, BatchFacts, CheckFacts, ReasonCount, Retention
    from etl.model import CheckResult, MoneyAccount, RowAccount

MOST_UNFOLDED = 14
_NUMBERS = ("examined", "failing")


def _rows(count: Any) -> str:
    return fmt.MISSING if pd.isna(count) else fmt.count(int(count))


def anything_landed(found: Accounts) -> bool:
    """Whether a file ever came in, were it only to be refused."""
    return bool(found.refused) or any(total.lines for total in found.row_totals)


def retention(kept: Sequence[Retention]) -> None:
    """Silver rows ÷ bronze rows of each source, never without what explains the rest."""
    with card("retention", "Retention", words.RETENTION_LEAD):
        for source in kept:
            _retained(source)


def _retained(kept: Retention) -> None:
    account = accounts.retention(kept)
    if kept.silver_table is None:
        share, rest = fmt.MISSING, f"{fmt.count(kept.bronze, 'row')}, kept in bronze only"
    else:
        share, rest = fmt.share(kept.share), _explained(account)
    title = words.short(kept.silver_table or kept.bronze_table)
    st.html(
        f'<div class="ml"><div class="row wrap"><b>{escape(title)}</b>'
        f'<span class="sub">from {escape(kept.source)}</span><b class="push num">{share}</b></div>'
        f'{_bar(account) if kept.silver_table else ""}<div class="sub num">{escape(rest)}</div></div>'
    )


def _explained(account: Account) -> str:
    parts = ", ".join(f"{_rows(part.amount)} {part.name.lower()}" for part in account.parts)
    open_rows = f", {_rows(account.difference)} unexplained" if account.difference else ""
    return f"{_rows(account.whole)} bronze rows: {parts or 'none'}{open_rows}"


def _bar(account: Account) -> str:
    """Parts of the whole as one stacked bar; small parts stay visible."""
    inner = "".join(
        f'<span style="flex:{float(part.amount):.0f} 1 0;background:var(--{part.ink})"'
        f' title="{escape(part.name)}"></span>'
        for part in account.parts
        if part.amount > 0
    )
    return f'<div class="bar" aria-hidden="true" style="margin:.4rem 0 .3rem">{inner}</div>'


def row_account(totals: Sequence[RowAccount]) -> None:
    """Where every line of the files went, as a flow and as two written equations."""
    with card("rows", "Row account", words.ROW_ACCOUNT_LEAD):
        every = [total.source for total in totals]
        picked = st.segmented_control(
            "Source",
            [words.ALL, *every],
            default=words.ALL,
            required=True,
            label_visibility="collapsed",
            key="source",
            bind="query-params",
        )
        chosen = [total for total in totals if picked in (words.ALL, total.source)]
        lines, rows = accounts.lines(chosen), accounts.rows(chosen)
        with st.container(key="wide-flow"):
            charts_accounts.flow(lines, rows, "row-flow")
        with st.container(key="narrow-flow"):
            st.html(f'<div class="ml">{_legend_lines(lines)}{_legend_lines(rows)}</div>')
        st.html(f'<div class="ml">{_proof(lines, _rows)}{_proof(rows, _rows)}</div>')


def _legend_lines(account: Account) -> str:
    body = "".join(
        f'<div class="row line">{tile(part.ink)}<span>{escape(part.name)}</span>'
        f'<b class="push num">{_rows(part.amount)}</b></div>'
        for part in account.parts
    )
    head = f'<span class="sub">{escape(account.name)}</span><b class="push num">{_rows(account.whole)}</b>'
    return f'<div class="row line">{head}</div>{_bar(account)}{body}'


def _proof(account: Account, write: Callable[[Any], str]) -> str:
    """`Closes 20,401 = 20,000 + 341 + 57 + 3 · difference 0`."""
    terms = " + ".join(write(part.amount) for part in account.parts) or write(0)
    return (
        f'<div class="row wrap num line">{mark(account)}<span>{write(account.whole)} = {terms}</span>'
        f'<span class="muted">{escape(account.name.lower())} · difference '
        f"{write(account.difference)}</span></div>"
    )


def mark(account: Account) -> str:
    """An account of nothing was not examined; it does not close."""
    if not account.closes:
        return pill("failed", "Open")
    return pill("passed", "Closes") if account.whole else pill("unexamined")


def money_account(totals: Sequence[MoneyAccount]) -> None:
    """Where every cent of every amount went, one currency at a time."""
    with card("money", "Money account", words.MONEY_ACCOUNT_LEAD):
        if not totals:
            widgets.nothing("payments", "No amounts", words.NO_AMOUNTS)
        for total in totals:
            _money(total)


def _money(total: MoneyAccount) -> None:
    account, write = accounts.money(total), Currency(total.currency).exact
    legend = "".join(
        f'<div><div class="row">{tile(part.ink)}<span class="muted">{escape(part.name)}</span></div>'
        f'<span class="big num">{write(part.amount)}</span></div>'
        for part in account.parts
    )
    whole = (
        f'<div class="push"><span class="muted">{account.name}</span><br>'
        f'<span class="big num">{write(account.whole)}</span></div>'
    )
    st.html(
        f'<div class="ml"><div class="row wrap"><b>{escape(total.column)}</b>'
        f'<span class="sub">{escape(total.source)} · {escape(total.currency)}</span></div>{_bar(account)}'
        f'<div class="legend">{legend}{whole}</div>'
        f'<div style="margin-top:.6rem">{_proof(account, write)}</div>'
        f'<div class="sub">{escape(words.without_amount(total.rows_without_amount))}</div></div>'
    )


def batches(found: Accounts) -> None:
    """The same equations batch by batch, newest first."""
    with card("batches", "Accounts by batch", words.BATCHES_LEAD):
        if not found.row_batches:
            widgets.nothing("inventory_2", "No batch yet", words.LAND_FILES)
            return
        frame = reads_quality.batches_frame(found.row_batches[::-1], reads_quality.paths())
        shown = frame.head(reads_quality.MOST_LISTED)
        numbers = [str(name) for name in shown.columns if name not in ("file", "difference")]
        widgets.listing(
            {"File": "", **{name.capitalize(): "n" for name in numbers}, "Account": "n"},
            [_batch(row, numbers) for row in shown.to_dict("records")],
        )
        _listed(frame, "accounts")


def _batch(row: Mapping[Hashable, Any], numbers: Sequence[str]) -> list[Cell]:
    open_by = row["difference"]
    mark = pill("failed", f"Open by {_rows(open_by)}") if open_by else pill("passed", "Closes")
    return [str(row["file"]), *(_rows(row[name]) for name in numbers), Html(mark)]


def _listed(frame: pd.DataFrame, name: str) -> None:
    """The download of all rows, and how many of them are listed above it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.csv_button(frame, name)
        if len(frame) > reads_quality.MOST_LISTED:
            st.html(f'<div class="ml sub num">{words.shown(len(frame), reads_quality.MOST_LISTED)}</div>')


def checks(found: Sequence[CheckFacts]) -> None:
    """Every check with what it examined and found; one of them in full."""
    with card("checks", "Checks", words.CHECKS_LEAD):
        if not found:
            widgets.nothing("rule", "No check is declared", words.NO_CHECKS)
            return
        shown = _filtered(found)
        with st.container(key="wide-checks"):
            _checks_table(shown)
        with st.container(key="narrow-checks"):
            st.html(f'<div class="ml">{_check_lines(shown)}</div>')
        widgets.csv_button(reads_quality.checks_frame(found), "checks")
        _look_at(shown)


def _check_lines(shown: Sequence[CheckFacts]) -> str:
    """The list for a phone: what passed is folded away when there is something else to see."""
    passed = [check for check in shown if check.result.state == "passed"]
    others = "".join(_check_line(check) for check in shown if check not in passed)
    lines = "".join(_check_line(check) for check in passed)
    if not others or not passed:
        return others + lines
    return f'{others}<details><summary class="line">{len(passed)} passed</summary>{lines}</details>'


def _check_line(found: CheckFacts) -> str:
    result = found.result
    broken = (
        f"{fmt.count(result.failing)} of {fmt.count(result.examined)}" if result.examined else fmt.MISSING
    )
    return (
        f'<div class="row line">{state_icon(str(result.state))}<div style="min-width:0">'
        f'<div class="cut">{escape(words.check_title(found.check))}</div>'
        f'<div class="sub cut">{escape(words.short(found.table))}</div></div>'
        f'<span class="push sub num" style="white-space:nowrap">{broken}</span></div>'
    )


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
    options = ["all", *counts]
    picked = st.segmented_control(
        "Show",
        options,
        default="all",
        required=True,
        format_func=lambda name: words.filter_label(name, counts.get(name, len(found))),
        label_visibility="collapsed",
        key="show",
        bind="query-params",
    )
    return [check for check in found if picked in ("all", check.result.state)]


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
            "check": column.TextColumn("Check", width=225),
            "table": column.TextColumn("Table", width=150),
            **{
                name: column.NumberColumn(name.capitalize(), format="localized", width=76)
                for name in _NUMBERS
            },
            "when": column.TextColumn("When", width=90),
            "history": column.BarChartColumn("Last 10", y_min=0, width=84, color=charts.ink("warned")),
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
            widgets.Kpi("Examined", fmt.count(result.examined) if result.examined else fmt.MISSING),
            widgets.Kpi("Failing", fmt.count(result.failing) if result.examined else fmt.MISSING),
            widgets.Kpi("When it fails", words.SEVERITIES.get(found.severity, str(found.severity))),
            widgets.Kpi("Took", fmt.seconds(result.duration_seconds) if result.examined else fmt.MISSING),
        ]
    )
    _sample(result)
    if result.query:
        with st.expander("The query that finds the failing rows"):
            st.code(result.query, language="sql", wrap_lines=True)


def _sample(result: CheckResult) -> None:
    if not result.sample:
        return
    names = list(result.sample[0])
    widgets.listing(
        dict.fromkeys(names, ""), [[words.cell(row.get(name)) for name in names] for row in result.sample]
    )
    st.html(f'<div class="ml sub num">{words.sample_of(len(result.sample), result.failing)}</div>')


def quarantine(reasons: Sequence[ReasonCount], kept: Sequence[Retention]) -> None:
    """Rows that broke a rule: why, how many, which."""
    rows = sum(source.quarantined for source in kept)
    waiting = [reason for reason in reasons if not reason.unreadable]
    with card("quarantine", "Quarantine", words.quarantined(rows)):
        if not waiting:
            widgets.nothing("inventory_2", "Quarantine is empty", words.NO_QUARANTINE)
            return
        _reason_bars(waiting)
        _quarantined_rows(waiting)


def _reason_bars(reasons: Sequence[ReasonCount]) -> None:
    """Bars as markup: a reason is a sentence, too long for the axis of a chart."""
    most = max(reason.rows for reason in reasons)
    body = "".join(
        f'<div class="reason"><div class="row"><span>{escape(reason.reason)}</span>'
        f'<span class="sub">{escape(reason.source)}</span><b class="push num">{_rows(reason.rows)}</b></div>'
        f'<div class="bar" aria-hidden="true"><span style="width:{100 * reason.rows / most:.1f}%;'
        f'background:var(--{"accent" if at == 0 else "calm"})"></span></div></div>'
        for at, reason in enumerate(reasons[: words.MOST_REASONS])
    )
    st.html(f'<div class="ml">{body}</div>')


def _quarantined_rows(reasons: Sequence[ReasonCount]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox(
            "Source", list(dict.fromkeys(reason.source for reason in reasons)), key="quarantine-source"
        )
        picked = st.selectbox(
            "Reason",
            [words.ALL, *(reason.reason for reason in reasons if reason.source == source)],
            key="quarantine-reason",
        )
    frame = reads_quality.quarantine(str(source), "" if picked == words.ALL else str(picked))
    st.dataframe(
        frame,
        hide_index=True,
        height="auto",
        key="quarantine-rows",
        alt="Quarantined rows as they were received",
        column_config={
            "_reasons": st.column_config.ListColumn("Reasons", width=280),
            "_batch_id": st.column_config.TextColumn("Batch", width=120),
            "_row_number": st.column_config.NumberColumn("Line", width=70),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.csv_button(frame, f"quarantine-{source}")
        st.html(f'<div class="ml sub num">{words.shown(len(frame), reads_quality.MOST_ROWS)}</div>')


def unreadable(frame: pd.DataFrame) -> None:
    """Lines no reader could take apart."""
    with card("unreadable", "Unreadable lines", words.UNREADABLE_LEAD):
        if frame.empty:
            widgets.nothing("notes", "Every line could be read", "")
            return
        files = reads_quality.paths()
        widgets.listing(
            {"File": "", "Line": "n", "Why": "", "As received": ""},
            [
                (
                    _code(files.get(row["batch_id"], row["batch_id"])),
                    _rows(row["line_number"]),
                    str(row["reason"]),
                    _code(str(row["raw"])[: words.MOST_RAW]),
                )
                for row in frame.head(reads_quality.MOST_LISTED).to_dict("records")
            ],
        )
        _listed(frame, "unreadable")


def _code(text: str) -> Html:
    return Html(f'<span class="code">{escape(text)}</span>')


def refused(batches: Sequence[BatchFacts]) -> None:
    """Files that could not be taken in at all."""
    with card("refused", "Refused files", words.REFUSED_LEAD):
        if not batches:
            widgets.nothing("draft", "No file was refused", "")
        widgets.listing(
            {"File": "", "Source": "", "Why": "", "Size": "n", "Arrived": "n"},
            [
                (
                    _code(batch.path),
                    batch.source,
                    batch.reason,
                    fmt.size(batch.size_bytes),
                    state.ago(batch.arrived_at),
                )
                for batch in batches
            ],
        )
