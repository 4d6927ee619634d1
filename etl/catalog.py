"""contracts/ + gold/ → the graph of tables, checked as a whole before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

from etl.contracts import digest, located_contracts
from etl.contracts.document import did_you_mean
from etl.contracts.globs import matches, overlap
from etl.contracts.tables import bronze_table, silver_table
from etl.declared import Contract, ForeignKey, Kind, Layer, Reconcile, Table
from etl.errors import CatalogError, Problem, UsageError
from etl.goldfile import GoldFile, read_gold
from etl.model import PIPELINES
from etl.remembered import HERE, Memory, fingerprint_of

_LAYERS = tuple(Layer)


@dataclass(frozen=True)
class Catalog:
    """Every declared table, each after all of its inputs; the order is the same for the same declarations."""

    tables: Mapping[str, Table]
    contracts: Mapping[str, Contract]
    fingerprint: str

    def table(self, name: str) -> Table:
        """The table of a qualified or short name. Raises UsageError."""
        qualified = name if name in self.tables else self._qualified.get(name, "")
        if not qualified:
            known = [*self.tables, *self._qualified]
            hint = did_you_mean(name, known) or f"The tables are {', '.join(self.tables)}."
            raise UsageError(f"There is no table {name!r}.", hint)
        return self.tables[qualified]

    @cached_property
    def _qualified(self) -> dict[str, str]:
        return {table.short: table.name for table in self.tables.values()}

    def feeds(self, name: str) -> tuple[str, ...]:
        """The tables that read this one, in order."""
        read = self.table(name).name
        return tuple(table.name for table in self.tables.values() if read in table.inputs)

    def downstream(self, names: Iterable[str]) -> tuple[str, ...]:
        """Everything that is built from these tables, without them, in order."""
        reached = given = {self.table(name).name for name in names}
        for table in self.tables.values():
            if reached & set(table.inputs):
                reached = reached | {table.name}
        return tuple(name for name in self.tables if name in reached and name not in given)

    def upstream(self, names: Iterable[str]) -> tuple[str, ...]:
        """Everything these tables are built from, without them, in order."""
        reached = given = {self.table(name).name for name in names}
        for table in reversed(list(self.tables.values())):
            if table.name in reached:
                reached = reached | set(table.inputs)
        return tuple(name for name in self.tables if name in reached and name not in given)

    def layer(self, layer: Layer | str) -> tuple[Table, ...]:
        """The tables of a layer, in order."""
        return tuple(table for table in self.tables.values() if table.layer == layer)

    def contract_of(self, name: str) -> Contract | None:
        """The contract a bronze or silver table is made from; None for gold."""
        source = self.table(name).source
        return None if source is None else self.contracts[source]

    def contract_for(self, path: str) -> Contract | None:
        """The contract of a file, by its path below the landing folder. At most one matches."""
        return next((c for c in self.contracts.values() if matches(path, c.pattern)), None)


def load_catalog(project: Path) -> Catalog:
    """What a project's `contracts/` and `gold/` declare. Raises CatalogError with all problems."""
    project = project.resolve()
    located, problems = located_contracts(project / "contracts")
    golds = [read_gold(path, project) for path in sorted((project / "gold").glob("*.sql"))]
    perhaps = _words_of(project, problems) | {gold.name.split(".")[1] for gold in golds if gold.table is None}
    problems += [problem for gold in golds for problem in gold.problems]
    return _Draft(located, golds, problems, perhaps).catalog()


@dataclass(frozen=True)
class _Kept:
    """A catalog as it is remembered: its parts in order."""

    tables: tuple[Table, ...]
    contracts: tuple[Contract, ...]
    fingerprint: str


def remembered_catalog(project: Path, folder: Path) -> Catalog:
    """As `load_catalog`, but files that were found sound before are not checked again.

    `folder` keeps what was found under a hash of every file of the project and of the code that reads them.
    """
    files = [*(project / "contracts").glob("*.yaml"), *(project / "gold").glob("*.sql")]
    code = [
        *(HERE / "contracts").glob("*.py"),
        *(HERE / name for name in ("catalog.py", "declared.py", "formats.py", "goldfile.py", "model.py")),
    ]
    made_from = fingerprint_of(files) + fingerprint_of(code, ("sqlglot", "jsonschema"))

    def load() -> _Kept:
        found = load_catalog(project)
        return _Kept(tuple(found.tables.values()), tuple(found.contracts.values()), found.fingerprint)

    kept = Memory(folder).recall("catalog", made_from, _Kept, load)
    return Catalog(
        {table.name: table for table in kept.tables},
        {contract.source: contract for contract in kept.contracts},
        kept.fingerprint,
    )


