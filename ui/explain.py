"""The parts of the page that finds a row: what to ask for, and the row's way as a line from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import data, explain_gold, row_links, state, widgets, words, words_explain
from ui.widgets import card, icon, pill

if TYPE_CHECKING:
    from etl.facts import Explained, TableFacts

SUGGESTED = 5
Step = tuple[str, str]


def tables(declared: Sequence[TableFacts]) -> list[TableFacts]:
    """The tables that have rows to find: silver, then the gold that is published."""
    silver = [table for table in declared if table.layer == "silver"]
    return silver + [table for table in declared if table.layer == "gold" and table.key and table.rows]


def wanted(found: Sequence[TableFacts]) -> tuple[TableFacts, str]:
    """The table and the key that the address or the visitor asks for."""
    by_name = {table.name: table for table in found}
    named = st.query_params.get("table", "")
    asked = next((name for name in by_name if named in (name, words.short(name))), found[0].name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Table",
            list(by_name),
            index=list(by_name).index(asked),
            format_func=words.short,
            key="table-name",
        )
        table = by_name[str(name)]
        key = st.text_input(
            words_explain.key_label(table.key),
            value=st.query_params.get("key", ""),
            help=words_explain.KEY_HELP,
            key=f"row-key-{table.name}",
        )
    state.choose("table", table.name)
    state.choose("key", key.strip() or None)
    return table, key.strip()


def suggest(table: TableFacts) -> None:
    """Before a key is typed: a few that are there."""
    with card("suggested", words_explain.PICK):
        if not table.rows:
            return
        keys = data.rows(table.name, columns=table.key, order_by=table.key, limit=SUGGESTED)
        links = " · ".join(
            row_links.linked(key, row_links.row(table.name, key))
            for key in map(_joined, keys.to_numpy().tolist())
        )
        st.html(f'<div class="ml sub num">{words_explain.SUGGESTED}: {links}</div>')


def _joined(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def way(table: TableFacts, key: str) -> None:
    """Where the row is now, and how it got there."""
    if table.layer == "gold":
        explain_gold.row(table, key)
    else:
        _ways_of(table, key)


def _ways_of(table: TableFacts, key: str) -> None:
    """The way of each line with this key, one after the other."""
    found = data.living().explain(table.name, key)
    ways = list(_ways(found.steps))
    if not found.batch_id:
        widgets.empty("search_off", words_explain.NOT_THERE, words_explain.NOT_THERE_WHY)
        return
    st.html(f'<div class="ml sub num">{escape(words_explain.versions(len(ways)))}</div>')
    for at, steps in enumerate(ways):
        _way(found, steps, at)


def _ways(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps of one line after the other; each way begins at its file."""
    way: list[Step] = []
    for heading, sentence in steps:
        if heading == "File" and way:
            yield way
            way = []
        way.append((heading, sentence))
    if way:
        yield way


def _way(found: Explained, steps: Sequence[Step], at: int) -> None:
    last = steps[-1][0]
    mark = pill(words_explain.tone(last), words_explain.stands(last))
    with card(f"way-{at}", words_explain.title(found.table, found.key), mark=mark):
        texts = _texts(found, steps)
        body = "".join(_step(*step, texts.get(place, "")) for place, step in enumerate(steps))
        st.html(f'<div class="ml"><ol class="path">{body}</ol></div>')
        if texts:
            widgets.page_link(_batch(found), words_explain.BATCH)


def _texts(found: Explained, steps: Sequence[Step]) -> dict[int, str]:
    """By step: the text of the row, as the engine gave it for one row; of a mended one also what was received."""
    headings = [heading for heading, _ in steps]
    if not found.raw or not _is_shown(found, steps, headings):
        return {}
    before = headings[: headings.index("Silver")] if found.found else headings[:1]
    corrections = [at for at, heading in enumerate(before) if heading == "Correction"]
    if not corrections:
        return {0: found.raw}
    received = _received(found)
    return {corrections[-1]: found.raw} | ({0: received} if received and headings[0] == "File" else {})


def _is_shown(found: Explained, steps: Sequence[Step], headings: Sequence[str]) -> bool:
    """Whether this way is that of the row whose text the engine gave: the current one, else the first."""
    if found.found:
        return "Silver" in headings
    return tuple(steps) == found.steps[: len(steps)]


def _received(found: Explained) -> str:
    """The values of a row before it was mended; "" for an unreadable line, which has none."""
    bronze = f"bronze.{_table(found).inputs[0].removeprefix('bronze.')}"
    place = {"_batch_id": found.batch_id, "_row_number": found.line_number}
    values = data.rows(bronze, where=place, limit=1).drop(columns=list(place))
    return ",".join("" if value is None else str(value) for value in values.iloc[0]) if len(values) else ""


def _table(found: Explained) -> TableFacts:
    return next(table for table in data.tables() if table.name == found.table)


def _step(heading: str, sentence: str, text: str) -> str:
    tone = words_explain.tone(heading)
    dot = f'<span class="dot {tone}" style="background:var(--{tone}-bg)">{icon(words_explain.symbol(heading))}</span>'
    raw = f'<pre class="raw" tabindex="0"><code>{escape(text)}</code></pre>' if text else ""
    return f'<li>{dot}<b>{escape(heading)}</b><div class="muted">{escape(sentence)}</div>{raw}</li>'


def _batch(found: Explained) -> str:
    return f"quality{row_links.rows('bronze', _table(found).source or '', found.batch_id)}"
