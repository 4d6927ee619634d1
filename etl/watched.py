"""The checks of what arrives, examined whenever someone looks: freshness, order, volume and columns of each source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from time import perf_counter
from typing import Any

from etl import checks, volume
from etl.arrived import Arrived
from etl.declared import Severity, Table
from etl.drift import Drift
from etl.facts import CheckFacts, Freshness
from etl.model import Batch, BatchState, CheckResult, CheckState
from etl.volume import Incident, Load, SourceVolume

NAMED_AT_MOST = 3
SHOWN = 60  # batches of a source

DESCRIPTIONS = {
    checks.FRESH: "The newest file is younger than the contract promises.",
    checks.IN_ORDER: "No known file arrived after newer ones.",
    checks.VOLUME: "The newest files have as many rows as those before them lead to expect.",
    checks.SCHEMA: "The newest files have the columns that the contract names, of the types they had before.",
}

_QUERIES = {
    checks.FRESH: """select max(a.arrived_at) as newest_arrival
from bronze._arrivals as a join bronze._batches as b on b.batch_id = a.batch_id
where a.source = '{source}' and b.state = 'landed'""",
    checks.IN_ORDER: """select a.path, a.arrived_at, b.batch_seq
from bronze._arrivals as a join bronze._batches as b on b.batch_id = a.batch_id
where a.source = '{source}' and b.state = 'landed'
order by a.arrived_at desc""",
    checks.VOLUME: """select batch_seq, path, rows, arrived_at
from bronze._batches
where source = '{source}' and state = 'landed'
order by batch_seq desc limit {window}""",
    checks.SCHEMA: """select d.path, d.column_name, d.kind, d.was, d.found, d.proposal
