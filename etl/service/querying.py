"""Rows of tables, of quarantine and of people's own queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from etl.building import Building
from etl.declared import Contract, Layer, Reconcile
from etl.errors import UsageError
from etl.explain import explain
from etl.facts import (
    Explained,
    GoldRow,
    GoldTotal,
    ReasonCount,
    Rows,
    TableFacts,
    UnreadableCount,
)
from etl.gate import require_select
from etl.layers.silver import quarantine_table
from etl.lineage import gold_row
from etl.model import written_short
from etl.service.base import Base
from etl.service.terms import LINES_ONLY, TERMS, WITHOUT_AMOUNT, Terms, quoted

MOST_COLUMNS = 100_000


class Querying(Base):
    """Reads that return rows."""

    def quarantine_reasons(self) -> tuple[ReasonCount, ...]:
        """How many rows and lines carry each reason, most first."""
        counts = [
            ReasonCount(source, reason, rows, unreadable=True)
            for source, reason, rows in self._warehouse.query(
                "select source, reason, count(*) from quarantine.unreadable_lines group by source, reason"
            ).rows
        ]
        for contract in self._with_quarantine():
            schema, name = quarantine_table(contract).split(".", 1)
            found = self._warehouse.query(
                f'select reason, count(*) from (select unnest(_reasons) as reason from {schema}."{name}") as found '  # noqa: S608
                "group by reason"
            )
            counts += [ReasonCount(contract.source, reason, rows) for reason, rows in found.rows]
        return tuple(sorted(counts, key=lambda count: (-count.rows, count.source, count.reason)))

    def quarantine(self, source: str, limit: int = 1000, reason: str = "") -> Rows:
        """The quarantined rows of a source, as received, with their reasons. Raises UsageError for an unknown one."""
        contract = self._contract(source)
        if contract not in self._with_quarantine():
            return Rows((), (), ())
        schema, name = quarantine_table(contract).split(".", 1)
        wanted = "where ? = any(_reasons)" if reason else ""
        return self._warehouse.query(
            f'select * from {schema}."{name}" {wanted} order by _batch_id, _row_number',  # noqa: S608
            [reason] if reason else [],
            limit,
        )

    def unreadable(self, source: str = "", limit: int = 1000) -> Rows:
        """Lines that could not be taken apart, kept raw."""
        return self._warehouse.query(
            "select source, batch_id, line_number, raw, reason from quarantine.unreadable_lines "
            "where ? in ('', source) order by source, batch_id, line_number",
            [source],
            limit,
        )

    def rows_in(
        self, source: str, term: str, batch_id: str = "", limit: int = 1000, column: str = ""
    ) -> Rows:  # fmt: skip
        """The rows behind one term of a source's row account, of one batch or of all, in the order they came.

        `without_amount` are those whose `column` holds no amount that can be read. Each comes with `_path`,
        `_batch_id`, `_row_number` and `_correction`. Raises UsageError for unknown names.
        """
        contract = self._contract(source)
        if term not in (*TERMS, WITHOUT_AMOUNT):
            raise UsageError(f"An account has no term {term!r}.", f"It has: {', '.join(TERMS)}.")
        amount = self._amount(contract, column) if term == WITHOUT_AMOUNT else ""
        there = contract.silver_table or term in LINES_ONLY
        select = self._terms(contract, amount).select(term) if there else None
        if select is None:
            return Rows((), (), ())
        wanted, params = ("where found._batch_id = ?", [batch_id]) if batch_id else ("", [])
        return self._warehouse.query(
            f"select batches.path as _path, found.* from ({select}) as found "  # noqa: S608
            f"join bronze._batches as batches on batches.batch_id = found._batch_id {wanted} "
            "order by batches.batch_seq, found._row_number, found._correction",
            params,
            limit,
        )

    def _amount(self, contract: Contract, column: str) -> str:
        amounts = [found.name for found in contract.columns if found.amount and contract.silver_table]
        if column not in amounts:
            raise UsageError(
                f"{contract.source} has no amount {column!r}.", f"It has: {', '.join(amounts) or 'none'}."
            )
        return dict(Building(self.engine.tools).compiled(contract).amounts)[column]

    def _terms(self, contract: Contract, amount: str = "") -> Terms:
        accounts = self._standing().accounts.row_batches
        return Terms(
            contract,
            self._columns_there(),
            self._warehouse.corrections(contract),
            tuple(a.batch_id for a in accounts if a.source == contract.source and a.pending),
            amount,
        )

    def _columns_there(self) -> dict[str, frozenset[str]]:
        """The columns of every table that the warehouse has now, by qualified name."""
        there: dict[str, set[str]] = {}
        sql = "select table_schema, table_name, column_name from information_schema.columns"
        for schema, table, column in self._warehouse.query(sql, limit=MOST_COLUMNS).rows:
            there.setdefault(f"{schema}.{table}", set()).add(column)
        return {table: frozenset(columns) for table, columns in there.items()}

    def gold_totals(self) -> tuple[GoldTotal, ...]:
        """Each declared reconciliation of a published gold table, both sums taken anew from what is published."""
        facts = {table.name: table for table in self._standing().tables}
        declared = [
            (table, reconcile)
            for table in self.catalog.layer(Layer.GOLD)
            for reconcile in table.reconcile
            if facts[table.name].version and facts[reconcile.source].version
        ]
        return tuple(self._gold_total(facts[table.name], reconcile) for table, reconcile in declared)

    def _gold_total(self, table: TableFacts, reconcile: Reconcile) -> GoldTotal:
        sums = [
            f'(select coalesce(sum("{column}"), 0) from {quoted(name)}), (select count(*) from {quoted(name)})'  # noqa: S608
            for name, column in ((table.name, reconcile.column), (reconcile.source, reconcile.source_column))
        ]
        gold, rows, silver, silver_rows = self._warehouse.query(f"select {', '.join(sums)}").rows[0]
        unit = next((field.unit for field in table.fields if field.name == reconcile.column), "")
        return GoldTotal(
            table.name, reconcile.column, unit, reconcile.source, reconcile.source_column,
            self.catalog.tables[reconcile.source].source or "", written_short(Decimal(gold)),
            written_short(Decimal(silver)), rows, silver_rows, table.stale,
        )  # fmt: skip

    def unreadable_reasons(self) -> tuple[UnreadableCount, ...]:
        """Why lines are unreadable, most first, and how many of them have a correction or were discarded."""
        found = self._warehouse.query("""
            select
                lines.source,
                lines.reason,
                count(*) as found,
                count(mended.batch_id) as corrected,
                count(marked.batch_id) as discarded
            from quarantine.unreadable_lines as lines
            left join (
                select distinct batch_id, row_number from bronze._corrections where of_unreadable
            ) as mended on mended.batch_id = lines.batch_id and mended.row_number = lines.line_number
            left join (
                select distinct batch_id, row_number from bronze._marks
                where kind = 'discard_line' and lifted_at is null
            ) as marked on marked.batch_id = lines.batch_id and marked.row_number = lines.line_number
            group by lines.source, lines.reason
            order by found desc, lines.source, lines.reason
        """)
        return tuple(UnreadableCount(*row) for row in found.rows)

    def rows(
        self, table: str, *, columns: Sequence[str] = (), where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] = (), limit: int = 100_000,
    ) -> Rows:  # fmt: skip
        """Rows of one published table. Raises UsageError for unknown tables and columns, and for one never built."""
        found = self.catalog.table(table)
        if found.name not in self._warehouse.published():
            raise UsageError(f"{found.name} has never been built.", f"Run {found.name} first.")
        known = self._column_names(found.name)
        asked = [*columns, *(where or {}), *(name.lstrip("-") for name in order_by)]
        for name in asked:
            if name not in known:
                raise UsageError(f"{found.name} has no column {name!r}.", f"It has: {', '.join(known)}.")
        sql, params = _select(found.name, columns or known, where or {}, order_by)
        return self._warehouse.query(sql, params, limit)

    def _column_names(self, table: str) -> list[str]:
        """Those declared that are there: a definition may have changed since the table was built."""
        own = [field.name for field in self.catalog.tables[table].fields]
        bronze_places = ["_batch_id", "_row_number"] if table.startswith("bronze.") else []
        schema, name = table.split(".", 1)
        there = self._warehouse.query(f'select * from {schema}."{name}" limit 0').columns  # noqa: S608
        return [column for column in dict.fromkeys([*own, *bronze_places]) if column in there]

    def select(self, sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> Rows:
        """One read-only SELECT. Raises UsageError for anything else, WarehouseError when the warehouse refuses it."""
        return self._warehouse.ask(require_select(sql, self._warehouse.dialect), params, limit)

    def gold_row(self, table: str, key: str, limit: int = 50) -> GoldRow:
        """A row of gold and the silver rows it is made of. Raises UsageError for other tables and a wrong key."""
        return gold_row(self.catalog, self._warehouse, table, key, limit)

    def explain(self, table: str, key: str) -> Explained:
        """Where one row is, and why."""
        return explain(self.catalog, self._warehouse, table, key)


def _select(
    table: str, columns: Sequence[str], where: Mapping[str, Any], order_by: Sequence[str]
) -> tuple[str, list[Any]]:
    schema, name = table.split(".", 1)
    params: list[Any] = []
    conditions = []
    for column, wanted in where.items():
        values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        conditions.append(f'"{column}" in ({", ".join("?" * len(values))})' if values else "false")
        params += values
    order = [f'"{item.lstrip("-")}"{" desc" if item.startswith("-") else ""}' for item in order_by]
    sql = f'select {", ".join(f"{chr(34)}{column}{chr(34)}" for column in columns)} from {schema}."{name}"'  # noqa: S608
    sql += f" where {' and '.join(conditions)}" if conditions else ""
    sql += f" order by {', '.join(order)}" if order else ""
    return sql, params
