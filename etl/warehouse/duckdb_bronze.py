"""Bronze in the embedded warehouse: one Parquet file per batch, a view over them, and what people mend."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from etl.declared import Contract
from etl.model import Batch
from etl.warehouse import Landing, Session
from etl.warehouse.columns import note_columns
from etl.warehouse.duckdb_held import Held
from etl.warehouse.duckdb_sql import (
    bronze_part,
    corrected_texts,
    empty_bronze,
)
from etl.warehouse.naming import literal, quoted
from etl.warehouse.writing import LANDED, Writing, newest


class Bronze(Held, Writing):
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

    def _publish_renamed(self, session: Session, contract: Contract) -> None:
        """A contract that names its bronze table anew keeps its batches: they stand under the new name too."""
        table = f"bronze.{contract.bronze_table}"
        if session.rows("select 1 from bronze._publications where table_name = ? limit 1", [table]):
            return
        session.run(
            "insert into bronze._publications select ?, arg_max(run_id, batch_seq), ?, ?, '[]', sum(rows), ?, "
            "max(arrived_at) from bronze._batches where source = ? and state = 'landed' having count(*) > 0",
            [newest(session) + 1, table, contract.fingerprint, self._fence, contract.source],
        )

    def _bronze_view(self, session: Session, contract: Contract) -> None:
        """`bronze.<table>` over the files of the landed batches; part of the transaction that lands one.

        Columns that files brought beyond the contract follow those of the contract.
        """
        held = [json.loads(columns) for _, _, columns, _ in session.rows(LANDED, [contract.source])]
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
        self, session: Session, contract: Contract, names: Sequence[str], only: frozenset[str] | None
    ) -> str:
        groups: dict[tuple[int | None, str], list[str]] = {}
        for batch_id, first_line, columns, revision in session.rows(LANDED, [contract.source]):
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

    def _keep_records(self, session: Session, batch: Batch, landing: Landing, contract: Contract) -> None:
        """The Parquet file is there already: the view that shows it is made anew."""
        self._bronze_view(session, contract)
        records = f"read_parquet({literal(landing.parquet)}, file_row_number = true)"
        note_columns(session, batch, records, landing.columns, landing.seen, contract)
