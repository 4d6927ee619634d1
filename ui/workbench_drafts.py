"""What a visit has written and ticked in the workbench and not yet asked for. Survives paging and filtering."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from etl.mends import Edit, RowPlace
from ui.reads_mending import RAW, TICK, Changes, Place, cells, cut, place

if TYPE_CHECKING:
    from etl.mends import AsideRow

_CHANGES, _TICKS, _ROWS, _TURN = "_mending-changes", "_mending-ticks", "_mending-rows", "_mending-turn"


def changes(source: str, state: str) -> dict[Place, dict[str, str | None]]:
    """The changed cells of each row; a row without one is not in it."""
    kept: dict[Place, dict[str, str | None]] = st.session_state.setdefault(_CHANGES, {}).setdefault(
        (source, state), {}
    )
    return kept


def ticks(source: str, state: str) -> dict[Place, AsideRow]:
    """The rows that are ticked, as they stand."""
    kept: dict[Place, AsideRow] = st.session_state.setdefault(_TICKS, {}).setdefault((source, state), {})
    return kept


def rows(source: str, state: str) -> dict[Place, AsideRow]:
    """The changed rows as they stand, also of pages that are not shown."""
    kept: dict[Place, AsideRow] = st.session_state.setdefault(_ROWS, {}).setdefault((source, state), {})
    return kept


def grid_key(source: str, state: str, shown: Sequence[AsideRow]) -> str:
    """The key of the table that shows these rows: other rows make another table, and so does forgetting."""
    named = ";".join(",".join(map(str, place(row))) for row in shown)
    return f"mend-{zlib.crc32(f'{source};{state};{named}'.encode())}-{st.session_state.get(_TURN, 0)}"


def take(key: str, source: str, state: str, shown: Sequence[AsideRow]) -> None:
    """Take over what was written into the table of that key since it was drawn."""
    written: dict[int, dict[str, Any]] = st.session_state.get(key, {}).get("edited_rows", {})
    for at, changed in written.items():
        if at < len(shown):
            _take(shown[at], source, state, changed)


def _take(row: AsideRow, source: str, state: str, changed: Mapping[str, Any]) -> None:
    at, kept, ticked = place(row), changes(source, state), ticks(source, state)
    if TICK in changed:
        ticked.pop(at, None)
        ticked |= {at: row} if changed[TICK] else {}
    mine = _changed(row, {**kept.get(at, {}), **changed})
    if mine:
        kept[at], rows(source, state)[at] = mine, row
    else:
        kept.pop(at, None)


def write(row: AsideRow, source: str, state: str, values: Mapping[str, Any], *, tick: bool) -> None:
    """Take over what was written about one row elsewhere than in the table, which starts afresh from it."""
    _take(row, source, state, {**values, TICK: tick})
    _turn()


def _changed(row: AsideRow, written: Mapping[str, Any]) -> dict[str, str | None]:
    """The cells that differ from what was received. One that was cut for the table cannot be written there."""
    received = cells(row)
    whole = {name: value for name, value in received.items() if value == cut(value)}
    return {
        name: None if value is None else str(value)
        for name, value in written.items()
        if name in whole and (value or "") != (whole[name] or "")
    }


def edits(changed: Changes) -> tuple[Edit, ...]:
    """The changes as they are asked for, in the order of batch and line."""
    return tuple(
        Edit(
            RowPlace(*at),
            tuple((name, value) for name, value in changed[at].items() if name != RAW),
            changed[at].get(RAW),
        )
        for at in sorted(changed)
    )


def forget(source: str, state: str) -> None:
    """Undo all that was written and ticked there."""
    st.session_state.get(_CHANGES, {}).pop((source, state), None)
    st.session_state.get(_TICKS, {}).pop((source, state), None)
    _turn()


def mended(source: str, done: Iterable[Place]) -> None:
    """Forget what was written and ticked on rows of a source that a mend has dealt with."""
    gone = set(done)
    for (of, _), kept in st.session_state.get(_CHANGES, {}).items():
        for at in gone & set(kept) if of == source else ():
            del kept[at]
    for (of, _), ticked in st.session_state.get(_TICKS, {}).items():
        for at in gone & set(ticked) if of == source else ():
            del ticked[at]
    _turn()


def _turn() -> None:
    """From here on the table is another one, which knows nothing of what was written into the one before."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
