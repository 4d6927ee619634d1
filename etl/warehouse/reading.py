"""What every warehouse reads of its bookkeeping. SQL over a session."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import TypeVar

from etl.model import Batch, MoneyAccount, Published, RowAccount
from etl.warehouse import Arrival, Session
from etl.warehouse import bookkeeping as books

T = TypeVar("T")


class Reading(ABC):
    """Batches, arrivals, what is published and the accounts of it."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Statements on their own, each committed at once."""

    @abstractmethod
    def _keep(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, read once while nothing can have changed."""

    def batches(self) -> list[Batch]:
        """Every batch, in `batch_seq` order."""
        return list(self._keep("batches", self._read_batches))

    def _read_batches(self) -> list[Batch]:
        with self.session() as session:
            found = session.rows(f"select {books.BATCH_COLUMNS} from bronze._batches order by batch_seq")  # noqa: S608
        return [books.to_batch(row) for row in found]

    def arrivals(self) -> list[Arrival]:
        """Every sighting, oldest first."""
        with self.session() as session:
            found = session.rows(f"select {books.ARRIVAL_COLUMNS} from bronze._arrivals order by arrived_at")  # noqa: S608
        return [books.to_arrival(row) for row in found]

    def published(self) -> dict[str, Published]:
        """What stands now, by qualified table."""
        return dict(self._keep("published", self._read_published))

    def _read_published(self) -> dict[str, Published]:
        with self.session() as session:
            return {
                row[0]: books.to_published(row, json.loads(row[4])) for row in session.rows(books.PUBLISHED)
            }

    def published_in(self, run_id: int, tables: Collection[str]) -> int | None:
        """The version that a run has published these very tables in, if it has."""
        marks = ", ".join("?" * len(tables))
        with self.session() as session:
            found = session.rows(
                f"select version from bronze._publications where run_id = ? and table_name in ({marks}) "  # noqa: S608
                "group by version having count(*) = ?",
                [run_id, *tables, len(tables)],
            )
        return int(found[0][0]) if found else None

    def history(self, limit: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """(version, rows) of the last publications of each table, oldest first."""
        with self.session() as session:
            found = session.rows(
                "select table_name, version, rows from (select table_name, version, rows, row_number() over "
                "(partition by table_name order by version desc) as place from bronze._publications) as lines "
                "where place <= ? order by version",
                [limit],
            )
        lines: dict[str, list[tuple[int, int]]] = {}
        for table, version, rows in found:
            lines.setdefault(table, []).append((version, rows))
        return {table: tuple(line) for table, line in lines.items()}

    def accounts(self) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The newest row and money accounts of every batch, by source and batch."""
        with self.session() as session:
            rows = session.rows(_newest_of("_accounts", books.ROW_COLUMNS))
            money = session.rows(_newest_of("_money_accounts", books.MONEY_COLUMNS))
        place = {batch.batch_id: batch.batch_seq for batch in self.batches()}
        return (
            sorted(map(books.to_account, rows), key=lambda a: (a.source, place.get(a.batch_id, 0))),
            sorted(map(books.to_money, money), key=lambda a: (a.source, place.get(a.batch_id, 0), a.column)),
        )


def _newest_of(table: str, columns: str) -> str:
    """The accounts of each source's newest version."""
    newest = f"select source, max(version) as version from bronze.{table} group by source"  # noqa: S608
    own = ", ".join(f"a.{name.strip()}" for name in columns.split(","))
    return (
        f"select {own} from bronze.{table} as a join ({newest}) as newest "  # noqa: S608
        "on newest.source = a.source and newest.version = a.version"
    )
