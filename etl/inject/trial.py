"""The whole check of the checks: copies land, faults are planted stage by stage, each is judged by what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from etl import checks
from etl.calls import MOST_ROWS
from etl.catalog import Catalog, remembered_catalog
from etl.declared import Contract, Layer, Severity, Table
from etl.errors import MetaLayerError, UsageError
from etl.inject import building, judging
from etl.inject.copies import Copy, Read, newest_copies
from etl.inject.csvfile import Record
from etl.inject.files import USUAL, File, Maker
from etl.inject.judging import Evidence, Sent
from etl.inject.promises import Promise, beyond, gold_promises, promises
from etl.inject.records import Caught, FaultKind, Injection, Planted
from etl.inject.scratch import Scratch, open_scratch
from etl.inject.values import Broken
from etl.model import Run, RunState
from etl.service import utc_now
from etl.settings import Settings

A_LITTLE = timedelta(hours=1)  # beyond the promise of freshness
DRAWN = 2 * USUAL  # sound records of a source that faults are planted in


def copies_of(read: Read, settings: Settings) -> tuple[Copy, ...]:
    """Copies of the newest batches of a workspace, whose service answers `read`. Raises UsageError without any."""
    catalog = remembered_catalog(settings.project, settings.state / "remembered")
    copies = tuple(newest_copies(read, settings, catalog.contracts))
    if not copies:
        raise UsageError("No file has been taken in yet, so there is nothing to copy.", "./metalayer run")
    return copies


def inject(copies: Sequence[Copy], settings: Settings) -> Injection:
    """Plant every kind of fault in the copies and see what catches it, in a scratch workspace beside this one.

    Raises MetaLayerError when the copies as they are cannot be built.
    """
    started, at = perf_counter(), utc_now()
    with open_scratch(settings) as scratch:
        catalog = scratch.service.catalog
        trial = Trial(scratch, catalog, copies, promises(catalog, settings), gold_promises(catalog, settings))
        faults = tuple(trial.all())
    return Injection(at, perf_counter() - started, tuple(copy.copied for copy in copies), faults)


@dataclass
class Trial:
    """One check of the checks. The stages build on each other; those that leave something broken come last."""

    scratch: Scratch
    catalog: Catalog
    copies: Sequence[Copy]
    promised: Mapping[str, Promise]
    gold: Mapping[str, Sequence[Table]]

    def all(self) -> Iterator[Planted]:
        """Every fault, stage by stage."""
        self._land_copies()
        makers = {
            copy.contract.source: maker for copy in self.copies if (maker := self._maker(copy.contract))
        }
        yield from self._without_records(makers)
        sent, evidence = self._land_faults(makers)
        for each in sent:
            yield from judging.judge(each, evidence)
        for source, maker in makers.items():
            yield from (*self.promised[source].untried(), *maker.untried())
        yield from self._came_again({each.contract.source: each for each in sent})
        yield from building.faults(self.scratch, self.promised, self.gold)
        yield from self._stale(evidence.run)
        yield from self._blocking(makers)
        yield from building.lost_lines(self.scratch, makers, self._like())

    def _like(self) -> dict[str, str]:
        return {copy.contract.source: copy.copied.path for copy in self.copies}

    def _land_copies(self) -> None:
        for copy in self.copies:
            if copy.parents:
                self.scratch.land(copy.contract, copy.copied.path, "parents", copy.parents)
            self._land(copy)
        run = self.scratch.run()
        if run.state != RunState.SUCCEEDED:
            raise MetaLayerError(
                f"The copies alone could not be built, so no fault was planted: {run.error}",
                "Mend that first: ./metalayer status",
            )

    def _land(self, copy: Copy) -> None:
        name = "" if copy.copied.from_file else "copy"
        self.scratch.land(copy.contract, copy.copied.path, name, copy.content)

    def _maker(self, contract: Contract) -> Maker | None:
        """Makes faulty files from records that stand in silver, or in bronze where that is all; None without any."""
        columns = ", ".join(f'b."{column.name}"' for column in contract.columns)
        sql = f'select {columns} from bronze."{contract.bronze_table}" as b'  # noqa: S608
        if contract.silver_table:
            sql += f' join silver."{contract.silver_table}" as s using (_batch_id, _row_number)'
        found = self.scratch.service.select(f"{sql} order by b._row_number limit {DRAWN}")
        records: list[Record] = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        return Maker(contract, records) if records else None

    def _without_records(self, makers: Mapping[str, Maker]) -> Iterator[Planted]:
        for source in self.catalog.contracts:
            if source not in makers:
                landed = source in self._like()
                why = "none of its newest batch's rows is valid" if landed else "nothing has landed"
                yield Planted(FaultKind.MISSING, source, "", "every rule", Caught.UNTRIED, note=why)

    # -- files -----------------------------------------------------------------------------------------------

    def _land_faults(self, makers: Mapping[str, Maker]) -> tuple[list[Sent], Evidence]:
        """Everything that a file can bring, in one run."""
        sent: list[Sent] = []
        for source, maker in makers.items():
            files = [*maker.history(), *maker.whole_files(), maker.bad_lines()]
            if maker.contract.silver_table:
                told = maker.told_rows(self._values(source, Severity.WARN))
                files += [
                    maker.bad_rows(self._values(source, Severity.QUARANTINE)),
                    *([told] if told else []),
                ]
                files += [] if maker.once else [maker.same_key()]
            sent += [self._send(maker.contract, file) for file in files]
        before = {(f.table, f.check): f.result.failing for f in self.scratch.service.checks()}
        return sent, Evidence(self.scratch.service, self.scratch.run(), before)

    def _send(self, contract: Contract, file: File) -> Sent:
        like = self._like()[contract.source]
        return Sent(contract, file, self.scratch.land(contract, like, file.name, file.content))

    def _highest(self, contract: Contract, column: str) -> object:
        """The highest value of a column in silver; None while there is none."""
        sql = f'select max("{column}") from silver."{contract.silver_table}"'  # noqa: S608
        return self.scratch.service.select(sql).rows[0][0]

    # -- arrivals --------------------------------------------------------------------------------------------

    def _came_again(self, newest: Mapping[str, Sent]) -> Iterator[Planted]:
        """The newest file once more, then the first one, which is older than others that have landed."""
        known = Counter(batch.source for batch in self.scratch.service.batches(limit=MOST_ROWS))
        again = {source: self._send(sent.contract, sent.file) for source, sent in newest.items()}
        evidence = Evidence(self.scratch.service, self.scratch.run(Layer.BRONZE))
        for source, sent in again.items():
            yield judging.resent(sent, evidence, known[source])
        copies = [copy for copy in self.copies if copy.contract.source in newest]
        for copy in copies:
            self._land(copy)
        evidence = Evidence(self.scratch.service, self.scratch.run(Layer.BRONZE))
        for copy in copies:
            yield judging.standing(FaultKind.OLDER, copy.contract, "an older file", checks.IN_ORDER, evidence)

    def _stale(self, run: Run) -> Iterator[Planted]:
        """Time passes and no file comes."""
        for copy in self.copies:
            promised = [
                v.fresh_within for v in self.promised[copy.contract.source].versions if v.fresh_within
            ]
            if promised:
                self.scratch.clock.ahead = max(promised) + A_LITTLE
                self.scratch.service.look_again()
                where = f"no file for {promised[0] + A_LITTLE}"
                evidence = Evidence(self.scratch.service, run)
                yield judging.standing(FaultKind.STALE, copy.contract, where, checks.FRESH, evidence)
        self.scratch.clock.ahead = timedelta()
        self.scratch.service.look_again()

    # -- what keeps a source from being published ---------------------------------------------------------------

    def _blocking(self, makers: Mapping[str, Maker]) -> Iterator[Planted]:
        """Rows whose rule blocks, and values that occur twice. Their source stays as it was from here on."""
        sent = []
        for source, maker in makers.items():
            if maker.contract.silver_table:
                told = maker.told_rows(self._values(source, Severity.BLOCK))
                files = [*([told] if told else []), *([maker.same_key()] if maker.once else [])]
                sent += [self._send(maker.contract, file) for file in (*files, *self._repeated(maker))]
        if sent:
            before = {(f.table, f.check): f.result.failing for f in self.scratch.service.checks()}
            evidence = Evidence(self.scratch.service, self.scratch.run(), before)
            for each in sent:
                yield from judging.judge(each, evidence)

    def _values(self, source: str, severity: Severity) -> Iterator[Broken]:
        return (v for v in self.promised[source].values(self._highest) if v.severity is severity)

    def _repeated(self, maker: Maker) -> Iterator[File]:
        """A new row with values that another row has already, for each promise that there is no such row."""
        contract = maker.contract
        if len(contract.key) == 1:
            (key,) = contract.key
            fresh = beyond(self._highest(contract, key), contract.column(key).kind)
            for columns in self.promised[contract.source].unique():
                yield maker.with_values_twice(columns, {key: fresh})
