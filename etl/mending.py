"""What a mend may be done to, and doing it: corrections, discards, withdrawals, replays of a batch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.declared import Contract
from etl.errors import FileRefused, MetaLayerError, UsageError
from etl.layers import bronze
from etl.layers.glance import header_seen
from etl.layers.silver import columns_of, quarantine_table
from etl.mends import Edit, Mend, MendKind, MendState, RowPlace
from etl.model import Batch, BatchState
from etl.reader import Reader, survey
from etl.tools import Tools
from etl.warehouse import Arrival, CorrectionRow, Mark, MendChange, Session, Warehouse

ROW, LINE, BATCH = "discard", "discard_line", "withdraw"
NAMED_AT_MOST = 5
Texts = tuple[tuple[str, str | None], ...]


class MendRefused(UsageError):
    """A mend that names something which cannot be mended so."""


@dataclass(frozen=True)
class Ground:
    """What of a source can be mended now. Places are those of the published quarantine, and of corrections that no
    published silver has taken in: one of them may be why it could not be published.
    """

    session: Session
    contract: Contract
    taken: int | None  # the version of bronze that silver was built from; None while there is none
    corrections_read: str  # a SELECT of the source's corrections, texts and place

    def quarantined(self, batch_ids: Collection[str]) -> dict[RowPlace, Texts]:
        """The quarantined rows and the pending corrections of some batches, as received or last corrected."""
        return self._in_quarantine(batch_ids) | self._pending(batch_ids)

    def _pending(self, batch_ids: Collection[str]) -> dict[RowPlace, Texts]:
        newest = self.newest_correction(batch_ids)
        found = self._of(
            "bronze._corrections",
            "batch_id, row_number, correction",
            batch_ids,
            "version > ?",
            [self.taken or 0],
        )
        pending = {RowPlace(*place) for place in found if newest[place[0], place[1]] == place[2]}
        if not pending:
            return {}
        names = [column.name for column in self.contract.columns]
        rows = self.session.rows(f"select * from ({self.corrections_read}) as corrections")  # noqa: S608
        texts = {RowPlace(*row[-3:]): tuple(zip(names, row, strict=False)) for row in rows}
        return {place: texts[place] for place in pending}

    def _in_quarantine(self, batch_ids: Collection[str]) -> dict[RowPlace, Texts]:
        if self.taken is None or not batch_ids:
            return {}
        names = [column.name for column in self.contract.columns]
        there = columns_of(self.session, quarantine_table(self.contract))
        columns = ", ".join(f'"{name}"' if name in there else "null" for name in names)
        schema, table = quarantine_table(self.contract).split(".", 1)
        found = self.session.rows(
            f'select _batch_id, _row_number, _correction, {columns} from {schema}."{table}" '  # noqa: S608
            f"where _batch_id in ({_marks(batch_ids)})",
            [*batch_ids],
        )
        return {RowPlace(*row[:3]): tuple(zip(names, row[3:], strict=True)) for row in found}

    def unreadable(self, batch_ids: Collection[str]) -> dict[RowPlace, str]:
        """The unreadable lines of some batches."""
        found = self._of("quarantine.unreadable_lines", "batch_id, line_number, raw", batch_ids)
        return {RowPlace(batch_id, line): raw for batch_id, line, raw in found}

    def newest_correction(self, batch_ids: Collection[str]) -> dict[tuple[str, int], int]:
        """By line: the number of its newest correction."""
        newest: dict[tuple[str, int], int] = {}
        for batch_id, row, number in self._of(
            "bronze._corrections", "batch_id, row_number, correction", batch_ids
        ):
            newest[batch_id, row] = max(number, newest.get((batch_id, row), 0))
        return newest

    def marked(self, kind: str, batch_ids: Collection[str]) -> set[RowPlace]:
        """The rows, lines or batches (whose row is 0) that carry a mark of that kind now."""
        found = self._of(
            "bronze._marks",
            "batch_id, row_number, correction",
            batch_ids,
            "lifted_at is null and kind = ?",
            [kind],
        )
        return {RowPlace(*row) for row in found}

    def _of(
        self,
        table: str,
        columns: str,
        batch_ids: Collection[str],
        condition: str = "true",
        params: Sequence[str | int] = (),
    ) -> list[tuple[Any, ...]]:
        if not batch_ids:
            return []
        return self.session.rows(
            f"select {columns} from {table} where source = ? and {condition} "  # noqa: S608
            f"and batch_id in ({_marks(batch_ids)})",
            [self.contract.source, *params, *batch_ids],
        )

    def header(self, batch_id: str) -> list[str]:
        """What bronze calls each field of the batch's file; the contract's columns where that was not kept."""
        found = self.session.rows("select header from bronze._batches where batch_id = ?", [batch_id])
        kept = json.loads(found[0][0] or "[]") if found else []
        return kept or [column.name for column in self.contract.columns]

    # -- what a request comes to -----------------------------------------------------------------------------

    def corrections(self, edits: Sequence[Edit]) -> tuple[CorrectionRow, ...]:
        """The corrections that edits come to. Raises MendRefused naming the first that cannot be made."""
        self._require_silver()
        batches = {edit.place.batch_id for edit in edits}
        rows, lines, newest = (
            self.quarantined(batches),
            self.unreadable(batches),
            self.newest_correction(batches),
        )
        self._require_in_force(batches)
        before = self._changed_before(batches)
        discarded, set_aside = self.marked(LINE, batches), self.marked(ROW, batches)
        made: list[CorrectionRow] = []
        asked: set[RowPlace] = set()
        for edit in edits:
            at = (edit.place.batch_id, edit.place.row_number)
            if edit.place in asked:
                raise MendRefused(f"{_named(edit.place)} is named twice.", "Name it once.")
            asked.add(edit.place)
            if newest.get(at, 0) > edit.place.correction:
                raise MendRefused(f"{_named(edit.place)} was corrected meanwhile.", "Look at it again.")
            if not edit.values and edit.raw is None:
                raise MendRefused(f"{_named(edit.place)}: nothing is changed.", "Give at least one column.")
            if edit.place in set_aside:
                raise MendRefused(f"{_named(edit.place)} is discarded.", "Restore it first.")
            if edit.place in rows and edit.raw is not None:
                raise MendRefused(f"{_named(edit.place)} is no unreadable line.", "Give its columns.")
            if edit.place in rows:
                texts, of_unreadable = self._overlaid(rows[edit.place], edit), False
                changed = before.get(edit.place, frozenset()) | {name for name, _ in edit.values}
            elif edit.place in lines and edit.place not in discarded:
                texts, of_unreadable = self._of_line(edit), True
                changed = frozenset(name for name, _ in texts)
            else:
                raise MendRefused(
                    f"{_named(edit.place)} is neither in quarantine nor unreadable.",
                    "Only rows in quarantine and unreadable lines can be corrected.",
                )
            newest[at] = newest.get(at, 0) + 1
            made.append(CorrectionRow(RowPlace(*at, newest[at]), of_unreadable, texts, changed))
        return tuple(made)

    def _changed_before(self, batch_ids: Collection[str]) -> dict[RowPlace, frozenset[str]]:
        """By correction: the columns it changes."""
        found = self._of("bronze._corrections", "batch_id, row_number, correction, texts", batch_ids)
        return {RowPlace(*place): frozenset(json.loads(texts)) for *place, texts in found}

    def _overlaid(self, texts: Texts, edit: Edit) -> Texts:
        changed = self._known(edit.values)
        return tuple((name, changed.get(name, text)) for name, text in texts)

    def _known(self, values: Iterable[tuple[str, str | None]]) -> dict[str, str | None]:
        names = [column.name for column in self.contract.columns]
        given = list(values)
        changed = dict(given)
        if len(changed) < len(given):
            raise MendRefused("A column is given two values.", "Give it one.")
        for name, text in changed.items():
            _require_plain(text or "", f"The new value of {name}")
            if name not in names:
                raise MendRefused(
                    f"{self.contract.source} has no column {name!r}.", f"It has: {', '.join(names)}."
                )
        return changed

    def _of_line(self, edit: Edit) -> Texts:
        given = self._known(edit.values) if edit.raw is None else self.taken_apart(edit.place, edit.raw)
        return tuple((column.name, given.get(column.name)) for column in self.contract.columns)

    def taken_apart(self, place: RowPlace, raw: str) -> dict[str, str | None]:
        """The fields of a mended line under its file's header. Raises MendRefused where they do not fit."""
        header, dialect = self.header(place.batch_id), self.contract.dialect
        _require_plain(raw, _named(place))
        try:
            records = list(
                csv.reader(
                    io.StringIO(raw, newline=""),
                    delimiter=dialect.delimiter,
                    quotechar=dialect.quote,
                    strict=True,
                )
            )
        except csv.Error as fault:
            raise MendRefused(
                f"{_named(place)} cannot be taken apart: {fault}.", "Mend its quotes."
            ) from fault
        if len(records) != 1 or len(records[0]) != len(header):
            fields = len(records[0]) if records else 0
            told = f"{fields} fields" if len(records) < 2 else f"{len(records)} lines"  # noqa: PLR2004
            raise MendRefused(
                f"{_named(place)} has {told}, its file has {len(header)} columns.",
                "Mend it so that it has one field for each column.",
            )
        return {name: field or None for name, field in zip(header, records[0], strict=True) if name}

    def discards(self, places: Sequence[RowPlace], *, unreadable: bool) -> tuple[Mark, ...]:
        """The marks that set rows or lines aside. Raises MendRefused naming the first that cannot be."""
        batches = {place.batch_id for place in places}
        self._require_in_force(batches)
        kind, newest = (LINE if unreadable else ROW), self.newest_correction(batches)
        there = self.unreadable(batches) if unreadable else self.quarantined(batches)
        marked = self.marked(kind, batches)
        for place in places:
            mended = newest.get((place.batch_id, place.row_number), 0) > place.correction
            if place not in there or place in marked or mended:
                what = "an unreadable line" if unreadable else "in quarantine"
                why = "was corrected or discarded already" if place in there else f"is not {what}"
                raise MendRefused(f"{_named(place)} {why}.", "Look at it again.")
        return tuple(_mark(kind, place) for place in dict.fromkeys(places))

    def restored(self, places: Sequence[RowPlace], *, unreadable: bool) -> tuple[Mark, ...]:
        """The discards to take back. Raises MendRefused for a place without one."""
        kind = LINE if unreadable else ROW
        marked = self.marked(kind, {place.batch_id for place in places})
        for place in places:
            if place not in marked:
                raise MendRefused(f"{_named(place)} is not discarded.", "Look at it again.")
        return tuple(_mark(kind, place) for place in dict.fromkeys(places))

    def withdrawal(self, batch_id: str, *, back: bool) -> Mark:
        """The mark of a batch, to be set or taken back. Raises MendRefused when it is so already."""
        self._require_silver()
        place = RowPlace(batch_id, 0)
        if (place in self.marked(BATCH, {batch_id})) is not back:
            raise MendRefused(f"Batch {batch_id} is {'not ' if back else 'already '}withdrawn.")
        return _mark(BATCH, place)

    def _require_silver(self) -> None:
        if self.contract.silver_table is None:
            raise MendRefused(
                f"{self.contract.source} is landed and nothing is built from it.",
                "Only its unreadable lines can be discarded, and its files read again.",
            )

    def _require_in_force(self, batch_ids: Collection[str]) -> None:
        if self.taken is not None and self._of(
            "bronze._batches", "batch_id", batch_ids, "revision > 0 and version > ?", [self.taken]
        ):
            raise MendRefused(
                "The file was read again, and no silver has been published since.",
                "Look at its rows again after the next run.",
            )
        withdrawn = self.marked(BATCH, batch_ids)
        if withdrawn:
            raise MendRefused(
                f"Batch {min(withdrawn).batch_id} is withdrawn.",
                "Reinstate it first: its rows are not judged now.",
            )


