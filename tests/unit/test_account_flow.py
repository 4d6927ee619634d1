"""The row account as a drawing: labels lead to their rows, corrections come in beside the files, gold reads silver."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import plotly.graph_objects as go

from tests.unit.report_facts import row_account
from ui import accounts, charts_accounts
from ui.accounts import Part


def drawn(*, gold: tuple[Part, int] | None = None, source: str = "", **terms: int) -> go.Figure:
    """The flow of one source with these terms."""
    account = row_account(**terms)
    lines, rows, inflow = accounts.lines([account]), accounts.rows([account]), accounts.inflow([account])
    return charts_accounts._figure(lines, rows, inflow, gold, source, "light")


def addresses(figure: go.Figure) -> dict[str, str]:
    """Where each label leads, by its number."""
    found = (re.search(r'href="([^"]+)".*<b>([\d,]+)</b>', label.text) for label in figure.layout.annotations)
    return {match[2]: unescape(match[1]) for match in found if match}


def bars(figure: go.Figure) -> list[Any]:
    return [shape for shape in figure.layout.shapes if shape.type == "rect"]


def test_each_label_leads_to_the_rows_it_counts() -> None:
    figure = drawn(
        source="erp_sales", lines=30, header_lines=2, unreadable=3, bronze=25, silver=14, superseded=11
    )
    wanted = {
        "30": "lines",
        "3": "unreadable",
        "2": "also",
        "25": "bronze",
        "14": "silver",
        "11": "superseded",
    }
    assert addresses(figure) == {
        number: f"?tab=Accounts&rows={term}&source=erp_sales" for number, term in wanted.items()
    }


def test_every_place_a_row_can_be_in_is_drawn() -> None:
    terms: dict[str, Any] = {
        "silver": 3,
        "superseded": 4,
        "quarantined": 5,
        "discarded": 6,
        "withdrawn": 7,
        "pending": 8,
    }
    texts = " ".join(label.text for label in drawn(bronze=33, lines=34, **terms).layout.annotations)
    for term, count in terms.items():
        assert re.search(rf"<b>{count}</b></a>(<br>|  ){term.capitalize()}", texts), term


def test_corrections_come_in_beside_bronze_as_part_of_one_bar() -> None:
    figure = drawn(bronze=10, corrections=2, silver=10, superseded=2)
    assert any("rows=corrections" in label.text for label in figure.layout.annotations)
    column = sorted((bar.y0, bar.y1) for bar in bars(figure) if bar.x0 == charts_accounts.COLUMNS[1])
    (_, bronze_ends), (corrections_begin, corrections_end), *_ = column
    assert bronze_ends == corrections_begin < corrections_end


def test_gold_reads_silver_whole() -> None:
    figure = drawn(gold=(Part("Gold", 10, "gold"), 3))
    silver, gold = (next(bar for bar in bars(figure) if bar.x0 == x) for x in charts_accounts.WITH_GOLD[2:])
    assert (silver.y0, silver.y1) == (gold.y0, gold.y1)
    assert "read by 3 gold tables" in figure.layout.annotations[-1].text


def test_no_bar_leaves_the_drawing() -> None:
    figure = drawn(
        lines=100_000,
        bronze=99_990,
        unreadable=9,
        silver=99_900,
        superseded=80,
        quarantined=10,
        corrections=0,
    )
    assert all(0 <= bar.y0 < bar.y1 <= 1.0001 for bar in bars(figure))
