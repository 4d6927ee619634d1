"""The report computes what it says: totals over all rows, no empty green, everything escaped."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from etl.drift import Drift, DriftKind
from etl.errors import UsageError
from etl.facts import Accounts, Report, ReportSection, SystemFacts, UnreadableCount
from etl.mends import Edit, MendKind, MendState, RowPlace
from etl.model import Attempt, CheckState, RunState, TaskState
from etl.report import ReportInput, build_report, render, report_from_dict, report_to_dict
from etl.volume import Incident
from etl.wire import from_plain, to_plain
from tests.unit.report_facts import (
    NOW,
    accounts,
    check,
    given,
    landed,
    make_run,
    mend,
    money_account,
    never_built,
    products,
    refused,
    regions,
    row_account,
    stands,
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
    "Schema drift",
    "Incidents",
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
        batches=(),
        published=(),
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


def test_a_report_kept_before_they_were_packed_can_still_be_read() -> None:
    report = build_report(given(), report_id=4)
    assert report_from_dict(json.loads(json.dumps(to_plain(report)))) == report


def test_a_report_is_kept_in_a_fraction_of_its_size() -> None:
    report = build_report(given(batches=tuple(landed(batch_id=f"b{n}") for n in range(200))))
    assert len(json.dumps(report_to_dict(report))) * 5 < len(json.dumps(to_plain(report)))


def test_a_torn_report_is_told_from_a_good_one() -> None:
    kept = report_to_dict(build_report(given()))
    with pytest.raises(ValueError, match="cannot be unpacked"):
        report_from_dict({"packed": kept["packed"][:40]})


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


def test_what_is_not_explained_is_said_as_a_number() -> None:
    found = section(given(accounts=accounts(money_batches=(money_account(batch_id="b1"),))), "Unexplained")
    assert found.state == CheckState.PASSED
    assert found.rows == (
        ("Lines of the files", "11", "0"),
        ("Rows and corrections", "10", "0"),
        ("Amounts in USD", "1,000.00 USD", "0.00 USD"),
    )


def test_gaps_of_opposite_sign_do_not_make_up_for_each_other() -> None:
    batches = (row_account(batch_id="b1", silver=9), row_account(batch_id="b2", silver=11))
    sums = (
        money_account(batch_id="b1", silver=Decimal("999.99")),
        money_account(batch_id="b2", silver=Decimal("1000.01")),
    )
    found = section(given(accounts=accounts(row_batches=batches, money_batches=sums)), "Unexplained")
    assert found.state == CheckState.FAILED
    assert [row[-1] for row in found.rows] == ["0", "2", "0.02 USD"]


def test_amounts_of_different_currencies_are_not_added_up() -> None:
    sums = (money_account(batch_id="b1"), money_account(batch_id="b2", currency="EUR"))
    found = section(given(accounts=accounts(money_batches=sums)), "Unexplained")
    assert [row[1] for row in found.rows[2:]] == ["1,000.00 USD", "1,000.00 EUR"]


def test_each_batch_has_its_own_line_with_every_term() -> None:
    mended = row_account(
        batch_id="b1",
        corrections=2,
        silver=4,
        superseded=3,
        quarantined=2,
        discarded=1,
        withdrawn=1,
        pending=1,
    )
    facts = given(accounts=accounts(row_totals=(replace(mended, batch_id=""),), row_batches=(mended,)))
    found = section(facts, "Flow consistency: row accounts")
    terms = ("10", "2", "4", "3", "2", "1", "1", "1", "0", "closes")
    assert found.columns[2:] == (
        "Bronze", "Corrections", "Silver", "Superseded", "Quarantined", "Discarded", "Withdrawn", "Pending",
        "Unexplained", "Account",
    )  # fmt: skip
    assert found.rows == (
        ("erp_sales", "all", *terms),
        ("erp_sales", "erp/erp_sales.csv (b1)", *terms),
    )


def test_a_feed_that_stops_at_bronze_has_lines_but_no_rows_to_place() -> None:
    alone = row_account(source="legacy", bronze_only=True, silver=0)
    facts = given(accounts=accounts(row_totals=(row_account(), alone)))
    assert [row[0] for row in section(facts, "Flow consistency: line").rows] == [
        "erp_sales",
        "erp_sales",
        "legacy",
    ]
    rows = section(facts, "Flow consistency: row accounts")
    assert "Kept in bronze only: legacy." in rows.lead
    assert {row[0] for row in rows.rows} == {"erp_sales"}


def test_every_check_comes_with_what_it_examined_and_its_query() -> None:
    asked = check(query="select * from silver.sales_clean where sales_id is null", failing=0)
    facts = given(checks=(asked, check("row_account")))
    assert [row[:2] for row in section(facts, "Every check").rows] == [
        ("1", "key_unique"),
        ("2", "row_account"),
    ]
    found = section(facts, "Queries of the checks")
    assert found.rows == (("1", "key_unique", "select * from silver.sales_clean where sales_id is null"),)
    assert "1 check without a query is counted by the engine itself" in found.lead


def test_what_was_not_examined_is_listed_with_the_reason() -> None:
    empty = check("fresh_enough", examined=0, message="The contract makes no promise.")
    old = check("region_known", version=2)
    facts = given(tables=(*given().tables, never_built("gold.monthly_revenue")), checks=(empty, old, check()))
    assert section(facts, "Not examined").rows == (
        ("gold.monthly_revenue", "Never built."),
        ("fresh_enough (silver.sales_clean)", "The contract makes no promise."),
        ("region_known (silver.sales_clean)", "Its result is of an older version."),
    )
    assert section(given(), "Not examined").rows == ()


def test_unreadable_lines_are_counted_by_reason_with_what_became_of_them() -> None:
    lines = (UnreadableCount("erp_sales", "a quote is not closed", 5, 2, 1),)
    found = section(given(unreadable=lines), "Unreadable")
    assert found.rows == (("erp_sales", "a quote is not closed", "5", "2", "1"),)


def test_each_file_is_named_by_its_whole_hash_and_its_state() -> None:
    batches = (
        landed(),
        landed(batch_id="b3", path="erp/wrong.csv", sha256="b" * 64),
        refused("erp/picture.csv"),
    )
    found = section(given(batches=batches, withdrawn=frozenset({"b3"})), "Files")
    assert [(row[0], row[1], row[-1]) for row in found.rows] == [
        ("erp/erp_sales.csv", "a" * 64, "landed"),
        ("erp/wrong.csv", "b" * 64, "withdrawn"),
        ("erp/picture.csv", "00", "refused: it has no header"),
    ]


def test_a_mend_tells_who_when_what_and_why() -> None:
    taken_back = mend(
        mend_id="m2", kind=MendKind.WITHDRAW, batch_id="b1", edits=(), rows=0, author="", reason="the wrong month",
        state=MendState.WAITING,
    )  # fmt: skip
    found = section(given(mends=(taken_back, mend())), "Mends")
    at = "2026-11-23 06:00:00 UTC"
    assert found.rows == (
        (at, "–", "withdraw batch b1", "erp_sales", "0", "the wrong month", "waiting"),
        (at, "ada", "correct rows", "erp_sales", "1", "typed wrong", "applied"),
    )


def test_the_evidence_names_the_columns_that_a_correction_changed_but_not_their_values() -> None:
    edit = Edit(RowPlace("b1", 3), (("email", "ada@example.com"),))
    (found,) = build_report(given(mends=(mend(edits=(edit,)),))).evidence["mends"]
    assert found["edits"] == [
        {"place": {"batch_id": "b1", "row_number": 3, "correction": 0}, "columns": ["email"], "raw": False}
    ]
    assert "ada@example.com" not in json.dumps(found)


def test_a_column_that_came_otherwise_is_told_without_the_values_in_it() -> None:
    renamed = Drift(
        "erp_sales", "b1", "erp/a.csv", NOW, "amount", DriftKind.RETYPED, "whole", "text", "secret", "Look."
    )
    found = section(given(drift=(renamed,)), "Schema drift")
    assert found.state == CheckState.WARNED
    assert found.rows[0][3:] == ("amount", "retyped: whole to text", "Look.", "NO")
    assert "secret" not in json.dumps(build_report(given(drift=(renamed,))).evidence)


def test_a_marked_day_is_an_incident() -> None:
    day = Incident("erp_sales", NOW.date(), "half a day's sales", "ada", NOW)
    assert section(given(incidents=(day,)), "Incidents").rows[0][:4] == (
        "2026-11-23", "erp_sales", "half a day's sales", "ada",
    )  # fmt: skip


def test_a_table_made_by_an_older_definition_is_told() -> None:
    older = stands("silver.sales_clean", fingerprint="0" * 64)
    found = section(given(published=(stands("bronze.erp_sales_raw"), older)), "Published tables")
    assert [(row[0], row[-1]) for row in found.rows] == [
        ("bronze.erp_sales_raw", "–"),
        ("silver.sales_clean", "an older one"),
    ]
    assert section(given(), "Published tables").rows[-1][-1] == "as today"


def test_a_section_without_rows_says_none_in_every_form() -> None:
    report = build_report(nothing_yet())
    assert any(found.columns and not found.rows for found in report.sections)
    for found in report.sections:
        shown = replace(report, sections=(found,))
        if found.columns and not found.rows:
            assert "None." in render(shown, "md").split("\n## ")[1], found.title
            assert "<p>None.</p>" in render(shown, "html").split("<main>")[1], found.title


def test_all_forms_carry_the_digest_that_the_json_form_proves() -> None:
    report = build_report(given(), report_id=4)
    document = json.loads(render(report, "json"))
    del document["digest"], document["report_id"]
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == report.digest
    assert report.digest in render(report, "md")
    assert render(report, "html").count(report.digest) == 2, (
        "on the screen and at the foot of each printed page"
    )


def test_the_number_of_a_report_is_no_part_of_its_digest_but_every_fact_is() -> None:
    plain = build_report(given())
    assert build_report(given(), report_id=9).digest == plain.digest
    assert build_report(given(accounts=accounts(row_batches=()))).digest != plain.digest


def test_a_report_from_before_digests_says_so() -> None:
    old = replace(build_report(given()), digest="", evidence={})
    assert "Digest (SHA-256): `none`" in render(old, "md")


def test_nothing_but_a_digest_gets_into_the_styles() -> None:
    page = render(replace(build_report(given()), digest='"; } </style><script>'), "html")
    assert "<script" not in page
    assert page.count("</style>") == 1


def test_the_evidence_is_the_accounts_to_the_last_digit() -> None:
    long = Decimal("90071992547409930.0123456789")
    facts = given(accounts=accounts(money_totals=(money_account(bronze=long, silver=long),)))
    plain = json.loads(json.dumps(build_report(facts).evidence))
    assert from_plain(Accounts, plain["accounts"]) == facts.accounts


def test_the_evidence_holds_no_float() -> None:
    def floats(value: object) -> list[float]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in floats(item)]
        if isinstance(value, list):
            return [found for item in value for found in floats(item)]
        return [value] if isinstance(value, float) else []

    assert floats(to_plain(build_report(given(mends=(mend(),))))) == []


def test_the_sample_is_called_synthetic_in_every_form() -> None:
    facts = given()
    report = build_report(replace(facts, workspace=replace(facts.workspace, sample=True)))
    assert "Synthetic data" in render(report, "md")
    assert "Synthetic data" in render(report, "html")
    assert json.loads(render(report, "json"))["sample"] is True


def test_an_unknown_form_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="md, html, json"):
        render(build_report(given()), "pdf")
