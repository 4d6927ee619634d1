"""How everything stands: cheap to ask, any page may."""

from __future__ import annotations

from etl import system as systems
from etl.facts import (
    Accounts,
    BatchFacts,
    CheckFacts,
    Finding,
    LayerFacts,
    PipelineFacts,
    RunList,
    Sight,
    SourceFacts,
    StageTiming,
    SystemFacts,
    TableFacts,
    Verdict,
    Workspace,
)
from etl.model import PIPELINES, Run, Tick
from etl.service.base import DIRTY, Base
from etl.sights import attention


class Reading(Base):
    """Facts about what is published, what ran and what is there."""

    def workspace(self) -> Workspace:
        """Which workspace this is."""
        published = self._warehouse.published()
        return Workspace(
            sample=self.settings.sample,
            dirty_loaded=self.settings.sample and self._ledger.marks().get(DIRTY) == "on",
            landing=str(self.settings.landing),
            state=str(self.settings.state),
            warehouse=self._warehouse.address,
            ledger=self.settings.ledger,
            version=self._warehouse.version(),
            published_at=max((stands.published_at for stands in published.values()), default=None),
            problems=self._catalog_problems,
        )

    def verdict(self) -> Verdict:
        """Whether the numbers can be trusted."""
        return self._standing().verdict

    def layers(self) -> tuple[LayerFacts, ...]:
        """Bronze, silver, gold."""
        return self._standing().layers

    def tables(self) -> tuple[TableFacts, ...]:
        """Every declared table, in topological order."""
        return self._standing().tables

    def attention(self) -> tuple[Sight, ...]:
        """What needs a person, worst first."""
        return attention(self._standing())

    def checks(self) -> tuple[CheckFacts, ...]:
        """Every check with the result that stands."""
        return self._standing().checks

    def accounts(self) -> Accounts:
        """The accounts of what is published."""
        return self._standing().accounts

    def sources(self) -> tuple[SourceFacts, ...]:
        """Every contract and what has come in under it."""
        return self._standing().sources

    def batches(self, source: str = "", limit: int = 200) -> tuple[BatchFacts, ...]:
        """Newest first."""
        found = [batch for batch in self._standing().batches if source in ("", batch.source)]
        return tuple(found[:limit])

    def pipelines(self) -> tuple[PipelineFacts, ...]:
        """The five pipelines."""
        states, last = self._ledger.pipelines(), self._ledger.last_runs()
        facts = []
        for name, title in PIPELINES.items():
            state = states.get(name)
            cron = state.cron if state else ""
            run, count = last.get(name, (None, 0))
            facts.append(
                PipelineFacts(
                    name, title, bool(state and state.paused), cron, self._next_due(name), run, count
                )
            )
        return tuple(facts)

    def runs(self, limit: int = 50) -> RunList:
        """Newest first, with the one at work and those in the queue."""
        return RunList(tuple(self._ledger.runs(limit)), self.active_run(), tuple(self._ledger.queued()))

    def run(self, run_id: int) -> Run:
        """One run with its tasks and attempts. Raises UsageError for an unknown one."""
        return self._ledger.run(run_id)

    def active_run(self) -> Run | None:
        """The run at work, or else the first in the queue."""
        return self._ledger.active_run()

    def ticks(self, limit: int = 50) -> tuple[Tick, ...]:
        """What became of the last due times of the schedules, newest first."""
        return tuple(self._ledger.ticks(limit))

    def timings(self, limit: int = 20) -> tuple[StageTiming, ...]:
        """Stage timings of the last runs, newest first."""
        return tuple(self._ledger.timings(limit))

    def system(self) -> SystemFacts:
        """Services, sizes and resources."""
        return systems.facts(self._parts(), self._watch, self._started_at)

    def doctor(self) -> tuple[Finding, ...]:
        """What was looked at and found, worst first."""
        return systems.findings(self._parts(), self.landing_roots(), self.catalog)

    def readiness(self) -> dict[str, str]:
        """For /readyz: each part with "ok" or what is wrong. Paths and secrets stay out."""
        return systems.readiness(self._parts())
