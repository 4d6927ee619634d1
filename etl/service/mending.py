"""Mending: what was set aside can be looked at, edited, replayed, discarded and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from etl import trial
from etl.asides import Asides
from etl.declared import Contract
from etl.errors import UsageError
from etl.mending import Ground, taken_by_silver
from etl.mends import Aside, AsideRows, Edit, Mend, MendKind, Preview, Requested, RowPlace
from etl.model import Batch, BatchState, Trigger
from etl.service.base import Base
from etl.warehouse import Session

MOST_EXPORTED = 1_000_000


class Mending(Base):
    """Requests go through the ledger to the engine, which takes them up at its next run, before it lands files."""

    def aside(
        self, source: str, state: Aside = Aside.QUARANTINED, *, batch_id: str = "", reason: str = "",
        limit: int = 500, offset: int = 0,
    ) -> AsideRows:  # fmt: skip
        """One page of what was set aside of a source, by batch and line. Raises UsageError for an unknown source."""
        contract = self._contract(source)
        with self._warehouse.snapshot() as session:
            return self._asides(session, contract).page(Aside(state), batch_id, reason, limit, offset)

    def preview(self, source: str, edits: Sequence[Edit]) -> tuple[Preview, ...]:
        """What would become of edited rows, in their order; nothing is touched."""
        contract = self._contract(source)
        with self._warehouse.session() as session:
            tried = trial.Trial(session, self.engine.tools, contract, self._ground(session, contract))
            return tried.previews(edits)

    def replay_edits(self, source: str, edits: Sequence[Edit], *, note: str = "", by: str = "") -> Requested:
        """Queue corrections of quarantined rows or unreadable lines, and a run. Raises UsageError when one of
        them names no such row. A row that still breaks a rule goes back to quarantine as a correction.
        """
        contract = self._contract(source)
        _require_some(edits)
        with self._warehouse.session() as session:
            self._ground(session, contract).corrections(edits)
        return self._queue(MendKind.CORRECT, source, note, by, edits=tuple(edits))

    def discard(
        self, source: str, places: Sequence[RowPlace], reason: str, *, unreadable: bool = False, by: str = ""
    ) -> Requested:
        """Queue a mark on rows (or unreadable lines) that sets them aside for good, with a reason; reversible."""
        contract = self._contract(source)
        _require_some(places)
        _require_reason(reason)
        with self._warehouse.session() as session:
            self._ground(session, contract).discards(places, unreadable=unreadable)
        return self._queue(
            MendKind.DISCARD, source, reason, by, places=tuple(dict.fromkeys(places)), unreadable=unreadable
        )

    def restore(
        self, source: str, places: Sequence[RowPlace], *, unreadable: bool = False, by: str = ""
    ) -> Requested:
        """Take discards back."""
        contract = self._contract(source)
        _require_some(places)
        with self._warehouse.session() as session:
            self._ground(session, contract).restored(places, unreadable=unreadable)
        return self._queue(
            MendKind.RESTORE, source, "", by, places=tuple(dict.fromkeys(places)), unreadable=unreadable
        )

    def withdraw_batch(self, batch_id: str, reason: str, *, by: str = "") -> Requested:
        """Queue a mark on a whole batch: its rows and corrections leave silver. Reversible.

        `batch_id` may be shortened as long as it names one batch. Raises UsageError otherwise.
        """
        _require_reason(reason)
        return self._mark_batch(MendKind.WITHDRAW, batch_id, reason, by)

    def reinstate_batch(self, batch_id: str, *, by: str = "") -> Requested:
        """Take a withdrawal back."""
        return self._mark_batch(MendKind.REINSTATE, batch_id, "", by)

    def replay_batch(self, batch_id: str, *, by: str = "") -> Requested:
        """Read a batch's file again under today's contract, where its bytes are still the same."""
        batch = self._batch(batch_id)
        return self._queue(MendKind.REPLAY, batch.source, "", by, batch_id=batch.batch_id)

    def mends(self, limit: int = 50) -> tuple[Mend, ...]:
        """What was asked for, newest first, and what became of it."""
        return self._ledger.mends(limit)

    def export_aside(
        self, source: str, state: Aside = Aside.QUARANTINED, *, batch_id: str = "", reason: str = ""
    ) -> str:
        """All matching rows as CSV text, formulas defused: _batch_id, _row_number, _correction, _reasons, then the
        contract's columns (an unreadable line: _raw).
        """
        contract = self._contract(source)
        with self._warehouse.snapshot() as session:
            asides = self._asides(session, contract)
            return asides.csv(asides.page(Aside(state), batch_id, reason, MOST_EXPORTED, 0))

    def read_edits(self, source: str, text: str) -> tuple[Edit, ...]:
        """The rows of an exported CSV that were changed since. Raises UsageError naming line and column."""
        contract = self._contract(source)
        with self._warehouse.session() as session:
            return trial.read_edits(text, contract, self._ground(session, contract))

    # -- behind it -------------------------------------------------------------------------------------------

    def _asides(self, session: Session, contract: Contract) -> Asides:
        corrections = self._warehouse.corrections(contract)
        paths = {batch.batch_id: batch.path for batch in self._warehouse.batches()}
        return Asides(session, contract, taken_by_silver(self._warehouse, contract), paths, corrections)

    def _ground(self, session: Session, contract: Contract) -> Ground:
        taken = taken_by_silver(self._warehouse, contract)
        return Ground(session, contract, taken, self._warehouse.corrections(contract))

    def _batch(self, batch_id: str) -> Batch:
        landed = [b for b in self._warehouse.batches() if b.state is BatchState.LANDED]
        found = [b for b in landed if batch_id and b.batch_id.startswith(batch_id)]
        if len(found) != 1:
            told = "no landed batch" if not found else f"more than one batch ({len(found)})"
            raise UsageError(f"There is {told} {batch_id!r}.", "./metalayer batches list shows them.")
        self._contract(found[0].source)
        return found[0]

    def _mark_batch(self, kind: MendKind, batch_id: str, reason: str, by: str) -> Requested:
        batch = self._batch(batch_id)
        with self._warehouse.session() as session:
            ground = self._ground(session, self._contract(batch.source))
            ground.withdrawal(batch.batch_id, back=kind is MendKind.REINSTATE)
        return self._queue(kind, batch.source, reason, by, batch_id=batch.batch_id)

    def _queue(
        self, kind: MendKind, source: str, reason: str, by: str, *, batch_id: str = "",
        edits: tuple[Edit, ...] = (), places: tuple[RowPlace, ...] = (), unreadable: bool = False,
    ) -> Requested:  # fmt: skip
        """Write the request down and ask for a run that takes it up. The run comes second: it must find it."""
        mend = Mend(
            uuid4().hex, kind, source, batch_id, edits, places, unreadable, reason.strip(), by, self._clock(),
            rows=len(edits) + len(places),
        )  # fmt: skip
        self._ledger.request_mend(mend)
        what = f"{mend.rows} rows of {source}" if mend.rows else f"batch {batch_id} of {source}"
        self._ledger.audit(by, kind.value, f"{what}{f': {mend.reason}' if mend.reason else ''}")
        run, _ = self._ledger.request(
            MEND_RUN, (MEND_RUN,), full=False, downstream=False, from_run=None, trigger=Trigger.MANUAL, by=by
        )
        self._ledger.assign_mend(mend.mend_id, run.run_id)
        self.engine.wake()
        return Requested(mend.mend_id, run.run_id, mend.rows)


MEND_RUN = "master_etl_orchestrator"


def _require_some(asked: Sequence[object]) -> None:
    if not asked:
        raise UsageError("No row was named.", "Choose at least one.")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError("A reason is needed.", "Say why, for whoever looks at it later.")
