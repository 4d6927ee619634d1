"""Small pieces that every page is made of. Whatever comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import parse_qsl

import pandas as pd
import streamlit as st

from ui import data, downloads, state, words
from ui.tokens import TOKENS, look

ASSETS = Path(__file__).resolve().parent / "assets"
PAGES = ASSETS.parent.parent / "pages"
PAIR = 2  # a table of names and values stays one on a phone
MOST_COLUMNS = 9
MOST_TURNED = 4
_SHIELD = {
    "passed": "verified_user",
    "warned": "gpp_maybe",
    "failed": "gpp_bad",
    "running": "hourglass_top",
}


@dataclass(frozen=True)
class Kpi:
    """One figure of a row: what it is, its value as text, and a quiet note under it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Html:
    """Markup that a widget made and escaped itself, allowed into a table's cell."""

    markup: str


Cell = str | Html


@st.cache_resource(show_spinner=False)
def _css() -> str:
    tokens = "".join(f"--{name}: light-dark({light}, {dark});" for name, (light, dark) in TOKENS.items())
    sheets = "\n".join(sheet.read_text() for sheet in sorted(ASSETS.glob("*.css"), reverse=True))
    return f"<style>:root {{{tokens}}}\n{sheets}</style>"


def style() -> None:
    """Once per run. light-dark() follows Streamlit's own theme switch without a rerun."""
    st.html(_css())


def icon(name: str, kind: str = "") -> str:
    """A Material symbol from the bundled font, hidden from screen readers."""
    return f'<span class="icon {kind}" aria-hidden="true">{escape(name)}</span>'


def state_icon(state: str) -> str:
    """The symbol of a state, with its word for screen readers and as a tooltip."""
    seen = look(state)
    turn = " spin" if state == "running" else ""
    word = escape(seen.word)
    return (
        f'<span class="icon {seen.tone}{turn}" role="img" aria-label="{word}" title="{word}">'
        f"{seen.symbol}</span>"
    )


def pill(state: str, text: str = "") -> str:
    """A state as symbol and word on a tint; `text` replaces the word."""
    seen = look(state)
    turn = " spin" if state == "running" else ""
    return (
        f'<span class="pill {seen.tone}" style="background:var(--{seen.tone}-bg)">'
        f"{icon(seen.symbol, turn)}{escape(text or seen.word)}</span>"
    )


def badge(text: str, tone: str = "unexamined") -> str:
    """A word on a tint, without a state's symbol."""
    return f'<span class="pill {tone}" style="background:var(--{tone}-bg)">{escape(text)}</span>'


def tile(ink: str) -> str:
    """The small square of a layer or of a chart's part, in token `ink`."""
    return f'<span class="tile" style="background:var(--{ink if ink in TOKENS else "faint"})"></span>'


def header(title: str, sub: str = "") -> None:
    """The page's title with its provenance; says "Synthetic data" wherever the sample is shown.

    Also shows why a button's last request was refused.
    """
    state.note_title(drawn=True)
    mark = badge(words.SYNTHETIC, "running") if data.is_sample() else ""
    st.html(
        f'<div class="ml"><div class="row wrap"><h1>{escape(title)}</h1>{mark}</div>'
        f'<div class="sub num">{escape(sub)}</div></div>',
        width="stretch",
    )


def refusal() -> None:
    """Why the last request of a button was refused, once."""
    fault = state.take_fault()
    if fault is not None:
        problem(fault)


@contextmanager
def boundary() -> Iterator[None]:
    """Around the body of a fragment, which runs without the page: its failure becomes a card as well."""
    try:
        yield
    except Exception as fault:
        if not state.told(fault):
            raise
        problem(fault)


@contextmanager
def card(key: str, title: str = "", sub: str = "", mark: str = "") -> Iterator[None]:
    """A bordered surface. `mark` is a pill at the right of the title."""
    with st.container(border=True, key=f"card-{key}"):
        if title:
            note = f'<div class="sub">{escape(sub)}</div>' if sub else ""
            push = f'<span class="push">{mark}</span>' if mark else ""
            st.html(
                f'<div class="ml"><div class="row"><h2 class="h">{escape(title)}</h2>{push}</div>{note}</div>'
            )
        yield


def verdict(state: str, say: str, why: str = "", reasons: Sequence[str] = ()) -> None:
    """One sentence on a tint, why it is so, and the reasons one by one."""
    tone = look(state).tone
    points = "".join(f'<div role="listitem">{escape(reason)}</div>' for reason in reasons)
    listed = f'<div role="list" class="points muted">{points}</div>' if points else ""
    said = f'<div class="say">{escape(say)}</div><div class="muted why">{escape(why)}</div>{listed}'
    st.html(
        f'<div class="ml verdict" role="status" style="background:var(--{tone}-bg)">'
        f"{icon(_SHIELD.get(tone, 'shield_question'), tone)}<div>{said}</div></div>"
    )


