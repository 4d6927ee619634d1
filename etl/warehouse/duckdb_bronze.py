"""Bronze in the embedded warehouse: one Parquet file per batch, a view over them, and what people mend."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.declared import Contract
from etl.drift import HeaderSeen
from etl.errors import UsageError
from etl.model import Batch
from etl.warehouse import Arrival, Landing, MendChange
from etl.warehouse import bookkeeping as books
from etl.warehouse.columns import note_columns, note_header
from etl.warehouse.duckdb_held import Held, newest
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.duckdb_sql import (
    bronze_part,
    corrected_texts,
    empty_bronze,
    literal,
    quoted,
)

_LANDED = (
    "select batch_id, first_line, columns, revision from bronze._batches "
    "where source = ? and state = 'landed' order by batch_seq"
)


class Bronze(Held):
    """What is written about files, batches and their rows, each in one transaction."""

    def bronze_path(self, contract: Contract, batch_id: str, revision: int = 0) -> Path:
        """Where the records of a batch are kept; each reading of its file has a place of its own."""
        folder = self.bronze_files / contract.bronze_table
        return (folder / str(revision) if revision else folder) / f"{batch_id}.parquet"

    def _kept_at(self, contract: Contract, batch_id: str, revision: int) -> Path:
        """Where a landed batch lies: under the name that its bronze table had then."""
        path = self.bronze_path(contract, batch_id, revision)
        within = f"*/{revision}" if revision else "*"
        return path if path.exists() else next(self.bronze_files.glob(f"{within}/{batch_id}.parquet"), path)

    def _publish_renamed(self, session: DuckDBSession, contract: Contract) -> None:
        """A contract that names its bronze table anew keeps its batches: they stand under the new name too."""
        table = f"bronze.{contract.bronze_table}"
        if session.rows("select 1 from bronze._publications where table_name = ? limit 1", [table]):
            return
        session.run(
            "insert into bronze._publications select ?, arg_max(run_id, batch_seq), ?, ?, '[]', sum(rows), ?, "
            "max(arrived_at) from bronze._batches where source = ? and state = 'landed' having count(*) > 0",
            [newest(session) + 1, table, contract.fingerprint, self._fence, contract.source],
        )

    def _bronze_view(self, session: DuckDBSession, contract: Contract) -> None:
        """`bronze.<table>` over the files of the landed batches; part of the transaction that lands one.

        Columns that files brought beyond the contract follow those of the contract.
        """
        held = [json.loads(columns) for _, _, columns, _ in session.rows(_LANDED, [contract.source])]
        own = [column.name for column in contract.columns]
        names = list(dict.fromkeys([*own, *(name for columns in held for name in columns)]))
        body = self._records(session, contract, names, None)
        session.run(f"create or replace view bronze.{quoted(contract.bronze_table)} as {body}")

    def received(self, contract: Contract, batch_ids: Collection[str]) -> str:
        """A SELECT of the records of some batches as received: the contract's columns, `_batch_id`, `_row_number`."""
        with self.session() as session:
            names = [column.name for column in contract.columns]
            return self._records(session, contract, names, frozenset(batch_ids))

    def _records(
        self, session: DuckDBSession, contract: Contract, names: Sequence[str], only: frozenset[str] | None
    ) -> str:
        groups: dict[tuple[int | None, str], list[str]] = {}
        for batch_id, first_line, columns, revision in session.rows(_LANDED, [contract.source]):
            if only is None or batch_id in only:
                path = str(self._kept_at(contract, batch_id, revision))
                groups.setdefault((first_line, columns), []).append(path)
        parts = [
            bronze_part(names, line, json.loads(columns), files) for (line, columns), files in groups.items()
        ]
        return " union all ".join(parts or [empty_bronze(names)])

    def corrections(self, contract: Contract) -> str:
        """A SELECT of a source's corrections: the contract's columns as text, and the three columns of their place."""
        with self.session() as session:
            found = session.rows(
                "select distinct batch_id from bronze._corrections where source = ?", [contract.source]
            )
        received = self.received(contract, [batch_id for (batch_id,) in found])
        return corrected_texts(contract.source, [column.name for column in contract.columns], received)

    # -- landing ---------------------------------------------------------------------------------------------

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """Batch record, unreadable lines, arrival and the view that shows the rows: together or not at all."""
        with self._transaction() as session:
            batch = self._insert_batch(session, landing.batch, landing)
            self._insert_lines(session, batch, landing)
            self._insert_arrival(session, landing.arrival)
            self._bronze_view(session, contract)
            self._note_columns(session, batch, landing, contract)
            self._publish_bronze(session, batch.version, contract, batch.run_id, landing.arrival.arrived_at)
        return batch

    def _insert_lines(self, session: DuckDBSession, batch: Batch, landing: Landing) -> None:
        session.insert(
            "quarantine.unreadable_lines",
            [
                (batch.source, batch.batch_id, line.line_number, line.raw, line.reason)
                for line in landing.unreadable
            ],
        )

    def _note_columns(
        self, session: DuckDBSession, batch: Batch, landing: Landing, contract: Contract
    ) -> None:
        records = f"read_parquet({literal(landing.parquet)}, file_row_number = true)"
        note_columns(session, batch, records, landing.columns, landing.seen, contract)

    def refuse(
        self, batch: Batch, arrival: Arrival, contract: Contract | None = None, seen: HeaderSeen | None = None
    ) -> None:
        """Record a refused file; a new reason replaces the old one for the same bytes."""
        with self._transaction() as session:
            session.run(
                "delete from bronze._batches where source = ? and sha256 = ? and state = 'refused'",
                [batch.source, batch.sha256],
            )
            refused = self._insert_batch(session, batch, None)
            if contract and seen:
                note_header(session, refused, seen, contract)
            self._insert_arrival(session, arrival)

    def see(self, arrival: Arrival) -> None:
        """Record a sighting of bytes already known."""
        with self._transaction() as session:
            self._insert_arrival(session, arrival)

    def _insert_batch(self, session: DuckDBSession, batch: Batch, landing: Landing | None) -> Batch:
        next_seq = session.rows("select coalesce(max(batch_seq), 0) + 1 from bronze._batches")[0][0]
        version = newest(session) + (1 if landing else 0)
        numbered = replace(batch, batch_seq=int(next_seq), version=version)
        session.run(
            "delete from bronze._batches where source = ? and sha256 = ? and state = 'refused'",
            [batch.source, batch.sha256],
        )
        marks = ", ".join("?" * 21)
        session.run(
            f"insert into bronze._batches ({books.BATCH_COLUMNS}, first_line, columns, header) values ({marks})",  # noqa: S608
            [*books.batch_values(numbered), *_shape(landing)],
        )
        return numbered

    def _insert_arrival(self, session: DuckDBSession, arrival: Arrival) -> None:
        marks = ", ".join("?" * 9)
        session.run(f"insert into bronze._arrivals values ({marks})", books.arrival_values(arrival))  # noqa: S608

    def _publish_bronze(
        self, session: DuckDBSession, version: int, contract: Contract, run_id: int, at: datetime
    ) -> None:
        rows = session.rows(
            "select coalesce(sum(rows), 0) from bronze._batches where source = ? and state = 'landed'",
            [contract.source],
        )[0][0]
        session.run(
            "insert into bronze._publications values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                version, run_id, f"bronze.{contract.bronze_table}", contract.fingerprint, "[]", int(rows),
                self._fence, books.naive(at),
            ],
        )  # fmt: skip

    # -- mending ---------------------------------------------------------------------------------------------

    def mend(self, change: MendChange, contract: Contract) -> bool:
        """What a person mended, as a new version of bronze; False when this mend has taken effect before."""
        with self._transaction() as session:
            if session.rows("select 1 from bronze._mends where mend_id = ?", [change.mend_id]):
                return False
            version, at = newest(session) + 1, books.naive(change.at)
            session.run(
                "insert into bronze._mends values (?, ?, ?)", [change.mend_id, version, change.message]
            )
            session.insert(
                "bronze._corrections",
                [
                    (
                        contract.source, row.place.batch_id, row.place.row_number, row.place.correction,
                        row.of_unreadable, json.dumps(row.changes, ensure_ascii=False), change.author,
                        change.reason, at, change.mend_id, version,
                    )
                    for row in change.corrections
                ],
            )  # fmt: skip
            unlifted = (None, None, None)
            given = (change.reason, change.author, at, change.mend_id, version, *unlifted)
            session.insert(
                "bronze._marks", [(contract.source, mark.kind, *mark.place, *given) for mark in change.marks]
            )
            session.many(
                "update bronze._marks set lifted_at = ?, lifted_by = ?, lifted_version = ? "
                "where kind = ? and batch_id = ? and row_number = ? and correction = ? and lifted_at is null",
                [(at, change.author, version, mark.kind, *mark.place) for mark in change.lifted],
            )
            if change.reread:
                self._replace_batch(session, change.reread, contract, version)
            self._publish_bronze(session, version, contract, change.run_id, change.at)
        return True

    def _replace_batch(
        self, session: DuckDBSession, landing: Landing, contract: Contract, version: int
    ) -> None:
        """A batch as its file reads now; it keeps its identity and its place in the order."""
        batch = landing.batch
        names = "lines, header_lines, rows, continuation_lines, unreadable, blank, revision"
        given = [getattr(batch, name) for name in names.split(", ")]
        session.run(
            f"update bronze._batches set {', '.join(f'{name} = ?' for name in names.split(', '))}, version = ?, "  # noqa: S608
            "first_line = ?, columns = ?, header = ? where batch_id = ?",
            [*given, version, *_shape(landing), batch.batch_id],
        )
        session.run("delete from quarantine.unreadable_lines where batch_id = ?", [batch.batch_id])
        self._insert_lines(session, batch, landing)
        self._bronze_view(session, contract)
        self._note_columns(session, batch, landing, contract)
        self._require_mended_lines(session, batch.batch_id, contract)

    def _require_mended_lines(self, session: DuckDBSession, batch_id: str, contract: Contract) -> None:
        """What people mended belongs to lines; it must not be left without the row or line it belongs to."""
        lost = session.rows(
            "select row_number from (select row_number, batch_id from bronze._corrections union "  # noqa: S608
            "select row_number, batch_id from bronze._marks where lifted_at is null and kind <> 'withdraw') "
            "where batch_id = $1 and row_number not in (select line_number from quarantine.unreadable_lines "
            f"where batch_id = $1 union select _row_number from bronze.{quoted(contract.bronze_table)} "
            "where _batch_id = $1) order by 1 limit 5",
            [batch_id],
        )
        if lost:
            lines = ", ".join(str(line) for (line,) in lost)
            raise UsageError(
                f"Read as the contract says now, lines {lines} of the batch are no rows of their own any more, "
                "but were corrected or discarded.",
                "Land the file under another name with its lines as they should be, and withdraw this batch.",
            )


def _shape(landing: Landing | None) -> list[Any]:
    """What is kept of how a batch's Parquet file and its CSV file are laid out."""
    if landing is None:
        return [None, "[]", "[]"]
    return [landing.first_line, json.dumps(list(landing.columns)), json.dumps(list(landing.header))]
