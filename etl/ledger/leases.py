"""Who holds the engine lease, written down for people. What decides it is a lock, not this."""

from __future__ import annotations

import sqlalchemy as sa

from etl.ledger.records import LeaseEntry, values_of
from etl.ledger.store import Store
from etl.ledger.tables import lease

_ENGINE = lease.c.name == "engine"


class Leases(Store):
    """The one row of the engine."""

    def note_lease(self, holder: str, address: str, fence: int) -> None:
        """Write down that `holder` (`host:pid`) has the lease from now on."""
        with self._writing() as connection:
            connection.execute(lease.delete().where(_ENGINE))
            connection.execute(
                lease.insert().values(
                    name="engine", holder=holder, address=address, fence=fence, taken_at=self._clock()
                )
            )

    def release_lease(self, holder: str) -> None:
        """Write down that `holder` let go of it. No effect when another has it by now."""
        mine = lease.update().where(_ENGINE, lease.c.holder == holder, lease.c.released_at.is_(None))
        with self._writing() as connection:
            connection.execute(mine.values(released_at=self._clock()))

    def lease(self) -> LeaseEntry | None:
        """Who had it last; None when nobody ever had."""
        with self._reading() as connection:
            row = connection.execute(sa.select(lease).where(_ENGINE)).first()
            return None if row is None else LeaseEntry(**values_of(row, LeaseEntry))
