"""What the pages share, without a page: numbers for people, downloads, standings and accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from etl.declared import Layer
from etl.facts import Freshness, TableFacts
from etl.model import CheckState, RowAccount
from ui import accounts, downloads, fmt, quality_accounts, tokens, widgets, words
from ui.standing import Standing, layer_mark, standing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TABLE = TableFacts(
    name="silver.sales_clean",
    short="sales_clean",
    layer=Layer.SILVER,
    source="erp_sales",
    grain="one row per sales_id",
    description="",
    key=("sales_id",),
    fields=(),
    inputs=("bronze.erp_sales_raw",),
    feeds=("gold.product_analytics",),
    rows=10_000,
    size_bytes=1,
    version=1,
    published_at=NOW - timedelta(minutes=3),
    stale=False,
    stale_because="",
    state=CheckState.PASSED,
    state_note="Passed",
    freshness=Freshness(CheckState.PASSED, None, None),
)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Decimal("0.9999999"), "99.9 %"),
        (Decimal("0.0000001"), "0.1 %"),
        (Decimal("0.98039"), "98.0 %"),
        (1, "100 %"),
        (0, "0 %"),
        (None, "–"),
    ],
)
def test_a_share_never_reaches_a_whole_or_nothing_by_rounding(part: Any, said: str) -> None:
    assert fmt.share(part) == said


def test_amounts_are_short_in_charts_and_exact_in_tables() -> None:
    assert fmt.money(Decimal("448428.24")) == "$448.4k"
    assert fmt.money(Decimal("2149310.42")) == "$2.15M"
    assert fmt.money(Decimal("-448428.24"), exact=True) == "-$448,428.24"
    assert fmt.money(Decimal("99999999999999.99"), exact=True) == "$99,999,999,999,999.99"


def test_sizes_times_and_promises_are_for_people() -> None:
    assert [fmt.size(n) for n in (0, 999, 3_100_000, 41e9)] == ["0 B", "999 B", "3.1 MB", "41 GB"]
    assert [fmt.seconds(n) for n in (0.31, 2.14, 12.2, 125, 3840)] == [
        "0.31 s",
        "2.1 s",
        "12 s",
        "2 min 05 s",
        "1 h 04 min",
    ]
    assert [fmt.seconds(n) for n in (0, 0.0001, 0.004)] == ["< 1 ms", "1 ms", "4 ms"]
    assert [fmt.span(timedelta(hours=n)) for n in (1, 24, 168)] == ["1 h", "24 h", "7 d"]
    assert fmt.ago(NOW - timedelta(minutes=3), NOW) == "3 min ago"
    assert fmt.ago(NOW + timedelta(seconds=5), NOW) == "just now"
    assert fmt.until(NOW + timedelta(minutes=12), NOW) == "in 12 min"


def test_a_download_runs_no_formula_in_a_spreadsheet() -> None:
    frame = pd.DataFrame(
        {"=name": ["=1+1", "@x", "+x", "-x", "\tx", "plain"], "amount": [Decimal("-5.00")] * 6}
    )
    lines = downloads.csv(frame).decode().splitlines()
    assert lines[0] == "'=name,amount"
    assert [line.split(",")[0] for line in lines[1:]] == ["'=1+1", "'@x", "'+x", "'-x", "'\tx", "plain"]
    assert lines[1].split(",")[1] == "-5.00", "a number stays a number"


def test_a_download_writes_several_reasons_into_one_cell() -> None:
    assert downloads.csv(pd.DataFrame({"reasons": [["=a", "b"]]})).decode() == "reasons\n'=a; b\n"


def test_what_runs_comes_before_failed_and_failed_before_stale() -> None:
    worst = replace(TABLE, problem="It broke.", stale=True, state=CheckState.WARNED)
    assert standing(worst, {TABLE.name: "running"}, NOW) == Standing(
        "running", "10,000 rows · building now", live=True
    )
    assert standing(worst, {}, NOW).state == "failed"
    assert standing(replace(worst, problem=""), {}, NOW).state == "warned"
    assert standing(replace(TABLE, stale=True), {}, NOW) == Standing("stale", "10,000 rows · stale")
    assert standing(TABLE, {}, NOW) == Standing("passed", "10,000 rows · 3 min ago")


def test_a_table_that_was_never_built_is_grey() -> None:
    never = replace(TABLE, rows=None, published_at=None, state=CheckState.UNEXAMINED)
    assert standing(never, {}, NOW) == Standing("unexamined", "never built")


def test_a_layer_with_a_stale_table_does_not_say_passed() -> None:
    assert layer_mark("passed", "Passed", [Standing("stale", ""), Standing("passed", "")]) == (
        "stale",
        "1 stale",
    )
    assert layer_mark("failed", "1 failed", [Standing("stale", "")]) == ("failed", "1 failed")


def test_the_parts_of_both_row_accounts_add_up_with_their_differences() -> None:
    feed = RowAccount("erp", "", 20, 1, 15, 2, 1, 1, False, silver=9, superseded=1, quarantined=4)
    alone = RowAccount("test", "", 2, 1, 1, 0, 0, 0, True)
    lines, rows = accounts.lines([feed, alone]), accounts.rows([feed, alone])
    assert lines.closes
    assert (lines.whole, sum(part.amount for part in lines.parts)) == (22, 22)
    assert {part.name: part.amount for part in rows.parts} == {
        "Silver": 9, "Superseded": 1, "Quarantined": 4, "Bronze only": 1,
    }  # fmt: skip
    assert rows.difference == 1
    assert not rows.closes


def test_a_state_nobody_declared_is_grey() -> None:
    assert tokens.look("brand_new").tone == "unexamined"
    assert tokens.look("brand_new").word == "Brand new"


def test_progress_counts_tasks_that_are_over() -> None:
    states = ["succeeded", "skipped", "running", "pending"]
    tasks = [SimpleNamespace(state=state, name="silver.sales_clean", message="") for state in states]
    run: Any = SimpleNamespace(
        run_id=43, tasks=tasks, state="running", started_at=NOW - timedelta(seconds=4), cancel_requested=False
    )
    assert words.done_share(run) == 0.5
    assert words.run_now(run) == "sales_clean"
    assert words.run_progress(run, NOW) == "Run 43 · task 3 of 4 · 4 s"


def test_an_account_of_nothing_is_not_examined_and_an_open_one_is_red() -> None:
    assert "Not examined" in quality_accounts.mark(accounts.Account("Bronze", 0, (), 0))
    assert "Closes" in quality_accounts.mark(accounts.Account("Bronze", 3, (), 0))
    assert "Open" in quality_accounts.mark(accounts.Account("Bronze", 3, (), 1))


def test_a_cell_of_a_table_is_text_unless_a_widget_made_it() -> None:
    row: list[widgets.Cell] = ["<img src=x>", widgets.pill_cell("passed")]
    markup = widgets.table({"<b>": "", "State": ""}, [row])
    assert "&lt;img src=x&gt;" in markup
    assert "&lt;b&gt;" in markup
    assert "<img" not in markup
    assert widgets.pill("passed") in markup


def test_a_table_wider_than_long_is_turned_on_its_side() -> None:
    columns = {f"c{n}": "n" for n in range(widgets.MOST_COLUMNS + 1)}
    markup = widgets.table(columns, [[f"v{n}" for n in range(len(columns))]])
    assert markup.count("<tr>") == len(columns)
    assert "v0" in markup.split("</thead>")[0]
