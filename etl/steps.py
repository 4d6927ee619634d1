"""What each step of a run does: landing, building and publishing, on the state the run shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from etl import checks
from etl import plan as planning
from etl.building import Building, told_of
from etl.declared import Contract, Layer, Table
from etl.errors import AccountOpen, MetaLayerError, WarehouseError
from etl.layers import bronze
from etl.mending import Mender
from etl.mends import Mend
from etl.model import Batch, BatchState, CheckResult, CheckState, MoneyAccount, Plan, RowAccount, Run, Step
from etl.own_checks import Asked, examine, left_open
from etl.reader import Reader
from etl.tools import Tools
from etl.warehouse import Publication


class TaskSkipped(MetaLayerError):
    """A task whose upstream failed."""


class RunInterrupted(MetaLayerError):
    """The process is asked to end while a run is at work."""


Work = Callable[[], tuple[int | None, str]]  # rows, and one line for the task


class Steps:
    """The steps of one run. `built`, `landed`, `failed` and `results` grow as it goes on."""

    def __init__(self, run: Run, tools: Tools, check_cancelled: Callable[[], None]) -> None:
        self.run = run
        self.tools = tools
        self.plan = Plan("", ())
        self.selection = planning.Selection("", (), frozenset())
        self.building = Building(tools)
        self.built = self.building.built
        self.failed: dict[str, str] = {}  # table or step → its message
        self.landed: set[str] = set()  # bronze tables that got new batches in this run
        self.results: list[CheckResult] = []
        self.version: int | None = None
        self._check_cancelled = check_cancelled
        self._inventory = bronze.Inventory({}, (), ())
        self._waiting: dict[str, list[bronze.Found]] = {}
        self._mends: list[Mend] = []
        self._ingests: dict[str, bronze.Ingest] = {}  # by table; one for all attempts
        self._reader: Reader | None = None
        self._state = planning.State({}, {})  # as it was when the run was planned

    def make_plan(self) -> Plan:
        """What this run will do, from what is there now."""
        self.tools.warehouse.drop_builds()  # of a run that could not sweep behind itself
        selection = self._selection()
        has_bronze = any(name.startswith("bronze.") for name in selection.tables)
        self._survey_landing() if has_bronze else None
        counts = {name: len(files) for name, files in self._waiting.items()}
        waiting = self.tools.ledger.waiting_mends()
        self._mends = list(planning.concerned(self.tools.catalog, waiting, selection.tables))
        self._state = replace(
            planning.read_state(
                self.tools.catalog, self.tools.warehouse.published(), self.tools.ledger, counts
            ),
            mends=tuple(self._mends),
        )
        self.selection = selection
        self.plan = planning.make_plan(self.tools.catalog, selection, self._state)
        return self.plan

    def _selection(self) -> planning.Selection:
        run = self.run
        if run.from_run is not None:
            return planning.continue_from(self.tools.catalog, self.tools.ledger.run(run.from_run))
        return planning.select(self.tools.catalog, run.targets, full=run.full, downstream=run.downstream)

    def _survey_landing(self) -> None:
        contracts = self.tools.catalog.contracts.values()
        self._inventory = bronze.look(self.tools.roots(), contracts)
        arrivals, batches = self.tools.warehouse.arrivals(), self.tools.warehouse.batches()
        for contract in contracts:
            files = self._inventory.found.get(contract.source, ())
            self._waiting[f"bronze.{contract.bronze_table}"] = bronze.new_files(
                files, contract, arrivals, batches
            )

    def work_of(self, step: Step) -> Work:
        """What doing a step means; called once for each attempt."""
        named: dict[str, Work] = {
            "create_schemas": self._create_schemas,
            "migrate_ledger": lambda: (None, self.tools.migrate()),
            "validate_source_data": self._validate_sources,
            "determine_processing_branch": self._determine_branch,
            "validate": self._validate_bronze,
            planning.MEND: self._take_up_mends,
            "publish": self._publish,
        }
        if step.name in named:
            return named[step.name]
        table = self.tools.catalog.tables[step.name]
        builders = {
            Layer.BRONZE: self._ingest,
            Layer.SILVER: self._build_silver,
            Layer.GOLD: self._build_gold,
        }
        return lambda: builders[table.layer](table)

    def close(self) -> None:
        """Let go of the reader and of what was built and not published."""
        if self._reader is not None:
            self._reader.close()
        with suppress(MetaLayerError):  # leftovers are swept again before the next run
            self.tools.warehouse.drop_builds()

    def _take_up_mends(self) -> tuple[int | None, str]:
        """Each on its own: one that cannot be done is refused with its reason and the others go on."""
        mender = Mender(self.tools, self.run.run_id, self._open_reader)
        said = []
        for mend in tuple(self._mends):
            self._check_cancelled()
            applied, message = mender.take_up(mend)
            if applied:
                self.landed.add(f"bronze.{self.tools.catalog.contracts[mend.source].bronze_table}")
            said.append(message)
            self._mends.remove(mend)
        return None, "; ".join(dict.fromkeys(said))

    # -- bronze ----------------------------------------------------------------------------------------------

    def _create_schemas(self) -> tuple[int | None, str]:
        self.tools.warehouse.prepare(list(self.tools.catalog.contracts.values()))
        return None, "Schemas and bookkeeping tables are in place."

    def _validate_sources(self) -> tuple[int | None, str]:
        return None, bronze.require_landing(self._inventory, self.tools.catalog.contracts.values())

    def _determine_branch(self) -> tuple[int | None, str]:
        steps = self.plan.steps
        lines = [f"{step.name}: {step.mode} ({step.why})" for step in steps if step.parent]
        return None, "; ".join(lines)

    def _ingest(self, table: Table) -> tuple[int | None, str]:
        if not self._waiting.get(table.name):
            return 0, "Nothing new."
        ingest = self._ingests.setdefault(table.name, self._new_ingest(self._contract_of(table)))
        try:
            intake = ingest.take(self._waiting[table.name])
        finally:  # also when one file failed: the others are in
            self.landed |= {table.name} if ingest.intake.landed else set()
        return intake.rows, intake.in_words()

    def _new_ingest(self, contract: Contract) -> bronze.Ingest:
        return bronze.Ingest(
            warehouse=self.tools.warehouse,
            reader=self._open_reader(),
            contract=contract,
            target=lambda batch_id: self.tools.bronze_file(contract, batch_id, 0),
            run_id=self.run.run_id,
            clock=self.tools.clock,
            check_cancelled=self._check_cancelled,
        )

    def _contract_of(self, table: Table) -> Contract:
        """The contract behind a bronze or silver table, which always has one."""
        return self.tools.catalog.contracts[table.source or ""]

    def _open_reader(self) -> Reader:
        if self._reader is None:
            self._reader = self.tools.reader(self.tools.roots())
        return self._reader

    def _validate_bronze(self) -> tuple[int | None, str]:
        batches = self.tools.warehouse.batches()
        steps = {step.name for step in self.plan.steps}
        landed = [self._contract_of(self.tools.catalog.tables[name]) for name in sorted(self.landed)]
        # Where silver is about to take the rows up, the account is drawn up once, when it is published.
        contracts = [contract for contract in landed if f"silver.{contract.silver_table}" not in steps]
        self._draw_up(contracts, batches)
        if not batches:
            return None, "Nothing has landed yet."
        counted = [batch for batch in batches if batch.state is BatchState.LANDED]
        lines = sum(batch.lines for batch in counted)
        return None, f"{lines:,} lines in {len(counted)} batches, each accounted for."

    def _draw_up(self, contracts: Sequence[Contract], batches: Sequence[Batch]) -> None:
        """Publish the accounts of sources whose silver stays as it was: what has landed since is pending."""
        rows: list[RowAccount] = []
        money: list[MoneyAccount] = []
        for contract in contracts:
            found = self._accounts_of(contract, batches)
            rows, money = rows + found[0], money + found[1]
        if rows:
            self.tools.warehouse.publish(
                Publication(self.run.run_id, (), tuple(rows), tuple(money), self.tools.clock())
            )
            self._keep_accounts(batches)

    # -- silver and gold -------------------------------------------------------------------------------------

    def _require_due(self, table: Table) -> str:
        """Why the table is due now that its inputs are done; "" when it is not. Raises TaskSkipped."""
        published = self.tools.warehouse.published()
        for name in table.inputs:
            lacking = name not in published and name not in self.built
            if name in self.failed and (lacking or name.startswith("bronze.")):
                raise TaskSkipped(f"Its upstream {name} failed; the last good version stays.")
            if lacking and not name.startswith("bronze."):
                raise WarehouseError(
                    f"{table.name} needs {name}, which was never built.", f"Run {name} first."
                )
        changing = {*self.built, *self.landed}
        state = replace(self._state, published=published)
        why = planning.due(table, state, changing, table.name in self.selection.forced)
        if not why and any(name in self.failed for name in table.inputs):
            raise TaskSkipped(f"Its upstream {next(n for n in table.inputs if n in self.failed)} failed.")
        return why

    def _build_silver(self, table: Table) -> tuple[int | None, str]:
        why = self._require_due(table)
        if not why:
            return None, "Nothing new."
        mode = planning.mode(table, why, table.name in self.selection.forced)
        rows, how = self.building.silver(table, self._contract_of(table), mode)
        rows, message = self._examined(table, rows)
        return rows, f"{message} {how}." if how else message

    def _build_gold(self, table: Table) -> tuple[int | None, str]:
        if not self._require_due(table):
            return None, "Nothing new."
        return self._examined(table, self.building.gold(table))

    def _examined(self, table: Table, rows: int) -> tuple[int, str]:
        try:
            results = self._examine(table)
        except BaseException:  # also when a check could not be run: what was not examined is not published
            self.built.pop(table.name)
            raise
        self.results += results
        bad = sum(result.state is not CheckState.PASSED for result in results)
        return rows, f"{rows:,} rows; {len(results) - bad} of {len(results)} checks passed."

    def _examine(self, table: Table) -> list[CheckResult]:
        """The results of a table's checks as it was built. Raises ChecksBlocked when a blocking one failed."""
        with told_of(table), self.tools.warehouse.session() as session:
            examiner = checks.Examiner(
                session,
                self.building.names(),
                self.tools.warehouse.dialect,
                self.tools.clock(),
                self.run.run_id,
                self._came(table),
            )
            results = examiner.examine(table)
        try:
            checks.require_passable(results)
        except MetaLayerError:
            self.tools.ledger.save_checks(results)
            raise
        return results

    def _came(self, table: Table) -> checks.Came | None:
        """What a merge brings, and which checks the rest of the table stands passed by."""
        stands = self.tools.warehouse.published().get(table.name)
        if not self.built[table.name].merged or stands is None:
            return None
        passed = frozenset(
            result.check
            for result in self.tools.ledger.latest_checks()
            if (result.table, result.version, result.state) == (table.name, stands.version, CheckState.PASSED)
            and result.examined
        )
        return checks.Came(self.tools.warehouse.coming(table.name), passed, stands.version)

    # -- publishing ------------------------------------------------------------------------------------------

    def _publish(self) -> tuple[int | None, str]:
        batches = self.tools.warehouse.batches()
        if not self.built:
            landed = [self._contract_of(self.tools.catalog.tables[name]) for name in sorted(self.landed)]
            self._draw_up([contract for contract in landed if contract.silver_table], batches)
            return None, "Nothing was built, so nothing is published."
        if self.version is None:  # else this is another attempt, after the ledger could not take the copies
            # An attempt before may have published, and its answer was lost.
            self.version = self.tools.warehouse.published_in(self.run.run_id, tuple(self.built))
        if self.version is None:
            self.version = self.tools.warehouse.publish(self._publication(batches))
        tables = ", ".join(self.built)
        self._keep_copies(batches)
        return None, f"Version {self.version}: {tables}."

    def _publication(self, batches: Sequence[Batch]) -> Publication:
        rows: list[RowAccount] = []
        money: list[MoneyAccount] = []
        for contract in self.tools.catalog.contracts.values():
            built = f"silver.{contract.silver_table}" in self.built
            if built or contract.silver_table is None or f"bronze.{contract.bronze_table}" in self.landed:
                found = self._accounts_of(contract, batches)
                rows, money = rows + found[0], money + found[1]
        return Publication(
            self.run.run_id, tuple(self.built.values()), tuple(rows), tuple(money), self.tools.clock()
        )

    def _accounts_of(
        self, contract: Contract, batches: Sequence[Batch]
    ) -> tuple[list[RowAccount], list[MoneyAccount]]:
        """The accounts of a source as they will stand, closed; its own checks are added to the results."""
        asked = Asked(contract, self.tools.clock(), self.run.run_id)
        try:
            rows, money = self.building.accounts_of(contract, batches)
        except AccountOpen as fault:
            self.tools.ledger.save_checks([left_open(asked, fault)])
            raise
        if not rows:  # nothing has landed, or the last account stands
            return rows, money
        built = f"silver.{contract.silver_table}" in self.built
        found = examine(self.tools.warehouse, asked, built, rows, money)
        self.results = [
            r for r in self.results if (r.table, r.check) not in {(f.table, f.check) for f in found}
        ]
        self.results += found
        return rows, money

    def _keep_copies(self, batches: Sequence[Batch]) -> None:
        version = self.version or 0
        self.tools.ledger.save_table_versions(
            [stands for name, stands in self.tools.warehouse.published().items() if name in self.built]
        )
        self._keep_accounts(batches)
        self.tools.ledger.save_checks([replace(result, version=version) for result in self.results])
        self.built.clear()

    def _keep_accounts(self, batches: Sequence[Batch]) -> None:
        version = self.tools.warehouse.version()
        rows, money = self.tools.warehouse.accounts()
        self.tools.ledger.save_accounts(version, rows, money)
        if not self.version:
            self.tools.ledger.save_checks([replace(result, version=version) for result in self.results])
