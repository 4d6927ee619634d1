"""What the workbench reads: rows set aside page by page, previews, the history of mends; and its frames."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from etl.mends import Aside
from ui import data
from ui import words_mending as words
from ui.data import Stamp

if TYPE_CHECKING:
    from etl.facts import Accounts, BatchFacts
    from etl.mends import AsideRow, AsideRows, Edit, Mend, Preview, RowPlace

PER_PAGE = 100
MOST_MENDS = 50
MOST_AT_ONCE = 5_000
RECENT_RUNS = 5
PREVIEWED_FOR = "1m"
MOST_CELL = 2_000  # characters of a cell that are sent to the browser
TICK, RAW = "_tick", "_raw"

Place = tuple[str, int, int]
"""Batch, line and number of the correction: a row's identity as a plain key."""
Changes = Mapping[Place, Mapping[str, str | None]]


@dataclass(frozen=True)
class Chosen:
    """The filter of the workbench; "" means every one. `path` is the file of `batch_id`."""

    source: str
    state: str
    batch_id: str = ""
    reason: str = ""
    path: str = ""


def place(row: AsideRow) -> Place:
    """The key of a row."""
    return (row.place.batch_id, row.place.row_number, row.place.correction)


def is_line(row: AsideRow) -> bool:
    """Whether it is an unreadable line rather than a row."""
    return not row.values


def is_discarded(row: AsideRow) -> bool:
    """Whether somebody set it aside for good."""
    return row.state == "discarded"


def is_open(row: AsideRow) -> bool:
    """Whether it still waits to be mended or discarded; a corrected line stays in the list, as it is unreadable."""
    return not is_discarded(row) and not row.corrected


def aside(chosen: Chosen, page: int = 1, limit: int = PER_PAGE) -> AsideRows:
    """One page of what was set aside, kept for as long as the same version stands."""
    return _aside(chosen.source, chosen.state, chosen.batch_id, chosen.reason, limit, (page - 1) * limit)


@data.by_version
def _aside(source: str, state: str, batch_id: str, reason: str, limit: int, offset: int) -> AsideRows:
    return data.living().aside(
        source, Aside(state), batch_id=batch_id, reason=reason, limit=limit, offset=offset
    )


def total(source: str, state: str) -> int:
    """How many rows of a source are in that state."""
    return aside(Chosen(source, state), limit=1).total


def every_row(chosen: Chosen) -> tuple[AsideRow, ...]:
    """All rows that match, however many; read afresh."""
    rows: list[AsideRow] = []
    while True:
        found = data.living().aside(
            chosen.source,
            Aside(chosen.state),
            batch_id=chosen.batch_id,
            reason=chosen.reason,
            limit=MOST_AT_ONCE,
            offset=len(rows),
        )
        rows += found.rows
        if not found.rows or len(rows) >= found.total:
            return tuple(rows)


def sources(accounts: Accounts) -> dict[str, int]:
    """Rows and lines set aside of each source, most first; of equals as the catalog has them."""
    counts = {
        total.source: total.quarantined + total.discarded + total.unreadable for total in accounts.row_totals
    }
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def files(accounts: Accounts, source: str, state: str) -> dict[str, int | None]:
    """The batches of a source that have something in that state, newest first, with how many rows."""
    found: dict[str, int | None] = {}
    for account in reversed(accounts.row_batches):
        count = {"quarantined": account.quarantined, "unreadable": account.unreadable}.get(state)
        if account.source == source and count != 0:
            found[account.batch_id] = count
    return found


def preview(source: str, edits: Sequence[Edit]) -> tuple[Preview, ...]:
    """What would become of edited rows. Asked again after a while, for a contract may have changed since."""
    return _preview(data.stamp(), source, digest(repr(edits).encode()), edits)


@st.cache_resource(show_spinner=False, max_entries=16, ttl=PREVIEWED_FOR)
def _preview(stamp: Stamp, source: str, written: str, _edits: Sequence[Edit]) -> tuple[Preview, ...]:
    return data.living().preview(source, _edits)


def digest(content: bytes) -> str:
    """What tells one content from another."""
    return hashlib.sha256(content).hexdigest()


def discard_reasons(source: str) -> dict[str, int]:
    """Why rows of a source were discarded, most first, among the newest that a list can hold."""
    rows = aside(Chosen(source, "discarded"), limit=MOST_AT_ONCE).rows
    return dict(Counter(row.note for row in rows).most_common())


