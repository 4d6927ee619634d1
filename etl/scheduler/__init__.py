"""When runs begin by themselves: cron ticks and arriving files, on APScheduler's threads.

One Scheduler per process; the caller sees to that. It asks for runs, it never executes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from etl.errors import MetaLayerError
from etl.ledger import SCHEDULED, Ledger, PipelineState
from etl.model import Schedule, Trigger
from etl.scheduler.arrivals import Watch
from etl.scheduler.cron import next_due, parse_cron
from etl.scheduler.ticks import RequestRun, Ticks

__all__ = ["RequestRun", "Scheduler", "next_due", "parse_cron"]

log = logging.getLogger(__name__)

RESOURCES_SECONDS = 5.0
"""How often the machine's load is sampled."""

RETRY_SECONDS = 5.0
"""How soon a tick is tried again whose run could not be queued."""

STOP_SECONDS = 5.0
"""How long `stop` waits for a callback that is at work."""


class Scheduler:
    """Asks for runs when a schedule comes due and when a file has arrived."""

    def __init__(  # noqa: PLR0913  its surroundings: handed over once, at start-up
        self,
        ledger: Ledger,
        landing_roots: Callable[[], Sequence[Path]],
        patterns: Sequence[str] | Callable[[], Sequence[str]],
        request: RequestRun,
        clock: Callable[[], datetime],
        poll_seconds: float = 1.0,
        settle_seconds: float = 2.0,
        resources: Callable[[], object] | None = None,
        *,
        known: Callable[[Path], bool] | None = None,
        cron: str | None = None,
        on_tick: Callable[[], object] | None = None,
        may_ask: Callable[[], bool] = lambda: True,
    ) -> None:
        """`patterns` may be asked for anew at each look: a source can be added while the engine lives.

        `cron` is what the settings say of the orchestrator; None leaves what the ledger holds.

        `on_tick` is done at every due time, also of a schedule that is paused.

        `may_ask` tells whether this process still holds the lease: a tick belongs to the engine that does.

        `known` tells which of the files that lie there at the start bring nothing new.
        Raises SettingsError for a cron line that is none.
        """
        if cron:
            parse_cron(cron)
        self._ledger = ledger
        self._ticks = Ticks(ledger, request, clock)
        asked = patterns if callable(patterns) else lambda: patterns
        self._watch = Watch(landing_roots, asked, settle_seconds, known)
        self._request = request
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._resources = resources
        self._cron = cron
        self._on_tick = on_tick
        self._may_ask = may_ask
        self._blind = False  # whether arrivals could not be looked for the last time
        self._lock = threading.RLock()
        self._jobs: BackgroundScheduler | None = None
        self._in_force: dict[str, PipelineState] = {}

    def start(self) -> None:
        """Write down what was missed, ask for the run that makes up for it, and begin. Again: no effect."""
        with self._lock:
            if self._jobs is not None:
                return
            self._ledger.begin_schedules()
            for state in self._scheduled():
                self._ticks.catch_up(state, parse_cron(state.cron))
            if self._cron is not None:  # only now: what was missed came due under the line before
                self._ledger.set_cron(SCHEDULED, self._cron)
            self._jobs = _background()
            self._add_intervals(self._jobs)
            self._load()
            self._jobs.start()

    def stop(self) -> None:
        """No new callback begins; waits for those at work, but not for ever. Again: no effect."""
        jobs, self._jobs = self._jobs, None
        if jobs is None:
            return
        jobs.shutdown(wait=False)
        if self._lock.acquire(timeout=STOP_SECONDS):
            self._lock.release()

    @property
    def alive(self) -> bool:
        """Whether schedules and arrivals are being watched."""
        jobs = self._jobs
        return jobs is not None and jobs.running

    def reload(self) -> None:
        """Take up a changed cron line or pause; what came due before is settled under the line before."""
        with self._lock:
            for name in list(self._in_force):
                self._settle(name)
            self._load()

    def schedules(self) -> tuple[Schedule, ...]:
        """The pipelines that have a cron line, with the next due time of each that is not paused."""
        return tuple(
            Schedule(state.name, state.cron, state.paused, self._next(state)) for state in self._scheduled()
        )

    def next_due(self, pipeline: str) -> datetime | None:
        """When this pipeline runs by itself next; None when it is paused or has no cron line."""
        due = {schedule.pipeline: schedule.next_due for schedule in self.schedules()}
        return due.get(pipeline)

    def _next(self, state: PipelineState) -> datetime | None:
        return None if state.paused else next_due(parse_cron(state.cron), self._clock())

    def _scheduled(self) -> list[PipelineState]:
        return [state for state in self._ledger.pipelines().values() if state.cron]

    def _load(self) -> None:
        self._in_force = {state.name: state for state in self._scheduled()}
        if self._jobs is None:
            return
        for job in self._jobs.get_jobs():
            if job.id.startswith("tick "):
                job.remove()
        for state in self._in_force.values():
            self._jobs.add_job(self._tick, parse_cron(state.cron), args=[state.name], id=f"tick {state.name}")

    def _add_intervals(self, jobs: BackgroundScheduler) -> None:
        jobs.add_job(self._look, IntervalTrigger(seconds=self._poll_seconds, timezone=UTC), id="arrivals")
        if self._resources is not None:
            every = IntervalTrigger(seconds=RESOURCES_SECONDS, timezone=UTC)
            jobs.add_job(self._resources, every, id="resources")

    def _tick(self, pipeline: str) -> None:
        with self._lock:
            jobs = self._jobs
            if jobs is None or not self._may_ask():
                return
            try:
                self._settle(pipeline)
            except MetaLayerError as error:
                log.warning("The tick of %s is tried again in %s s: %s", pipeline, RETRY_SECONDS, error)
                _retry(jobs, pipeline)
        self._examine()

    def _examine(self) -> None:
        if self._on_tick is None:
            return
        try:
            self._on_tick()
        except MetaLayerError as error:  # what it looks at is looked at again at the next tick
            log.warning("What the tick examines could not be examined: %s", error)

    def _settle(self, pipeline: str) -> None:
        """Give every due time up to now its outcome, under the line in force and the pause of this moment."""
        state = self._in_force.get(pipeline)
        if state is not None:
            paused = self._ledger.pipelines()[pipeline].paused
            now = PipelineState(state.name, paused, state.cron, state.since)
            self._ticks.settle(now, parse_cron(state.cron))

    def _look(self) -> None:
        try:
            news = self._watch.look(time.monotonic())
        except MetaLayerError as error:
            if not self._blind:  # said once, not every second
                log.warning("Arriving files are looked for again in a moment: %s", error)
            self._blind = True
            return
        self._blind = False
        with self._lock:
            if not news or self._jobs is None or not self._may_ask():
                return
            try:
                self._request(SCHEDULED, trigger=Trigger.ARRIVAL)
                self._watch.announce(news)
            except MetaLayerError as error:
                log.warning("%d arrived files are told of again in a moment: %s", len(news), error)


def _retry(jobs: BackgroundScheduler, pipeline: str) -> None:
    # The job itself comes early: on a stop, APScheduler's own thread trips over jobs that run only once.
    soon = datetime.now(UTC) + timedelta(seconds=RETRY_SECONDS)
    with suppress(JobLookupError):  # stopped or rescheduled in this moment
        jobs.modify_job(f"tick {pipeline}", next_run_time=soon)


def _background() -> BackgroundScheduler:
    # APScheduler tells at INFO of every poll, at WARNING of a poll that took longer than a second.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # A late callback is still made, once; it finds all that came due by itself.
    return BackgroundScheduler(
        timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    )
