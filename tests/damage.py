"""Ways in which an engine could lose something, put in where no public name leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from etl.declared import Contract
from etl.errors import WarehouseError
from etl.layers.silver import SilverSQL
from etl.reader import Reader, ReadResult, Survey
from etl.service import Service


class Damaged(dict[str, SilverSQL]):
    """Compiled statements of which those of sales lose something on their way into the engine: those of a build of
    the whole and those that bring it up to date.
    """

    def __init__(self, damage: Callable[[str], str]) -> None:
        super().__init__()
        self._damage = damage

    def __setitem__(self, place: str, sql: SilverSQL) -> None:
        hurt = replace(sql, current=self._damage(sql.current), newest=self._damage(sql.newest))
        super().__setitem__(place, hurt if "sales_id" in sql.current else sql)


class LosingReader(Reader):
    """Writes one record less than it has read. `told` is whether it counts what it wrote."""

    told = False

    def read(
        self, path: Path, contract: Contract, target: Path, surveyed: Survey | None = None
    ) -> ReadResult:
        result = super().read(path, contract, target, surveyed)
        if contract.source != "erp_sales":
            return result
        short = target.with_suffix(".short")
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * exclude (file_row_number) from read_parquet('{target}', file_row_number = true) "
                f"where file_row_number <> 0) to '{short}' (format parquet)"
            )
        short.replace(target)
        return replace(result, rows=result.rows - 1) if self.told else result


class LosingAndTellingReader(LosingReader):
    """As it, and owns up to the number of records it wrote."""

    told = True


@contextmanager
def failing_at(service: Service, statement: str) -> Iterator[None]:
    """The warehouse breaks off within the publishing transaction, when tables are switched already."""
    warehouse: Any = service._warehouse
    transaction = warehouse._transaction

    class Torn:
        def __init__(self, session: Any) -> None:
            self._session = session

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def run(self, sql: str, *values: Any) -> None:
            self._tear(sql)
            self._session.run(sql, *values)

        def many(self, sql: str, *values: Any) -> None:
            self._tear(sql)
            self._session.many(sql, *values)

        def _tear(self, sql: str) -> None:
            if statement in sql:
                raise WarehouseError("The connection is torn.")

    @contextmanager
    def torn() -> Iterator[Any]:
        with transaction() as session:
            yield Torn(session)

    warehouse._transaction = torn
    try:
        yield
    finally:
        warehouse._transaction = transaction
