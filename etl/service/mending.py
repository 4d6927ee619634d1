"""Mending: what was set aside can be looked at, edited, replayed, discarded and taken back."""

from __future__ import annotations

from collections.abc import Sequence

from etl.errors import UsageError
from etl.mends import Aside, AsideRows, Edit, Mend, Preview, Requested, RowPlace
from etl.service.base import Base


class Mending(Base):
    """Requests go through the ledger to the engine, which takes them up at its next run, before it lands files."""

    def aside(
        self, source: str, state: Aside = Aside.QUARANTINED, *, batch_id: str = "", reason: str = "",
        limit: int = 500, offset: int = 0,
    ) -> AsideRows:  # fmt: skip
        """One page of what was set aside of a source, by batch and line. Raises UsageError for an unknown source."""
        raise UsageError("Not there yet.")

    def preview(self, source: str, edits: Sequence[Edit]) -> tuple[Preview, ...]:
        """What would become of edited rows, in their order; nothing is touched."""
        raise UsageError("Not there yet.")

    def replay_edits(self, source: str, edits: Sequence[Edit], *, note: str = "", by: str = "") -> Requested:
        """Queue corrections of quarantined rows or unreadable lines, and a run. Raises UsageError when one of
        them names no such row. A row that still breaks a rule goes back to quarantine as a correction.
        """
        raise UsageError("Not there yet.")

    def discard(
        self, source: str, places: Sequence[RowPlace], reason: str, *, unreadable: bool = False, by: str = ""
    ) -> Requested:
        """Queue a mark on rows (or unreadable lines) that sets them aside for good, with a reason; reversible."""
        raise UsageError("Not there yet.")

    def restore(
        self, source: str, places: Sequence[RowPlace], *, unreadable: bool = False, by: str = ""
    ) -> Requested:
        """Take discards back."""
        raise UsageError("Not there yet.")

    def withdraw_batch(self, batch_id: str, reason: str, *, by: str = "") -> Requested:
        """Queue a mark on a whole batch: its rows and corrections leave silver. Reversible.

        `batch_id` may be shortened as long as it names one batch. Raises UsageError otherwise.
        """
        raise UsageError("Not there yet.")

    def reinstate_batch(self, batch_id: str, *, by: str = "") -> Requested:
        """Take a withdrawal back."""
        raise UsageError("Not there yet.")

    def replay_batch(self, batch_id: str, *, by: str = "") -> Requested:
        """Read a batch's file again under today's contract, where its bytes are still the same."""
        raise UsageError("Not there yet.")

    def mends(self, limit: int = 50) -> tuple[Mend, ...]:
        """What was asked for, newest first, and what became of it."""
        raise UsageError("Not there yet.")

    def export_aside(
        self, source: str, state: Aside = Aside.QUARANTINED, *, batch_id: str = "", reason: str = ""
    ) -> str:
        """All matching rows as CSV text, formulas defused: _batch_id, _row_number, _correction, _reasons, then the
        contract's columns (an unreadable line: _raw).
        """
        raise UsageError("Not there yet.")

    def read_edits(self, source: str, text: str) -> tuple[Edit, ...]:
        """The rows of an exported CSV that were changed since. Raises UsageError naming line and column."""
        raise UsageError("Not there yet.")
