"""Gives every due time of a schedule exactly one outcome, however late, often or seldom anyone looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

from etl.ledger import Ledger, PipelineState
from etl.model import Run, Tick, TickOutcome, Trigger
from etl.scheduler.cron import due_times

KEPT = 1000
"""So many due times are written one by one; older ones of the same absence become one row."""

FOREIGN_FOR = timedelta(seconds=30)
"""So long a claim of another engine is left to it."""

NOT_QUEUED = "The engine stopped before it could queue the run."
BUSY = "The engine was busy or asleep."
NO_ENGINE = "No engine was running."
PAUSED = "The schedule is paused."


class RequestRun(Protocol):
    """How a run is asked for; True when it is new, False when it was queued already."""

    def __call__(self, pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]: ...


class Ticks:
    """Due times follow from the cron line and the last recorded one, not from how often one is called."""

    def __init__(self, ledger: Ledger, request: RequestRun, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._request = request
        self._clock = clock
        self._claimed: dict[str, datetime] = {}
        self._asked: dict[str, datetime] = {}  # when the run of a claimed tick was first asked for
        self._foreign: dict[
            tuple[str, datetime], datetime
        ] = {}  # claims of others, and when they were first seen

    def settle(self, state: PipelineState, trigger: CronTrigger) -> None:
        """The latest due time starts a run, those before it were missed; while paused all are skipped.

        When the run cannot be queued for now, the error passes through and the next call tries again.
        """
        self._go_on(state.name)
        self._settle_foreign(state.name)
        due = self._unrecorded(state, trigger)
        if not due:
            return
        if state.paused:
            self._ledger.record_ticks(_ticks(state.name, due, TickOutcome.SKIPPED, PAUSED))
            return
        *earlier, latest = _ticks(state.name, due, TickOutcome.MISSED, BUSY)
        self._ledger.record_ticks(earlier)
        # Whoever makes the claim owns the tick: a second callback or process finds it made.
        self._claimed[state.name] = latest.due_at  # already now: the answer may be lost, and the claim made
        if self._ledger.claim_tick(state.name, latest.due_at):
            self._start_claimed(state.name)
        else:
            del self._claimed[state.name]

    def _settle_foreign(self, pipeline: str) -> None:
        """A claim that is not one's own was made by an engine that lost the lease in that moment.

        It may be about to tell what became of it, and is given time to.
        """
        claimed = self._ledger.claimed_tick(pipeline)
        if claimed is None or claimed == self._claimed.get(pipeline):
            return
        seen_at = self._foreign.setdefault((pipeline, claimed), self._clock())
        if self._clock() - seen_at >= FOREIGN_FOR:
            self._ledger.settle_tick(pipeline, claimed, TickOutcome.MISSED, None, NOT_QUEUED)

    def catch_up(self, state: PipelineState, trigger: CronTrigger) -> None:
        """What came due while no engine lived was missed; one run makes up for it, unless paused."""
        due = self._unrecorded(state, trigger)
        cut_off = self._ledger.claimed_tick(state.name)
        if not due and cut_off is None:
            return
        # The run is queued first: a crash in between leads to the same queued run again, never to none.
        made_up = PAUSED if state.paused else self._make_up(state.name)
        self._ledger.record_ticks(_ticks(state.name, due, TickOutcome.MISSED, f"{NO_ENGINE} {made_up}"))
        if cut_off is not None:
            reason = f"{NOT_QUEUED} {made_up}"
            self._ledger.settle_tick(state.name, cut_off, TickOutcome.MISSED, None, reason)

    def _make_up(self, pipeline: str) -> str:
        run, _ = self._request(pipeline, trigger=Trigger.CATCH_UP)
        return f"Run {run.run_id} makes up for it."

    def _go_on(self, pipeline: str) -> None:
        """With a tick that was claimed, or was about to be, when the ledger did not answer."""
        if pipeline not in self._claimed:
            return
        if self._ledger.claimed_tick(pipeline) == self._claimed[pipeline]:
            self._start_claimed(pipeline)
        else:  # never claimed, or settled and only the answer lost
            self._forget(pipeline)

    def _start_claimed(self, pipeline: str) -> None:
        run, created = self._asked_before(pipeline) or self._request_noted(pipeline)
        outcome = TickOutcome.STARTED if created else TickOutcome.JOINED
        self._ledger.settle_tick(pipeline, self._claimed[pipeline], outcome, run.run_id, "")
        self._forget(pipeline)

    def _request_noted(self, pipeline: str) -> tuple[Run, bool]:
        self._asked.setdefault(pipeline, self._clock())
        return self._request(pipeline, trigger=Trigger.SCHEDULE)

    def _asked_before(self, pipeline: str) -> tuple[Run, bool] | None:
        """The run of this tick that was asked for when the answer was lost. It may be at work by now, or have ended."""
        since = self._asked.get(pipeline)
        if since is None:
            return None
        for run in self._ledger.runs():
            if (run.pipeline, run.trigger) == (pipeline, Trigger.SCHEDULE) and run.requested_at >= since:
                return run, True
        return None

    def _forget(self, pipeline: str) -> None:
        del self._claimed[pipeline]
        self._asked.pop(pipeline, None)

    def _unrecorded(self, state: PipelineState, trigger: CronTrigger) -> list[tuple[datetime, datetime, int]]:
        known = [moment for moment in (state.since, self._ledger.last_due(state.name)) if moment]
        return _grouped(due_times(trigger, max(known), self._clock())) if known else []


def _grouped(due: Iterable[datetime]) -> list[tuple[datetime, datetime, int]]:
    """(first, last, count): the newest KEPT one by one, all older ones together in front of them."""
    newest: deque[datetime] = deque(maxlen=KEPT)
    first = last = None
    count = 0
    for moment in due:
        if len(newest) == KEPT:
            last = newest[0]
            first = first or last
            count += 1
        newest.append(moment)
    older = [(first, last, count)] if first and last else []
    return older + [(moment, moment, 1) for moment in newest]


def _ticks(
    pipeline: str, due: Iterable[tuple[datetime, datetime, int]], outcome: TickOutcome, reason: str
) -> list[Tick]:
    return [
        Tick(pipeline, first, outcome, None, reason, count, last if count > 1 else None)
        for first, last, count in due
    ]
