"""What every warehouse writes: batches, arrivals, mends, publications, each in one transaction. SQL over a session."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

from etl.declared import Contract
from etl.drift import HeaderSeen
from etl.errors import UsageError
from etl.model import Batch
from etl.warehouse import Arrival, Built, Landing, MendChange, Publication, Session
from etl.warehouse import bookkeeping as books
from etl.warehouse.columns import note_header

LANDED = (
    "select batch_id, first_line, columns, revision from bronze._batches "
    "where source = ? and state = 'landed' order by batch_seq"
)


class Writing(ABC):
    """Who writes holds the fencing number; each transaction checks it."""

    _fence = 0

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Session]:
        """A transaction of the engine. Raises LeaseLost unless the fencing number is still its own."""

    @abstractmethod
    def _keep_records(self, session: Session, batch: Batch, landing: Landing, contract: Contract) -> None:
        """Make the records of a batch those of its Parquet file, and note how its columns are."""

    @abstractmethod
    def _switch(self, session: Session, table: str) -> None:
        """The build takes the place of the table."""

    @abstractmethod
    def _merge(self, session: Session, table: str) -> None:
        """What was cut leaves the table, what was put comes in."""

    # -- landing ---------------------------------------------------------------------------------------------

    def land(self, landing: Landing, contract: Contract) -> Batch:
        """Batch record, unreadable lines, arrival and the rows: together or not at all."""
        with self._transaction() as session:
            batch = self._insert_batch(session, landing.batch, landing)
            self._insert_lines(session, batch, landing)
            self._insert_arrival(session, landing.arrival)
            self._keep_records(session, batch, landing, contract)
            self._publish_bronze(session, batch.version, contract, batch.run_id, landing.arrival.arrived_at)
        return batch

    def _insert_lines(self, session: Session, batch: Batch, landing: Landing) -> None:
        session.insert(
            "quarantine.unreadable_lines",
            [
                (batch.source, batch.batch_id, line.line_number, line.raw, line.reason)
                for line in landing.unreadable
            ],
        )

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

    def _insert_batch(self, session: Session, batch: Batch, landing: Landing | None) -> Batch:
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

    def _insert_arrival(self, session: Session, arrival: Arrival) -> None:
        marks = ", ".join("?" * 9)
        session.run(f"insert into bronze._arrivals values ({marks})", books.arrival_values(arrival))  # noqa: S608

    def _publish_bronze(
        self, session: Session, version: int, contract: Contract, run_id: int, at: datetime
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

    def _replace_batch(self, session: Session, landing: Landing, contract: Contract, version: int) -> None:
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
        self._keep_records(session, batch, landing, contract)
        self._require_mended_lines(session, batch.batch_id, contract)

    def _require_mended_lines(self, session: Session, batch_id: str, contract: Contract) -> None:
        """What people mended belongs to lines; it must not be left without the row or line it belongs to."""
        lost = session.rows(
            "select row_number from (select row_number, batch_id from bronze._corrections union "  # noqa: S608
            "select row_number, batch_id from bronze._marks where lifted_at is null and kind <> 'withdraw') "
            "as mended where batch_id = ? and row_number not in (select line_number from quarantine.unreadable_lines "
            f'where batch_id = ? union select _row_number from bronze."{contract.bronze_table}" '
            "where _batch_id = ?) order by 1 limit 5",
            [batch_id] * 3,
        )
        if lost:
            lines = ", ".join(str(line) for (line,) in lost)
            raise UsageError(
                f"Read as the contract says now, lines {lines} of the batch are no rows of their own any more, "
                "but were corrected or discarded.",
                "Land the file under another name with its lines as they should be, and withdraw this batch.",
            )

    # -- publishing ------------------------------------------------------------------------------------------

    def publish(self, publication: Publication) -> int:
        """Every built table takes the place of the old one, with its accounts, in one transaction."""
        with self._transaction() as session:
            version = newest(session) + (1 if publication.built else 0)
            for built in publication.built:
                for table in (built.table, *built.beside):
                    (self._merge if built.merged else self._switch)(session, table)
                self._insert_publication(session, version, built, publication)
            self._insert_accounts(session, version, publication)
        return version

    def _insert_publication(
        self, session: Session, version: int, built: Built, publication: Publication
    ) -> None:
        inputs = [[name, number or version] for name, number in built.inputs]
        session.run(
            "insert into bronze._publications values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                version, publication.run_id, built.table, built.fingerprint, json.dumps(inputs), built.rows,
                self._fence, books.naive(publication.at),
            ],
        )  # fmt: skip

    def _insert_accounts(self, session: Session, version: int, publication: Publication) -> None:
        for table, accounts in (("_accounts", publication.rows), ("_money_accounts", publication.money)):
            again = {(version, account.source) for account in accounts}
            session.many(f"delete from bronze.{table} where version = ? and source = ?", list(again))  # noqa: S608
        session.many(
            f"insert into bronze._accounts (version, {books.ROW_COLUMNS}) values ({', '.join('?' * 17)})",  # noqa: S608
            [(version, *books.account_values(account)) for account in publication.rows],
        )
        session.many(
            f"insert into bronze._money_accounts (version, {books.MONEY_COLUMNS}) values ({', '.join('?' * 14)})",  # noqa: S608
            [(version, *books.money_values(account)) for account in publication.money],
        )


def newest(session: Session) -> int:
    """The newest version; 0 when nothing was ever published."""
    return int(session.rows("select coalesce(max(version), 0) from bronze._publications")[0][0])


def _shape(landing: Landing | None) -> list[Any]:
    """What is kept of how a batch's Parquet file and its CSV file are laid out."""
    if landing is None:
        return [None, "[]", "[]"]
    return [landing.first_line, json.dumps(list(landing.columns)), json.dumps(list(landing.header))]
