"""Report, over the real engine."""

from __future__ import annotations

from etl.service import Service
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
