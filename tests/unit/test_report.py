"""The report computes what it says: totals over all rows, no empty green, everything escaped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from etl.errors import UsageError
from etl.facts import Accounts, Report, ReportSection, SystemFacts
from etl.model import Attempt, CheckState, RunState, TaskState
from etl.report import ReportInput, build_report, render, report_from_dict, report_to_dict
from tests.unit.report_facts import (
    NOW,
    accounts,
    check,
    given,
    make_run,
    money_account,
    never_built,
    products,
    regions,
)

IN_ORDER = (
    "Executive summary",
    "Unexplained",
    "Not examined",
    "Schemas and counts",
    "Bronze",
    "Silver",
    "Gold",
    "Flow consistency: retention",
    "Flow consistency: line accounts",
    "Flow consistency: row accounts",
    "Flow consistency: money accounts",
    "Flow consistency: gold = silver",
    "Freshness",
    "Quality measures: checks",
    "Quality measures: checks that did not pass",
    "Every check",
    "Queries of the checks",
    "Quality measures: completeness",
    "Quality measures: uniqueness",
    "Quarantine by reason",
    "Unreadable lines by reason",
    "Mends",
    "Files",
    "Contracts and gold files",
    "Published tables",
    "Stale tables",
    "Software",
    "Regional figures",
    "Product figures",
    "Volumes",
    "Pipeline states",
    "Recent task timings",
    "Services",
    "Stage timings",
    "Resources",
    "Issues found",
    "Issues resolved",
    "Readiness verdict",
    "Next validation",
)


def section(facts: ReportInput, title: str) -> ReportSection:
    return next(found for found in build_report(facts).sections if found.title.startswith(title))


def nothing_yet() -> ReportInput:
    facts = given()
    return replace(
        facts,
        tables=(never_built("silver.sales_clean"),),
        checks=(),
        accounts=Accounts(0, (), (), (), (), (), ()),
        runs=(),
        timings=(),
        regional=None,
        products=None,
        completeness=(),
        next_due=None,
        pipelines=(replace(facts.pipelines[0], last_run=None, next_due=None),),
        workspace=replace(facts.workspace, version=0, published_at=None),
        system=SystemFacts((), (), facts.system.now, (), (), None),
    )


def test_the_sections_come_in_the_promised_order() -> None:
    titles = [found.title for found in build_report(given()).sections]
    places = [next(i for i, title in enumerate(titles) if title.startswith(wanted)) for wanted in IN_ORDER]
    assert places == sorted(places)


def test_every_region_is_listed_and_the_total_is_over_all_of_them() -> None:
    facts = given(regional=regions(*["100.00"] * 9, "0.07"))
    regional = section(facts, "Regional")
    assert len(regional.rows) == 11
    assert regional.rows[-1][0] == "All 10"
    assert regional.rows[-1][3] == "900.07 USD"
    assert "10 regions" in regional.lead


def test_the_top_products_say_that_they_are_not_all() -> None:
    found = section(given(products=products(88, "10.00")), "Product")
    assert len(found.rows) == 11
    assert found.rows[-1][3] == "880.00 USD"
    assert found.lead == "The top 10 of 88 products: 100.00 USD, 11.4 % of the total 880.00 USD."


def test_every_share_is_of_the_true_total() -> None:
    shares = [row[-1] for row in section(given(products=products(88, "10.00")), "Product").rows]
    assert shares[:-1] == ["1.1 %"] * 10


def test_an_incomplete_answer_gives_no_total() -> None:
    found = section(given(regional=regions("5.00", truncated=True)), "Regional")
    assert found.state == CheckState.UNEXAMINED
    assert found.rows == ()
    assert "USD" not in found.lead


def test_a_total_keeps_every_cent() -> None:
    found = section(given(regional=regions("9007199254740993.01", "0.02")), "Regional")
    assert found.rows[-1][3] == "9,007,199,254,740,993.03 USD"


def test_gold_that_differs_from_silver_by_a_cent_is_told() -> None:
    found = section(
        given(accounts=accounts(money_totals=(money_account(silver=Decimal("999.99")),))),
        "Flow consistency: gold",
    )
    assert found.state == CheckState.FAILED
    assert "1,000.00 USD in gold, 999.99 USD in silver" in {row[2] for row in found.rows}


def test_a_reconciliation_that_examined_nothing_is_not_passed() -> None:
    empty = check(
        "total_revenue equals silver.sales_clean.sale_amount", "gold.customer_analytics", examined=0
    )
    found = section(given(checks=(empty,), regional=None, products=None), "Flow consistency: gold")
    assert found.state == CheckState.UNEXAMINED
    assert found.rows[0][-1] == "not examined"


def test_before_the_first_run_no_section_is_green() -> None:
    sections = build_report(nothing_yet()).sections
    green = [found.title for found in sections if found.state == CheckState.PASSED]
    assert set(green) <= {
        "Freshness",
        "Executive summary",
        "Readiness verdict",
    }  # facts of their own in this input
    leads = {found.title: found.lead for found in sections}
    assert leads["Quality measures: checks"] == "Nothing has been examined yet."
    for title in ("line accounts", "row accounts", "money accounts"):
        assert "nothing has been examined yet" in leads[f"Flow consistency: {title}"]
    assert "nothing has been examined yet" in leads["Unexplained"]
    assert leads["Recent task timings"] == "No task has run yet."


def test_an_open_account_is_shown_with_its_batch() -> None:
    facts = given(accounts=accounts(money_batches=(money_account(batch_id="b1", silver=Decimal(1)),)))
    found = section(facts, "Flow consistency: money")
    assert found.state == CheckState.FAILED
    assert [row[:2] for row in found.rows] == [
        ("erp_sales, sale_amount", "all"),
        ("erp_sales, sale_amount", "erp/erp_sales.csv (b1)"),
    ]
    assert [row[-1] for row in found.rows] == ["closes", "open"]


def test_a_retried_task_and_a_mended_run_are_issues_resolved() -> None:
    run = make_run(8)
    attempts = (
        Attempt(1, TaskState.FAILED, NOW, NOW, "disk busy"),
        Attempt(2, TaskState.SUCCEEDED, NOW, NOW, ""),
    )
    retried = replace(run, tasks=(replace(run.tasks[0], attempts=attempts),))
    facts = given(
        runs=(retried, make_run(7, RunState.FAILED, error="no space")), checks=(check(history=(12, 0)),)
    )
    issues = [row[0] for row in section(facts, "Issues resolved").rows]
    assert issues[0] == "sales_clean of run 8: disk busy"
    assert issues[1] == "run 7 of master_etl_orchestrator failed: no space"
    assert issues[2] == "key_unique of sales_clean had 12 failing rows"


def test_a_failed_run_after_the_last_success_is_not_resolved() -> None:
    facts = given(runs=(make_run(8, RunState.FAILED), make_run(7)))
    assert section(facts, "Issues resolved").rows == ()


def test_a_column_with_gaps_is_counted() -> None:
    facts = given()
    gap = replace(facts.completeness[0], filled=9)
    found = section(replace(facts, completeness=(gap,)), "Quality measures: completeness")
    assert found.rows[0][-1] == "90.0 %"
    assert found.lead == "1 column of 1 with empty values."


def test_what_stands_against_it_is_part_of_the_report() -> None:
    facts = given()
    verdict = replace(facts.verdict, ready=False, headline="Not ready: x", reasons=("x",))
    report = build_report(replace(facts, verdict=verdict))
    assert (report.ready, report.headline, report.why_not) == (False, "Not ready: x", ("x",))


def test_a_report_comes_back_from_the_ledger_as_it_was() -> None:
    report = build_report(given(), report_id=4)
    assert report_from_dict(json.loads(json.dumps(report_to_dict(report)))) == report


def test_the_json_form_is_one_document_with_every_section() -> None:
    report = build_report(given())
    assert len(json.loads(render(report, "json"))["sections"]) == len(report.sections)


def hostile() -> Report:
    text = "<script>alert(1)</script>|`x`\n# y [z](http://e)"
    facts = given()
    return replace(
        build_report(facts),
        headline=text,
        sections=(ReportSection(text, text, (text,), ((text,),), CheckState.FAILED),),
    )


def test_html_escapes_what_comes_from_files_and_people() -> None:
    page = render(hostile(), "html")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7


def test_html_needs_nothing_from_outside() -> None:
    page = render(build_report(given()), "html")
    assert not re.search(r"src=|@import|url\(|https?://", page)
    assert set(re.findall(r'href="(.)', page)) == {"#"}, "links stay within the page"
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_markdown_keeps_a_cell_on_one_line_and_in_its_column() -> None:
    lines = render(hostile(), "md").splitlines()
    row = next(line for line in lines if line.startswith("| ") and "script" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 2
    assert "<script" not in "".join(lines)


def test_every_markdown_table_has_as_many_cells_as_columns() -> None:
    for found in build_report(given()).sections:
        assert all(len(row) == len(found.columns) for row in found.rows), found.title


def test_the_sample_is_called_synthetic_in_every_form() -> None:
    facts = given()
    report = build_report(replace(facts, workspace=replace(facts.workspace, sample=True)))
    assert "Synthetic data" in render(report, "md")
    assert "Synthetic data" in render(report, "html")
    assert json.loads(render(report, "json"))["sample"] is True


def test_an_unknown_form_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="md, html, json"):
        render(build_report(given()), "pdf")