def _words_of(project: Path, problems: Iterable[Problem]) -> frozenset[str]:
    """The words in files that could not be read as they stand: what seems missing may be declared there."""
    files = {project / problem.file for problem in problems}
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()]
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


@dataclass
class _Draft:
    """Contracts and gold files on the way to a catalog. Each step notes what is wrong and goes on."""

    located: list[tuple[Contract, Mapping[str, int]]]
    golds: list[GoldFile]
    problems: list[Problem]
    perhaps_declared: frozenset[str]  # names that stand in broken files

    def catalog(self) -> Catalog:
        self.refuse_same_source()
        self.refuse_same_files()
        contracts: dict[str, Contract] = {}
        for contract, _ in self.located:
            contracts.setdefault(contract.source, contract)
        self.refuse_references(contracts)
        tables = self.tables(contracts)
        self.refuse_unknown_inputs(tables)
        self.refuse_unknown_columns(tables)
        ordered = self.ordered(tables) if not self.problems else tables
        if not self.problems:
            self.refuse_reconciles(ordered)
        if self.problems:
            raise CatalogError(sorted(self.problems, key=lambda problem: (problem.file, problem.line)))
        return Catalog(ordered, contracts, _catalog_fingerprint(ordered, contracts))

    def refuse(self, file: str, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(file, line, message, hint))

    def refuse_same_source(self) -> None:
        first: dict[str, Contract] = {}
        for contract, lines in self.located:
            other = first.setdefault(contract.source, contract)
            if other is not contract:
                message = f"The source {contract.source!r} is already described by {other.file}."
                hint = "Give it another name, or remove one of the files."
                self.refuse(contract.file, lines.get("name", 0), message, hint)

    def refuse_same_files(self) -> None:
        for (other, _), (contract, lines) in combinations(self.located, 2):
            if overlap(contract.pattern, other.pattern):
                message = (
                    f"{contract.pattern!r} and {other.pattern!r} of {other.file} can match the same file."
                )
                hint = "Make the paths such that a file has one contract."
                self.refuse(contract.file, lines.get("path", 0), message, hint)

    def refuse_references(self, contracts: Mapping[str, Contract]) -> None:
        for contract in contracts.values():
            for key in contract.foreign_keys:
                fault = _reference_fault(contract, key, contracts)
                if fault and key.source not in self.perhaps_declared:
                    self.refuse(contract.file, key.line, *fault)

    def tables(self, contracts: Mapping[str, Contract]) -> dict[str, Table]:
        found: dict[str, Table] = {}
        short: dict[str, Table] = {}
        for table, line in self.declared(contracts):
            other = short.setdefault(table.short, table)
            if other is not table:
                message = f"The table name {table.short!r} is already used for {other.name} by {other.file}."
                self.refuse(table.file, line, message, "Names are unique over all layers: choose another.")
            if table.short in _LAYERS or table.short in PIPELINES:
                self.refuse(
                    table.file,
                    line,
                    f"{table.short!r} is the name of a layer or a pipeline.",
                    "Choose another.",
                )
            found[table.name] = table
        return found

    def declared(self, contracts: Mapping[str, Contract]) -> Iterator[tuple[Table, int]]:
        for contract, lines in self.located:
            if contracts[contract.source] is not contract:
                continue  # a second one for the same source is refused already
            yield bronze_table(contract), lines.get("bronzeName", lines.get("name", 0))
            if contract.silver_table:
                yield silver_table(contract, contracts), lines.get("physicalName", 0)
        for gold in self.golds:
            if gold.table:
                yield gold.table, 1

    def refuse_unknown_inputs(self, tables: Mapping[str, Table]) -> None:
        known = [name for name in tables if not name.startswith(Layer.BRONZE)]
        for gold in self.golds:
            for name in gold.table.inputs if gold.table else ():
                if name not in tables and name.split(".")[1] not in self.perhaps_declared:
                    hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
                    self.refuse(gold.file, gold.lines[name], f"There is no table {name}.", hint)

    def refuse_unknown_columns(self, tables: Mapping[str, Table]) -> None:
        broken = {gold.name for gold in self.golds if gold.problems}
        columns = {
            name: [f.name for f in table.fields] for name, table in tables.items() if name not in broken
        }
        for gold in self.golds:
            for used in gold.used:
                names = columns.get(used.table, [used.column])
                if used.column not in names:
                    hint = did_you_mean(used.column, names) or f"It has {', '.join(names)}."
                    message = f"{used.table} has no column {used.column!r}."
                    self.refuse(gold.file, used.line, message, hint)

    def ordered(self, tables: Mapping[str, Table]) -> dict[str, Table]:
        """Each table after its inputs; where those leave it open, by layer and name."""
        sorter = TopologicalSorter({name: table.inputs for name, table in tables.items()})
        try:
            sorter.prepare()
        except CycleError as cycle:
            self.refuse_cycle(tables, cycle.args[1])
            return {}
        ordered: dict[str, Table] = {}
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=lambda name: (_LAYERS.index(tables[name].layer), name))
            ordered |= {name: tables[name] for name in ready}
            sorter.done(*ready)
        return ordered

    def refuse_cycle(self, tables: Mapping[str, Table], circle: list[str]) -> None:
        # From the first name on, so that the message is the same each time.
        names = circle[:-1]
        start = names.index(min(names))
        names = names[start:] + names[:start]
        told = " → ".join([*names, names[0]])
        table = tables[names[0]]
        line = next(
            (gold.lines[n] for gold in self.golds if gold.table is table for n in names if n in gold.lines), 0
        )
        self.refuse(
            table.file, line, f"Tables are made from each other: {told}.", "Take one of the steps out."
        )

    def refuse_reconciles(self, tables: Mapping[str, Table]) -> None:
        catalog = Catalog(tables, {}, "")
        for gold in self.golds:
            for reconcile in gold.table.reconcile if gold.table else ():
                fault = _reconcile_fault(catalog, gold.name, reconcile)
                if fault:
                    self.refuse(gold.file, gold.lines[f"reconcile {reconcile.column}"], *fault)


