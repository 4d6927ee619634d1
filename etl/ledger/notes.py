"""Kept validation reports, marks on the workspace and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from etl.facts import ReportSummary
from etl.ledger.records import AuditEntry, by_name, values_of
from etl.ledger.store import Store
from etl.ledger.tables import audit, marks, reports


class Notes(Store):
    """Reports, marks, audit."""

    def save_report(
        self,
        run_id: int,
        version: int,
        made_at: datetime,
        ready: bool,
        headline: str,
        body: Mapping[str, Any],
    ) -> int:
        """Keep a report; its id. `body` is what JSON can hold; decimals, dates and times become text."""
        with self._writing() as connection:
            report_id = connection.scalar(
                reports.insert()
                .values(
                    run_id=run_id,
                    version=version,
                    made_at=made_at,
                    ready=ready,
                    headline=headline,
                    body=dict(body),
                )
                .returning(reports.c.report_id)
            )
            return int(report_id or 0)

    def report(self, report_id: int | None = None) -> dict[str, Any] | None:
        """That report, or the newest; None without one.

        Keys: report_id, run_id, version, made_at, ready, headline, body.
        """
        query = sa.select(reports).order_by(reports.c.report_id.desc()).limit(1)
        if report_id is not None:
            query = query.where(reports.c.report_id == report_id)
        with self._reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else dict(by_name(row))

    def reports(self, limit: int = 50) -> tuple[ReportSummary, ...]:
        """Newest first."""
        shown = [column for column in reports.c if column.name != "body"]
        query = sa.select(*shown).order_by(reports.c.report_id.desc()).limit(limit)
        with self._reading() as connection:
            return tuple(ReportSummary(**values_of(row, ReportSummary)) for row in connection.execute(query))

    def mark(self, name: str, value: str) -> None:
        """Set a mark, such as `dirty_sample` to `on`."""
        with self._writing() as connection:
            connection.execute(marks.delete().where(marks.c.name == name))
            connection.execute(marks.insert().values(name=name, value=value))

    def marks(self) -> dict[str, str]:
        """All marks by name."""
        with self._reading() as connection:
            return {row.name: row.value for row in connection.execute(sa.select(marks))}

    def audit(self, who: str, what: str, detail: str = "") -> None:
        """Write down what a person did."""
        with self._writing(durable=True) as connection:
            connection.execute(audit.insert().values(at=self._clock(), who=who, what=what, detail=detail))

    def audit_trail(self, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Newest first."""
        query = sa.select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
        with self._reading() as connection:
            return tuple(AuditEntry(**values_of(row, AuditEntry)) for row in connection.execute(query))
