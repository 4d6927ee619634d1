"""Copies of the newest batches, read through the service of the workspace that is to be checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from etl.calls import MOST_ROWS
from etl.declared import Contract
from etl.facts import BatchFacts, Rows
from etl.inject.csvfile import Writer
from etl.inject.records import Copied
from etl.model import BatchState
from etl.settings import Settings
from etl.wire import from_plain, objects

Read = Callable[..., Any]  # a call of the service by its name and arguments; its answer as plain JSON values


@dataclass(frozen=True)
class Copy:
    """What is landed of a source before any fault: its newest batch, and parents that its children will ask for."""

    contract: Contract
    copied: Copied
    content: bytes
    parents: bytes = b""


def newest_copies(read: Read, settings: Settings, contracts: Mapping[str, Contract]) -> Iterator[Copy]:
    """A copy of the newest landed batch of each source that has one, in the order of the contracts."""
    newest = {c.source: batch for c in contracts.values() if (batch := _newest(read, c))}
    for source, batch in newest.items():
        contract = contracts[source]
        content = _file_of(settings, batch)
        copied = Copied(source, batch.path, batch.rows, content is not None)
        found = _from_bronze(read, contract, batch) if content is None else content
        parents = _parents(read, contracts, contract, newest)
        yield Copy(contract, copied, found, parents)


def _newest(read: Read, contract: Contract) -> BatchFacts | None:
    """The newest batch with a row in silver, for faults are planted in sound rows; else the newest of all."""
    listed = (
        from_plain(BatchFacts, each) for each in read("batches", source=contract.source, limit=MOST_ROWS)
    )
    landed = [batch for batch in listed if batch.state == BatchState.LANDED]
    sound = _in_silver(read, contract) if len(landed) > 1 else set()
    return next((batch for batch in landed if batch.batch_id in sound), landed[0] if landed else None)


def _in_silver(read: Read, contract: Contract) -> set[str]:
    published = {facts["name"] for facts in read("tables") if facts["rows"] is not None}
    if f"silver.{contract.silver_table}" not in published:
        return set()
    sql = f'select distinct _batch_id from silver."{contract.silver_table}"'  # noqa: S608
    return {batch_id for (batch_id,) in read("select", sql=sql, limit=MOST_ROWS)["rows"]}


def _file_of(settings: Settings, batch: BatchFacts) -> bytes | None:
    """The bytes of a batch where its file still lies there unchanged."""
    roots = [settings.landing, *([settings.dirty_sample] if settings.sample else [])]
    for root in roots:
        try:
            content = Path(root / batch.path).read_bytes()
        except OSError:
            continue
        if sha256(content).hexdigest() == batch.sha256:
            return content
    return None


def _from_bronze(read: Read, contract: Contract, batch: BatchFacts) -> bytes:
    """The records of a batch written as a file again."""
    names = [column.name for column in contract.columns]
    plain = read(
        "rows", table=f"bronze.{contract.bronze_table}", columns=names, where={"_batch_id": batch.batch_id},
        order_by=["_row_number"], limit=MOST_ROWS,
    )  # fmt: skip
    return Writer(contract).file(objects(from_plain(Rows, plain)))


def _parents(
    read: Read, contracts: Mapping[str, Contract], parent: Contract, newest: Mapping[str, BatchFacts]
) -> bytes:
    """Rows of older batches to which the newest batches of other sources refer, as a file; b"" without any."""
    asked = [
        (child, key.columns, key.to)
        for child in contracts.values()
        for key in child.references
        if key.source == parent.source and child.source in newest and child.silver_table
    ]
    own = newest[parent.source]
    if not asked or not parent.silver_table or len(read("batches", source=parent.source, limit=2)) == 1:
        return b""
    columns = ", ".join(f'b."{column.name}"' for column in parent.columns)
    wanted = " or ".join(
        f'({_listed("s", to)}) in (select {_listed("c", columns)} from silver."{child.silver_table}" as c '  # noqa: S608
        "where c._batch_id = ?)"
        for child, columns, to in asked
    )
    plain = read(
        "select", limit=MOST_ROWS, params=[own.batch_id, *(newest[child.source].batch_id for child, _, _ in asked)],
        sql=f'select {columns} from bronze."{parent.bronze_table}" as b '  # noqa: S608
        f'join silver."{parent.silver_table}" as s on s._batch_id = b._batch_id and s._row_number = b._row_number '
        f"where s._correction = 0 and b._batch_id <> ? and ({wanted})",
    )  # fmt: skip
    rows = objects(from_plain(Rows, plain))
    return Writer(parent).file(rows) if rows else b""


def _listed(table: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f'{table}."{column}"' for column in columns)
