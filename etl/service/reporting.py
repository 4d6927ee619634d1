"""The validation report: made at the end of each orchestrator run, kept, rendered."""

from __future__ import annotations

import platform
from dataclasses import replace

from etl import plan as planning
from etl.contracts.fingerprint import RULES_VERSION
from etl.declared import Layer
from etl.errors import UsageError
from etl.facts import (
    Report,
    ReportSummary,
    Rows,
)
from etl.model import Published, Run, RunState
from etl.report import Definition, ReportInput, build_report, report_from_dict, report_to_dict
from etl.report.given import Measure
from etl.report.render import render
from etl.service.querying import Querying
from etl.service.reading import Reading
from etl.service.watching import Watching
from etl.sights import attention

MOST_BATCHES = 1_000_000
MOST_MENDS = 10_000
MOST_DRIFT = 1_000


class Reporting(Reading, Querying, Watching):
    """Reports of this workspace."""

    def report(self, report_id: int | None = None) -> Report | None:
        """A kept report; the newest without an id. Raises UsageError for an unknown id."""
        kept = self._ledger.report(report_id)
        if kept is None:
            if report_id is not None:
                raise UsageError(f"There is no report {report_id}.", "See `report list` for the kept ones.")
            return None
        return replace(report_from_dict(kept["body"]), report_id=kept["report_id"])

    def reports(self, limit: int = 50) -> tuple[ReportSummary, ...]:
        """Kept reports, newest first."""
        return tuple(self._ledger.reports(limit))

    def report_text(self, report_id: int | None, form: str) -> str:
        """A kept report as "md", "html" or "json"; "" while none is kept."""
        found = self.report(report_id)
        return render(found, form) if found else ""

    def _keep_report(self, run: Run) -> None:
        """A report is made at the end of each orchestrator run, however it ended."""
        self.examine_watched(run.run_id)
        if run.pipeline == planning.INIT and run.state is RunState.SUCCEEDED:
            self._ledger.set_paused(planning.INIT, True)
        if run.pipeline != planning.MASTER:
            return
        report = build_report(self._report_input(run.run_id))
        self._ledger.save_report(
            run.run_id, report.version, report.made_at, report.ready, report.headline, report_to_dict(report)
        )

    def _report_input(self, run_id: int) -> ReportInput:
        standing = self._standing()
        return ReportInput(
            run_id=run_id, now=self._clock(), workspace=self.workspace(), verdict=standing.verdict,
            layers=standing.layers, tables=standing.tables, checks=standing.checks, accounts=standing.accounts,
            sources=standing.sources, pipelines=self.pipelines(), runs=tuple(self._ledger.runs(20)),
            timings=self.timings(20), system=self.system(), reasons=self.quarantine_reasons(),
            regional=self._gold("gold.customer_analytics"), products=self._gold("gold.product_analytics"),
            batches=standing.batches, attention=attention(standing), completeness=self._completeness(),
            next_due=self._next_due(planning.MASTER), unreadable=self.unreadable_reasons(),
            withdrawn=self._withdrawn(), mends=self._ledger.mends(MOST_MENDS),
            drift=self.drift(limit=MOST_DRIFT), incidents=self.incidents(),
            definitions=self._definitions(), published=self._stands(),
            rules_version=RULES_VERSION, python=platform.python_version(),
        )  # fmt: skip

    def _withdrawn(self) -> frozenset[str]:
        marks = "select distinct batch_id from bronze._marks where kind = 'withdraw' and lifted_at is null"
        return frozenset(batch_id for (batch_id,) in self._warehouse.query(marks, limit=MOST_BATCHES).rows)

    def _definitions(self) -> tuple[Definition, ...]:
        """Contracts in the order of the catalog, then what is made by them and by gold files."""
        contracts = self.catalog.contracts
        made = [table for table in self.catalog.tables.values() if table.layer is not Layer.BRONZE]
        return tuple(
            [Definition(c.source, c.file, c.version, c.fingerprint) for c in contracts.values()]
            + [
                Definition(t.name, t.file, contracts[t.source].version if t.source else "", t.fingerprint)
                for t in made
            ]
        )

    def _stands(self) -> tuple[Published, ...]:
        published = self._warehouse.published()
        return tuple(published[name] for name in self.catalog.tables if name in published)

    def _gold(self, table: str) -> Rows | None:
        if table not in self._warehouse.published() or table not in self.catalog.tables:
            return None
        order = [name for name in ("total_revenue",) if name in self._column_names(table)]
        return self.rows(table, order_by=[f"-{name}" for name in order])

    def _completeness(self) -> tuple[Measure, ...]:
        measures = []
        for table in self.catalog.layer(Layer.SILVER):
            if table.name not in self._warehouse.published():
                continue
            names = [name for name in self._column_names(table.name) if not name.startswith("_")]
            counted = ", ".join(f'count("{name}")' for name in names)
            schema, short = table.name.split(".", 1)
            row = self._warehouse.query(f'select count(*), {counted} from {schema}."{short}"').rows[0]  # noqa: S608
            measures += [
                Measure(table.name, name, row[0], filled) for name, filled in zip(names, row[1:], strict=True)
            ]
        return tuple(measures)
