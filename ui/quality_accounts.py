"""The parts of Quality that say where every row and every cent went; each number leads to its rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import (
    accounts,
    charts_accounts,
    fmt,
    quality_rows,
    reads_accounts,
    reads_quality,
    row_links,
    widgets,
    words,
    words_accounts,
)
from ui.accounts import Account, Part
from ui.currency import Currency
from ui.quality_listing import listed, shown
from ui.widgets import Cell, Html, card, pill, tile

if TYPE_CHECKING:
    from etl.facts import Accounts, GoldTotal, Retention
    from etl.model import MoneyAccount, RowAccount

Write = Callable[[Any], str]
_CLOSES = '<span class="icon passed" role="img" aria-label="Closes" title="Closes">check_circle</span>'


def anything_landed(found: Accounts) -> bool:
    """Whether a file ever came in, were it only to be refused."""
    return bool(found.refused) or any(total.lines for total in found.row_totals)


def draw(found: Accounts) -> None:
    """The rows behind the number that was followed, or else the accounts."""
    if quality_rows.asked(found):
        return
    retention(found)
    row_account(found.row_totals)
    money_account(found.money_totals)
    gold(reads_accounts.gold_totals())
    batches(found)


def retention(found: Accounts) -> None:
    """Silver rows ÷ bronze rows of each source, never without what explains the rest."""
    corrections = {total.source: total.corrections for total in found.row_totals}
    with card("retention", "Retention", words.RETENTION_LEAD):
        for kept in found.retention:
            _retained(kept, corrections.get(kept.source, 0))


def _retained(kept: Retention, corrections: int) -> None:
    account = accounts.retention(kept, corrections)
    if kept.silver_table is None:
        share = fmt.MISSING
        rows = row_links.counted(fmt.count(kept.bronze, "row"), kept.bronze, "bronze", kept.source)
        rest = f"{rows}, kept in bronze only"
    else:
        share, rest = fmt.share(kept.share), _explained(account, kept, corrections)
    title = words.short(kept.silver_table or kept.bronze_table)
    st.html(
        f'<div class="ml"><div class="row wrap"><b>{escape(title)}</b>'
        f'<span class="sub">from {escape(kept.source)}</span><b class="push num">{share}</b></div>'
        f'{_bar(account) if kept.silver_table else ""}<div class="sub num">{rest}</div></div>'
    )


def _explained(account: Account, kept: Retention, corrections: int) -> str:
    def number(text: str, amount: Any, term: str) -> str:
        return row_links.counted(text, amount, term, kept.source)

    whole = f"{number(shown(kept.bronze), kept.bronze, 'bronze')} bronze rows"
    if corrections:
        noun = "correction" if corrections == 1 else "corrections"
        whole += f" and {number(shown(corrections), corrections, 'corrections')} {noun}"
    parts = ", ".join(
        f"{number(shown(part.amount), part.amount, part.term)} {escape(part.name.lower())}"
        for part in account.parts
    )
    open_rows = f", {shown(account.difference)} unexplained" if account.difference else ""
    return f"{whole}: {parts or 'none'}{open_rows}"


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
    with card("rows", "Row account", f"{words.ROW_ACCOUNT_LEAD} {words_accounts.LINKED}"):
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
        source = "" if picked == words.ALL else str(picked)
        chosen = [total for total in totals if source in ("", total.source)]
        _flow(accounts.lines(chosen), accounts.rows(chosen), chosen, source)


def _flow(lines: Account, rows: Account, chosen: Sequence[RowAccount], source: str) -> None:
    inflow, gold = accounts.inflow(chosen), reads_accounts.gold_feed(chosen)
    with st.container(key="wide-flow"):
        charts_accounts.flow(lines, rows, "row-flow", inflow=inflow, gold=gold, source=source)
    with st.container(key="narrow-flow"):
        st.html(f'<div class="ml">{_legend_lines(lines, source)}{_legend_lines(rows, source)}</div>')
    st.html(f'<div class="ml">{_proof(lines, shown, source)}{_proof(rows, shown, source)}</div>')


def _legend_lines(account: Account, source: str) -> str:
    body = "".join(
        f'<div class="row line">{tile(part.ink)}<span>{escape(part.name)}</span>'
        f'<b class="push num">{_number(part, shown, source)}</b></div>'
        for part in account.parts
    )
    head = f'<span class="sub">{escape(account.name)}</span><b class="push num">{_whole(account, shown, source)}</b>'
    return f'<div class="row line">{head}</div>{_bar(account)}{body}'


def _number(part: Part, write: Write, source: str) -> str:
    return row_links.counted(write(part.amount), part.amount, part.term, source)


def _whole(account: Account, write: Write, source: str) -> str:
    return row_links.counted(write(account.whole), account.whole, account.term, source)


def _proof(account: Account, write: Write, source: str) -> str:
    """`Closes 20,401 = 20,000 + 341 + 57 + 3 · difference 0`."""
    terms = " + ".join(_number(part, write, source) for part in account.parts) or escape(write(0))
    return (
        f'<div class="row wrap num line">{mark(account)}<span>{_whole(account, write, source)} = {terms}</span>'
        f'<span class="muted">{escape(account.name.lower())} · difference '
        f"{escape(write(account.difference))}</span></div>"
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
        f'<span class="big num">{_number(part, write, total.source)}</span></div>'
        for part in account.parts
    )
    whole = (
        f'<div class="push"><span class="muted">{escape(account.name)}</span><br>'
        f'<span class="big num">{_whole(account, write, total.source)}</span></div>'
    )
    st.html(
        f'<div class="ml"><div class="row wrap"><b>{escape(total.column)}</b>'
        f'<span class="sub">{escape(total.source)} · {escape(total.currency)}</span></div>{_bar(account)}'
        f'<div class="legend">{legend}{whole}</div>'
        f'<div style="margin-top:.6rem">{_proof(account, write, total.source)}</div>'
        f'<div class="sub">{_without_amount(total)}</div></div>'
    )


def _without_amount(total: MoneyAccount) -> str:
    said, rows = words.without_amount(total.rows_without_amount), total.rows_without_amount
    address = (
        row_links.rows(row_links.WITHOUT_AMOUNT, total.source, total.batch_id, total.column) if rows else ""
    )
    return row_links.linked(said, address)


def gold(totals: Sequence[GoldTotal]) -> None:
    """What gold adds up to against silver, to the last digit."""
    with card("gold", "Gold against silver", words_accounts.GOLD_LEAD):
        if not totals:
            widgets.nothing("insights", "Nothing to compare", words_accounts.NO_GOLD)
        widgets.listing(
            {
                "Gold table": "",
                "Its total": "n",
                "Silver": "",
                "Its sum": "n",
                "Difference": "n",
                "Account": "n",
            },
            [_gold_total(total) for total in totals],
        )


def _gold_total(total: GoldTotal) -> list[Cell]:
    write = _writer(total.unit)
    closes = pill("passed", "Closes") if total.silver_rows else pill("unexamined")
    if total.difference:
        closes = pill("stale") if total.stale else pill("failed", "Open")
    return [
        Html(f"<span><b>{escape(words.short(total.table))}</b> {escape(total.column)}</span>"),
        Html(row_links.counted(write(total.gold), total.rows, total.table)),
        f"{words.short(total.source_table)} {total.source_column}",
        Html(row_links.counted(write(total.silver), total.silver_rows, "silver", total.source)),
        write(total.difference),
        Html(closes),
    ]


def _writer(unit: str) -> Write:
    """Amounts of money in their currency, other figures with their unit."""
    if unit.isupper():
        return Currency(unit).exact
    return lambda amount: f"{amount:,f} {unit}".rstrip()


def batches(found: Accounts) -> None:
    """The same equations batch by batch, newest first."""
    with card("batches", "Accounts by batch", words.BATCHES_LEAD):
        if not found.row_batches:
            widgets.nothing("inventory_2", "No batch yet", words.LAND_FILES)
            return
        paths = reads_quality.paths()
        newest_first = reads_accounts.newest_first(found.row_batches, paths)
        frame = reads_quality.batches_frame(newest_first, paths)
        newest = frame.head(reads_quality.MOST_LISTED)
        numbers = [str(name) for name in newest.columns if name not in ("file", "difference")]
        widgets.compact(
            {"File": "", **{name.capitalize(): "n" for name in numbers}, "Account": "n"},
            [
                _batch(row, numbers, batch)
                for row, batch in zip(newest.to_dict("records"), newest_first, strict=False)
            ],
        )
        listed(frame, "accounts")


def _batch(row: Mapping[Hashable, Any], numbers: Sequence[str], account: RowAccount) -> list[Cell]:
    open_by = row["difference"]
    mark = pill("failed", f"Open by {shown(open_by)}") if open_by else _CLOSES
    cells = [Html(_batch_number(row[name], name, account)) for name in numbers]
    return [str(row["file"]), *cells, Html(mark)]


def _batch_number(amount: Any, name: str, account: RowAccount) -> str:
    term = row_links.ALSO if name == "other" else name
    some = not pd.isna(amount) and amount
    return row_links.counted(shown(amount), some, term, account.source, account.batch_id)
