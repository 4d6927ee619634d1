"""Building one table aside, and drawing up the accounts of a source as it will stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from etl import accounts
from etl.declared import Contract, Layer, Table
from etl.errors import WarehouseError
from etl.layers import gold, silver
from etl.layers.silver_merge import Merge, ParentNow
from etl.model import Batch, MoneyAccount, RowAccount
from etl.tools import Tools
from etl.warehouse import Built, Session

THIS_VERSION = 0  # in a built table's inputs: the version that is being published
EVERY_VERSION = sys.maxsize


class Building:
    """The tables of one run. `built` holds those that were built aside and not published yet."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.built: dict[str, Built] = {}

    def names(self) -> dict[str, str]:
        """How SQL reads every silver and gold table, and those beside silver: as built aside, or as published."""
        physical, names = self.tools.warehouse.physical, {}
        for table in self.tools.catalog.tables.values():
            built = table.name in self.built
            if table.layer is not Layer.BRONZE:
                names[table.name] = physical(table.name, built)
            if table.layer is Layer.SILVER:
                contract = self.tools.catalog.contracts[table.source or ""]
                names |= {beside: physical(beside, built) for beside in silver.beside(contract)}
        return names

    def compiled(self, contract: Contract) -> silver.SilverSQL:
        """The statements of a contract's silver, reading its parents as this run does."""
        references = contract.references
        parents = [silver.parent_of(reference, self.tools.catalog.contracts) for reference in references]
        known, memory = self.tools.compiled, self.tools.memory
        compiled = silver.compiled(contract, parents, self.tools.warehouse.dialect, known, memory)
        names = self.names()
        return compiled.reading({parent.table: names[parent.table] for parent in parents})

    def silver(self, table: Table, contract: Contract, mode: str) -> tuple[int, str]:
        """Build silver aside, whole (`full`) or only what changes; its rows and how it was done."""
        published = self.tools.warehouse.published().get(table.name)
        parents_whole = any(name in self.built and not self.built[name].merged for name in table.inputs)
        with told_of(table), self.tools.warehouse.session() as session:
            since = dict(published.inputs) if published else {}
            # A bronze table under a new name: what silver was built from is not known by it.
            unknown = f"bronze.{contract.bronze_table}" not in since
            if mode == "full" or unknown or parents_whole:
                rows = silver.build(
                    session, contract, self.compiled(contract), self._records(session, contract)
                )
                self._keep(table, rows, silver.beside(contract))
                return rows, ""
            merge = Merge(
                session, self.tools.warehouse, contract, self.compiled(contract),
                since.get(f"bronze.{contract.bronze_table}", 0), self._parents_now(contract, since),
            )  # fmt: skip
            judged, rows, loses_keys = merge.build()
        self._keep(table, rows, silver.beside(contract), merged=True, loses_keys=loses_keys)
        return rows, f"{judged:,} rows judged"

    def _records(self, session: Session, contract: Contract) -> str:
        names = ", ".join(f'"{column.name}"' for column in contract.columns)
        received = f'select {names}, _batch_id, _row_number from bronze."{contract.bronze_table}"'  # noqa: S608
        if not silver.is_mended(session, contract):
            return silver.untouched(received)
        return silver.placed(received, self.tools.warehouse.corrections(contract))

    def _parents_now(self, contract: Contract, since: Mapping[str, int]) -> list[ParentNow]:
        """The parents whose table is another than when silver was built."""
        published = self.tools.warehouse.published()
        reasons = self.compiled(contract).orphan_reasons
        found = []
        for reference, reason in zip(contract.references, reasons, strict=True):
            table = silver.parent_of(reference, self.tools.catalog.contracts).table
            built = self.built.get(table)
            stands = published[table].version if table in published else -1
            if built or stands != since.get(table):
                older = stands != since.get(table)
                by_key = reference.to == self.tools.catalog.contracts[reference.source].key
                may_lack = older or not (built and built.merged and by_key and not built.loses_keys)
                found.append(
                    ParentNow(self.names()[table], reference.to, reference.columns, reason, may_lack)
                )
        return found

    def gold(self, table: Table) -> int:
        """Build a gold table aside; its rows."""
        with told_of(table), self.tools.warehouse.session() as session:
            rows = gold.build(session, table, self.names(), self.tools.warehouse.dialect)
        self._keep(table, rows, ())
        return rows

    def _keep(
        self,
        table: Table,
        rows: int,
        beside: tuple[str, ...],
        *,
        merged: bool = False,
        loses_keys: bool = True,
    ) -> None:
        published = self.tools.warehouse.published()
        inputs = tuple(
            (
                name,
                THIS_VERSION if name in self.built else published[name].version if name in published else -1,
            )
            for name in table.inputs
        )
        self.built[table.name] = Built(
            table.name, table.fingerprint, inputs, rows, merged=merged, loses_keys=loses_keys, beside=beside
        )

    # -- accounts --------------------------------------------------------------------------------------------

    def accounts_of(
        self, contract: Contract, batches: Sequence[Batch]
    ) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The accounts of a source as they will stand, closed.

        Where a batch was read again and silver still holds what it read before, the account of it stands as it was.
        """
        table = f"silver.{contract.silver_table}"
        published = self.tools.warehouse.published().get(table)
        built = self.built.get(table)
        side, upto = None, -1
        if contract.silver_table and (built or published):
            side = accounts.side_of(self.tools.warehouse, contract, bool(built))
        if built:
            upto = EVERY_VERSION
        elif published:
            upto = dict(published.inputs).get(f"bronze.{contract.bronze_table}", 0)
        own = [batch for batch in batches if batch.source == contract.source]
        reread = frozenset(b.batch_id for b in own if side and b.revision and b.version > upto)
        with self.tools.warehouse.session() as session:
            drawing = accounts.Drawing(session, self.tools.warehouse, contract, own, upto, side, reread)
            rows = drawing.rows()
            money = drawing.money(self._amounts(contract, bool(built)), self._known(contract, built))
            accounts.require_closed(session, contract, rows, money, side)
        stood, stood_money = self.tools.warehouse.accounts() if reread else ([], [])
        rows += [account for account in stood if account.batch_id in reread]
        return rows, money + [account for account in stood_money if account.batch_id in reread]

    def _amounts(self, contract: Contract, built: bool) -> dict[str, str]:
        """By amount column: the SQL that reads its text. None while silver is of an older contract."""
        if not contract.silver_table:
            return {}
        table = f"silver.{contract.silver_table}"
        published = self.tools.warehouse.published().get(table)
        older = (
            published and not built and published.fingerprint != self.tools.catalog.tables[table].fingerprint
        )
        return {} if older else dict(self.compiled(contract).amounts)

    def _known(self, contract: Contract, built: Built | None) -> dict[tuple[str, str], MoneyAccount]:
        """What was counted before of batches that have not changed since: their files never do."""
        published = self.tools.warehouse.published().get(f"silver.{contract.silver_table}")
        if not (built and built.merged and published):
            return {}
        since = dict(published.inputs).get(f"bronze.{contract.bronze_table}", 0)
        changed = accounts.changed_since(self.tools.warehouse, contract, since)
        _, money = self.tools.warehouse.accounts()
        return {
            (account.batch_id, account.column): account
            for account in money
            if account.source == contract.source and account.batch_id not in changed
        }


@contextmanager
def told_of(table: Table) -> Iterator[None]:
    """A statement that the warehouse refuses is told with the table and the file it comes from."""
    try:
        yield
    except WarehouseError as fault:
        first, _, rest = fault.message.partition("\n")
        where = " ".join(rest.split())
        raise WarehouseError(
            f"{table.name} could not be built: {first.rstrip('.')}.",
            f"Mend {table.file} or the data it meets{f' ({where})' if where else ''}, then run it again.",
        ) from fault
