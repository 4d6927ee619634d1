"""Quality, over the real engine."""

from __future__ import annotations

from html import escape

import pytest

from etl.errors import MetaLayerError
from etl.service import Service
from tests.pages.screens import HOSTILE, Page


def test_an_empty_workspace_has_nothing_to_examine(page: Page, empty: Service) -> None:
    screen = page("quality")
    assert "check_circle" not in screen.html
    assert screen.verdicts == [empty.verdict().headline]
    assert screen.tones == ["unexamined"]
    assert "Nothing to examine yet" in screen.text
    assert not screen.app.tabs


def test_the_sample_closes_in_rows_and_in_money(page: Page, healthy: Service) -> None:
    text = page("quality").text
    assert "20,003 = 20,000 + 3" in text
    assert "bronze · difference 0" in text
    assert "difference $0.00" in text
    assert "100 %" in text


def test_retention_never_stands_without_what_explains_the_rest(page: Page, mixed: Service) -> None:
    text = page("quality").text
    assert "5 bronze rows: 3 silver, 1 superseded, 1 quarantined" in text
    assert "60.0 %" in text


def test_the_row_account_of_one_source_is_its_own(page: Page, mixed: Service) -> None:
    screen = page("quality")
    screen.app.button_group(key="source").set_value("crm_customers").run()
    assert "5 = 3 + 1 + 1" in screen.text


def test_each_file_has_its_own_account(page: Page, mixed: Service) -> None:
    text = page("quality").text
    assert "crm/crm_customers_2.csv" in text
    assert "erp/erp_sales.csv" in text


def test_checks_are_filtered_by_state(page: Page, healthy: Service) -> None:
    screen = page("quality")
    group = screen.app.button_group(key="show")
    assert group.options[0] == f"All {len(healthy.checks())}"
    group.set_value("unexamined").run()
    table = screen.app.dataframe[0].value
    grey = [check for check in healthy.checks() if check.result.state == "unexamined"]
    assert len(grey) > 0
    assert [state for states in table["state"] for state in states] == ["Not examined"] * len(grey)
    assert table["examined"].isna().all()


def test_a_failed_check_shows_its_rows_and_its_query(page: Page, blocked: Service) -> None:
    screen = page("quality")
    chooser = screen.app.selectbox(key="check")
    assert chooser.options[0] == "No more buyers than customers on customer_analytics", (
        "the worst comes first"
    )
    chooser.set_value(0).run()
    assert "buying_customers" in screen.app.code[0].value
    assert "2 of 2 failing rows" in screen.text
    assert "Blocks" in screen.text


def test_quarantine_tells_why_and_keeps_the_row_whole(page: Page, mixed: Service) -> None:
    screen = page("quality")
    for reason in mixed.quarantine_reasons():
        assert reason.reason in screen.text
    assert "csv-aside" in screen.keys("download_button")
    rows = [frame.value for frame in screen.app.dataframe if "_reasons" in frame.value]
    assert HOSTILE in rows[0].to_numpy().ravel().tolist()


def test_an_unreadable_line_is_shown_raw_with_its_place(page: Page, mixed: Service) -> None:
    screen = page("quality", **{"aside": "unreadable", "aside-source": "erp_sales"})
    lines = screen.app.data_editor[0].value
    assert lines[["_raw", "_file", "_line"]].to_numpy().tolist() == [
        [f'6,12,"2,1,{HOSTILE}', "erp/erp_sales_2.csv", 3]
    ]
    assert list(lines.loc[0, "_reasons"]) == ["a quote is not closed"]


def test_a_refused_file_is_listed_with_its_reason(page: Page, mixed: Service) -> None:
    text = page("quality").text
    assert "erp/erp_sales_3.csv" in text
    assert mixed.accounts().refused[0].reason in text


def test_markup_in_the_data_stays_text(page: Page, mixed: Service) -> None:
    html = page("quality").html
    assert escape(HOSTILE) in html
    assert HOSTILE not in html


def test_a_blocked_run_shows_its_failed_check_first(page: Page, blocked: Service) -> None:
    table = page("quality").app.dataframe[0].value
    assert table.iloc[0]["state"] == ["Failed"]


@pytest.mark.parametrize("name", ["quality", "report"])
def test_a_broken_contract_is_the_one_thing_shown(page: Page, unstartable: MetaLayerError, name: str) -> None:
    screen = page(name)
    assert "erp_sales.odcs.yaml" in screen.text
    assert len(screen.verdicts) == 1


@pytest.mark.parametrize("name", ["quality", "report"])
def test_a_lost_warehouse_is_one_clear_problem(page: Page, closed: Service, name: str) -> None:
    assert len(page(name).verdicts) == 1
