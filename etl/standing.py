"""How everything stands now: tables, layers, checks, accounts, verdict and what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from etl import checks, verdict
from etl import plan as planning
from etl.accounts import total_money, total_rows
from etl.catalog import Catalog
from etl.facts import (
    Accounts,
    BatchFacts,
    CheckFacts,
    Freshness,
    LayerFacts,
    Retention,
    Sight,
    SourceFacts,
    TableFacts,
    Verdict,
)
from etl.ledger import Ledger
from etl.model import (
    Batch,
    BatchState,
    Check,
    CheckResult,
    CheckState,
    Contract,
    Layer,
    MoneyAccount,
    Published,
    RowAccount,
    Severity,
    Table,
    TaskState,
)
from etl.warehouse import Arrival, Warehouse

HISTORY = 14
STATE_WORDS = {
    CheckState.PASSED: "Passed",
    CheckState.WARNED: "warned",
    CheckState.FAILED: "failed",
    CheckState.UNEXAMINED: "not examined",
}


@dataclass(frozen=True)
class Standing:
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
        newest: dict[str, datetime] = {}
        for arrival in self.arrivals:
            newest[arrival.source] = max(arrival.arrived_at, newest.get(arrival.source, arrival.arrived_at))
        return {
            source: Freshness(
                checks.freshness(newest.get(source), contract.fresh_within, self.now),
                newest.get(source),
                contract.fresh_within,
            )
            for source, contract in self.catalog.contracts.items()
        }

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

    # -- checks ----------------------------------------------------------------------------------------------

    @cached_property
    def checks(self) -> tuple[CheckFacts, ...]:
        """Every declared check, the engine's own, and freshness, in table order; what was never run is unexamined."""
        found: list[CheckFacts] = []
        for table in self.catalog.tables.values():
            declared = [*table.checks, *self._reconciling(table), *self._own(table)]
            found += [self._facts(check) for check in declared]
            if table.layer is Layer.BRONZE and table.source:
                found.append(self._fresh(table))
        return tuple(found)

    def _reconciling(self, table: Table) -> list[Check]:
        return [
            Check(f"{r.column} equals {r.source}.{r.source_column}", table.name, table.severity,
                  description=f"The sum of {r.column} is the sum of {r.source_column} in {r.source}.")
            for r in table.reconcile
        ]  # fmt: skip

    def _own(self, table: Table) -> list[Check]:
        """The engine's own checks of a source stand at its silver table, or at bronze for a bronze-only feed."""
        if table.source is None:
            return []
        contract = self.catalog.contracts[table.source]
        home = (
            f"silver.{contract.silver_table}" if contract.silver_table else f"bronze.{contract.bronze_table}"
        )
        if table.name != home:
            return []
        own = [
            Check(
                checks.ROWS_CLOSE, home, Severity.BLOCK, description="Every line of every file is explained."
            ),
            Check(checks.UNREADABLE, home, Severity.WARN, description="Every line could be taken apart."),
        ]
        if contract.silver_table:
            own.append(Check(checks.SET_ASIDE, home, Severity.WARN, description="No row broke a rule."))
        return own + [
            Check(f"{checks.MONEY_CLOSES} ({column.name})", home, Severity.BLOCK,
                  description="Every cent in the files is found again.")
            for column in contract.columns
            if column.amount and contract.silver_table
        ]  # fmt: skip

    def _facts(self, check: Check) -> CheckFacts:
        place = (check.table, check.name)
        never = CheckResult(
            check.name,
            check.table,
            check.severity,
            CheckState.UNEXAMINED,
            0,
            0,
            0.0,
            message="Never examined.",
        )
        return CheckFacts(
            check.name, check.table, check.severity, check.description, self.results.get(place, never),
            self.result_history.get(place, ()),
        )  # fmt: skip

    def _fresh(self, table: Table) -> CheckFacts:
        fresh = self.freshness_of[table.source or ""]
        examined = 0 if fresh.state is CheckState.UNEXAMINED else 1
        failing = 1 if fresh.state is CheckState.WARNED else 0
        result = CheckResult(
            checks.FRESH, table.name, Severity.WARN, fresh.state, examined, failing, 0.0,
            message=_fresh_words(fresh, self.now), version=self.version, examined_at=self.now,
        )  # fmt: skip
        return CheckFacts(
            checks.FRESH,
            table.name,
            Severity.WARN,
            "The newest file is younger than the contract promises.",
            result,
            (),
        )

    # -- tables and layers -----------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> tuple[TableFacts, ...]:
        """In topological order."""
        return tuple(self._table(table) for table in self.catalog.tables.values())

    def _table(self, table: Table) -> TableFacts:
        stands = self.published.get(table.name)
        state, note = self._state_of(
            [facts for facts in self.checks if facts.table == table.name], bool(stands)
        )
        task_state, message = self.task_states.get(table.name, (None, ""))
        troubled = task_state in (TaskState.FAILED, TaskState.SKIPPED)
        because = planning.stale_because(table, self.published)
        return TableFacts(
            name=table.name,
            short=table.short,
            layer=table.layer,
            source=table.source,
            grain=table.grain,
            description=table.description,
            key=table.key,
            fields=table.fields,
            inputs=table.inputs,
            feeds=self.catalog.feeds(table.name),
            rows=stands.rows if stands else None,
            size_bytes=self.sizes.get(table.name, 0) if stands else 0,
            version=stands.version if stands else 0,
            published_at=stands.published_at if stands else None,
            stale=bool(because),
            stale_because=because,
            state=state,
            state_note="Stale" if because and state is CheckState.PASSED else note,
            freshness=self._freshness(table),
            last_task_state=task_state.value if task_state else "",
            history=self.history.get(table.name, ())[-HISTORY:],
            problem=message if troubled else "",
        )

    def _state_of(self, facts: Sequence[CheckFacts], built: bool) -> tuple[CheckState, str]:
        if not built:
            failed = any(found.result.state is CheckState.FAILED for found in facts)
            return (CheckState.FAILED, "Blocked") if failed else (CheckState.UNEXAMINED, "Never built")
        return _worst_in_words([found.result.state for found in facts])

    def _freshness(self, table: Table) -> Freshness:
        """A table is as fresh as the oldest of the sources it comes from."""
        sources = {
            self.catalog.tables[name].source
            for name in (table.name, *self.catalog.upstream((table.name,)))
            if self.catalog.tables[name].layer is Layer.BRONZE
        }
        found = [self.freshness_of[source] for source in sources if source]
        return _oldest(found)

    @cached_property
    def layers(self) -> tuple[LayerFacts, ...]:
        """Bronze, silver, gold."""
        return tuple(self._layer(layer) for layer in Layer)

    def _layer(self, layer: Layer) -> LayerFacts:
        tables = [table for table in self.tables if table.layer is layer]
        built = [table for table in tables if table.version]
        own = [facts for facts in self.checks if facts.table in {table.name for table in tables}]
        state, note = _worst_in_words([facts.result.state for facts in own]) if built else (
            CheckState.UNEXAMINED, "Never built",
        )  # fmt: skip
        if any(table.stale for table in tables) and state is CheckState.PASSED:
            state, note = CheckState.WARNED, "Stale"
        return LayerFacts(
            layer=layer,
            tables=len(tables),
            rows=sum(table.rows or 0 for table in built) if built else None,
            size_bytes=sum(table.size_bytes for table in built),
            state=state,
            state_note=note,
            freshness=_oldest(
                [t.freshness for t in tables if t.freshness.newest_arrival and t.freshness.fresh_within]
            ),
            history=_layer_history(built),
        )

    # -- verdict ---------------------------------------------------------------------------------------------

    @cached_property
    def verdict(self) -> Verdict:
        """By the rule of etl.verdict."""
        return verdict.decide(
            tables=self.tables, checks=self.checks, accounts=self.accounts, problems=self.problems
        )

    @cached_property
    def attention(self) -> tuple[Sight, ...]:
        """What needs a person, worst first."""
        sights = [
            Sight(CheckState.FAILED, "Something is wrong with the set-up", text, "System", "system")
            for text in self.problems
        ]
        sights += [
            Sight(
                CheckState.FAILED,
                f"{t.short} could not be brought up to date",
                t.problem,
                "See the run",
                "runs",
            )
            for t in self.tables
            if t.problem
        ]
        sights += [
            Sight(CheckState.WARNED, f"{b.path} was refused", b.reason, "See the file", "quality")
            for b in self.refused
        ]
        sights += [
            Sight(CheckState.WARNED, f"{t.short} is stale", t.stale_because, "Run it", "")
            for t in self.tables
            if t.stale
        ]
        sights += [self._check_sight(facts) for facts in self.checks if _wants_a_look(facts)]
        sights += [
            Sight(
                CheckState.UNEXAMINED,
                f"{t.short} was never built",
                "Nothing in it was examined.",
                "Run it",
                "",
            )
            for t in self.tables
            if not t.version and not t.problem and self.version
        ]
        order = [CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED]
        return tuple(sorted(sights, key=lambda sight: order.index(sight.state)))

    def _check_sight(self, facts: CheckFacts) -> Sight:
        short = facts.table.split(".", 1)[1]
        contract = next(
            (c for c in self.catalog.contracts.values() if short in (c.silver_table, c.bronze_table)), None
        )
        source = contract.source if contract else short
        headlines = {
            checks.SET_ASIDE: f"{facts.result.failing:,} rows of {source} wait in quarantine",
            checks.UNREADABLE: f"{facts.result.failing:,} lines of {source} are unreadable",
            checks.FRESH: f"{source} is overdue",
        }
        headline = headlines.get(facts.check, f"{short}: {facts.check}")
        detail = facts.result.message or f"{facts.result.failing:,} of {facts.result.examined:,} rows"
        return Sight(facts.result.state, headline, detail, "Review", "quality")


