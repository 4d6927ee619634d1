"""The validation report: what the replaced system printed, computed instead of claimed."""

from __future__ import annotations

from typing import Any

from etl.facts import Report, ReportSection
from etl.report import figures, flow, running
from etl.report.given import Measure, ReportInput
from etl.report.render import render
from etl.wire import from_plain, to_plain

__all__ = ["Measure", "ReportInput", "build_report", "render", "report_from_dict", "report_to_dict"]


def build_report(given: ReportInput, report_id: int = 0) -> Report:
    """The report on these facts; the ledger gives it its number."""
    verdict = given.verdict
    return Report(
        report_id=report_id,
        run_id=given.run_id,
        version=given.workspace.version,
        made_at=given.now,
        ready=verdict.ready,
        headline=verdict.headline,
        rests_on=_rests_on(given),
        why_not=verdict.reasons if not verdict.ready else (),
        sections=tuple(_sections(given)),
        next_due=given.next_due,
        sample=given.workspace.sample,
    )


def report_to_dict(report: Report) -> dict[str, Any]:
    """The report as plain JSON values, as the ledger keeps it."""
    plain: dict[str, Any] = to_plain(report)
    return plain


def report_from_dict(plain: dict[str, Any]) -> Report:
    """The report that the ledger kept. Raises ValueError when it is not one."""
    return from_plain(Report, plain)


def _sections(given: ReportInput) -> list[ReportSection]:
    """In the order a reader asks: can I use it, what is there, does it add up, how does it run, what now."""
    return [
        flow.summary(given),
        flow.schemas(given),
        *flow.layer_tables(given),
        flow.retention(given),
        flow.row_accounts(given),
        flow.money_accounts(given),
        flow.gold_against_silver(given),
        flow.freshness(given),
        running.pipelines(given),
        running.tasks(given),
        figures.regional(given),
        figures.products(given),
        figures.volumes(given),
        figures.quality(given),
        figures.not_passed(given),
        figures.completeness(given),
        figures.uniqueness(given),
        figures.quarantine(given),
        running.services(given),
        running.stage_timings(given),
        running.resources(given),
        running.issues_found(given),
        running.issues_resolved(given),
        running.verdict(given),
        running.next_validation(given),
    ]


def _rests_on(given: ReportInput) -> tuple[str, ...]:
    """What the verdict was taken from, each with how much of it there was."""
    rows, amounts = given.accounts.row_totals, given.accounts.money_totals
    return (
        given.verdict.detail,
        f"Row accounts: {sum(a.closes for a in rows)} of {len(rows)} close.",
        f"Money accounts: {sum(a.closes for a in amounts)} of {len(amounts)} close.",
        f"Tables: {sum(t.version > 0 for t in given.tables)} of {len(given.tables)} published, "
        f"{sum(t.stale for t in given.tables)} stale.",
    )
