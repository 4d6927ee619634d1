"""What may be asked for: plans, runs, pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl import plan as planning
from etl.errors import UsageError
from etl.layers import bronze
from etl.model import PIPELINES, Plan, Run, Trigger
from etl.service.base import DIRTY, Base


class Asking(Base):
    """Requests; what they cause is done by the engine."""

    def plan(self, targets: Sequence[str] = (), *, full: bool = False, downstream: bool = False) -> Plan:
        """What a run would do and why; nothing is touched."""
        self._reread_catalog()
        selection = planning.select(self.catalog, targets, full=full, downstream=downstream)
        inventory = bronze.look(self.landing_roots(), self.catalog.contracts.values())
        arrivals, batches = self._warehouse.arrivals(), self._warehouse.batches()
        waiting = {
            f"bronze.{contract.bronze_table}": len(
                bronze.new_files(inventory.found[contract.source], contract, arrivals, batches)
            )
            for contract in self.catalog.contracts.values()
        }
        state = replace(
            planning.read_state(self.catalog, self._warehouse.published(), self._ledger, waiting),
            mends=planning.concerned(self.catalog, self._ledger.waiting_mends(), selection.tables),
        )
        return planning.make_plan(self.catalog, selection, state)

    def request_run(
        self, targets: Sequence[str] = (), *, full: bool = False, downstream: bool = False,
        from_run: int | None = None, trigger: Trigger = Trigger.MANUAL, by: str = "",
    ) -> Run:  # fmt: skip
        """Queue a run; a second request for the same queued one returns the same. Raises UsageError."""
        self._reread_catalog()
        if from_run is not None:
            label = self._continuable(from_run).pipeline
        else:
            label = planning.select(self.catalog, targets, full=full, downstream=downstream).pipeline
        self._request_schemas_once()
        run, _ = self._ledger.request(
            label, tuple(targets), full=full, downstream=downstream, from_run=from_run, trigger=trigger, by=by
        )
        self.engine.wake()
        return run

    def _continuable(self, run_id: int) -> Run:
        run = self._ledger.run(run_id)
        if not planning.continue_from(self.catalog, run).tables:
            raise UsageError(f"Run {run_id} left nothing undone.", "Start a new run instead.")
        return run

    def _request_schemas_once(self) -> None:
        """The schemas are there already; their pipeline still leaves one run to look at, and is then paused."""
        if planning.INIT not in self._ledger.last_runs():
            self._ledger.request(
                planning.INIT, (planning.INIT,), full=False, downstream=False, from_run=None,
                trigger=Trigger.MANUAL, by="first start",
            )  # fmt: skip

    def cancel(self, run_id: int) -> None:
        """Take a run out of the queue, or ask the one at work to stop at its next step; mends that wait for it go."""
        self._ledger.cancel(run_id)
        self._ledger.refuse_waiting(run_id, f"Run {run_id} was cancelled before it took this up.")

    def pause(self, pipeline: str, paused: bool) -> None:
        """Stop or resume a pipeline's schedule. Raises UsageError for an unknown one."""
        if pipeline not in PIPELINES:
            raise UsageError(f"There is no pipeline {pipeline!r}.", f"There are: {', '.join(PIPELINES)}.")
        self._ledger.set_paused(pipeline, paused)
        if self.scheduler is not None:
            self.scheduler.reload()

    def load_dirty_sample(self) -> Run:
        """Land the sample with faults on top of the clean one. Only in the sample workspace."""
        if not self.settings.sample:
            raise UsageError(
                "The dirty sample can be loaded only into the sample workspace.", "./metalayer up --sample"
            )
        self._ledger.mark(DIRTY, "on")
        return self.request_run()