def _wants_a_look(facts: CheckFacts) -> bool:
    return facts.result.state in (CheckState.WARNED, CheckState.FAILED)


def _worst_in_words(states: Sequence[CheckState]) -> tuple[CheckState, str]:
    worst = checks.worst(states)
    if worst is CheckState.PASSED:
        return worst, "Passed"
    number = sum(state is worst for state in states)
    return worst, f"{number} {STATE_WORDS[worst]}" if number else "Not examined"


def _oldest(found: Sequence[Freshness]) -> Freshness:
    """The freshness of a group: its worst state, its oldest arrival, its tightest promise."""
    arrivals = [f.newest_arrival for f in found if f.newest_arrival]
    promises = [f.fresh_within for f in found if f.fresh_within]
    return Freshness(
        checks.worst([f.state for f in found]), min(arrivals, default=None), min(promises, default=None)
    )


def _layer_history(tables: Sequence[TableFacts]) -> tuple[int, ...]:
    """Rows of the layer after each of its last versions, oldest first."""
    versions = sorted({version for table in tables for version, _ in table.history})[-HISTORY:]
    return tuple(sum(_rows_at(table, version) for table in tables) for version in versions)


def _rows_at(table: TableFacts, version: int) -> int:
    return next((rows for at, rows in reversed(table.history) if at <= version), 0)


def _fresh_words(fresh: Freshness, now: datetime) -> str:
    if fresh.newest_arrival is None:
        return "No file has arrived yet."
    if fresh.fresh_within is None:
        return "The contract makes no promise."
    hours = (now - fresh.newest_arrival).total_seconds() / 3600
    return f"Newest file {hours:,.1f} h ago; promised every {fresh.fresh_within.total_seconds() / 3600:g} h."


def read_standing(
    catalog: Catalog,
    warehouse: Warehouse,
    ledger: Ledger,
    clock: Callable[[], datetime],
    problems: tuple[str, ...] = (),
) -> Standing:
    """Everything read once."""
    results = {(result.table, result.check): result for result in ledger.latest_checks()}
    return Standing(
        catalog=catalog,
        published=warehouse.published(),
        batches_read=tuple(warehouse.batches()),
        arrivals=tuple(warehouse.arrivals()),
        history=warehouse.history(HISTORY),
        sizes=warehouse.sizes(),
        accounts_read=warehouse.accounts(),
        results=results,
        result_history=ledger.check_history(),
        task_states=ledger.last_task_states(),
        version=warehouse.version(),
        now=clock(),
        problems=problems,
    )