def export(chosen: Chosen) -> bytes:
    """All that matches as UTF-8 CSV, as it can be loaded again."""
    return (
        data.living()
        .export_aside(chosen.source, Aside(chosen.state), batch_id=chosen.batch_id, reason=chosen.reason)
        .encode()
    )


def edits_in(source: str, text: str) -> tuple[Edit, ...]:
    """The rows of an exported CSV that were changed since. Raises UsageError naming line and column."""
    return _edits_in(data.stamp(), source, digest(text.encode()), text)


@st.cache_resource(show_spinner=False, max_entries=16, ttl=PREVIEWED_FOR)
def _edits_in(stamp: Stamp, source: str, content: str, _text: str) -> tuple[Edit, ...]:
    return data.living().read_edits(source, _text)


def mends() -> tuple[Mend, ...]:
    """What was asked for, newest first.

    One that names 20,000 rows takes a second to read, so it is read again only when a run came or ended: each
    mend is asked for with a run, and dealt with by one.
    """
    runs = tuple((run.run_id, str(run.state)) for run in data.runs(RECENT_RUNS))
    return _mends(data.stamp(), runs)


@st.cache_resource(show_spinner=False, max_entries=4)
def _mends(stamp: Stamp, runs: tuple[tuple[int, str], ...]) -> tuple[Mend, ...]:
    return data.living().mends(MOST_MENDS)


def asked() -> None:
    """A mend was asked for, which may have joined a run that was queued already."""
    _mends.clear()


def waiting(mends: Sequence[Mend], source: str) -> set[Place]:
    """The rows of a source that a mend names which is not taken up yet."""
    return {
        key(each)
        for mend in mends
        if mend.state == "waiting" and mend.source == source
        for each in (*(edit.place for edit in mend.edits), *mend.places)
    }


def key(place: RowPlace) -> Place:
    """The key of a row's place."""
    return (place.batch_id, place.row_number, place.correction)


def batches() -> tuple[BatchFacts, ...]:
    """What came in, newest first."""
    return data.living().batches()


def cut(value: str | None) -> str | None:
    """A cell as it is shown: what is too long for a table ends in an ellipsis."""
    return value if value is None or len(value) <= MOST_CELL else f"{value[:MOST_CELL]}…"


def cells(row: AsideRow) -> dict[str, str | None]:
    """What can be edited of a row: the contract's columns, or the raw line."""
    return {RAW: row.raw} if is_line(row) else dict(row.values)


def too_long(rows: Sequence[AsideRow]) -> bool:
    """Whether a cell of these rows is cut."""
    return any(len(value or "") > MOST_CELL for row in rows for value in cells(row).values())


def grid(found: AsideRows, changes: Changes, ticked: Collection[Place]) -> pd.DataFrame:
    """The rows as they are edited: a tick, the reasons, the cells with what was changed, the place.

    What was discarded or corrected has why, by whom and when as well. Cells are text whatever they hold: what
    makes a table another one must not be a value.
    """
    rows, lines = found.rows, any(map(is_line, found.rows))
    frame = pd.DataFrame({TICK: pd.Series([place(row) in ticked for row in rows], dtype="bool")})
    if found.state == "discarded":
        _say_why(frame, rows)
    if not all(map(is_open, rows)) and lines:
        frame["_state"] = _texts(words.line_state(is_discarded(row), row.corrected) for row in rows)
    if any(row.reasons for row in rows):
        frame["_reasons"] = pd.Series([list(row.reasons) for row in rows], dtype="object")
    for name in (RAW,) if lines else found.columns:
        shown = (changes.get(place(row), {}).get(name, cut(cells(row).get(name))) for row in rows)
        frame[name] = _texts(shown)
    frame["_file"] = _texts(row.path for row in rows)
    frame["_line"] = pd.Series([row.place.row_number for row in rows], dtype="int64")
    if any(row.place.correction for row in rows):
        frame["_correction"] = pd.Series([row.place.correction for row in rows], dtype="int64")
    if found.state != "discarded" and any(row.at for row in rows):
        _say_why(frame, rows)
    return frame


def _say_why(frame: pd.DataFrame, rows: Sequence[AsideRow]) -> None:
    frame["_note"] = _texts(row.note for row in rows)
    frame["_author"] = _texts(row.author for row in rows)
    frame["_at"] = pd.to_datetime(pd.Series([row.at for row in rows]), utc=True)


def _texts(values: Iterable[str | None]) -> pd.Series:
    return pd.Series(list(values), dtype="string")
