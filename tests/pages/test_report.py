"""Report, over the real engine."""

from __future__ import annotations

import json

from etl.facts import Accounts
from etl.service import Service
from etl.wire import from_plain
from tests.pages.screens import Page
from tests.workspaces import run


def test_without_a_run_there_is_no_report_and_the_page_says_how_to_get_one(
    page: Page, empty: Service
) -> None:
    screen = page("report")
    assert "No report yet" in screen.text
    assert not screen.keys("download_button")


def test_the_kept_report_shows_its_verdict_sections_and_what_it_rests_on(
    page: Page, healthy: Service
) -> None:
    kept = healthy.report()
    assert kept is not None
    screen = page("report")
    assert screen.verdicts == [kept.headline]
    assert screen.tones == ["passed"]
    for sentence in kept.rests_on:
        assert sentence in screen.text
    for section in kept.sections:
        assert section.title in screen.text
    assert "448,428.24" in screen.text, "the figures of the regions"


def test_the_report_can_be_taken_away_in_three_forms(page: Page, healthy: Service) -> None:
    assert page("report").keys("download_button") == ["report-md", "report-html", "report-json"]


def test_a_blocked_run_keeps_a_report_that_says_why_not(page: Page, blocked: Service) -> None:
    kept = blocked.report()
    assert kept is not None
    screen = page("report")
    assert not kept.ready
    assert screen.tones == ["failed"]
    for reason in kept.why_not:
        assert reason in screen.text


def test_a_past_report_can_be_picked_and_linked_to(page: Page, blocked: Service) -> None:
    first = blocked.report(1)
    assert first is not None
    assert page("report", report="1").verdicts == [first.headline]
    screen = page("report")
    screen.app.selectbox(key="report-id").set_value(1).run()
    assert screen.verdicts == [first.headline]


def test_a_newer_run_shows_the_newest_report(page: Page, blocked: Service) -> None:
    before = len(blocked.reports())
    run(blocked)
    newest = blocked.reports()[0]
    assert len(blocked.reports()) == before + 1
    assert f"Run {newest.run_id}" in page("report").text


def test_a_report_with_warnings_is_ready_but_not_green(page: Page, mixed: Service) -> None:
    assert page("report").tones == ["warned"]


def test_the_digest_on_the_screen_is_that_of_every_form(page: Page, mixed: Service) -> None:
    kept = mixed.report()
    assert kept is not None
    assert kept.digest in page("report").text
    for form in ("md", "html", "json"):
        assert kept.digest in mixed.report_text(kept.report_id, form)


def test_the_json_form_can_be_read_again_and_has_the_figures_of_the_accounts(mixed: Service) -> None:
    evidence = json.loads(mixed.report_text(None, "json"))["evidence"]
    assert in_order(from_plain(Accounts, evidence["accounts"])) == in_order(mixed.accounts())
    assert {file["path"]: file["sha256"] for file in evidence["files"]} == {
        batch.path: batch.sha256 for batch in mixed.batches()
    }
    assert [(c["check"], c["examined"], c["failing"]) for c in evidence["checks"]] == [
        (c.check, c.result.examined, c.result.failing) for c in mixed.checks()
    ]


def in_order(found: Accounts) -> dict[str, object]:
    """Every record of the accounts; in which order they come is not promised."""
    return {
        name: sorted(map(repr, part)) if isinstance(part, tuple) else part
        for name, part in vars(found).items()
    }


def test_nothing_is_unexplained_and_an_empty_section_says_none(page: Page, mixed: Service) -> None:
    text = page("report").text
    assert "Unexplained: 0 lines, 0 rows, 0.00 USD." in text
    assert "Nobody has mended anything. None." in text


def test_a_refused_file_is_in_the_report_with_its_reason(mixed: Service) -> None:
    kept = mixed.report()
    assert kept is not None
    (files,) = (section for section in kept.sections if section.title == "Files")
    states = {row[0]: row[-1] for row in files.rows}
    assert states["erp/erp_sales.csv"] == "landed"
    assert states["erp/erp_sales_3.csv"] == f"refused: {mixed.accounts().refused[0].reason}"
