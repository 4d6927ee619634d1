"""How everything stands now: tables, layers, checks, accounts, verdict and what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from etl import checks, verdict
from etl import plan as planning
from etl.arrived import Arrived
from etl.catalog import Catalog
from etl.facts import (
    CheckFacts,
    Freshness,
    LayerFacts,
    TableFacts,
    Verdict,
)
from etl.ledger import Ledger
from etl.model import (
    Check,
    CheckResult,
    CheckState,
    Layer,
    Severity,
    Table,
    TaskState,
)
from etl.warehouse import Warehouse

HISTORY = 14
TRIES = 3  # at reading everything while nothing is published
STATE_WORDS = {
    CheckState.PASSED: "Passed",
    CheckState.WARNED: "warned",
    CheckState.FAILED: "failed",
    CheckState.UNEXAMINED: "not examined",
}


@dataclass(frozen=True)
class Standing(Arrived):
    """What follows from a snapshot: checks, tables, layers, verdict."""

    # -- checks ----------------------------------------------------------------------------------------------

    @cached_property
    def checks(self) -> tuple[CheckFacts, ...]:
        """Every declared check, the engine's own, and freshness, in table order; what was never run is unexamined."""
        found: list[CheckFacts] = []
        for table in self.catalog.tables.values():
            declared = [*table.checks, *self._reconciling(table), *self._own(table)]
            found += [self._facts(check) for check in declared]
            if table.layer is Layer.BRONZE and table.source:
                found += [self._fresh(table), self._in_order(table)]
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

    def _in_order(self, table: Table) -> CheckFacts:
        """Suppliers resend whole months: the same bytes add nothing, and the newer ones stay in force."""
        source = table.source or ""
        examined = sum(arrival.source == source for arrival in self.arrivals)
        older = self.came_back(source)
        message = (
            f"{older.path} holds what came in before newer files, which stay in force. Nothing is lost; when the "
            "newest file is sent again this is over"
            if older
            else ""
        )
        result = CheckResult(
            checks.IN_ORDER, table.name, Severity.WARN,
            checks.state_of(examined, 1 if older else 0, Severity.WARN), examined, 1 if older else 0, 0.0,
            message=message, version=self.version, examined_at=self.now,
        )  # fmt: skip
        return CheckFacts(
            checks.IN_ORDER, table.name, Severity.WARN, "No known file arrived after newer ones.", result, ()
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
    """Everything read once, of one version: a publication meanwhile has it read again."""
    tries = 0
    while True:
        version, tries = warehouse.version(), tries + 1
        standing = _read(catalog, warehouse, ledger, clock, problems, version)
        if warehouse.version() == version or tries == TRIES:
            return standing


def _read(
    catalog: Catalog,
    warehouse: Warehouse,
    ledger: Ledger,
    clock: Callable[[], datetime],
    problems: tuple[str, ...],
    version: int,
) -> Standing:
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
        version=version,
        now=clock(),
        problems=problems,
    )
