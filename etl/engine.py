"""The engine: takes queued runs one at a time, executes them, and reconciles what a crash left behind."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from etl.errors import LeaseLost, LedgerUnavailable, MetaLayerError, WarehouseUnavailable
from etl.execution import Ended, Execution
from etl.model import Run, RunState
from etl.tools import Tools

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 5.0  # with a task, before it is broken off
BREAKING_OFF = 3  # tries, a second each


class Engine:
    """One per process. `work` may be called by one thread at a time."""

    def __init__(
        self,
        tools: Tools,
        logs: Path,
        before_run: Callable[[], None] = lambda: None,
        after_run: Callable[[Run], None] = lambda run: None,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_work` tells whether this process holds the lease."""
        self.tools = tools
        self._may_work = may_work
        self._before_run = before_run
        self._after_run = after_run
        self._logs = logs
        self._fence: int | None = None  # None: nobody else can work here
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._working = threading.Lock()
        self._thread: threading.Thread | None = None
        self._claim_in_doubt = False
        self._end: tuple[int, RunState, str, int | None] | None = None  # of the last run, until it is written

    def take_over(
        self,
        note: Callable[[int], None] = lambda fence: None,
        ask_again: Callable[[Run], None] = lambda run: None,
    ) -> int:
        """Prepare the warehouse, take the fencing number, and end what an earlier engine left unfinished.

        `note` writes the number down in the ledger: from then on an earlier engine can claim no run there.
        `ask_again` is given each run that is about to be told as interrupted.
        """
        if not self._working.acquire(timeout=PATIENCE_SECONDS):
            raise WarehouseUnavailable("A run of before is still being broken off.", "It is tried again.")
        try:
            self.tools.warehouse.prepare(list(self.tools.catalog.contracts.values()))
            fence = self.tools.warehouse.take_fence()
            self._require_ours()
            note(fence)
            self._fence = fence
            self._reconcile(ask_again)
            self._claim_in_doubt = False
            self._stopping.clear()
        finally:
            self._working.release()
        return fence

    def _reconcile(self, ask_again: Callable[[Run], None]) -> None:
        """The ledger is a copy: a run that published silver or gold has succeeded, any other unfinished one not."""
        with self.tools.warehouse.session() as session:
            published = dict(
                session.rows(
                    "select run_id, max(version) from bronze._publications "
                    "where not starts_with(table_name, 'bronze.') group by run_id"
                )
            )
            highest = session.rows("select coalesce(max(run_id), 0) from bronze._publications")[0][0]
        for run in self.tools.ledger.unfinished():
            # Read first, checked then: while the fence is ours, nobody after us can have begun what was read.
            self._require_ours()
            if run.run_id in published:
                self.tools.ledger.mark_succeeded(run.run_id, int(published[run.run_id]))
            else:
                # Asked for first: a crash in between leads to the same queued run again, never to none.
                ask_again(run)
                self.tools.ledger.interrupt(run.run_id, "The process ended while the run was at work.")
        self.tools.ledger.raise_run_ids(int(highest))

    def _require_ours(self) -> None:
        """Raises LeaseLost when another may have taken over, also while this process was frozen."""
        if not (self._may_work() and self.tools.warehouse.holds_fence):
            raise LeaseLost("Another engine has taken over.", "What is at work is its own.")

    def start(self) -> None:
        """Work on queued runs in a thread of its own until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._loop, name="metalayer-engine", daemon=True)
        self._thread.start()

    def stop(self, patience_seconds: float = PATIENCE_SECONDS) -> bool:
        """Let a running task end; one that takes longer is broken off and rolled back. True when all has ended."""
        self._stopping.set()
        self._wake.set()
        thread = self._thread
        if thread is None:
            return True
        thread.join(patience_seconds)
        for _ in range(BREAKING_OFF):
            if not thread.is_alive():
                break
            self.tools.warehouse.interrupt()  # again: the first may have come between two statements
            thread.join(1.0)
        if thread.is_alive():
            return False
        self._thread = None
        return True

    @property
    def alive(self) -> bool:
        """Whether the engine's thread works."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Look at the queue now instead of at the next poll."""
        self._wake.set()

    def _loop(self) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                worked = self.work_one()
            except MetaLayerError as fault:  # the ledger is out of reach for now: /readyz tells; tried again
                if str(fault) != told:
                    self.log(told := str(fault))
                worked = None
            except (
                Exception
            ):  # a fault of ours must not leave an engine that looks alive and never works again
                self.log(traceback.format_exc())
                worked = None
            if worked is None:
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()

    def work_one(self, on_progress: Callable[[], None] = lambda: None) -> Run | None:
        """Execute the oldest queued run to its end; None when nothing is queued or another is at work."""
        with self._working:
            if not self._may_work():
                return None
            self._write_end()
            run = self._claimed()
            if run is None:
                return None
            self._end = (run.run_id, *self._execute(run, on_progress))
            self._write_end()
            ended = self.tools.ledger.run(run.run_id)
        try:
            self._after_run(ended)
        except Exception as fault:  # the run itself has ended; what follows it must not undo that
            self.log(f"after run {run.run_id}: {fault}\n{traceback.format_exc()}")
        return ended

    def _claimed(self) -> Run | None:
        """The next run. One that was claimed when the answer was lost is at work in the ledger, and nowhere else."""
        if self._claim_in_doubt:
            at_work = self.tools.ledger.unfinished()
            if not self._may_work():
                return None
            if self._fence is not None:
                self._require_ours()  # as of a later moment than the reading: what is at work was claimed under it
            self._claim_in_doubt = False
            if at_work:
                return at_work[0]
        try:
            return self.tools.ledger.claim_next(self._fence)
        except LedgerUnavailable:
            self._claim_in_doubt = True
            raise

    def _write_end(self) -> None:
        """Tell the ledger how the last run ended. It stays to be told until it could be: one run at a time."""
        if self._end is not None:
            if (
                self.tools.ledger.run(self._end[0]).state is RunState.RUNNING
            ):  # else it was told, and the answer lost
                self.tools.ledger.finish_run(*self._end)
            self._end = None

    def _execute(self, run: Run, on_progress: Callable[[], None]) -> Ended:
        version = None
        try:
            self._before_run()
            execution = Execution(run, self.tools, on_progress, self._stopping.is_set)
            try:
                return execution.go()
            finally:
                version = execution.version
        except MetaLayerError as fault:
            return RunState.FAILED, str(fault), version
        except Exception as fault:  # a fault of ours ends this run, not the engine; the trace goes to the log
            self.log(traceback.format_exc())
            told = f"Unexpected: {type(fault).__name__}: {fault}. The trace is in {self._logs}."
            return RunState.FAILED, told, version

    def log(self, text: str) -> None:
        """A line for whoever looks into what went on."""
        stamp = self.tools.clock().isoformat(timespec="seconds")
        with suppress(OSError):  # a full disk must not end the engine
            self._logs.mkdir(parents=True, exist_ok=True)
            with (self._logs / "engine.log").open("a", encoding="utf-8") as log:
                log.write(f"{stamp} {text.rstrip()}\n")
