"""What was set aside of a source, a page at a time: quarantined rows, discarded rows and lines, unreadable lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.declared import Contract
from etl.layers.silver import aside_table, columns_of, quarantine_table
from etl.mends import Aside, AsideRow, AsideRows, RowPlace
from etl.spreadsheet import csv_text
from etl.warehouse import Session
from etl.warehouse.bookkeeping import aware

PLACE_COLUMNS = ("_batch_id", "_row_number", "_correction", "_reasons")
RAW = "_raw"
WAITING = "corrected, but no silver has been published since"

# Marks that hold, once per place.
_DISCARDS = """
    select batch_id, row_number, correction, max(reason) as reason, max(author) as author, max(made_at) as made_at
    from bronze._marks where lifted_at is null and kind = '{kind}' group by 1, 2, 3
"""


@dataclass(frozen=True)
class Asides:
    """Reads what was set aside. `taken` is the version of bronze that the published silver was built from."""

    session: Session
    contract: Contract
    taken: int | None
    paths: Mapping[str, str]  # batch_id → file
    corrections: str  # a SELECT of the source's corrections

    @property
    def columns(self) -> tuple[str, ...]:
        """The contract's columns."""
        return tuple(column.name for column in self.contract.columns)

    def page(self, state: Aside, batch_id: str, reason: str, limit: int, offset: int) -> AsideRows:
        """One page, by batch and line; `total` counts all that match."""
        if state is not Aside.UNREADABLE and self.taken is None:
            return AsideRows(self.contract.source, state, self.columns, (), 0)
        sql, params = {
            Aside.QUARANTINED: self._quarantined,
            Aside.DISCARDED: self._discarded,
            Aside.UNREADABLE: self._unreadable,
        }[state](batch_id, reason)
        total = int(self.session.rows(f"select count(*) from ({sql}) as found", params)[0][0])  # noqa: S608
        found = self.session.rows(
            f"select found.* from ({sql}) as found "  # noqa: S608
            "left join bronze._batches as b on b.batch_id = found._batch_id "
            f"order by b.batch_seq, _row_number, _correction limit {limit:d} offset {offset:d}",
            params,
        )
        rows = tuple(self._row(state, row) for row in found)
        return AsideRows(self.contract.source, state, self.columns, rows, total)

    # Each gives: place (3), reasons, raw, corrected, note, author, at, then the contract's columns.

    def _quarantined(self, batch_id: str, reason: str) -> tuple[str, list[Any]]:
        """Rows of the published quarantine that nobody has corrected since, and corrections not judged yet."""
        quarantine = quarantine_table(self.contract)
        where, params = _where(batch_id, "q._batch_id", reason, "? = any(q._reasons)")
        corrected = "n.batch_id = {0}._batch_id and n.row_number = {0}._row_number"
        newest = f"(select max(n.correction) from bronze._corrections as n where {corrected})"  # noqa: S608
        sql = f"""
            select q._batch_id, q._row_number, q._correction, q._reasons, '' as raw, false as corrected,
                coalesce(c.note, '') as note, coalesce(c.author, '') as author, c.made_at, {self._own("q")}
            from (
                select {self._own("p", quarantine)}, p._batch_id, p._row_number, p._correction, p._reasons
                from {quarantine} as p
                where p._correction >= coalesce({newest.format("p")}, 0)
                union all
                select {self._own("w")}, w._batch_id, w._row_number, w._correction, array['{WAITING}'] as _reasons
                from ({self.corrections}) as w
                join bronze._corrections as v on v.batch_id = w._batch_id and v.row_number = w._row_number
                    and v.correction = w._correction and v.version > {self.taken or 0:d}
                where w._correction = {newest.format("w")}
            ) as q
            left join bronze._corrections as c on c.batch_id = q._batch_id and c.row_number = q._row_number
                and c.correction = q._correction
            {where}
        """  # noqa: S608
        return sql, params

    def _discarded(self, batch_id: str, reason: str) -> tuple[str, list[Any]]:
        where, params = _where(batch_id, "a._batch_id", reason, "d.reason = ?", "a._state = 'discarded'")
        sql = f"""
            select a._batch_id, a._row_number, a._correction, cast(array[] as varchar[]) as reasons, '' as raw,
                false as corrected,
                coalesce(d.reason, ''), coalesce(d.author, ''), d.made_at, {self._own("a", aside_table(self.contract))}
            from {aside_table(self.contract)} as a
            left join ({_DISCARDS.format(kind="discard")}) as d on d.batch_id = a._batch_id
                and d.row_number = a._row_number and d.correction = a._correction
            {where}
        """  # noqa: S608
        return sql, params

    def _unreadable(self, batch_id: str, reason: str) -> tuple[str, list[Any]]:
        where, params = _where(batch_id, "u.batch_id", reason, "u.reason = ?", "u.source = ?")
        blanks = ", ".join("null" for _ in self.columns)
        sql = f"""
            select u.batch_id as _batch_id, u.line_number as _row_number, 0 as _correction, array[u.reason], u.raw,
                exists (select 1 from bronze._corrections as c
                    where c.batch_id = u.batch_id and c.row_number = u.line_number),
                coalesce(d.reason, ''), coalesce(d.author, ''), d.made_at, {blanks}
            from quarantine.unreadable_lines as u
            left join ({_DISCARDS.format(kind="discard_line")}) as d on d.batch_id = u.batch_id
                and d.row_number = u.line_number
            {where}
        """  # noqa: S608
        return sql, [self.contract.source, *params]

    def _own(self, alias: str, table: str = "") -> str:
        """The contract's columns; null for one that a table of an older contract does not have."""
        there = columns_of(self.session, table) if table else frozenset(self.columns)
        return ", ".join(
            f'{alias}."{name}"' if name in there else f'cast(null as varchar) as "{name}"'
            for name in self.columns
        )

    def _row(self, state: Aside, row: tuple[Any, ...]) -> AsideRow:
        batch_id, line, correction, reasons, raw, corrected, note, author, at, *texts = row
        unreadable = state is Aside.UNREADABLE
        return AsideRow(
            source=self.contract.source,
            place=RowPlace(batch_id, line, correction),
            state=Aside.DISCARDED if unreadable and at else state,
            path=self.paths.get(batch_id, ""),
            values=() if unreadable else tuple(zip(self.columns, texts, strict=True)),
            reasons=tuple(reasons),
            raw=raw,
            corrected=corrected,
            note=note,
            author=author,
            at=aware(at) if at else None,
        )

    def csv(self, page: AsideRows) -> str:
        """The page as CSV, to be edited and read back."""
        unreadable = page.state is Aside.UNREADABLE
        columns = (*PLACE_COLUMNS, *((RAW,) if unreadable else self.columns))
        return csv_text(columns, (self._cells(row, unreadable) for row in page.rows))

    def _cells(self, row: AsideRow, unreadable: bool) -> Sequence[object]:
        own = [row.raw] if unreadable else [text for _, text in row.values]
        place = row.place
        return [place.batch_id, place.row_number, place.correction, "; ".join(row.reasons), *own]


def _where(batch_id: str, batch: str, reason: str, has_reason: str, first: str = "") -> tuple[str, list[Any]]:
    conditions = [first] if first else []
    conditions += [f"{batch} = ?"] if batch_id else []
    conditions += [has_reason] if reason else []
    params = [value for value in (batch_id, reason) if value]
    return (f"where {' and '.join(conditions)}" if conditions else ""), params
