"""The validation report as an evidence pack: what the replaced system printed, computed instead of claimed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from etl.facts import Report, ReportSection
from etl.report import balance, figures, flow, pack, proof, running
from etl.report.given import Definition, Measure, ReportInput
from etl.report.render import render
from etl.wire import from_plain, to_plain

__all__ = [
    "Definition",
    "Measure",
    "ReportInput",
    "build_report",
    "render",
    "report_from_dict",
    "report_to_dict",
]


def build_report(given: ReportInput, report_id: int = 0) -> Report:
    """The report on these facts, with its digest; the ledger gives it its number."""
    verdict = given.verdict
    report = Report(
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
        evidence=pack.evidence(given),
    )
    return replace(report, digest=pack.digest(report))


def report_to_dict(report: Report) -> dict[str, Any]:
    """The report as the ledger keeps it: packed, for one is kept with each run and says much the same each time."""
    return pack.packed(to_plain(report))


def report_from_dict(kept: dict[str, Any]) -> Report:
    """The report that the ledger kept, packed or not. Raises ValueError when it is none."""
    return from_plain(Report, pack.unpacked(kept))


def _sections(given: ReportInput) -> list[ReportSection]:
    """In the order a reader asks: can I use it, does it add up, what was examined, what is there, how does it run."""
    return [*_trusted(given), *_set_aside(given), *_made(given), *_business(given), *_running(given)]


def _trusted(given: ReportInput) -> list[ReportSection]:
    return [
        flow.summary(given),
        balance.unexplained(given),
        proof.unexamined(given),
        flow.schemas(given),
        *flow.layer_tables(given),
        flow.retention(given),
        balance.line_accounts(given),
        balance.row_accounts(given),
        balance.money_accounts(given),
        flow.gold_against_silver(given),
        flow.freshness(given),
        figures.quality(given),
        figures.not_passed(given),
        proof.every_check(given),
        proof.queries(given),
        figures.completeness(given),
        figures.uniqueness(given),
    ]


def _set_aside(given: ReportInput) -> list[ReportSection]:
    return [
        proof.quarantine(given),
        proof.unreadable(given),
        proof.mends(given),
        proof.drift(given),
        proof.incidents(given),
    ]


def _made(given: ReportInput) -> list[ReportSection]:
    return [
        proof.files(given),
        proof.definitions(given),
        proof.published(given),
        proof.stale(given),
        proof.software(given),
    ]


def _business(given: ReportInput) -> list[ReportSection]:
    return [figures.regional(given), figures.products(given), figures.volumes(given)]


def _running(given: ReportInput) -> list[ReportSection]:
    return [
        running.pipelines(given),
        running.tasks(given),
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
        *balance.left_over(given),
        f"Row accounts: {sum(a.closes for a in rows)} of {len(rows)} close.",
        f"Money accounts: {sum(a.closes for a in amounts)} of {len(amounts)} close.",
        f"Tables: {sum(t.version > 0 for t in given.tables)} of {len(given.tables)} published, "
        f"{sum(t.stale for t in given.tables)} stale.",
    )
