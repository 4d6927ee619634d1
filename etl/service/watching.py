"""What arrives: how its columns differ, days marked as incidents, and the checks that the clock alone can change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

from etl.drift import Drift
from etl.errors import UsageError
from etl.model import CheckResult, CheckState
from etl.service.base import Base
from etl.standing import Standing
from etl.volume import Incident, SourceVolume
from etl.warehouse.columns import drift

MOST_REASON = 500  # characters


class Watching(Base):
    """Freshness, volume, columns and incidents of the sources."""

    def drift(self, source: str = "", limit: int = 200) -> tuple[Drift, ...]:
        """Columns that were not as agreed or not as before, of the newest files first. Raises UsageError."""
        if source:
            self._contract(source)
        with self._warehouse.session() as session:
            return drift(session, source, limit)

    def volumes(self) -> tuple[SourceVolume, ...]:
        """Rows per batch of every source, and what is expected of its next one."""
        return self._standing().volumes

    def incidents(self) -> tuple[Incident, ...]:
        """Days that were marked, newest first."""
        return self._ledger.incidents()

    def mark_incident(self, source: str, day: date, reason: str, by: str = "") -> Incident:
        """Leave the files that arrived on a day (UTC) out of what is usual for a source. Raises UsageError."""
        self._contract(source)
        today = self._clock().astimezone(UTC).date()
        if day > today:
            raise UsageError(
                f"{day.isoformat()} has not come yet; today is {today.isoformat()}.", "Name a past day."
            )
        reason = " ".join(reason.split())
        if not reason:
            raise UsageError("An incident needs a reason.", "Say in a few words what happened that day.")
        if len(reason) > MOST_REASON:
            raise UsageError(
                f"The reason has {len(reason)} characters.", f"Say it in {MOST_REASON} or fewer."
            )
        return self._ledger.mark_incident(source, day, reason, by)

    def unmark_incident(self, source: str, day: date, by: str = "") -> None:
        """Take a mark back. Raises UsageError when that day is not marked."""
        if not self._ledger.unmark_incident(source, day, by):
            raise UsageError(
                f"{day.isoformat()} is not marked as an incident of {source}.",
                "The Checks tab of Quality lists those that are.",
            )

    def examine_watched(self, run_id: int = 0) -> int:
        """Examine anew what arrives, and keep each result that is another than the last kept; returns how many."""
        with self._watching:
            self._cache = None  # the clock has moved, whatever else has not
            standing = self._standing()
            news = [
                replace(facts.result, run_id=run_id)
                for facts in standing.watched
                if _is_news(facts.result, standing)
            ]
            self._ledger.save_checks(news)
            return len(news)


def _is_news(result: CheckResult, standing: Standing) -> bool:
    """Whether it says something else than the last one kept, or of newer files."""
    before = standing.results.get((result.table, result.check))
    if before is None:
        return result.state is not CheckState.UNEXAMINED
    if (result.state, result.failing) != (before.state, before.failing):
        return True
    stands = standing.published.get(result.table)
    return result.examined > 0 and stands is not None and stands.version > before.version
