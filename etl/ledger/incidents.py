"""Days that people marked as incidents of a source: what arrived then is left out of its usual volume."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from etl.ledger.records import values_of
from etl.ledger.store import Store
from etl.ledger.tables import audit, incidents
from etl.volume import Incident


class Incidents(Store):
    """Marks on days; setting one and taking it back goes on the audit trail in the same transaction."""

    def mark_incident(self, source: str, day: date, reason: str, by: str) -> Incident:
        """Mark a day (UTC); marked again, the new reason stands."""
        incident = Incident(source, day, reason, by, self._clock())
        with self._writing(durable=True) as connection:
            connection.execute(incidents.delete().where(_is(source, day)))
            connection.execute(incidents.insert().values(**vars(incident)))
            connection.execute(
                audit.insert().values(
                    at=incident.at,
                    who=by,
                    what="mark_incident",
                    detail=f"{source} {day.isoformat()}: {reason}",
                )
            )
        return incident

    def unmark_incident(self, source: str, day: date, by: str) -> bool:
        """Take a mark back; False when there is none."""
        with self._writing(durable=True) as connection:
            if not connection.execute(incidents.delete().where(_is(source, day))).rowcount:
                return False
            connection.execute(
                audit.insert().values(
                    at=self._clock(), who=by, what="unmark_incident", detail=f"{source} {day.isoformat()}"
                )
            )
        return True

    def incidents(self) -> tuple[Incident, ...]:
        """Newest day first."""
        query = sa.select(incidents).order_by(incidents.c.day.desc(), incidents.c.source)
        with self._reading() as connection:
            return tuple(Incident(**values_of(row, Incident)) for row in connection.execute(query))


def _is(source: str, day: date) -> sa.ColumnElement[bool]:
    return (incidents.c.source == source) & (incidents.c.day == day)
