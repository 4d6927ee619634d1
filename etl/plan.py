"""Which tables a run brings up to date, in which order, and why. Decides only; nothing is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl.catalog import Catalog
from etl.declared import Layer, Table
from etl.errors import UsageError
from etl.ledger import Ledger
from etl.mends import Mend
from etl.model import LAYER_PIPELINE, PIPELINES, CheckResult, Plan, Published, Reason, Run, Step, TaskState

INIT = "init_db_schemas"
MASTER = "master_etl_orchestrator"
PUBLISH = "publish"
MEND = "take_up_mends"
BRONZE_STEPS = ("validate_source_data", "determine_processing_branch")


@dataclass(frozen=True)
class Selection:
    """What was asked for. `forced` tables are rebuilt even when they are not due."""

    pipeline: str
    tables: tuple[str, ...]
    forced: frozenset[str]
    schemas: bool = False


@dataclass(frozen=True)
class State:
    """What planning looks at: what stands, how many new files each bronze table has waiting, which tables' last
    task did not succeed, and of which the results of the checks are not kept for the version that stands.
    """

    published: Mapping[str, Published]
    new_files: Mapping[str, int]
    failed: frozenset[str] = frozenset()
    unexamined: frozenset[str] = frozenset()
    mends: tuple[Mend, ...] = ()  # what people asked to mend and no run has taken up yet


def read_state(
    catalog: Catalog, published: Mapping[str, Published], ledger: Ledger, new_files: Mapping[str, int]
) -> State:
    """What stands, with what the ledger knows of it."""
    unkept = unexamined(catalog, published, ledger.latest_checks())
    return State(published, new_files, ledger.failed_tables(), unkept)


def select(
    catalog: Catalog, targets: Sequence[str], *, full: bool = False, downstream: bool = False
) -> Selection:
    """The tables behind pipeline, layer and table names; none means everything. Raises UsageError for others."""
    targets = tuple(targets) or (MASTER,)
    chosen: dict[str, None] = {}
    forced: set[str] = set()
    for target in targets:
        names, asked = _tables_of(catalog, target)
        chosen |= dict.fromkeys(names)
        forced |= set(names) if asked or full else set()
    if downstream:
        below = catalog.downstream(tuple(chosen))
        chosen |= dict.fromkeys(below)
        forced |= set(below) if forced else set()
    ordered = tuple(name for name in catalog.tables if name in chosen)
    return Selection(_label(targets), ordered, frozenset(forced), schemas=INIT in targets)


def continue_from(catalog: Catalog, run: Run) -> Selection:
    """What a run left undone: its tables that failed, were skipped or never started, and what lies below them.

    Silver and gold that were built and not published are undone too.
    """
    published = any(task.name == PUBLISH and task.state is TaskState.SUCCEEDED for task in run.tasks)
    undone = [
        task.table
        for task in run.tasks
        if task.table in catalog.tables
        and (
            task.state is not TaskState.SUCCEEDED
            or not (published or catalog.tables[task.table].layer is Layer.BRONZE)
        )
    ]
    planned = {task.table for task in run.tasks}
    below = [name for name in catalog.downstream(tuple(undone)) if name in planned]
    chosen = {*undone, *below}
    ordered = tuple(name for name in catalog.tables if name in chosen)
    return Selection(run.pipeline, ordered, frozenset(chosen))


def _tables_of(catalog: Catalog, target: str) -> tuple[list[str], bool]:
    if target == INIT:
        return [], False
    if target == MASTER:
        return list(catalog.tables), False
    for layer, pipeline in LAYER_PIPELINE.items():
        if target in (pipeline, layer.value):
            return [table.name for table in catalog.layer(layer)], target == layer.value
    if target in PIPELINES:
        raise UsageError(f"{target} cannot be run.")
    return [catalog.table(target).name], True


def _label(targets: Sequence[str]) -> str:
    layers = {layer.value: pipeline for layer, pipeline in LAYER_PIPELINE.items()}
    return ", ".join(layers.get(target, target) for target in targets)


def make_plan(catalog: Catalog, selection: Selection, state: State) -> Plan:
    """The steps in order, each with its reason; tables that are not due are left out."""
    steps: list[Step] = []
    if selection.schemas:
        steps += [
            Step("create_schemas", "", "full", "asked for"),
            Step("migrate_ledger", "", "full", "asked for"),
        ]
    steps += _mend_steps(state.mends)
    mended = {f"bronze.{catalog.contracts[mend.source].bronze_table}" for mend in state.mends}
    bronze = [catalog.tables[name] for name in selection.tables if catalog.tables[name].layer is Layer.BRONZE]
    if bronze:
        systems = [(table, catalog.contracts[table.source or ""].system) for table in bronze]
        steps += _bronze_steps(systems, state)
    changing = mended | {table.name for table in bronze if state.new_files.get(table.name)}
    for name in selection.tables:
        table = catalog.tables[name]
        if table.layer is Layer.BRONZE:
            continue
        why = due(table, state, changing, name in selection.forced)
        if why:
            changing.add(name)
            how = mode(table, why, name in selection.forced)
            steps.append(Step(name, table.layer.value, how, why, table.inputs))
    if any(step.layer in (Layer.SILVER, Layer.GOLD) for step in steps):
        steps.append(Step(PUBLISH, "", "full", "everything built becomes visible at once"))
    stale = _left_stale(catalog, selection, changing)
    return Plan(selection.pipeline, tuple(steps), stale)


def concerned(catalog: Catalog, mends: Iterable[Mend], tables: Iterable[str]) -> tuple[Mend, ...]:
    """The mends of sources whose bronze or silver is among the tables. One of a source that is gone waits."""
    chosen = set(tables)

    def own(source: str) -> set[str]:
        contract = catalog.contracts.get(source)
        return {f"bronze.{contract.bronze_table}", f"silver.{contract.silver_table}"} if contract else set()

    return tuple(mend for mend in mends if own(mend.source) & chosen)


def _mend_steps(mends: Sequence[Mend]) -> list[Step]:
    if not mends:
        return []
    kinds = [mend.kind.value for mend in mends]
    waiting = ", ".join(f"{kinds.count(kind)} to {kind}" for kind in dict.fromkeys(kinds))
    return [Step(MEND, Layer.BRONZE.value, "incremental", f"asked for: {waiting}")]


def mode(table: Table, why: str, forced: bool) -> str:
    """`incremental` where what has come can be merged into what stands; else `full`."""
    anew = (Reason.NEVER_BUILT, Reason.CHANGED, Reason.FAILED, Reason.UNEXAMINED, Reason.ASKED)
    if forced or table.layer is not Layer.SILVER or why.startswith(tuple(anew)):
        return "full"
    return "incremental"


def _bronze_steps(bronze: Sequence[tuple[Table, str]], state: State) -> list[Step]:
    """The named steps, and for each landing subfolder an ingest step with one child per source."""
    layer = Layer.BRONZE.value
    steps = [Step(name, layer, "full", "every run looks at the landing folder") for name in BRONZE_STEPS]
    for system in dict.fromkeys(system for _, system in bronze):
        tables = [table for table, of in bronze if of == system]
        waiting = sum(state.new_files.get(table.name, 0) for table in tables)
        parent = f"ingest_{system}_data"
        steps.append(
            Step(
                parent,
                layer,
                "full" if waiting else "skip",
                f"{waiting} new file{'' if waiting == 1 else 's'}" if waiting else "nothing new",
            )
        )
        steps += [_ingest(table, parent, state) for table in tables]
    return [*steps, Step("validate", layer, "full", "every line of every batch is accounted for")]


def _ingest(table: Table, parent: str, state: State) -> Step:
    count = state.new_files.get(table.name, 0)
    if not count:
        return Step(table.name, Layer.BRONZE.value, "skip", "nothing new", parent=parent)
    mode = "incremental" if table.name in state.published else "full"
    why = f"{count} new file{'' if count == 1 else 's'}"
    return Step(table.name, Layer.BRONZE.value, mode, why, parent=parent)


def due(table: Table, state: State, changing: Iterable[str], forced: bool = False) -> str:
    """Why a silver or gold table has to be rebuilt, as a sentence; "" when it has not.

    One that failed is built again even when what it is made of stands as before (an edit that was taken back):
    the checks that failed must be examined anew, or the table would stay red.
    """
    stands = state.published.get(table.name)
    if stands is None:
        return Reason.NEVER_BUILT.value
    if stands.fingerprint != table.fingerprint:
        return f"{Reason.CHANGED.value}: {table.file}"
    upstream = [name for name in table.inputs if name in set(changing)]
    if upstream:
        return f"{Reason.UPSTREAM.value}: {', '.join(upstream)}"
    newer = newer_inputs(table, state.published)
    if newer:
        return f"{Reason.NEW_INPUT.value}: {', '.join(newer)}"
    if table.name in state.failed:
        return Reason.FAILED.value
    if table.name in state.unexamined:
        return Reason.UNEXAMINED.value
    return Reason.ASKED.value if forced else ""


def unexamined(
    catalog: Catalog, published: Mapping[str, Published], results: Iterable[CheckResult]
) -> frozenset[str]:
    """Published tables whose declared checks have no kept result for the version that stands.

    So it is after a crash between publishing and the ledger's copy, and with a new ledger.
    """
    newest = {(result.table, result.check): result.version for result in results}
    return frozenset(
        table.name
        for table in catalog.tables.values()
        if table.name in published
        and any(newest.get((table.name, c.name), 0) < published[table.name].version for c in table.checks)
    )


def newer_inputs(table: Table, published: Mapping[str, Published]) -> list[str]:
    """Inputs that stand in another version than the one the table was built from."""
    stands = published.get(table.name)
    if stands is None:
        return []
    used = dict(stands.inputs)
    return [
        name for name in table.inputs if name in published and published[name].version != used.get(name, 0)
    ]


def stale_because(table: Table, published: Mapping[str, Published]) -> str:
    """Why a published table is stale, as a sentence; "" when it is not."""
    stands = published.get(table.name)
    if stands is None or table.layer is Layer.BRONZE:
        return ""
    if stands.fingerprint != table.fingerprint:
        return f"{table.file} has changed since it was built"
    newer = newer_inputs(table, published)
    return f"newer data in {', '.join(newer)}" if newer else ""


def _left_stale(catalog: Catalog, selection: Selection, changing: Iterable[str]) -> tuple[str, ...]:
    below = catalog.downstream(tuple(changing))
    return tuple(name for name in below if name not in selection.tables)
