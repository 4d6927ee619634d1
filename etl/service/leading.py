"""The life of a process on its workspace: whether it holds the engine lease, and what it does then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from etl import plan as planning
from etl.errors import LeaseLost, MetaLayerError, WarehouseUnavailable
from etl.lease import Keeper, holder_name, lease_of
from etl.model import Run, RunState, Trigger
from etl.patience import patiently
from etl.scheduler import Scheduler
from etl.service.asking import Asking
from etl.service.watching import Watching

FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)
POLL_SECONDS = 0.05
RERUNS = 3  # in a row: what ends its process each time is left to the schedule


class Leading(Watching, Asking):
    """Of those that share a ledger, one runs and schedules; the others show everything and hand requests over."""

    _lives = False
    _fence = 0

    def begin(self, wait_seconds: float) -> None:
        """Take the lease where it is free. Raises WarehouseUnavailable where the workspace has room for one alone."""
        self.keeper = Keeper(
            lease_of(self.settings),
            gained=self._gained,
            lost=self._lost,
            still_ours=lambda: self._warehouse.holds_fence,
            tell=self.engine.log,
        )
        give_up_at = time.monotonic() + wait_seconds
        while not self.keeper.take() and not self.settings.on_postgres:
            if time.monotonic() >= give_up_at:
                self.keeper.stop()
                raise WarehouseUnavailable(
                    f"The ledger {self.settings.ledger} is in use by another engine.",
                    "Wait until it has finished, or stop it.",
                )
            time.sleep(POLL_SECONDS)

    def live(self) -> None:
        """Work as long as this process lives: with the lease as the engine, without it as one that stands by."""
        assert self.keeper is not None  # noqa: S101 - for mypy: `begin` comes first
        self._lives = True
        if self.keeper.holds:
            self._note_lease(self._fence)
            self._work()
        self.keeper.want()

    def _gained(self) -> None:
        """What was left unfinished is put right. Raises MetaLayerError, and then another may try."""
        if not self.engine.stop():
            raise WarehouseUnavailable("A run of before is still being broken off.", "It is tried again.")
        if self._lives:
            self._fence = self.engine.take_over(self._note_lease, self._ask_again)
        else:  # whether it will live is not known yet, a command does not
            self._fence = self.engine.take_over(self._note_lease)
        self._cache = None
        if self._lives:
            self._work()

    def _note_lease(self, fence: int) -> None:
        host, port = (os.environ.get(name, "") for name in ("METALAYER_HOST", "METALAYER_PORT"))
        address = f"http://{host}:{port}" if self._lives and port else ""
        self._ledger.note_lease(holder_name(), address, fence)

    def _work(self) -> None:
        known = self._known_files()  # before the engine takes what is queued
        self._run_again()
        self.engine.start()
        self.scheduler = Scheduler(
            self._ledger,
            self.landing_roots,
            lambda: [contract.pattern for contract in self.catalog.contracts.values()],
            self._requested,
            self._clock,
            resources=self._watch.sample,
            cron=self.settings.schedule,
            known=known,
            on_tick=self.examine_watched,
            may_ask=self.may_work,
        )
        self.scheduler.start()

    def _lost(self) -> None:
        """Another may work now: nothing more is begun, and what is at work is broken off."""
        scheduler, self.scheduler = self.scheduler, None
        if scheduler is not None:
            scheduler.stop()
        self.engine.stop(patience_seconds=0.0)
        self._warehouse.let_go()
        self._cache = None

    def _run_again(self) -> None:
        """Also for what a stop, a command or a start that was itself cut off had interrupted: the ledger knows."""
        for run in self._ledger.left_off():
            self._ask_again(run)

    def _ask_again(self, run: Run) -> None:
        """Ask anew for what was left unfinished, unless it was interrupted each of the last times."""
        if run.cancel_requested:
            return
        same = self._ledger.of_same_wish(run.run_id, RERUNS)
        ended = [found.state is RunState.INTERRUPTED or found.run_id == run.run_id for found in same]
        if len(same) == RERUNS and all(ended):
            return
        self._ledger.request(
            run.pipeline, run.targets, full=run.full, downstream=run.downstream, from_run=run.from_run,
            trigger=Trigger.CATCH_UP, by=f"take-over after run {run.run_id}",
        )  # fmt: skip

    def close(self) -> None:
        """Stop the scheduler, let the engine end its task, and let go of lease, warehouse and ledger."""
        if self.scheduler is not None:
            self.scheduler.stop()
        self.engine.stop()
        if self.keeper is not None:
            held = self.keeper.holds
            self.keeper.stop()
            if held:
                with suppress(MetaLayerError):  # it is free all the same
                    self._ledger.release_lease(holder_name())
        self._warehouse.close()
        self._ledger.close()

    def work(self, run_id: int) -> Run:
        """Work off the queue in this thread until that run has ended, or wait while another process does."""
        while True:
            run = patiently(lambda: self._worked(run_id), seconds=self.engine.tools.retry.patience_seconds)
            if run.state in FINISHED:
                return run

    def _worked(self, run_id: int) -> Run:
        run = self._ledger.run(run_id)
        if run.state not in FINISHED:
            if self.keeper is not None and not self.keeper.take():
                time.sleep(4 * POLL_SECONDS)
            elif self.engine.work_one() is None:
                time.sleep(POLL_SECONDS)
        return run

    def _requested(self, pipeline: str, trigger: Trigger) -> tuple[Run, bool]:
        if not self.may_work():
            raise LeaseLost("Another process has the lease.", "It asks for the run.")
        self._request_schemas_once()
        run, created = self._ledger.request(
            pipeline, (pipeline,), full=False, downstream=False, from_run=None, trigger=trigger, by=""
        )
        self.engine.wake()
        return run, created

    def _known_files(self) -> Callable[[Path], bool]:
        """Tells of a file that lies there at the start whether a run has seen it so, or is about to."""
        if any(planning.MASTER in (run.pipeline, *run.targets) for run in self._ledger.queued()):
            return lambda _: True
        shapes = {arrival.shape for arrival in self._warehouse.arrivals()}

        def known(path: Path) -> bool:
            try:
                stat = path.stat()
            except OSError:  # gone again: nothing to ask a run for
                return True
            roots = [root for root in self.landing_roots() if path.is_relative_to(root)]
            names = [path.relative_to(root).as_posix() for root in roots]
            return any((name, stat.st_size, stat.st_mtime_ns) in shapes for name in names)

        return known
