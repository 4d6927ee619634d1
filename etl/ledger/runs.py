"""Runs: the queue, the one that works, and how they end."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from etl.errors import LeaseLost, LedgerError, UsageError
from etl.ledger.records import run_of, with_tasks
from etl.ledger.store import Store
from etl.ledger.tables import attempts, lease, marks, runs, tasks
from etl.model import LAYER_PIPELINE, Run, RunState, TaskState, Trigger

# Written out, not bound: only then does the database see that its index on the few queued runs will do.
_QUEUED = runs.c.state == sa.literal(RunState.QUEUED, sa.String, literal_execute=True)
_RUNNING = runs.c.state == sa.literal(RunState.RUNNING, sa.String, literal_execute=True)
_OLDEST_FIRST = (
    runs.c.run_id + 0
)  # the sum keeps SQLite from walking through all runs in the order of their key
_RUN_IDS_ABOVE = "run_ids_above"
_UNFINISHED_TASKS = (TaskState.PENDING, TaskState.RUNNING, TaskState.UP_FOR_RETRY)


class Runs(Store):
    """One row per run. Ids rise and are never used again."""

    def request(
        self,
        pipeline: str,
        targets: Sequence[str],
        *,
        full: bool = False,
        downstream: bool = False,
        from_run: int | None = None,
        trigger: Trigger = Trigger.MANUAL,
        by: str = "",
    ) -> tuple[Run, bool]:
        """Queue a run, or find the queued one that was asked for in the same words; True when it is new.

        Raises UsageError when `from_run` is unknown.
        """
        key = _request_key(pipeline, targets, full, downstream, from_run)
        with self._writing(durable=True) as connection:
            same = sa.select(runs).where(_QUEUED, runs.c.request_key == key)
            queued = connection.execute(same).first()
            if queued is not None:
                return with_tasks(connection, [run_of(queued)])[0], False
            if from_run is not None:
                _row(connection, from_run)
            run_id = _next_run_id(connection)
            connection.execute(
                runs.insert().values(
                    run_id=run_id,
                    pipeline=pipeline,
                    targets=list(targets),
                    full=full,
                    downstream=downstream,
                    from_run=from_run,
                    trigger=trigger,
                    requested_by=by,
                    request_key=key,
                    state=RunState.QUEUED,
                    requested_at=self._clock(),
                    error="",
                    cancel_requested=False,
                )
            )
            return run_of(_row(connection, run_id)), True

    def raise_run_ids(self, above: int) -> None:
        """Give new runs ids above this one: a warehouse may know runs of a ledger that was lost."""
        with self._writing(durable=True) as connection:
            if _run_ids_above(connection) < above:
                connection.execute(marks.delete().where(marks.c.name == _RUN_IDS_ABOVE))
                connection.execute(marks.insert().values(name=_RUN_IDS_ABOVE, value=str(above)))

    def claim_next(self, fence: int | None = None) -> Run | None:
        """Set the oldest queued run to running. None when one is running already or none waits.

        Raises LeaseLost when a newer engine than that with this fencing number has noted its lease.
        """
        with self._writing(durable=True) as connection:
            newest = connection.scalar(sa.select(lease.c.fence)) if fence is not None else None
            if newest is not None and fence is not None and newest > fence:
                raise LeaseLost(
                    "Another engine has taken over this ledger.", "This one may run nothing more."
                )
            if connection.execute(sa.select(runs.c.run_id).where(_RUNNING)).first():
                return None
            oldest = sa.select(runs.c.run_id).where(_QUEUED).order_by(_OLDEST_FIRST).limit(1)
            run_id = connection.scalar(oldest)
            if run_id is None:
                return None
            _set(connection, run_id, state=RunState.RUNNING, started_at=self._clock())
            return run_of(_row(connection, run_id))

    def finish_run(self, run_id: int, state: RunState, error: str = "", version: int | None = None) -> None:
        """End a running run. Tasks it left open end too. Raises LedgerError when it is not running."""
        with self._writing(durable=True) as connection:
            found = _row(connection, run_id).state
            if found != RunState.RUNNING:
                raise LedgerError(f"Run {run_id} is {found}, not running, so it cannot end as {state}.")
            self._end(connection, run_id, state, error, version)
            self._close_tasks(connection, run_id, TaskState.FAILED, error or f"The run ended: {state}.")

    def interrupt(self, run_id: int, reason: str) -> None:
        """End a run whose engine died; its open tasks fail. No effect on a run that has ended."""
        with self._writing(durable=True) as connection:
            if _unfinished(_row(connection, run_id)):
                self._end(connection, run_id, RunState.INTERRUPTED, reason, None)
                self._close_tasks(connection, run_id, TaskState.FAILED, reason)

    def mark_succeeded(self, run_id: int, version: int) -> None:
        """End a run whose engine died after it had published `version`. No effect on a run that has ended."""
        with self._writing(durable=True) as connection:
            if _unfinished(_row(connection, run_id)):
                self._end(connection, run_id, RunState.SUCCEEDED, "", version)
                note = f"Version {version} was published before the engine stopped."
                self._close_tasks(connection, run_id, TaskState.SUCCEEDED, note)

    def cancel(self, run_id: int) -> None:
        """End a queued run at once; ask a running one to stop. No effect on a run that has ended.

        Raises UsageError when there is no such run.
        """
        with self._writing(durable=True) as connection:
            state = _row(connection, run_id).state
            if state == RunState.QUEUED:
                _set(connection, run_id, state=RunState.CANCELLED, finished_at=self._clock())
            elif state == RunState.RUNNING:
                _set(connection, run_id, cancel_requested=True)

    def cancel_requested(self, run_id: int) -> bool:
        """Whether a person asked this run to stop."""
        with self._reading() as connection:
            return bool(_row(connection, run_id).cancel_requested)

    def run(self, run_id: int) -> Run:
        """The run with tasks and attempts. Raises UsageError when there is none of this id."""
        with self._reading() as connection:
            return with_tasks(connection, [run_of(_row(connection, run_id))])[0]

    def runs(self, limit: int = 50) -> tuple[Run, ...]:
        """Newest first, with tasks and attempts."""
        return self._runs(sa.select(runs).order_by(runs.c.run_id.desc()).limit(limit))

    def left_off(self, among: int = 50) -> tuple[Run, ...]:
        """Of the newest runs, those that were interrupted and nobody has asked for again since, oldest first.

        One that a person had asked to stop is not among them.
        """
        newest = sa.select(sa.func.coalesce(sa.func.max(runs.c.run_id), 0)).scalar_subquery()
        later = runs.alias()
        again = sa.exists().where(later.c.request_key == runs.c.request_key, later.c.run_id > runs.c.run_id)
        cut_off = sa.select(runs).where(
            runs.c.run_id > newest - among,
            runs.c.state == RunState.INTERRUPTED,
            ~runs.c.cancel_requested,
            ~again,
        )
        return self._runs(cut_off.order_by(runs.c.run_id))

    def of_same_wish(self, run_id: int, limit: int) -> tuple[Run, ...]:
        """The newest runs up to this one, and this one, that were asked for in the same words; newest first."""
        key = sa.select(runs.c.request_key).where(runs.c.run_id == run_id).scalar_subquery()
        same = sa.select(runs).where(runs.c.request_key == key, runs.c.run_id <= run_id)
        return self._runs(same.order_by(runs.c.run_id.desc()).limit(limit))

    def active_run(self) -> Run | None:
        """The running run or else the one whose turn is next, with tasks and attempts."""
        running, queued = sa.select(runs).where(_RUNNING), sa.select(runs).where(_QUEUED)
        with self._reading() as connection:
            row = connection.execute(running).first()
            row = row or connection.execute(queued.order_by(_OLDEST_FIRST).limit(1)).first()
            return None if row is None else with_tasks(connection, [run_of(row)])[0]

    def queued(self) -> tuple[Run, ...]:
        """Those that wait, oldest first."""
        return self._runs(sa.select(runs).where(_QUEUED).order_by(_OLDEST_FIRST))

    def unfinished(self) -> tuple[Run, ...]:
        """Those that began and have not ended, oldest first. Queued ones just wait and are not among them."""
        return self._runs(sa.select(runs).where(_RUNNING).order_by(runs.c.run_id))

    def last_runs(self) -> dict[str, tuple[Run, int]]:
        """Per pipeline, the newest run (without tasks) and how many there were."""
        newest = sa.select(sa.func.max(runs.c.run_id).label("run_id"), sa.func.count().label("runs"))
        each = newest.group_by(runs.c.pipeline).subquery()
        query = sa.select(runs, each.c.runs.label("runs_of_pipeline")).join(
            each, each.c.run_id == runs.c.run_id
        )
        with self._reading() as connection:
            return {row.pipeline: (run_of(row), row.runs_of_pipeline) for row in connection.execute(query)}

    def _runs(self, query: sa.Select[tuple[object, ...]]) -> tuple[Run, ...]:
        with self._reading() as connection:
            found = [run_of(row) for row in connection.execute(query)]
            return with_tasks(connection, found)

    def _end(
        self, connection: sa.Connection, run_id: int, state: RunState, error: str, version: int | None
    ) -> None:
        _set(connection, run_id, state=state, error=error, version=version, finished_at=self._clock())

    def _close_tasks(self, connection: sa.Connection, run_id: int, begun: TaskState, message: str) -> None:
        """Those that had begun end as `begun`, those still pending are skipped."""
        now = self._clock()
        mine = tasks.c.run_id == run_id
        open_attempts = attempts.c.finished_at.is_(None) & attempts.c.task_id.in_(
            sa.select(tasks.c.task_id).where(mine)
        )
        connection.execute(
            attempts.update()
            .where(open_attempts)
            .values(state=begun, finished_at=now, error=_error(begun, message))
        )
        ended = sa.case((tasks.c.state == TaskState.PENDING, TaskState.SKIPPED), else_=begun)
        connection.execute(
            tasks.update()
            .where(mine, tasks.c.state.in_(_UNFINISHED_TASKS))
            .values(state=ended, message=message, finished_at=now)
        )


def _error(state: TaskState, message: str) -> str:
    return message if state == TaskState.FAILED else ""


def _request_key(
    pipeline: str, targets: Sequence[str], full: bool, downstream: bool, from_run: int | None
) -> str:
    # A pipeline, its layer and no target at all are three ways to say the same: everything in it.
    whole = {pipeline, *(layer for layer, name in LAYER_PIPELINE.items() if name == pipeline)}
    return json.dumps([pipeline, sorted(set(targets) - whole), full, downstream, from_run])


def _run_ids_above(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(marks.c.value).where(marks.c.name == _RUN_IDS_ABOVE)) or 0)


def _next_run_id(connection: sa.Connection) -> int:
    newest = connection.scalar(sa.select(sa.func.max(runs.c.run_id))) or 0
    return max(int(newest), _run_ids_above(connection)) + 1


def _row(connection: sa.Connection, run_id: int) -> sa.Row[tuple[object, ...]]:
    row = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).first()
    if row is None:
        raise UsageError(f"There is no run {run_id}.", "See ./metalayer runs for those there are.")
    return row


def _unfinished(row: sa.Row[tuple[object, ...]]) -> bool:
    return row.state in (RunState.QUEUED, RunState.RUNNING)


def _set(connection: sa.Connection, run_id: int, **values: object) -> None:
    connection.execute(runs.update().where(runs.c.run_id == run_id).values(**values))
