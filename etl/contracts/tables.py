"""The bronze and the silver table that a contract declares."""

from __future__ import annotations

from collections.abc import Mapping

from etl.contracts.checks import silver_checks
from etl.contracts.fingerprint import bronze_meaning, digest, silver_meaning
from etl.declared import Column, Contract, Field, Kind, Layer, Table

SILVER_PLACES = (
    Field("_batch_id", Kind.TEXT, meaning="batch the row came in"),
    Field("_row_number", Kind.INTEGER, meaning="physical line of the file the record starts on"),
    Field("_correction", Kind.INTEGER, meaning="number of the correction, 0 for a row as received"),
)


def bronze_table(contract: Contract) -> Table:
    """What a contract's files are landed in: every column as text."""
    fields = tuple(Field(column.name, Kind.TEXT, meaning=column.description) for column in contract.columns)
    return Table(
        name=f"{Layer.BRONZE}.{contract.bronze_table}",
        layer=Layer.BRONZE,
        grain="one row per record of a file",
        key=(),
        fields=fields,
        inputs=(),
        fingerprint=digest(bronze_meaning(contract)),
        file=contract.file,
        source=contract.source,
        description=f"Files {contract.pattern}, as received.",
    )


def silver_table(contract: Contract, contracts: Mapping[str, Contract]) -> Table:
    """What is made of a contract's bronze rows: typed, valid, one row per key."""
    parents = {
        key.source: f"{Layer.SILVER}.{contracts[key.source].silver_table}"
        for key in contract.foreign_keys
        if key.source in contracts and key.source != contract.source
    }
    return Table(
        name=f"{Layer.SILVER}.{contract.silver_table}",
        layer=Layer.SILVER,
        grain=contract.grain,
        key=contract.key,
        fields=(*map(_field, contract.columns), *SILVER_PLACES),
        inputs=(f"{Layer.BRONZE}.{contract.bronze_table}", *parents.values()),
        fingerprint=digest(silver_meaning(contract)),
        file=contract.file,
        source=contract.source,
        description=f"{contract.source}, typed and valid.",
        checks=silver_checks(contract, parents),
    )


def _field(column: Column) -> Field:
    return Field(column.name, column.kind, column.amount, column.description, column.decimals)
