"""A DuckDB file that is only read: nothing in it or beside it changes, whatever is asked."""
# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from etl.declared import Contract
from etl.errors import WarehouseError, WarehouseUnavailable
from etl.settings import Settings
from etl.warehouse import Session
from etl.warehouse import bookkeeping as books
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.duckdb_sql import bronze_part, empty_bronze, faults
from etl.warehouse.naming import ASIDE, literal, quoted
from etl.warehouse.writing import LANDED

KEPT = "kept"  # the name under which the file is attached


class AttachedDuckDB(DuckDBWarehouse):
    """As the warehouse of that file, seen through views of a DuckDB in memory.

    The views of bronze are made anew: those in the file name the folder in which it lay when it was written.
    """

    def __init__(self, settings: Settings, contracts: Sequence[Contract]) -> None:
        super().__init__(settings)
        try:
            with self.session() as session:
                for schema in books.SCHEMAS:
                    session.run(f"create schema {schema}")
                for table in self.tables():
                    self._view(session, table)
                for source, (table, names) in self.sources(contracts).items():
                    self._bronze(session, source, table, names)
        except BaseException:
            self.close()
            raise

    def _opened(self, settings: Settings) -> duckdb.DuckDBPyConnection:
        if not self._path.exists():
            raise WarehouseUnavailable(
                f"There is no warehouse {self._path}.", "See METALAYER_STATE and METALAYER_WAREHOUSE."
            )
        config: dict[str, Any] = {"preserve_insertion_order": False}
        if settings.threads:
            config["threads"] = settings.threads
        if settings.memory_limit:
            config["memory_limit"] = settings.memory_limit
        with faults(self._path):
            connection = duckdb.connect(":memory:", config=config)
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute("set autoload_known_extensions = false")
            connection.execute(f"set temp_directory = {literal(str(settings.files / 'spill'))}")
            connection.execute(f"attach {literal(str(self._path))} as {KEPT} (read_only)")
            connection.execute(f"set allowed_directories = [{literal(str(settings.files))}]")
            connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
        return connection

    def tables(self) -> list[str]:
        """Every table that is kept in the file, but for what is built aside."""
        with self.session() as session:
            found = session.rows(
                "select schema_name || '.' || table_name from duckdb_tables() where database_name = ? "
                "and list_contains(?, schema_name) and not regexp_matches(table_name, ?) order by 1",
                [KEPT, list(books.SCHEMAS), f"^({'|'.join(map(re.escape, ASIDE))})"],
            )
        return [str(name) for (name,) in found]

    def sources(self, contracts: Sequence[Contract]) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Of every source that has a contract or a landed batch: its bronze table and the columns of that."""
        own = {contract.source: contract for contract in contracts}
        with self.session() as session:
            landed = session.rows("select distinct source from bronze._batches where state = 'landed'")
            found = {}
            for source in sorted({*own, *(name for (name,) in landed)}):
                batches = session.rows(LANDED, [source])
                contract = own.get(source)
                table = contract.bronze_table if contract else self._folder_of(batches)
                declared = [column.name for column in contract.columns] if contract else []
                held = [name for _, _, columns, _ in batches for name in json.loads(columns)]
                found[source] = (f"bronze.{table}", tuple(dict.fromkeys([*declared, *held])))
        return found

    def _folder_of(self, batches: Sequence[tuple[Any, ...]]) -> str:
        """The name that the bronze table of a source without a contract had: that of its folder."""
        path = Path(self.file_of(batches[0][0], batches[0][3]))
        return path.relative_to(self.bronze_files).parts[0]

    def _view(self, session: DuckDBSession, table: str) -> None:
        schema, name = table.split(".", 1)
        there = {row[0] for row in session.rows(f"describe {KEPT}.{schema}.{quoted(name)}")}
        added = "".join(
            f", {kind.partition('default ')[2]}::{kind.split()[0]} as {column}"
            for column, kind in books.ADDED.get(table, {}).items()
            if column not in there
        )
        session.run(
            f"create view {schema}.{quoted(name)} as select *{added} from {KEPT}.{schema}.{quoted(name)}"
        )

    def _bronze(self, session: Session, source: str, table: str, names: Sequence[str]) -> None:
        """As the view of the file itself, over the files where they lie now."""
        groups: dict[tuple[int | None, str], list[str]] = {}
        for batch_id, first_line, columns, revision in session.rows(LANDED, [source]):
            groups.setdefault((first_line, columns), []).append(self.file_of(batch_id, revision))
        parts = [bronze_part(names, line, json.loads(held), files) for (line, held), files in groups.items()]
        schema, name = table.split(".", 1)
        body = " union all ".join(parts or [empty_bronze(names)])
        session.run(f"create view {schema}.{quoted(name)} as {body}")

    def file_of(self, batch_id: str, revision: int) -> str:
        """Where the records of a landed batch lie. Raises WarehouseError when they are gone."""
        path = self._files.get((batch_id, revision))
        if path is None:
            raise WarehouseError(
                f"The bronze file of batch {batch_id} is not in {self.bronze_files}.",
                "Restore it from a backup.",
            )
        return str(path)

    @cached_property
    def _files(self) -> dict[tuple[str, int], Path]:
        return {
            (path.stem, int(path.parent.name) if path.parent.parent.parent == self.bronze_files else 0): path
            for path in self.bronze_files.rglob("*.parquet")
        }
