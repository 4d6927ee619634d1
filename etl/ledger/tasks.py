"""Tasks and attempts: the steps of a run as they begin, are tried again and end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from etl.errors import LeaseLost, LedgerError
from etl.ledger.records import NewTask, all_columns
from etl.ledger.store import Store, distinct
from etl.ledger.tables import attempts, runs, tasks
from etl.model import RunState, TaskState


class Tasks(Store):
    """One row per step of a run, one per try at it.

    All that writes raises LeaseLost when the run has ended meanwhile: another engine took over and closed its tasks.
    """

    def plan_tasks(self, run_id: int, steps: Sequence[NewTask]) -> tuple[int, ...]:
        """Write down steps of a run, all pending, after those it has; their task ids, in the same order."""
        with self._writing() as connection:
            _must_be_at_work(connection, run_id)
            mine = tasks.c.run_id == run_id
            last = connection.scalar(sa.select(sa.func.max(tasks.c.position)).where(mine)) or 0
            rows = all_columns(steps, tasks, run_id=run_id, state=TaskState.PENDING, message="")
            for position, row in enumerate(rows, start=last + 1):
                row["position"] = position
            if rows:
                connection.execute(tasks.insert(), rows)
            added = sa.select(tasks.c.task_id).where(mine, tasks.c.position > last).order_by(tasks.c.position)
            return tuple(connection.scalars(added))

    def start_task(self, task_id: int) -> int:
        """Begin the next attempt at a task; its number, from 1."""
        with self._writing_task(task_id) as connection:
            now = self._clock()
            started = sa.func.coalesce(tasks.c.started_at, now, type_=tasks.c.started_at.type)
            _set(connection, task_id, state=TaskState.RUNNING, started_at=started)
            tried = sa.select(sa.func.count()).where(attempts.c.task_id == task_id)
            number = int(connection.scalar(tried) or 0) + 1
            connection.execute(
                attempts.insert().values(
                    task_id=task_id, number=number, state=TaskState.RUNNING, started_at=now, error=""
                )
            )
            return number

    def retry_task(self, task_id: int, error: str) -> None:
        """End the attempt as failed; the task waits to be tried again."""
        with self._writing_task(task_id) as connection:
            self._end_attempt(connection, task_id, TaskState.FAILED, error)
            _set(connection, task_id, state=TaskState.UP_FOR_RETRY, message=error)

    def finish_task(self, task_id: int, state: TaskState, rows: int | None = None, message: str = "") -> None:
        """End a task and its attempt as succeeded or failed; `message` is the error of a failed one."""
        with self._writing_task(task_id) as connection:
            self._end_attempt(connection, task_id, state, message if state == TaskState.FAILED else "")
            _set(connection, task_id, state=state, rows=rows, message=message, finished_at=self._clock())

    def skip_task(self, task_id: int, message: str) -> None:
        """End a task that cannot be done, whether it was begun or not; the message says why."""
        with self._writing_task(task_id) as connection:
            self._end_attempt(connection, task_id, TaskState.SKIPPED, "")
            _set(connection, task_id, state=TaskState.SKIPPED, message=message, finished_at=self._clock())

    def last_task_states(self) -> dict[str, tuple[TaskState, str]]:
        """Per qualified table, the state and message of its newest task."""
        found = tasks.c
        newest = sa.select(found.state, found.message).order_by(found.task_id.desc()).limit(1)
        states: dict[str, tuple[TaskState, str]] = {}
        with self._reading() as connection:
            for table in distinct(connection, found.table):
                row = connection.execute(newest.where(found.table == table)).one()
                states[table] = (TaskState(row.state), row.message)
        states.pop("", None)  # named steps
        return states

    def failed_tables(self) -> frozenset[str]:
        """Tables whose newest task failed or was skipped, qualified."""
        not_built = (TaskState.FAILED, TaskState.SKIPPED)
        return frozenset(table for table, (state, _) in self.last_task_states().items() if state in not_built)

    @contextmanager
    def _writing_task(self, task_id: int) -> Iterator[sa.Connection]:
        """A transaction on a task of a run that is still at work."""
        with self._writing() as connection:
            run_id = connection.scalar(sa.select(tasks.c.run_id).where(tasks.c.task_id == task_id))
            if run_id is None:
                raise LedgerError(f"There is no task {task_id}.")
            _must_be_at_work(connection, run_id)
            yield connection

    def _end_attempt(self, connection: sa.Connection, task_id: int, state: TaskState, error: str) -> None:
        connection.execute(
            attempts.update()
            .where(attempts.c.task_id == task_id, attempts.c.finished_at.is_(None))
            .values(state=state, finished_at=self._clock(), error=error)
        )


def _must_be_at_work(connection: sa.Connection, run_id: int) -> None:
    state = connection.scalar(sa.select(runs.c.state).where(runs.c.run_id == run_id))
    if state is None:
        raise LedgerError(f"There is no run {run_id}.")
    if state != RunState.RUNNING:
        raise LeaseLost(
            f"Run {run_id} is {state}: another engine ended it, so its tasks are closed.",
            "Its work goes on in a later run.",
        )


def _set(connection: sa.Connection, task_id: int, **values: object) -> None:
    connection.execute(tasks.update().where(tasks.c.task_id == task_id).values(**values))
