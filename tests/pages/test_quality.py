"""Quality, over the real engine."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import parse_qsl

import pytest

from etl.errors import MetaLayerError
from etl.service import Service
from etl.service.terms import TERMS
from tests.pages.screens import HOSTILE, Page, Screen
from ui import words


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


def links(screen: Screen) -> dict[str, str]:
    """Where the numbers of the page lead, by address; the number as it reads."""
    found = re.findall(r'<a class="to" href="([^"]+)"[^>]*>([^<]+)</a>', screen.html)
    return {unescape(address): text for address, text in found}


def test_every_number_of_the_accounts_leads_to_as_many_rows(page: Page, mixed: Service) -> None:
    totals = {(account.source, account.batch_id): account for account in mixed.accounts().row_totals}
    totals |= {(account.source, account.batch_id): account for account in mixed.accounts().row_batches}
    followed = set()
    for address, text in links(page("quality")).items():
        query = dict(parse_qsl(address.removeprefix("?")))
        place = (query.get("source", ""), query.get("batch", ""))
        if place in totals and query["rows"] in TERMS and "$" not in text:
            count = getattr(totals[place], query["rows"])
            assert text.split()[0] == f"{count:,}"
            assert len(mixed.rows_in(place[0], query["rows"], place[1]).rows) == count
            followed.add(query["rows"])
    assert followed == {"bronze", "silver", "superseded", "quarantined", "unreadable"}


def test_a_number_leads_to_its_rows_with_their_file_line_and_way(page: Page, mixed: Service) -> None:
    screen = page("quality", rows="superseded", source="crm_customers")
    assert "Superseded rows of crm_customers" in screen.text
    assert "1, as the account says" in screen.text
    (frame,) = (found.value for found in screen.app.dataframe if "_because" in found.value)
    assert frame["_path"].tolist() == ["crm/crm_customers.csv"]
    assert frame["_row_number"].tolist() == [4]
    assert frame["_way"].tolist() == ["explain?table=silver.customers_clean&key=3"]
    assert "csv-superseded-crm_customers" in screen.keys("download_button")
    assert words.ROW_ACCOUNT_LEAD not in screen.text


def test_rows_without_an_amount_are_one_click_away(page: Page, mixed: Service) -> None:
    (address,) = (a for a, text in links(page("quality")).items() if "no amount that can be read" in text)
    query = dict(parse_qsl(address.removeprefix("?")))
    screen = page("quality", **query)
    assert "Rows without a readable amount of erp_sales" in screen.text
    assert "1, as the account says" in screen.text


def test_rows_of_all_sources_come_in_a_table_each(page: Page, mixed: Service) -> None:
    text = page("quality", rows="quarantined").text
    assert "Quarantined rows of crm_customers" in text
    assert "Quarantined rows of erp_sales" in text


def test_lines_lead_to_the_files_with_what_each_line_is(page: Page, mixed: Service) -> None:
    screen = page("quality", rows="lines", source="erp_sales")
    assert "erp/erp_sales_2.csv 3 1 0 0 1 1 0" in screen.text
    assert "crm/crm_customers.csv 4" not in screen.text


def test_gold_stands_beside_the_silver_it_adds_up(page: Page, mixed: Service) -> None:
    assert (
        "customer_analytics total_revenue $100.00 sales_clean sale_amount $100.00 $0.00"
        in page("quality").text
    )
    screen = page("quality", rows="gold.customer_analytics")
    (frame,) = (found.value for found in screen.app.dataframe if "total_revenue" in found.value)
    assert sum(frame["total_revenue"]) == 100


def test_an_address_that_asks_for_no_term_shows_the_accounts(page: Page, mixed: Service) -> None:
    assert words.ROW_ACCOUNT_LEAD in page("quality", rows="lost").text
    assert "There are no such rows now" in page("quality", rows="pending").text


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
    assert [list(reasons) for reasons in lines["_reasons"]] == [["a quote is not closed"]]


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
