"""Edited rows before they are replayed: read back from CSV, and tried against the rules of their contract."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl.asides import PLACE_COLUMNS, RAW
from etl.building import Building
from etl.declared import Contract
from etl.errors import UsageError
from etl.layers.silver import LIVE, PLACE, TYPED, VERSIONS, SilverSQL
from etl.mending import Ground, MendRefused
from etl.mends import Edit, Preview, RowPlace
from etl.spreadsheet import restored
from etl.tools import Tools
from etl.warehouse import CorrectionRow, Session

Key = tuple[str, int, int]


@dataclass(frozen=True)
class Trial:
    """Judges rows as silver would, in temporary tables of a session of its own."""

    session: Session
    tools: Tools
    contract: Contract
    ground: Ground

    def previews(self, edits: Sequence[Edit]) -> tuple[Preview, ...]:
        """What would become of each, in their order."""
        made = self._all_made(edits)
        rows = [(number, row) for number, row in enumerate(made) if isinstance(row, CorrectionRow)]
        broken, newer = self._judged([row for _, row in rows]) if rows else ({}, set())
        return tuple(self._preview(edit, row, broken, newer) for edit, row in zip(edits, made, strict=True))

    def _all_made(self, edits: Sequence[Edit]) -> list[CorrectionRow | str]:
        """The corrections, all at once; one by one only where something is wrong with one of them."""
        try:
            return [*self.ground.corrections(edits)]
        except MendRefused:
            return [self._made(edit) for edit in edits]

    def _made(self, edit: Edit) -> CorrectionRow | str:
        """The correction an edit comes to, or why it cannot be made."""
        try:
            return self.ground.corrections([edit])[0]
        except MendRefused as refusal:
            return str(refusal)

    def _preview(
        self, edit: Edit, row: CorrectionRow | str, broken: dict[Key, tuple[str, ...]], newer: set[Key]
    ) -> Preview:
        if isinstance(row, str):
            return Preview(edit.place, "refused", fault=row)
        key = _key(row)
        if key in broken:
            return Preview(edit.place, "quarantined", broken=broken[key])
        return Preview(edit.place, "superseded" if key in newer else "current")

    def _judged(self, rows: Sequence[CorrectionRow]) -> tuple[dict[Key, tuple[str, ...]], set[Key]]:
        """The rules each row would break, and the valid ones whose key has a newer version already."""
        sql = Building(self.tools).compiled(self.contract)
        self.session.temporary(LIVE, self._selected())
        self.session.insert(LIVE, [(*(text for _, text in row.texts), *_key(row)) for row in rows])
        self.session.temporary(TYPED, sql.typed)
        found = self.session.rows(
            f"select _batch_id, _row_number, _correction, _reasons from ({sql.quarantined}) as broken"  # noqa: S608
        )
        broken = {(batch_id, line, number): tuple(reasons) for batch_id, line, number, reasons in found}
        return broken, self._newer(sql)

    def _selected(self) -> str:
        """The columns of the rows to judge, without any row."""
        texts = ", ".join(f'cast(null as varchar) as "{column.name}"' for column in self.contract.columns)
        place = "cast(null as varchar) as _batch_id, cast(null as bigint) as _row_number"
        return f"select {texts}, {place}, cast(null as integer) as _correction where false"

    def _newer(self, sql: SilverSQL) -> set[Key]:
        """Those that would be superseded: ranked with what stands in silver, a newer version of their key is there."""
        if self.ground.taken is None:
            return set()
        stands = self.tools.warehouse.physical(f"silver.{self.contract.silver_table}", built=False)
        same = " and ".join(f't."{name}" = s."{name}"' for name in self.contract.key)
        names = [*(column.name for column in self.contract.columns), *PLACE]
        own, standing = (", ".join(f'{alias}."{name}"' for name in names) for alias in ("t", "s"))
        self.session.temporary(
            VERSIONS,
            f"select {own}, t._batch_seq from {TYPED} as t where {sql.valid} union all "  # noqa: S608
            f"select {standing}, b.batch_seq from {stands} as s "
            "join bronze._batches as b on b.batch_id = s._batch_id "
            f"where exists (select 1 from {TYPED} as t where {same})",
        )
        older = self.session.rows(f"select _batch_id, _row_number, _correction from ({sql.older}) as older")  # noqa: S608
        return {(batch_id, line, number) for batch_id, line, number in older}


def _key(row: CorrectionRow) -> Key:
    return (row.place.batch_id, row.place.row_number, row.place.correction)


def read_edits(text: str, contract: Contract, ground: Ground) -> tuple[Edit, ...]:
    """The rows of an exported CSV that differ from what stands. Raises UsageError naming line and column."""
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as fault:
        raise UsageError(f"Line {reader.line_num} of the CSV cannot be read: {fault}.") from fault
    header = [restored(name) for name in rows[0][1]] if rows else []
    _require_header(header, contract)
    edits = [
        _edit(line, dict(zip(header, cells, strict=True)), contract) for line, cells in _full(rows, header)
    ]
    return tuple(_changed(edits, ground))


def _delimiter(text: str) -> str:
    """As the header has it: spreadsheets of some countries save with semicolons or tabs."""
    first = text.split("\n", 1)[0]
    return next((sign for sign in (";", "\t") if f"_batch_id{sign}" in first.replace('"', "")), ",")


def _full(rows: list[tuple[int, list[str]]], header: list[str]) -> Iterator[tuple[int, list[str]]]:
    for line, cells in rows[1:]:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise UsageError(
                f"Line {line} of the CSV has {len(cells)} fields, its header has {len(header)}.",
                "Export it again, or mend the line.",
            )
        yield line, cells


def _require_header(header: list[str], contract: Contract) -> None:
    needed = PLACE_COLUMNS[:2]
    for name in needed:
        if name not in header:
            raise UsageError(
                f"The CSV has no column {name!r}, which tells what row each line is.",
                f"Edit an export of quarantine: ./metalayer quarantine export {contract.source}",
            )
    if len(set(header)) < len(header):
        raise UsageError("The CSV has a column more than once.", "Leave one of them.")
    known = {*PLACE_COLUMNS, RAW, *(column.name for column in contract.columns)}
    for name in header:
        if name not in known:
            raise UsageError(f"The CSV has a column {name!r}, which {contract.source} does not have.")


def _edit(line: int, cells: dict[str, str], contract: Contract) -> Edit:
    numbers = []
    for name in ("_row_number", "_correction"):
        written = cells.get(name, "0") or "0"
        if not (written.isascii() and written.isdecimal() and len(written) < 19):  # noqa: PLR2004 - fits 64 bits
            raise UsageError(f"Line {line} of the CSV: {name} is {written!r}, which is no whole number.")
        numbers.append(int(written))
    values = tuple(
        (column.name, restored(cells[column.name]) or None)
        for column in contract.columns
        if column.name in cells
    )
    raw = restored(cells[RAW]) if RAW in cells else None
    return Edit(RowPlace(restored(cells["_batch_id"]), *numbers), () if raw is not None else values, raw)


def _changed(edits: Sequence[Edit], ground: Ground) -> Iterator[Edit]:
    """Only those that say something new; blank and missing are the same."""
    batches = {edit.place.batch_id for edit in edits}
    rows, lines = ground.quarantined(batches), ground.unreadable(batches)
    for edit in edits:
        if edit.raw is not None:
            if lines.get(edit.place) != edit.raw:
                yield edit
            continue
        stands = dict(rows.get(edit.place, ()))
        values = tuple((name, text) for name, text in edit.values if (stands.get(name) or None) != text)
        if values:
            yield Edit(edit.place, values)