def _reconcile_fault(catalog: Catalog, table: str, reconcile: Reconcile) -> tuple[str, str] | None:
    """What is wrong with a reconciliation, and what to do."""
    upstream = catalog.upstream([table])
    if reconcile.source not in upstream:
        hint = did_you_mean(reconcile.source, [*upstream]) or f"It is made from {', '.join(upstream)}."
        return f"reconcile names {reconcile.source}, which this table is not made from.", hint
    fields = catalog.tables[reconcile.source].fields
    numbers = [field.name for field in fields if field.kind in {Kind.DECIMAL, Kind.INTEGER}]
    if reconcile.source_column not in numbers:
        hint = did_you_mean(reconcile.source_column, numbers) or "Name a decimal or an integer."
        return f"{reconcile.source} has no number {reconcile.source_column!r} to add up.", hint
    return None


def _reference_fault(
    contract: Contract, key: ForeignKey, contracts: Mapping[str, Contract]
) -> tuple[str, str] | None:
    """What is wrong with a foreign key, and what to do."""
    own, to = ", ".join(key.columns), ", ".join(f"{key.source}.{column}" for column in key.to)
    parent = contracts.get(key.source)
    if parent is None:
        hint = did_you_mean(key.source, [*contracts]) or f"The sources are {', '.join(contracts)}."
        return f"{own!r} refers to {to}, but there is no such source.", hint
    if parent is contract:
        hint = (
            "Leave the relationship out; a check of a gold file can look for rows whose parent is not there."
        )
        return f"{own!r} refers to its own source, which is not supported.", hint
    if parent.silver_table is None:
        hint = "It has no keys to find."
        return f"{own!r} refers to {to}, but {parent.source} is a bronze-only feed.", hint
    names = [one.name for one in parent.columns]
    for column in key.to:
        if column not in names:
            hint = did_you_mean(column, names)
            return f"{own!r} refers to {to}, but {parent.source} has no such column.", hint
    if sorted(parent.key) != sorted(key.to):
        whole = ", ".join(parent.key)
        hint = _key_hint(parent, key)
        return f"{own!r} refers to {to}, which is not the whole key of {parent.source} ({whole}).", hint
    return _kinds_fault(contract, key, parent)


def _key_hint(parent: Contract, key: ForeignKey) -> str:
    if len(parent.key) > 1 and set(key.to) < set(parent.key):
        return "A key of several columns is named as a whole, by a relationship of the schema."
    return "Refer to the key: only that is sure to name one row, and to stay."


def _kinds_fault(contract: Contract, key: ForeignKey, parent: Contract) -> tuple[str, str] | None:
    for own, to in zip(key.columns, key.to, strict=True):
        kind, other = contract.column(own).kind, parent.column(to).kind
        if kind is not other:
            said = f"{own!r} is of type {kind}, but {parent.source}.{to} of type {other}."
            return said, "Give both one type."
    return None


def _catalog_fingerprint(tables: Mapping[str, Table], contracts: Mapping[str, Contract]) -> str:
    made = [(name, table.fingerprint, table.inputs) for name, table in tables.items()]
    read = [(source, c.fingerprint, c.pattern, c.fresh_within) for source, c in sorted(contracts.items())]
    return digest([made, read])
