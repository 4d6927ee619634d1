"""The parts of Quality that say where every row and every cent went."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import accounts, charts_accounts, fmt, reads_quality, widgets, words
from ui.accounts import Account
from ui.currency import Currency
from ui.quality_listing import listed, shown
from ui.widgets import Cell, Html, card, pill, tile

if TYPE_CHECKING:
    from etl.facts import Accounts, Retention
    from etl.model import MoneyAccount, RowAccount


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
    parts = ", ".join(f"{shown(part.amount)} {part.name.lower()}" for part in account.parts)
    open_rows = f", {shown(account.difference)} unexplained" if account.difference else ""
    return f"{shown(account.whole)} bronze rows: {parts or 'none'}{open_rows}"


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
        st.html(f'<div class="ml">{_proof(lines, shown)}{_proof(rows, shown)}</div>')


def _legend_lines(account: Account) -> str:
    body = "".join(
        f'<div class="row line">{tile(part.ink)}<span>{escape(part.name)}</span>'
        f'<b class="push num">{shown(part.amount)}</b></div>'
        for part in account.parts
    )
    head = f'<span class="sub">{escape(account.name)}</span><b class="push num">{shown(account.whole)}</b>'
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
        newest = frame.head(reads_quality.MOST_LISTED)
        numbers = [str(name) for name in newest.columns if name not in ("file", "difference")]
        widgets.listing(
            {"File": "", **{name.capitalize(): "n" for name in numbers}, "Account": "n"},
            [_batch(row, numbers) for row in newest.to_dict("records")],
        )
        listed(frame, "accounts")


def _batch(row: Mapping[Hashable, Any], numbers: Sequence[str]) -> list[Cell]:
    open_by = row["difference"]
    mark = pill("failed", f"Open by {shown(open_by)}") if open_by else pill("passed", "Closes")
    return [str(row["file"]), *(shown(row[name]) for name in numbers), Html(mark)]
