"""How the pipelines are scheduled: paused or not, their cron, and the ticks that came due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from etl.errors import UsageError
from etl.ledger.records import PipelineState, all_columns, columns_of, tick_of, values_of
from etl.ledger.store import Store, distinct
from etl.ledger.tables import pipelines, ticks
from etl.model import PIPELINES, Tick, TickOutcome
from etl.settings import DEFAULT_SCHEDULE

SCHEDULED = "master_etl_orchestrator"
"""The one pipeline that has a schedule by default."""

_CLAIMED = "claimed"  # a tick whose run is being asked for: it has an owner, but no outcome yet


class Pipelines(Store):
    """One row per pipeline that differs from its default, one per tick."""

    def pipelines(self) -> dict[str, PipelineState]:
        """The five pipelines, in the order of `PIPELINES`."""
        with self._reading() as connection:
            return {name: _pipeline(connection, name) for name in PIPELINES}

    def set_paused(self, pipeline: str, paused: bool) -> None:
        """Pause or resume a schedule; what is asked for by hand still runs. Raises UsageError."""
        with self._writing(durable=True) as connection:
            _keep(connection, pipeline, paused=paused)

    def set_cron(self, pipeline: str, cron: str) -> None:
        """Schedule a pipeline from now on ("" for never). The same cron again changes nothing.

        The caller has validated `cron` with `etl.scheduler.parse_cron`. Raises UsageError.
        """
        with self._writing(durable=True) as connection:
            if _pipeline(connection, pipeline).cron != cron:
                _keep(connection, pipeline, cron=cron, since=self._clock())

    def begin_schedules(self) -> None:
        """Put in force every cron that no scheduler has seen yet: nothing before now counts as missed."""
        with self._writing(durable=True) as connection:
            for name in PIPELINES:
                state = _pipeline(connection, name)
                if state.cron and state.since is None:
                    _keep(connection, name, since=self._clock())

    def record_tick(
        self,
        pipeline: str,
        due_at: datetime,
        outcome: TickOutcome,
        run_id: int | None = None,
        reason: str = "",
        count: int = 1,
        last_due_at: datetime | None = None,
    ) -> bool:
        """Write the outcome of a due time. False, and nothing written, when it has one already."""
        return self.record_ticks([Tick(pipeline, due_at, outcome, run_id, reason, count, last_due_at)]) == 1

    def record_ticks(self, found: Sequence[Tick]) -> int:
        """Write the outcomes of due times that have none yet, in one transaction; how many were written."""
        with self._writing(durable=True) as connection:
            new = [tick for tick in found if not _recorded(connection, tick)]
            if new:
                connection.execute(ticks.insert(), all_columns(new, ticks, recorded_at=self._clock()))
            return len(new)

    def claim_tick(self, pipeline: str, due_at: datetime) -> bool:
        """Take a due time for oneself before asking for its run. False when it is taken or has its outcome."""
        claim = Tick(pipeline, due_at, TickOutcome.MISSED, None, "")
        with self._writing(durable=True) as connection:
            if _recorded(connection, claim):
                return False
            row = columns_of(claim, ticks) | {"outcome": _CLAIMED, "recorded_at": self._clock()}
            connection.execute(ticks.insert().values(**row))
            return True

    def claimed_tick(self, pipeline: str) -> datetime | None:
        """The newest due time that was claimed and never settled: its engine died in between."""
        claims = sa.select(sa.func.max(ticks.c.due_at)).where(ticks.c.outcome == _CLAIMED)
        with self._reading() as connection:
            due_at: datetime | None = connection.scalar(claims.where(ticks.c.pipeline == pipeline))
            return due_at

    def settle_tick(
        self, pipeline: str, due_at: datetime, outcome: TickOutcome, run_id: int | None, reason: str
    ) -> bool:
        """Write the outcome of a claimed due time. False, and nothing written, when another engine has settled it."""
        this = (ticks.c.pipeline == pipeline) & (ticks.c.due_at == due_at)
        settled = ticks.update().where(this, ticks.c.outcome == _CLAIMED)
        with self._writing(durable=True) as connection:
            values = {"outcome": outcome, "run_id": run_id, "reason": reason}
            return connection.execute(settled.values(**values)).rowcount == 1

    def ticks(self, limit: int = 50) -> tuple[Tick, ...]:
        """Latest due first."""
        settled = sa.select(ticks).where(ticks.c.outcome != _CLAIMED)
        newest = settled.order_by(ticks.c.due_at.desc()).limit(limit)
        with self._reading() as connection:
            found = [
                tick_of(row)
                for pipeline in distinct(connection, ticks.c.pipeline)
                for row in connection.execute(newest.where(ticks.c.pipeline == pipeline))
            ]
        return tuple(sorted(found, key=lambda tick: tick.due_at, reverse=True)[:limit])

    def last_due(self, pipeline: str) -> datetime | None:
        """The latest due time that has an outcome or a claim."""
        with self._reading() as connection:
            latest = sa.select(sa.func.max(ticks.c.due_at)).where(ticks.c.pipeline == pipeline)
            due_at: datetime | None = connection.scalar(latest)
            return due_at

    def last_tick(self, pipeline: str) -> Tick | None:
        """The latest due time of a pipeline that has an outcome."""
        mine = sa.select(ticks).where(ticks.c.pipeline == pipeline, ticks.c.outcome != _CLAIMED)
        with self._reading() as connection:
            row = connection.execute(mine.order_by(ticks.c.due_at.desc()).limit(1)).first()
            return None if row is None else tick_of(row)


def _pipeline(connection: sa.Connection, name: str) -> PipelineState:
    if name not in PIPELINES:
        raise UsageError(f"There is no pipeline {name!r}.", f"There are: {', '.join(PIPELINES)}.")
    row = connection.execute(sa.select(pipelines).where(pipelines.c.name == name)).first()
    if row is None:
        return PipelineState(name, paused=False, cron=DEFAULT_SCHEDULE if name == SCHEDULED else "")
    return PipelineState(**values_of(row, PipelineState))


def _keep(connection: sa.Connection, name: str, **changed: object) -> None:
    state = _pipeline(connection, name)
    row = {"name": name, "paused": state.paused, "cron": state.cron, "since": state.since} | changed
    connection.execute(pipelines.delete().where(pipelines.c.name == name))
    connection.execute(pipelines.insert().values(**row))


def _recorded(connection: sa.Connection, tick: Tick) -> bool:
    this = (ticks.c.pipeline == tick.pipeline) & (ticks.c.due_at == tick.due_at)
    return connection.execute(sa.select(ticks.c.tick_id).where(this)).first() is not None
