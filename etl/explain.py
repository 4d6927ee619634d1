"""Where one row is: from the line of its file through every step to silver, or why not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.catalog import Catalog
from etl.declared import Column, Contract, Kind, Layer
from etl.errors import UsageError
from etl.facts import Explained
from etl.layers.silver import aside_table, quarantine_table, superseded_table
from etl.mends import RowPlace
from etl.model import Batch, Published
from etl.warehouse import Session, Warehouse
from etl.warehouse.bookkeeping import aware

LISTED = 20
Step = tuple[str, str]  # (heading, sentence)


def explain(catalog: Catalog, warehouse: Warehouse, table_name: str, key: str) -> Explained:
    """The way of every row, as received or corrected, that has a key. Raises UsageError for other tables."""
    table = catalog.table(table_name)
    if table.layer is Layer.GOLD or table.source is None:
        raise UsageError(
            f"{table.name} is made from many rows at once.", f"Explain one row of {', '.join(table.inputs)}."
        )
    contract = catalog.contracts[table.source]
    if contract.silver_table is None:
        raise UsageError(f"{contract.source} is a bronze-only feed and has no keys.")
    batches = {batch.batch_id: batch for batch in warehouse.batches()}
    stands = warehouse.published().get(f"silver.{contract.silver_table}")
    with warehouse.snapshot() as session:
        corrections = warehouse.corrections(contract)
        return _Way(session, contract, key, batches, stands, corrections).explained()


@dataclass(frozen=True)
class _Way:
    """Follows every row that has a key."""

    session: Session
    contract: Contract
    key: str
    batches: Mapping[str, Batch]
    stands: Published | None
    corrections: str

    def explained(self) -> Explained:
        name = f"silver.{self.contract.silver_table}"
        current = self._with_key(name, typed=True) if self.stands else []
        rows = self._rows(current)
        if not rows:
            told = f"No row of {self.contract.source} has the key {self.key}."
            return Explained(name, self.key, False, (("Not found", told),))
        superseded = self._with_key(superseded_table(self.contract), typed=True) if self.stands else []
        steps: list[Step] = []
        for place in rows[:LISTED]:
            steps += [*self._received(place), self._end(place, current, superseded)]
        shown = current[0] if current else rows[0]
        batch = self.batches.get(shown.batch_id)
        return Explained(
            table=name, key=self.key, found=bool(current), steps=tuple(steps), batch_id=shown.batch_id,
            path=batch.path if batch else "", line_number=shown.row_number, raw=self._raw(shown),
        )  # fmt: skip

    # -- which rows ------------------------------------------------------------------------------------------

    def _rows(self, current: Sequence[RowPlace]) -> list[RowPlace]:
        """Rows as received and corrections whose text has the key, and what a correction in silver was made from."""
        received = self._with_key(f"bronze.{self.contract.bronze_table}", typed=False)
        found = {*received, *self._with_key(f"({self.corrections}) as c", typed=False), *current}
        found |= {earlier for place in found for earlier in self._earlier(place)}
        return sorted(found)

    def _earlier(self, place: RowPlace) -> list[RowPlace]:
        """The row and the corrections before this one; an unreadable line is none."""
        if not place.correction:
            return []
        line = self._rows_at("quarantine.unreadable_lines", "batch_id", "line_number", place)
        return [
            RowPlace(place.batch_id, place.row_number, n) for n in range(1 if line else 0, place.correction)
        ]

    def _with_key(self, table: str, *, typed: bool) -> list[RowPlace]:
        columns = [self.contract.column(name) for name in self.contract.key]
        parts = self.key.split(",") if len(columns) > 1 else [self.key]
        if len(parts) != len(columns):
            raise UsageError(
                f"The key of {table} has {len(columns)} parts, {len(parts)} were given.",
                "Join them by commas.",
            )
        wanted = " and ".join(_equals(column, typed) for column in columns)
        number = "0" if table.startswith("bronze.") else "_correction"
        named = table if table.startswith("(") else '"{}"."{}"'.format(*table.split(".", 1))
        found = self.session.rows(
            f"select _batch_id, _row_number, {number} from {named} where {wanted} order by 1, 2, 3",  # noqa: S608
            [part.strip() for part in parts],
        )
        return [RowPlace(*row) for row in found]

    # -- what became of one ----------------------------------------------------------------------------------

    def _received(self, place: RowPlace) -> list[Step]:
        batch = self.batches[place.batch_id]
        file = f"Line {place.row_number:,} of {batch.path}, arrived {batch.arrived_at:%Y-%m-%d %H:%M} UTC"
        if place.correction:
            return [("Correction", f"{self._made(place)}, of line {place.row_number:,} of {batch.path}.")]
        landed = f"bronze.{self.contract.bronze_table}, batch {place.batch_id}, landed by run {batch.run_id}."
        return [("File", f"{file}; SHA-256 {batch.sha256[:12]}…."), ("Bronze", landed)]

    def _made(self, place: RowPlace) -> str:
        found = self.session.rows(
            "select author, note, made_at from bronze._corrections "
            "where batch_id = ? and row_number = ? and correction = ?",
            [place.batch_id, place.row_number, place.correction],
        )
        author, note, made_at = found[0]
        by = f" by {author}" if author else ""
        because = f" ({note})" if note else ""
        return f"Number {place.correction}, made{by} at {aware(made_at):%Y-%m-%d %H:%M} UTC{because}"

    def _end(self, place: RowPlace, current: Sequence[RowPlace], superseded: Sequence[RowPlace]) -> Step:
        if place in current and self.stands:
            return (
                "Silver",
                f"Current version of its key in silver.{self.contract.silver_table}, version {self.stands.version}.",
            )
        if place in superseded:
            by = f" by {self._named(current[0])}" if current else ""
            return ("Superseded", f"Valid, but replaced{by}, a newer version of the same key.")
        return (self._quarantined(place) or self._set_aside(place) or PENDING) if self.stands else PENDING

    def _named(self, place: RowPlace) -> str:
        correction = f"correction {place.correction} of " if place.correction else ""
        return f"{correction}line {place.row_number:,} of {self.batches[place.batch_id].path}"

    def _quarantined(self, place: RowPlace) -> Step | None:
        found = self._at(quarantine_table(self.contract), "_reasons", place)
        return ("Quarantined", f"{'; '.join(found[0][0])}.") if found else None

    def _set_aside(self, place: RowPlace) -> Step | None:
        found = self._at(aside_table(self.contract), "_state", place)
        told: dict[str, Callable[[], Step]] = {
            "corrected": lambda: ("Superseded", "Mended: a correction has taken its place."),
            "discarded": lambda: ("Discarded", f"Set aside{self._because('discard', place)}."),
            "withdrawn": lambda: (
                "Withdrawn",
                f"Its batch was taken back{self._because('withdraw', RowPlace(place.batch_id, 0))}.",
            ),
        }
        return told[found[0][0]]() if found else None

    def _because(self, kind: str, place: RowPlace) -> str:
        found = self.session.rows(
            "select author, reason from bronze._marks where lifted_at is null and kind = ? and batch_id = ? "
            "and row_number = ? and correction = ?",
            [kind, place.batch_id, place.row_number, place.correction],
        )
        if not found:  # taken back since; the next run takes that up
            return ""
        author, reason = found[0]
        return f"{f' by {author}' if author else ''}: {reason}"

    def _at(self, table: str, column: str, place: RowPlace) -> list[tuple[Any, ...]]:
        schema, short = table.split(".", 1)
        return self.session.rows(
            f'select {column} from {schema}."{short}" '  # noqa: S608
            "where _batch_id = ? and _row_number = ? and _correction = ?",
            [place.batch_id, place.row_number, place.correction],
        )

    def _rows_at(self, table: str, batch: str, line: str, place: RowPlace) -> list[tuple[Any, ...]]:
        return self.session.rows(
            f"select 1 from {table} where {batch} = ? and {line} = ?",  # noqa: S608
            [place.batch_id, place.row_number],
        )

    def _raw(self, place: RowPlace) -> str:
        columns = ", ".join(f'"{column.name}"' for column in self.contract.columns)
        table = f'bronze."{self.contract.bronze_table}"'
        source, number = (f"({self.corrections}) as c", "_correction") if place.correction else (table, "0")
        found = self.session.rows(
            f"select {columns} from {source} where _batch_id = ? and _row_number = ? and {number} = ?",  # noqa: S608
            [place.batch_id, place.row_number, place.correction],
        )
        fields = ["" if value is None else str(value) for value in found[0]] if found else []
        return self.contract.dialect.delimiter.join(fields)


PENDING: Step = ("Pending", "Not yet in a published silver. Run silver.")


def _equals(column: Column, typed: bool) -> str:
    name = f'"{column.name}"'
    if typed or column.kind is Kind.TEXT:
        return f"cast({name} as varchar) = ?"
    return f"trim({name}) = ?"
