"""What has arrived and where it went: files, batches, freshness, accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from etl import checks
from etl.accounts import total_money, total_rows
from etl.catalog import Catalog
from etl.declared import Contract
from etl.facts import (
    Accounts,
    BatchFacts,
    Freshness,
    Retention,
    SourceFacts,
)
from etl.model import Batch, BatchState, CheckResult, MoneyAccount, Published, RowAccount, TaskState
from etl.warehouse import Arrival


@dataclass(frozen=True)
class Arrived:
    """A snapshot: everything in it was read once and belongs together."""

    catalog: Catalog
    published: Mapping[str, Published]
    batches_read: tuple[Batch, ...]
    arrivals: tuple[Arrival, ...]
    history: Mapping[str, tuple[tuple[int, int], ...]]
    sizes: Mapping[str, int]
    accounts_read: tuple[list[RowAccount], list[MoneyAccount]]
    results: Mapping[tuple[str, str], CheckResult]
    result_history: Mapping[tuple[str, str], tuple[int, ...]]
    task_states: Mapping[str, tuple[TaskState, str]]
    version: int
    now: datetime
    problems: tuple[str, ...] = ()

    # -- sources ---------------------------------------------------------------------------------------------

    @cached_property
    def freshness_of(self) -> dict[str, Freshness]:
        """By source: the newest arrival against the promise."""
        newest = {source: arrival.arrived_at for source, arrival in self.newest_arrivals.items()}
        return {
            source: Freshness(
                checks.freshness(newest.get(source), contract.fresh_within, self.now),
                newest.get(source),
                contract.fresh_within,
            )
            for source, contract in self.catalog.contracts.items()
        }

    @cached_property
    def newest_arrivals(self) -> dict[str, Arrival]:
        """By source: the newest arrival of a file that was taken in, now or before; refused ones bring no data."""
        landed = {batch.batch_id for batch in self.batches_read if batch.state is BatchState.LANDED}
        found = sorted((a for a in self.arrivals if a.batch_id in landed), key=lambda a: a.arrived_at)
        return {arrival.source: arrival for arrival in found}

    def came_back(self, source: str) -> Arrival | None:
        """The newest arrival of a source when its bytes are older than others that have landed."""
        own = [b for b in self.batches_read if b.source == source and b.state is BatchState.LANDED]
        arrival = self.newest_arrivals.get(source)
        newest = max(own, key=lambda batch: batch.batch_seq, default=None)
        return arrival if arrival and newest and arrival.batch_id != newest.batch_id else None

    @cached_property
    def batches(self) -> tuple[BatchFacts, ...]:
        """Newest first."""
        seen: dict[str, int] = {}
        for arrival in self.arrivals:
            seen[arrival.batch_id] = seen.get(arrival.batch_id, 0) + 1
        return tuple(
            BatchFacts(
                b.batch_id, b.batch_seq, b.source, b.path, b.sha256, b.size_bytes, b.state.value, b.reason, b.lines,
                b.rows, b.unreadable, b.blank, b.arrived_at, seen.get(b.batch_id, 0), b.run_id,
            )
            for b in reversed(self.batches_read)
        )  # fmt: skip

    @cached_property
    def refused(self) -> tuple[BatchFacts, ...]:
        """Refused files that still lie there so: nothing newer has arrived under their path."""
        newest = {arrival.path: arrival.batch_id for arrival in self.arrivals}
        return tuple(
            batch
            for batch in self.batches
            if batch.state == BatchState.REFUSED and newest.get(batch.path) == batch.batch_id
        )

    @cached_property
    def sources(self) -> tuple[SourceFacts, ...]:
        """In the order of the catalog."""
        return tuple(self._source(contract) for contract in self.catalog.contracts.values())

    def _source(self, contract: Contract) -> SourceFacts:
        own = [batch for batch in self.batches_read if batch.source == contract.source]
        landed = [batch for batch in own if batch.state is BatchState.LANDED]
        return SourceFacts(
            contract.source, contract.file, contract.version, contract.pattern, contract.bronze_table,
            contract.silver_table, contract.grain, len(landed), len(own) - len(landed),
            sum(batch.rows for batch in landed), self.freshness_of[contract.source],
        )  # fmt: skip

    # -- accounts --------------------------------------------------------------------------------------------

    @cached_property
    def accounts(self) -> Accounts:
        """As drawn up at the last publication."""
        rows, money = self.accounts_read
        totals = total_rows(rows)
        return Accounts(
            version=self.version,
            row_totals=tuple(totals),
            row_batches=tuple(rows),
            money_totals=tuple(total_money(money)),
            money_batches=tuple(money),
            refused=self.refused,
            retention=tuple(
                self._retention(total) for total in totals if total.source in self.catalog.contracts
            ),
        )

    def _retention(self, total: RowAccount) -> Retention:
        contract = self.catalog.contracts[total.source]
        counted = bool(total.bronze) and contract.silver_table is not None
        return Retention(
            source=total.source,
            bronze_table=contract.bronze_table,
            silver_table=contract.silver_table,
            bronze=total.bronze,
            silver=total.silver,
            superseded=total.superseded,
            quarantined=total.quarantined,
            discarded=total.discarded,
            withdrawn=total.withdrawn,
            pending=total.pending,
            share=Decimal(total.silver) / Decimal(total.bronze) if counted else None,
        )