from bronze._drift as d join bronze._batches as b on b.batch_id = d.batch_id
where d.source = '{source}' and not d.agreed
order by b.batch_seq desc""",
}


@dataclass(frozen=True)
class Seen:
    """What is known of the newest files. `columns` counts those looked at, by batch; `withdrawn` are batches."""

    incidents: tuple[Incident, ...] = ()
    columns: Mapping[str, int] = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    withdrawn: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Watched(Arrived):
    """What follows from a snapshot and the clock alone."""

    seen: Seen = field(default_factory=Seen)

    @cached_property
    def watched(self) -> tuple[CheckFacts, ...]:
        """The checks of every source that has a bronze table, in table order."""
        return tuple(facts for table in self.catalog.tables.values() for facts in self.watched_of(table))

    def watched_of(self, table: Table) -> tuple[CheckFacts, ...]:
        """Those of one bronze table; none for another."""
        if not table.source or not table.name.startswith("bronze."):
            return ()
        return (
            self._fresh(table, table.source), self._in_order(table, table.source),
            self._volume(table, table.source), self._schema(table, table.source),
        )  # fmt: skip

    def _found(
        self, table: Table, name: str, started: float, examined: int, failing: int, message: str,
        sample: Sequence[dict[str, Any]] = (),
    ) -> CheckFacts:  # fmt: skip
        query = _QUERIES[name].format(source=table.source, window=volume.MOST_BATCHES + 1)
        result = CheckResult(
            name, table.name, Severity.WARN, checks.state_of(examined, failing, Severity.WARN), examined, failing,
            perf_counter() - started, query, tuple(sample), message, self.version, examined_at=self.now,
        )  # fmt: skip
        place = (table.name, name)
        return CheckFacts(
            name, table.name, Severity.WARN, DESCRIPTIONS[name], result, self.result_history.get(place, ())
        )

    # -- when it came ----------------------------------------------------------------------------------------

    def _fresh(self, table: Table, source: str) -> CheckFacts:
        started = perf_counter()
        fresh = self.freshness_of[source]
        examined = 0 if fresh.state is CheckState.UNEXAMINED else 1
        late = fresh.state is CheckState.WARNED
        newest = self.newest_arrivals.get(source)
        sample = (
            [{"path": newest.path, "arrived_at": newest.arrived_at.isoformat()}] if newest and late else ()
        )
        return self._found(
            table, checks.FRESH, started, examined, int(late), _fresh_words(fresh, self.now), sample
        )

    def _in_order(self, table: Table, source: str) -> CheckFacts:
        """Suppliers resend whole months: the same bytes add nothing, and the newer ones stay in force."""
        started = perf_counter()
        examined = sum(arrival.source == source for arrival in self.arrivals)
        older = self.came_back(source)
        if older is None:
            return self._found(table, checks.IN_ORDER, started, examined, 0, "")
        message = (
            f"{older.path} holds what came in before newer files, which stay in force. Nothing is lost; when the "
            "newest file is sent again this is over"
        )
        sample = [{"path": older.path, "arrived_at": older.arrived_at.isoformat()}]
        return self._found(table, checks.IN_ORDER, started, examined, 1, message, sample)

    # -- how much of it --------------------------------------------------------------------------------------

    def _volume(self, table: Table, source: str) -> CheckFacts:
        started = perf_counter()
        newest = {batch.batch_id for batch in self._newest_landing(source)}
        found = volume.examine(self._loads(source), newest)
        sample = [
            {"path": one.load.path, "rows": one.load.rows, "day": one.load.day.isoformat(),
             "usual": f"{one.expected.low:,} to {one.expected.high:,}", "median": f"{one.expected.median:,g}"}
            for one in found.odd[: checks.SAMPLE_ROWS]
        ]  # fmt: skip
        return self._found(
            table, checks.VOLUME, started, found.compared, len(found.odd), found.message, sample
        )

    @cached_property
    def volumes(self) -> tuple[SourceVolume, ...]:
        """Of every source the newest batches, and what is expected of the next one."""
        found = []
        for source in self.catalog.contracts:
            loads = self._loads(source)
            shown = volume.trail(loads, {load.batch_id for load in loads[-SHOWN:]})
            counted = [load.rows for load in loads if not load.left_out]
            found.append(SourceVolume(source, tuple(shown), volume.expected(counted)))
        return tuple(found)

    def _loads(self, source: str) -> list[Load]:
        """The landed batches of a source, oldest first."""
        days = {incident.day for incident in self.seen.incidents if incident.source == source}
        loads = [
            Load(batch.batch_id, batch.path, batch.rows, batch.arrived_at) for batch in self._landed(source)
        ]
        return [
            Load(load.batch_id, load.path, load.rows, load.arrived_at, True)
            if load.day in days or load.batch_id in self.seen.withdrawn
            else load
            for load in loads
        ]

    def _landed(self, source: str) -> list[Batch]:
        own = [b for b in self.batches_read if b.source == source and b.state is BatchState.LANDED]
        return sorted(own, key=lambda batch: batch.batch_seq)

    def _newest_landing(self, source: str) -> list[Batch]:
        """The batches of the newest run that landed any of this source."""
        return newest_landings(self._landed(source))

    # -- what it looks like ----------------------------------------------------------------------------------

    def _schema(self, table: Table, source: str) -> CheckFacts:
        """Of what landed alone: a refused file is told of once, with its reason."""
        started = perf_counter()
        landing = {batch.batch_id for batch in self._newest_landing(source)}
        examined = sum(self.seen.columns.get(batch_id, 0) for batch_id in landing)
        differing = [drift for drift in self.seen.drift if drift.batch_id in landing and not drift.agreed]
        sample = [
            {"path": d.path, "column": d.column, "drift": d.kind.value, "was": d.was, "found": d.found}
            for d in differing[: checks.SAMPLE_ROWS]
        ]
        message = _drift_words(differing) if examined else _not_looked_at(landing)
        return self._found(table, checks.SCHEMA, started, examined, len(differing), message, sample)


def _not_looked_at(landing: Collection[str]) -> str:
    return "The newest files landed before columns were looked at." if landing else "Nothing has landed yet."


def newest_landings(batches: Sequence[Batch]) -> list[Batch]:
    """Of each source the landed batches of the newest run that landed any."""
    newest: dict[str, int] = {}
    landed = [batch for batch in batches if batch.state is BatchState.LANDED]
    for batch in landed:
        newest[batch.source] = max(batch.run_id, newest.get(batch.source, 0))
    return [batch for batch in landed if batch.run_id == newest[batch.source]]


def _fresh_words(fresh: Freshness, now: datetime) -> str:
    if fresh.newest_arrival is None:
        return "No file has arrived yet."
    if fresh.fresh_within is None:
        return "The contract makes no promise."
    hours = (now - fresh.newest_arrival).total_seconds() / 3600
    return f"Newest file {hours:,.1f} h ago; promised every {fresh.fresh_within.total_seconds() / 3600:g} h."


def _drift_words(differing: Sequence[Drift]) -> str:
    if not differing:
        return "Every column is as agreed."
    said = [
        f"{drift.path}: {drift.sentence}{f'; {drift.proposal}' if drift.proposal else ''}"
        for drift in differing[:NAMED_AT_MOST]
    ]
    more = len(differing) - NAMED_AT_MOST
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "") + "."
