"""How everything stands now: tables, layers, checks, accounts, verdict and what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from etl import checks, own_checks, verdict
from etl import plan as planning
from etl.catalog import Catalog
from etl.declared import Check, Layer, Table
from etl.facts import (
    CheckFacts,
    Freshness,
    LayerFacts,
    TableFacts,
    Verdict,
)
from etl.ledger import Ledger
from etl.model import Batch, CheckResult, CheckState, TaskState
from etl.warehouse import Warehouse
from etl.warehouse.columns import columns_looked_at, drift_of
from etl.watched import Seen, Watched, newest_landings

HISTORY = 14
TRIES = 3  # at reading everything while nothing is published
STATE_WORDS = {
    CheckState.PASSED: "Passed",
    CheckState.WARNED: "warned",
    CheckState.FAILED: "failed",
    CheckState.UNEXAMINED: "not examined",
}


@dataclass(frozen=True)
class Standing(Watched):
    """What follows from a snapshot: checks, tables, layers, verdict."""

    # -- checks ----------------------------------------------------------------------------------------------

    @cached_property
    def checks(self) -> tuple[CheckFacts, ...]:
        """Every declared check, the engine's own, and freshness, in table order; what was never run is unexamined."""
        found: list[CheckFacts] = []
        for table in self.catalog.tables.values():
            declared = [*table.checks, *self._reconciling(table), *self._own(table)]
            found += [self._facts(check) for check in declared]
            found += self.watched_of(table)
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
        return [check for check in own_checks.declared(contract) if check.table == table.name]

    def _facts(self, check: Check) -> CheckFacts:
        place = (check.table, check.name)
        result = self.results.get(place) or checks.never_examined(check)
        return CheckFacts(
            check.name, check.table, check.severity, check.description, self._as_it_stands(result),
            self.result_history.get(place, ()),
        )  # fmt: skip

    def _as_it_stands(self, result: CheckResult) -> CheckResult:
        """A pass on an older version than the published one says nothing of what is published."""
        stands = self.published.get(result.table)
        if result.state is not CheckState.PASSED or stands is None or result.version >= stands.version:
            return result
        message = f"Passed on version {result.version}; version {stands.version} has not been examined."
        return replace(result, state=CheckState.UNEXAMINED, message=message)

    # -- tables and layers -----------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> tuple[TableFacts, ...]:
        """In topological order."""
        return tuple(self._table(table) for table in self.catalog.tables.values())

    def _table(self, table: Table) -> TableFacts:
        stands = self.published.get(table.name)
        state, note = self._state_of(
            [facts for facts in self.checks if facts.table == table.name and not _quiet(facts)], bool(stands)
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
        names = {table.name for table in tables}
        own = [facts for facts in self.checks if facts.table in names and not _quiet(facts)]
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


def _quiet(facts: CheckFacts) -> bool:
    """Whether this check has too little history to say anything: it takes no colour away from what was examined."""
    return facts.check in (checks.VOLUME, checks.SCHEMA) and facts.result.state is CheckState.UNEXAMINED


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
    latest, check_history = ledger.kept_checks()
    batches = tuple(warehouse.batches())
    return Standing(
        catalog=catalog,
        published=warehouse.published(),
        batches_read=batches,
        arrivals=tuple(warehouse.arrivals()),
        history=warehouse.history(HISTORY),
        sizes=warehouse.sizes(),
        accounts_read=warehouse.accounts(),
        results={(result.table, result.check): result for result in latest},
        result_history=check_history,
        task_states=ledger.last_task_states(),
        version=version,
        now=clock(),
        problems=problems,
        seen=_seen(warehouse, ledger, batches),
    )


def _seen(warehouse: Warehouse, ledger: Ledger, batches: Sequence[Batch]) -> Seen:
    """What is known of the newest landings."""
    newest = [batch.batch_id for batch in newest_landings(batches)]
    with warehouse.session() as session:
        withdrawn = "select batch_id from bronze._marks where kind = 'withdraw' and lifted_at is null"
        return Seen(
            ledger.incidents(),
            columns_looked_at(session, newest),
            drift_of(session, newest),
            frozenset(batch_id for (batch_id,) in session.rows(withdrawn)),
        )
