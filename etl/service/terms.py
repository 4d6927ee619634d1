"""The rows behind each term of the row account, as one SELECT a term."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from etl.declared import Contract
from etl.layers.silver import PLACE, quarantine_table, superseded_table

TERMS = (
    "bronze", "corrections", "silver", "superseded", "quarantined", "discarded", "withdrawn", "pending",
    "unreadable",
)  # fmt: skip
WITHOUT_AMOUNT = "without_amount"  # not a place: rows, wherever they are, whose text in a column is no amount
LINES_ONLY = ("bronze", "unreadable")  # what a feed has that stops at bronze
NEWER, MENDED = "a newer version of its key", "its correction"


@dataclass(frozen=True)
class Terms:
    """What the warehouse holds of a source. `columns` are those of each table that is there."""

    contract: Contract
    columns: Mapping[str, frozenset[str]]
    corrections: str  # a SELECT of the source's corrections
    waiting: tuple[str, ...]  # batches with rows that no published silver has taken in
    amount: str = ""  # the SQL expression that reads the amount that is asked about

    def select(self, term: str) -> str | None:
        """The rows of a term with `_batch_id`, `_row_number` and `_correction`; None where there can be none."""
        parts = list(self._parts(term))
        return " union all ".join(parts) if parts else None

    def _parts(self, term: str) -> Iterator[str]:
        match term:
            case "bronze":
                yield self._texts(self._bronze)
            case "corrections" if "bronze._corrections" in self.columns:
                yield self._corrections()
            case "silver" if self._silver in self.columns:
                yield f"select * from {quoted(self._silver)}"  # noqa: S608
            case "superseded":
                yield from self._superseded()
            case "quarantined" if self._quarantine in self.columns:
                yield self._texts(self._quarantine, "_reasons")
            case "discarded" | "withdrawn" if self._aside in self.columns:
                yield self._set_aside(term)
            case "pending" if self.waiting:
                yield self._pending()
            case "unreadable":
                yield self._unreadable()
            case "without_amount" if self.amount:
                yield f"select * from ({self._received()}) as received where {self.amount} is null"  # noqa: S608

    @property
    def _bronze(self) -> str:
        return f"bronze.{self.contract.bronze_table}"

    @property
    def _silver(self) -> str:
        return f"silver.{self.contract.silver_table}"

    @property
    def _quarantine(self) -> str:
        return quarantine_table(self.contract)

    @property
    def _aside(self) -> str:
        return f"quarantine._aside_{self.contract.source}"

    def _texts(self, table: str, *more: str, where: str = "", beside: Iterable[str] = ()) -> str:
        """A table's rows with the contract's columns as text, so that they can stand beside those of another.

        Columns that only a table `beside` it has are null.
        """
        there = self.columns[table]
        shown = there.union(*(self.columns[other] for other in beside))
        names = [column.name for column in self.contract.columns if column.name in shown]
        texts = [
            f'cast({chr(34) + name + chr(34) if name in there else "null"} as varchar) as "{name}"'
            for name in names
        ]
        correction = "_correction" if "_correction" in there else "cast(0 as integer) as _correction"
        listed = ", ".join([*texts, "_batch_id", "_row_number", correction, *more])
        return f"select {listed} from {quoted(table)} {where}"  # noqa: S608

    def _superseded(self) -> Iterator[str]:
        tables = {superseded_table(self.contract): NEWER, self._aside: MENDED}
        there = [table for table in tables if table in self.columns]
        for table in there:
            where = "where _state = 'corrected'" if table == self._aside else ""
            yield self._texts(table, f"'{tables[table]}' as _because", where=where, beside=there)

    def _set_aside(self, state: str) -> str:
        """With the reason and the author of the mark that holds."""
        kind = "discard" if state == "discarded" else "withdraw"
        same_row = "" if kind == "withdraw" else (
            "and marks.row_number = aside._row_number and marks.correction = aside._correction"
        )  # fmt: skip
        aside = self._texts(self._aside, where=f"where _state = '{state}'")
        return (
            f"select aside.*, marks.reason as _because, marks.author as _author from ({aside}) as aside "  # noqa: S608
            f"left join bronze._marks as marks on marks.kind = '{kind}' and marks.lifted_at is null "
            f"and marks.batch_id = aside._batch_id {same_row}"
        )

    def _corrections(self) -> str:
        return (
            "select corrections.*, made.author as _author, made.note as _because, made.made_at as _made_at "  # noqa: S608
            f"from ({self.corrections}) as corrections join bronze._corrections as made "
            "on made.batch_id = corrections._batch_id and made.row_number = corrections._row_number "
            "and made.correction = corrections._correction"
        )

    def _pending(self) -> str:
        """Rows of batches that wait, and of these those that are in no place yet."""
        tables = (self._silver, superseded_table(self.contract), self._quarantine, self._aside)
        places = [self._place(table) for table in tables if table in self.columns]
        batches = ", ".join(f"'{batch_id}'" for batch_id in self.waiting)
        same = " and ".join(f"placed.{name} = waiting.{name}" for name in PLACE)
        placed = f"and not exists (select 1 from ({' union all '.join(places)}) as placed where {same})"  # noqa: S608
        return (
            f"select waiting.* from ({self._received()}) as waiting "  # noqa: S608
            f"where waiting._batch_id in ({batches}) {placed if places else ''}"
        )

    def _received(self) -> str:
        """Every row as received, and every correction."""
        rows = self._texts(self._bronze)
        if "bronze._corrections" not in self.columns:
            return rows
        there = self.columns[self._bronze]
        names = [column.name for column in self.contract.columns if column.name in there]
        listed = ", ".join([*(f'"{name}"' for name in names), *PLACE])
        return f"{rows} union all select {listed} from ({self.corrections}) as corrections"  # noqa: S608

    def _place(self, table: str) -> str:
        correction = "_correction" if "_correction" in self.columns[table] else "0 as _correction"
        return f"select _batch_id, _row_number, {correction} from {quoted(table)}"  # noqa: S608

    def _unreadable(self) -> str:
        """Lines kept raw; they have no columns."""
        source = self.contract.source.replace("'", "''")
        return (
            "select raw as _raw, reason as _because, batch_id as _batch_id, line_number as _row_number, "  # noqa: S608
            f"0 as _correction from quarantine.unreadable_lines where source = '{source}'"
        )


def quoted(table: str) -> str:
    """A qualified table as SQL names it."""
    schema, name = table.split(".", 1)
    return f'{schema}."{name}"'
