"""The rows behind the numbers of the accounts, and gold against silver, cached by published version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import data, downloads
from ui.accounts import Part
from ui.data import Stamp

if TYPE_CHECKING:
    from etl.facts import GoldTotal, TableFacts
    from etl.model import RowAccount

MOST_ROWS = 1_000
MOST_DOWNLOADED = 200_000


def rows_in(source: str, term: str, batch_id: str = "", column: str = "") -> pd.DataFrame:
    """The rows behind a term, in the order they came; at most `MOST_ROWS`."""
    return _rows_in(data.stamp(), source, term, batch_id, column)


def rows_as_csv(source: str, term: str, batch_id: str = "", column: str = "") -> bytes:
    """The same as a file, at most `MOST_DOWNLOADED`."""
    return downloads.csv(data.frame(data.living().rows_in(source, term, batch_id, MOST_DOWNLOADED, column)))


def gold_totals() -> tuple[GoldTotal, ...]:
    """Each total that gold declares against the silver it was built from."""
    return _gold_totals(data.stamp())


def gold_feed(accounts: Sequence[RowAccount]) -> tuple[Part, int] | None:
    """The silver rows of these accounts that gold reads, and how many gold tables there are of them."""
    read = {table.source: table.feeds for table in data.tables() if table.layer == "silver" and table.rows}
    gold = {
        account.source: {name for name in read.get(account.source, ()) if name.startswith("gold.")}
        for account in accounts
    }
    rows = sum(account.silver for account in accounts if gold[account.source])
    tables: set[str] = set().union(*gold.values())
    return (Part("Gold", rows, "gold"), len(tables)) if rows else None


def newest_first(accounts: Sequence[RowAccount], paths: Mapping[str, str]) -> list[RowAccount]:
    """The accounts of batches in the order of `paths`, which names them newest first."""
    place = {batch_id: at for at, batch_id in enumerate(paths)}
    return sorted(accounts, key=lambda account: place.get(account.batch_id, len(place)))


def silver_of(source: str) -> TableFacts | None:
    """The silver table of a source; None for a feed that stops at bronze."""
    found = (table for table in data.tables() if table.layer == "silver" and table.source == source)
    return next(found, None)


@st.cache_data(show_spinner=False, max_entries=32)
def _rows_in(stamp: Stamp, source: str, term: str, batch_id: str, column: str) -> pd.DataFrame:
    return data.frame(data.living().rows_in(source, term, batch_id, MOST_ROWS, column))


@st.cache_resource(show_spinner=False, max_entries=8)
def _gold_totals(stamp: Stamp) -> tuple[GoldTotal, ...]:
    return data.living().gold_totals()