def banner(state: str, symbol: str, say: str) -> None:
    """One line above a page that holds for all of them."""
    tone = look(state).tone
    st.html(
        f'<div class="ml banner" role="note" style="background:var(--{tone}-bg)">'
        f"{icon(symbol, tone)}<span>{escape(say)}</span></div>"
    )


def problem(fault: Exception) -> None:
    """What is wrong, in the error's own words, and what to do next."""
    message, _, rest = str(getattr(fault, "message", fault)).partition("\n")
    hint = getattr(fault, "hint", "")
    verdict("failed", message, "\n".join(filter(None, (rest, hint))))


def line(state: str, say: str, why: str = "", top: bool = False) -> None:
    """A state's symbol, a sentence and a quiet one under it."""
    said = f'<b>{escape(say)}</b><div class="sub num">{escape(why)}</div>'
    st.html(
        f'<div class="ml row {"top" if top else ""}">{state_icon(state)}'
        f'<div style="min-width:0">{said}</div></div>',
        width="stretch",
    )


def page_link(address: str, label: str) -> None:
    """A way to another page; `address` is its url path, with a query if need be (`runs?run=43`)."""
    path, _, query = address.strip("/").partition("?")
    script = PAGES / f"{(path or 'overview').replace('-', '_')}.py"
    if not script.exists():
        return
    st.page_link(
        script,
        label=label,
        icon=":material/arrow_forward:",
        icon_position="right",
        query_params=dict(parse_qsl(query)) or None,
    )


def empty(symbol: str, say: str, do: str = "") -> None:
    """What is missing, and the one thing to do about it."""
    with st.container(border=True, key=f"card-empty-{symbol}"):
        nothing(symbol, say, do, roomy=True)


def nothing(symbol: str, say: str, do: str = "", roomy: bool = False) -> None:
    """The same inside a card."""
    room = "2.2rem" if roomy else ".6rem"
    st.html(
        f'<div class="ml" style="text-align:center;padding:{room} 0">'
        f'<div class="disc">{icon(symbol, "unexamined")}</div>'
        f'<div class="h" style="margin-top:.8rem">{escape(say)}</div>'
        f'<div class="sub">{escape(do)}</div></div>'
    )


def kpis(figures: Sequence[Kpi]) -> None:
    """A row of figures that wraps to two a line on a phone."""
    body = "".join(
        f'<div class="ml kpi"><div class="sub">{escape(figure.label)}</div>'
        f'<div class="big num">{escape(figure.value)}</div>'
        f'<div class="sub num">{escape(figure.note)}</div></div>'
        for figure in figures
    )
    st.html(f'<div class="ml kpis">{body}</div>')


def listing(columns: Mapping[str, str], rows: Sequence[Sequence[Cell]]) -> None:
    """A short table that becomes a list on a phone. `columns` maps heading to "" or "n" (a number, right)."""
    if rows:
        st.html(f'<div class="ml">{table(columns, rows)}</div>')


def table(columns: Mapping[str, str], rows: Sequence[Sequence[Cell]]) -> str:
    """The markup of `listing`. A table wider than it is long is turned on its side."""
    if len(columns) > MOST_COLUMNS and len(rows) <= MOST_TURNED:
        columns, rows = _turned(list(columns), rows)
    sides = list(columns.items())
    head = "".join(f'<th class="{side}" scope="col">{escape(name)}</th>' for name, side in sides)
    body = "".join(
        "<tr>" + "".join(_cell(cell, *side) for cell, side in zip(row, sides, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="fit"><table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _turned(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> tuple[dict[str, str], list[list[Cell]]]:
    """Rows as columns, headed by their first cell."""
    heads = [cell if isinstance(cell, str) else names[0] for cell in (row[0] for row in rows)]
    unique = [f"{head} {at + 1}" if heads.count(head) > 1 else head for at, head in enumerate(heads)]
    columns = {names[0]: "", **dict.fromkeys(unique, "n")}
    return columns, [[name, *(row[at] for row in rows)] for at, name in enumerate(names) if at]


def keep(text: str) -> Html:
    """Text for a cell that is not to be broken."""
    return Html(f'<span class="keep">{escape(text)}</span>')


def compact(columns: Mapping[str, str], rows: Sequence[Sequence[Cell]]) -> None:
    """A `listing` that on a phone puts the first two cells on one line and the others, with their names, below."""
    with st.container(key=f"compact-{'-'.join(columns).lower().replace(' ', '-')}"):
        listing(columns, rows)


def _cell(cell: Cell, heading: str, side: str) -> str:
    inner = cell.markup if isinstance(cell, Html) else escape(cell)
    return f'<td class="{side}" data-label="{escape(heading)}">{inner}</td>'


def pill_cell(state: str, text: str = "") -> Html:
    """A state's pill for a cell of `listing`."""
    return Html(pill(state, text))


def csv_button(frame: pd.DataFrame, name: str, label: str = "CSV") -> None:
    """`frame` as `name`.csv, safe to open in a spreadsheet; made when it is asked for."""
    st.download_button(
        label,
        partial(downloads.csv, frame),
        f"{name}.csv",
        "text/csv",
        key=f"csv-{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