@dataclass(frozen=True)
class Mender:
    """Takes up what people asked for, each in one transaction of the warehouse."""

    tools: Tools
    run_id: int
    open_reader: Callable[[], Reader]

    def take_up(self, mend: Mend) -> tuple[bool, str]:
        """Do one mend and note what became of it; whether it took effect, and one sentence."""
        contract = self.tools.catalog.contracts[mend.source]
        try:
            message = self._done_before(mend) or self._do(mend, contract)
        except (UsageError, FileRefused) as refusal:
            self.tools.ledger.finish_mend(mend.mend_id, MendState.REFUSED, str(refusal), self.run_id)
            return False, f"Refused: {refusal.message}"
        self.tools.ledger.finish_mend(mend.mend_id, MendState.APPLIED, message, self.run_id)
        return True, message

    def _done_before(self, mend: Mend) -> str:
        """What it came to when it took effect and the process ended before the ledger knew."""
        with self.tools.warehouse.session() as session:
            found = session.rows("select message from bronze._mends where mend_id = ?", [mend.mend_id])
        return str(found[0][0]) if found else ""

    def _do(self, mend: Mend, contract: Contract) -> str:
        change = MendChange(mend.mend_id, mend.author, mend.reason, self.tools.clock(), self.run_id, "")
        with self.tools.warehouse.session() as session:
            taken = taken_by_silver(self.tools.warehouse, contract)
            corrections = self.tools.warehouse.corrections(contract)
            change = self._worked_out(change, mend, Ground(session, contract, taken, corrections))
        self.tools.warehouse.mend(change, contract)
        return change.message

    def _worked_out(self, change: MendChange, mend: Mend, ground: Ground) -> MendChange:
        match mend.kind:
            case MendKind.CORRECT:
                made = ground.corrections(mend.edits)
                return replace(change, corrections=made, message=f"{_rows(len(made))} corrected.")
            case MendKind.DISCARD:
                marks = ground.discards(mend.places, unreadable=mend.unreadable)
                return replace(change, marks=marks, message=f"{_rows(len(marks))} discarded.")
            case MendKind.RESTORE:
                marks = ground.restored(mend.places, unreadable=mend.unreadable)
                return replace(change, lifted=marks, message=f"{_rows(len(marks))} restored.")
            case MendKind.WITHDRAW:
                mark = ground.withdrawal(mend.batch_id, back=False)
                return replace(change, marks=(mark,), message=f"Batch {mend.batch_id} withdrawn.")
            case MendKind.REINSTATE:
                mark = ground.withdrawal(mend.batch_id, back=True)
                return replace(change, lifted=(mark,), message=f"Batch {mend.batch_id} reinstated.")
            case _:
                return self._reread(change, mend.batch_id, ground.contract)

    def _reread(self, change: MendChange, batch_id: str, contract: Contract) -> MendChange:
        batch = next((b for b in self.tools.warehouse.batches() if b.batch_id == batch_id), None)
        if batch is None or batch.state is not BatchState.LANDED:
            raise MendRefused(f"There is no landed batch {batch_id}.")
        full, arrival = self._file_of(batch)
        again = replace(batch, revision=batch.revision + 1)
        target = self.tools.bronze_file(contract, batch_id, again.revision)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            read = self.open_reader().read(full, contract, target, survey(full))
        except MetaLayerError as fault:
            raise MendRefused(f"{batch.path} cannot be read again: {fault.message}", fault.hint) from fault
        again = replace(
            again, rows=read.rows, lines=read.lines, header_lines=read.header_lines, blank=read.blank,
            continuation_lines=read.continuation_lines, unreadable=len(read.unreadable),
        )  # fmt: skip
        landing = bronze.landing_of(again, read, arrival, header_seen(full, contract, read))
        return replace(change, reread=landing, message=f"{batch.path} read again: {_rows(read.rows)}.")

    def _file_of(self, batch: Batch) -> tuple[Path, Arrival]:
        """Where the bytes of a batch lie now: any path it was seen under, the newest first."""
        seen = [a for a in reversed(self.tools.warehouse.arrivals()) if a.batch_id == batch.batch_id]
        for arrival in seen:
            for root in self.tools.roots():
                full = root / arrival.path
                if full.is_file() and survey(full).sha256 == batch.sha256:
                    return full, arrival
        raise MendRefused(
            f"The file of batch {batch.batch_id} ({batch.path}) is gone, or other bytes lie there now.",
            "Put the same file back into the landing folder, then replay the batch.",
        )


def taken_by_silver(warehouse: Warehouse, contract: Contract) -> int | None:
    """The version of bronze that the published silver was built from; None while there is none."""
    stands = warehouse.published().get(f"silver.{contract.silver_table}")
    return dict(stands.inputs).get(f"bronze.{contract.bronze_table}", 0) if stands else None


def _require_plain(text: str, what: str) -> None:
    """No file brings these into bronze, so no correction does."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise MendRefused(f"{what} holds a sign that is no text (NUL or half a pair).", "Take it out.")


def _mark(kind: str, place: RowPlace) -> Mark:
    return Mark(kind, (place.batch_id, place.row_number, place.correction))


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _named(place: RowPlace) -> str:
    correction = f", correction {place.correction}" if place.correction else ""
    return f"Line {place.row_number:,} of batch {place.batch_id}{correction}"
