"""The rows behind one number of the accounts, as its link asks for them; to be looked at and taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from ui import (
    data,
    downloads,
    reads_accounts,
    reads_quality,
    row_links,
    widgets,
    words_accounts,
    workbench_filter,
)
from ui.currency import Currency
from ui.quality_listing import listed, shown
from ui.widgets import Cell, Html, card, pill

if TYPE_CHECKING:
    from etl.declared import Field
    from etl.facts import Accounts, TableFacts
    from etl.model import MoneyAccount, RowAccount

_ROW = 38
_ROWS_SEEN = 14
_WAY = "_way"
_FIRST = (_WAY, "_path", "_row_number", "_because", "_reasons", "_raw")
_OF_BRONZE = ("bronze", "unreadable")  # what a feed has that stops at bronze
_ASIDE = ("quarantined", "discarded", "unreadable")


def asked(found: Accounts) -> bool:
    """Show the rows that the address asks for, if it asks for any."""
    term = st.query_params.get("rows", "")
    table = data.published(term) if term.startswith("gold.") else None
    if not words_accounts.knows(term) and table is None:
        return False
    widgets.page_link("quality?tab=Accounts", words_accounts.BACK)
    if table is not None:
        _gold(table)
        return True
    source, batch_id = st.query_params.get("source", ""), st.query_params.get("batch", "")
    if term in (row_links.LINES, row_links.ALSO):
        _files(term, found, source, batch_id)
    else:
        _rows(term, list(_wanted(term, found, source, batch_id)))
    return True


@dataclass(frozen=True)
class Wanted:
    """Rows of one source, and how many its account counts. `column` is the one that lacks an amount."""

    term: str
    source: str
    batch_id: str
    count: int
    column: str = ""


def _wanted(term: str, found: Accounts, source: str, batch_id: str) -> Iterator[Wanted]:
    """One for each source that has such rows: each has columns of its own."""
    if term == row_links.WITHOUT_AMOUNT:
        column = st.query_params.get("column", "")
        for money in found.money_batches if batch_id else found.money_totals:
            if _is_of(money, source, batch_id) and column in ("", money.column) and money.rows_without_amount:
                yield Wanted(term, money.source, batch_id, money.rows_without_amount, money.column)
        return
    for account in found.row_batches if batch_id else found.row_totals:
        count = int(getattr(account, term))
        if _is_of(account, source, batch_id) and count and (not account.bronze_only or term in _OF_BRONZE):
            yield Wanted(term, account.source, batch_id, count)


def _is_of(account: RowAccount | MoneyAccount, source: str, batch_id: str) -> bool:
    return source in ("", account.source) and batch_id in ("", account.batch_id)


def _rows(term: str, wanted: Sequence[Wanted]) -> None:
    if not wanted:
        widgets.empty("inventory_2", words_accounts.NO_ROWS, words_accounts.meaning(term))
    for one in wanted:
        _of_source(one)


def _of_source(one: Wanted) -> None:
    frame = reads_accounts.rows_in(one.source, one.term, one.batch_id, one.column)
    whose = words_accounts.of_source(one.source, reads_quality.paths().get(one.batch_id, ""))
    name = "-".join(filter(None, (one.term, one.source, one.column)))
    title = f"{words_accounts.title(one.term)} of {whose}"
    with card(f"rows-{name}", title, words_accounts.meaning(one.term), _as_counted(len(frame), one.count)):
        listed_rows(frame, name, reads_accounts.silver_of(one.source), typed=one.term == "silver")
        with st.container(horizontal=True, vertical_alignment="center"):
            made = partial(reads_accounts.rows_as_csv, one.source, one.term, one.batch_id, one.column)
            _download(made, name)
            st.html(f'<div class="ml sub num">{escape(words_accounts.listed(len(frame), one.count))}</div>')
            if one.term in _ASIDE:
                query = f"{workbench_filter.SOURCE}={one.source}&{workbench_filter.STATE}={one.term}"
                widgets.page_link(f"quality?tab=Quarantine&{query}", words_accounts.MEND_THEM)


def _as_counted(found: int, count: int) -> str:
    """Whether as many rows are there as the account counts, as far as they are listed."""
    if found == count or found == reads_accounts.MOST_ROWS < count:
        return pill("passed", words_accounts.as_counted(count))
    return pill("warned", words_accounts.not_as_counted(found, count))


def _download(made: Any, name: str) -> None:
    st.download_button(
        "CSV", made, f"{name}.csv", "text/csv", key=f"csv-{name}", icon=":material/download:", type="tertiary",
        on_click="ignore",
    )  # fmt: skip


def listed_rows(frame: pd.DataFrame, name: str, table: TableFacts | None, *, typed: bool) -> None:
    """Rows as they are kept; the way of each and its place come first."""
    seen = frame.copy()
    if table and set(table.key) <= set(frame.columns):
        keys = frame[list(table.key)].itertuples(index=False)
        seen[_WAY] = [_way(table.name, values) for values in keys]
    hidden = {"_batch_id"} | ({"_correction"} if not _any(frame, "_correction") else set())
    order = [column for column in _FIRST if column in seen]
    order += [str(column) for column in seen.columns if column not in (*_FIRST, *hidden)]
    st.dataframe(
        seen,
        hide_index=True,
        row_height=_ROW,
        height=_ROW * (min(max(len(seen), 1), _ROWS_SEEN) + 1) + 2,
        column_order=order,
        column_config=_columns(table.fields if table and typed else ()),
        placeholder="–",
        key=f"table-{name}",
        alt=f"{name} with the file and line each came from",
    )


def _way(table: str, values: Sequence[Any]) -> str | None:
    """A row without a whole key cannot be asked for by it."""
    if any(pd.isna(value) or not str(value).strip() for value in values):
        return None
    return row_links.row(table, ",".join(str(value).strip() for value in values))


def _any(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and bool(frame[column].any())


def _columns(typed: Sequence[Field]) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    own = {field.name: number(format=_format(field)) for field in typed if field.kind in _FORMATS}
    return own | {
        "_path": text("File", width=190),
        "_row_number": number("Line", format="localized", width=72),
        "_correction": number("Correction", format="%d", width=92),
        "_because": text("Because", width=220),
        "_reasons": st.column_config.ListColumn("Reasons", width=280),
        "_raw": text("As received", width=420),
        "_author": text("By", width=110),
        "_made_at": st.column_config.DatetimeColumn("At", width=150),
        _WAY: st.column_config.LinkColumn("Way", display_text=":material/route:", width=54),
    }


_FORMATS = {"decimal": "localized", "ratio": "%.4f"}


def _format(field: Field) -> str:
    """Amounts in their currency; whole numbers as they are, for most of them are keys."""
    return Currency(field.unit).cell if field.unit.isupper() else _FORMATS[field.kind]


def _files(term: str, found: Accounts, source: str, batch_id: str) -> None:
    """Files with what each of their lines is, newest first."""
    paths = reads_quality.paths()
    chosen = [
        account
        for account in reads_accounts.newest_first(found.row_batches, paths)
        if _is_of(account, source, batch_id)
    ]
    with card("rows-files", words_accounts.title(term), words_accounts.meaning(term)):
        frame = pd.DataFrame([_file(account, paths) for account in chosen])
        widgets.compact(
            {"File": "", **{name.capitalize(): "n" for name in _LINES}},
            [_file_cells(account, paths) for account in chosen[: reads_quality.MOST_LISTED]],
        )
        listed(frame, "files")


_LINES = {
    "lines": "lines",
    "headers": "header_lines",
    "continuations": "continuation_lines",
    "blank": "blank",
    "unreadable": "unreadable",
    "bronze": "bronze",
    "unexplained": "lines_difference",
}


def _file(account: RowAccount, paths: dict[str, str]) -> dict[str, object]:
    counted = {name: getattr(account, field) for name, field in _LINES.items()}
    return {"file": paths.get(account.batch_id, account.batch_id), "batch": account.batch_id, **counted}


def _file_cells(account: RowAccount, paths: dict[str, str]) -> list[Cell]:
    cells: list[Cell] = [paths.get(account.batch_id, account.batch_id)]
    for field in _LINES.values():
        amount = getattr(account, field)
        linked = field if field in ("bronze", "unreadable") else ""
        number = row_links.counted(shown(amount), amount, linked, account.source, account.batch_id)
        cells.append(Html(number if linked else escape(shown(amount))))
    return cells


def _gold(table: TableFacts) -> None:
    """The rows of a gold table, each leading to what it is made of."""
    frame = data.rows(table.name, limit=reads_accounts.MOST_ROWS)
    with card("rows-gold", table.short, table.description or table.grain):
        listed_rows(frame, table.short, table, typed=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            _download(partial(_gold_as_csv, table.name), table.short)
            st.html(
                f'<div class="ml sub num">{escape(words_accounts.listed(len(frame), table.rows or 0))}</div>'
            )


def _gold_as_csv(table: str) -> bytes:
    return downloads.csv(data.rows(table, limit=reads_accounts.MOST_DOWNLOADED))
