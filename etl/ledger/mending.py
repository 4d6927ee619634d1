"""Requests to mend: written by whoever asks, taken up by the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from etl.ledger.store import Store
from etl.ledger.tables import mends
from etl.mends import Mend, MendState
from etl.wire import from_plain, to_plain

MOST_NAMED = 1_000
IN_BODY = ("edits", "places", "unreadable", "rows")


class Mends(Store):
    """What people asked to mend and what became of it."""

    def request_mend(self, mend: Mend) -> None:
        """Write a request down; the next run of its source takes it up."""
        plain = to_plain(mend)
        body = {name: plain[name] for name in IN_BODY}
        kept = {name: plain[name] for name in ("mend_id", "kind", "source", "batch_id", "reason", "author")}
        with self._writing(durable=True) as connection:
            connection.execute(
                mends.insert().values(
                    **kept, body=body, requested_at=mend.requested_at, state=mend.state.value,
                    message=mend.message, run_id=mend.run_id,
                )
            )  # fmt: skip

    def waiting_mends(self) -> tuple[Mend, ...]:
        """Those no run has taken up yet, in the order they were asked for."""
        query = sa.select(mends).where(mends.c.state == MendState.WAITING.value).order_by(mends.c.position)
        with self._reading() as connection:
            return tuple(_mend(row) for row in connection.execute(query))

    def finish_mend(self, mend_id: str, state: MendState, message: str, run_id: int) -> None:
        """What became of a request."""
        with self._writing() as connection:
            connection.execute(
                mends.update()
                .where(mends.c.mend_id == mend_id)
                .values(state=state.value, message=message, run_id=run_id)
            )

    def assign_mend(self, mend_id: str, run_id: int) -> None:
        """The run that was asked for to take a request up; an earlier one may do it."""
        self._update(mends.c.mend_id == mend_id, run_id=run_id)

    def refuse_waiting(self, run_id: int, message: str) -> None:
        """Take back what waits for a run that will not come."""
        self._update(mends.c.run_id == run_id, state=MendState.REFUSED.value, message=message)

    def _update(self, condition: sa.ColumnElement[bool], **values: object) -> None:
        """Of those that still wait."""
        waiting = mends.c.state == MendState.WAITING.value
        with self._writing() as connection:
            connection.execute(mends.update().where(condition, waiting).values(**values))

    def mends(self, limit: int = 50) -> tuple[Mend, ...]:
        """Newest first. One of very many rows comes without them."""
        query = sa.select(mends).order_by(mends.c.position.desc()).limit(limit)
        with self._reading() as connection:
            found = [_mend(row) for row in connection.execute(query)]
        return tuple(
            mend if mend.rows <= MOST_NAMED else replace(mend, edits=(), places=()) for mend in found
        )


def _mend(row: sa.Row[Any]) -> Mend:
    named = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name for it
    body = named.pop("body")
    named.pop("position")
    requested_at = named.pop("requested_at")
    return from_plain(Mend, {**named, **body, "requested_at": requested_at.isoformat()})
