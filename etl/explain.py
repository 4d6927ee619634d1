"""Where one row is: from the line of its file through every step to silver, or why not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.catalog import Catalog
from etl.errors import UsageError
from etl.facts import Explained
from etl.layers.silver import quarantine_table, superseded_table
from etl.model import Batch, Column, Contract, Kind, Layer, Published
from etl.warehouse import Session, Warehouse

LISTED = 20


@dataclass(frozen=True)
class _Place:
    batch_id: str
    row_number: int


def explain(catalog: Catalog, warehouse: Warehouse, table_name: str, key: str) -> Explained:
    """The way of a silver row, or of every bronze row with that key. Raises UsageError for other tables."""
    table = catalog.table(table_name)
    if table.layer is Layer.GOLD or table.source is None:
        raise UsageError(
            f"{table.name} is made from many rows at once.", f"Explain one row of {', '.join(table.inputs)}."
        )
    contract = catalog.contracts[table.source]
    if contract.silver_table is None:
        raise UsageError(f"{contract.source} is a bronze-only feed and has no keys.")
    batches = {batch.batch_id: batch for batch in warehouse.batches()}
    stands = warehouse.published().get(f"silver.{contract.silver_table}")
    with warehouse.snapshot() as session:
        return _explained(session, contract, key, batches, stands)


def _explained(
    session: Session, contract: Contract, key: str, batches: dict[str, Batch], stands: Published | None
) -> Explained:
    name = f"silver.{contract.silver_table}"
    current = _places(session, name, contract, key, typed=True) if stands else []
    superseded = _places(session, superseded_table(contract), contract, key, typed=True) if stands else []
    in_bronze = _places(session, f"bronze.{contract.bronze_table}", contract, key, typed=False)
    steps: list[tuple[str, str]] = []
    for place in in_bronze[:LISTED]:
        steps += _steps(session, contract, place, batches, current, superseded, stands)
    if not steps:
        return Explained(
            name, key, False, (("Not found", f"No row of {contract.source} has the key {key}."),)
        )
    shown = current[0] if current else in_bronze[0]
    batch = batches.get(shown.batch_id)
    return Explained(
        table=name, key=key, found=bool(current), steps=tuple(steps), batch_id=shown.batch_id,
        path=batch.path if batch else "", line_number=shown.row_number, raw=_raw(session, contract, shown),
    )  # fmt: skip


def _places(session: Session, table: str, contract: Contract, key: str, *, typed: bool) -> list[_Place]:
    schema, short = table.split(".", 1)
    columns = [contract.column(name) for name in contract.key]
    parts = key.split(",") if len(columns) > 1 else [key]
    if len(parts) != len(columns):
        raise UsageError(
            f"The key of {table} has {len(columns)} parts, {len(parts)} were given.", "Join them by commas."
        )
    wanted = " and ".join(_equals(column, typed) for column in columns)
    found = session.rows(
        f'select _batch_id, _row_number from {schema}."{short}" where {wanted} order by 1, 2',  # noqa: S608
        [part.strip() for part in parts],
    )
    return [_Place(batch_id, row) for batch_id, row in found]


def _equals(column: Column, typed: bool) -> str:
    name = f'"{column.name}"'
    if typed or column.kind is Kind.TEXT:
        return f"cast({name} as varchar) = ?"
    return f"trim({name}) = ?"


def _steps(
    session: Session,
    contract: Contract,
    place: _Place,
    batches: dict[str, Batch],
    current: list[_Place],
    superseded: list[_Place],
    stands: Published | None,
) -> list[tuple[str, str]]:
    batch = batches[place.batch_id]
    file = f"Line {place.row_number:,} of {batch.path}, arrived {batch.arrived_at:%Y-%m-%d %H:%M} UTC"
    landed = f"bronze.{contract.bronze_table}, batch {place.batch_id}, landed by run {batch.run_id}."
    steps = [("File", f"{file}; SHA-256 {batch.sha256[:12]}…."), ("Bronze", landed)]
    if place in current and stands:
        return [
            *steps,
            (
                "Silver",
                f"Current version of its key in silver.{contract.silver_table}, version {stands.version}.",
            ),
        ]
    if place in superseded:
        winner = current[0] if current else None
        by = f" by line {winner.row_number:,} of {batches[winner.batch_id].path}" if winner else ""
        return [*steps, ("Superseded", f"Valid, but replaced{by}, a newer version of the same key.")]
    reasons = _reasons(session, contract, place) if stands else []
    if reasons:
        return [*steps, ("Quarantined", f"{'; '.join(reasons)}.")]
    return [*steps, ("Pending", "Landed, but not yet in a published silver. Run silver.")]


def _reasons(session: Session, contract: Contract, place: _Place) -> list[str]:
    schema, short = quarantine_table(contract).split(".", 1)
    found = session.rows(
        f'select _reasons from {schema}."{short}" where _batch_id = ? and _row_number = ?',  # noqa: S608
        [place.batch_id, place.row_number],
    )
    return list(found[0][0]) if found else []


def _raw(session: Session, contract: Contract, place: _Place) -> str:
    columns = ", ".join(f'"{column.name}"' for column in contract.columns)
    found: list[tuple[Any, ...]] = session.rows(
        f'select {columns} from bronze."{contract.bronze_table}" where _batch_id = ? and _row_number = ?',  # noqa: S608
        [place.batch_id, place.row_number],
    )
    return (
        contract.dialect.delimiter.join("" if value is None else str(value) for value in found[0])
        if found
        else ""
    )
