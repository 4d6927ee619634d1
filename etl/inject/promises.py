"""What is promised: by the contracts and gold files in use, and by those that ship with MetaLayer where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from etl.catalog import Catalog, load_catalog
from etl.declared import Contract, Kind, Table
from etl.errors import CatalogError
from etl.inject.records import Caught, FaultKind, Planted
from etl.inject.values import Broken, broken_values
from etl.settings import Settings

Highest = Callable[[Contract, str], object]  # source's contract, column → its highest value in silver


@dataclass(frozen=True)
class Promise:
    """One source: its contract, then the shipped one of the same name if that is another."""

    contract: Contract
    contracts: Mapping[str, Contract]
    versions: tuple[Contract, ...]

    def values(self, highest: Highest) -> Iterator[Broken]:
        """A text for every rule of every column that is still there, each kind and column once."""
        seen = set()
        for version in self.versions:
            for value in (*self._of_columns(version), *self._orphans(version, highest)):
                if (value.kind, value.column) not in seen:
                    seen.add((value.kind, value.column))
                    yield value

    def _of_columns(self, version: Contract) -> Iterator[Broken]:
        own = {column.name: column for column in self.contract.columns}
        for column in version.columns:
            if column.name in own:
                yield from broken_values(column, column.name in version.key)

    def _orphans(self, version: Contract, highest: Highest) -> Iterator[Broken]:
        """A value that the parent does not have, for each foreign key. One of several columns breaks with its first."""
        for key in version.references:
            parent, (column, *_) = self.contracts.get(key.source), key.columns
            if parent is None or column not in {c.name for c in self.contract.columns}:
                continue
            unknown = beyond(highest(parent, key.to[0]), parent.column(key.to[0]).kind)
            if unknown:
                rule = f"known {key.source}"
                yield Broken(FaultKind.ORPHAN, column, unknown, rule, key.severity)

    def unique(self) -> Iterator[tuple[str, ...]]:
        """Columns, the key aside, of which no two rows may have the same values."""
        own, seen = {column.name for column in self.contract.columns}, set()
        for version in self.versions:
            single = [(c.name,) for c in version.columns if c.unique]
            for columns in (*single, *(one.columns for one in version.distinct)):
                new = columns not in seen and set(columns) <= own
                if new and not set(columns) & set(self.contract.key):
                    seen.add(columns)
                    yield columns

    def amounts(self) -> Iterator[str]:
        """The columns that some version of the contract marks as amounts."""
        own = {column.name for column in self.contract.columns}
        marked = (c.name for version in self.versions for c in version.columns if c.amount and c.name in own)
        yield from dict.fromkeys(marked)

    def untried(self) -> Iterator[Planted]:
        """The rules in SQL: what breaks them is known to their author alone."""
        for rule in self.contract.rules:
            why = "a row that breaks it cannot be made up"
            yield Planted(
                FaultKind.OWN_RULE,
                self.contract.source,
                rule.name,
                f"rule {rule.name}",
                Caught.UNTRIED,
                note=why,
            )


def beyond(highest: object, kind: Kind) -> str:
    """A value that no row has, given the highest; "" where none can be told."""
    if kind is Kind.INTEGER:
        return str(int(str(highest or 0)) + 1)
    return "no such one" if kind is Kind.TEXT else ""


def promises(catalog: Catalog, settings: Settings) -> dict[str, Promise]:
    """The promise of each source."""
    shipped = shipped_catalog(settings)
    found = {}
    for source, contract in catalog.contracts.items():
        others = [shipped.contracts[source]] if shipped and source in shipped.contracts else []
        changed = [other for other in others if other.fingerprint != contract.fingerprint]
        found[source] = Promise(contract, catalog.contracts, (contract, *changed))
    return found


def shipped_catalog(settings: Settings) -> Catalog | None:
    """The contracts and gold files that come with MetaLayer; None where those in use are they, or cannot be read."""
    folder = settings.root
    if folder.resolve() == settings.project.resolve() or not (folder / "contracts").is_dir():
        return None
    try:
        return load_catalog(folder)
    except CatalogError:  # told by `contract check` there
        return None


def gold_promises(catalog: Catalog, settings: Settings) -> dict[str, tuple[Table, ...]]:
    """For each gold table in use: its definition, then the shipped one if that is another."""
    shipped = shipped_catalog(settings)
    found = {}
    for table in catalog.tables.values():
        if table.sql:
            other = shipped.tables.get(table.name) if shipped else None
            changed = [other] if other and other.fingerprint != table.fingerprint else []
            found[table.name] = (table, *changed)
    return found
