"""Faults planted inside the warehouse, between what the engine builds and what it checks and publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.declared import Table
from etl.inject.files import Maker
from etl.inject.judging import BAD, Found, planted
from etl.inject.promises import Promise
from etl.inject.records import Caught, FaultKind, Planted
from etl.inject.scratch import Scratch
from etl.model import Run

FIRST = "(select min(rowid) from {table})"


@dataclass(frozen=True)
class Fault:
    """One statement that falsifies a table as it was built."""

    kind: FaultKind
    table: str
    where: str
    expected: str
    statement: str


def faults(
    scratch: Scratch, promised: Mapping[str, Promise], gold: Mapping[str, Sequence[Table]]
) -> Iterator[Planted]:
    """Silver one fault at a time, as each stops the publication; gold one kind at a time over all tables."""
    for promise in promised.values():
        for fault in _of_silver(promise):
            yield from _tried(scratch, [fault])
    for kind in (FaultKind.SAME_ROW, FaultKind.NUMBER):
        yield from _tried(
            scratch, [f for tables in gold.values() for f in _of_gold(tables) if f.kind is kind]
        )


def _of_silver(promise: Promise) -> Iterator[Fault]:
    contract = promise.contract
    if contract.silver_table is None:
        return
    table = f"silver.{contract.silver_table}"
    drop = f"delete from {{table}} where rowid = {FIRST}"  # noqa: S608
    yield Fault(FaultKind.LOST_ROW, table, "one row", "row account", drop)
    for name in promise.amounts():
        cent = f"{1 / 10 ** contract.column(name).decimals:.{contract.column(name).decimals}f}"
        change = f'update {{table}} set "{name}" = "{name}" + {cent} where rowid = {FIRST}'  # noqa: S608
        yield Fault(FaultKind.AMOUNT, table, f"{name} by {cent}", f"money account ({name})", change)


def _of_gold(tables: Sequence[Table]) -> Iterator[Fault]:
    own = tables[0]
    keyed = next((table for table in tables if table.key), None)
    if keyed:
        double = f"insert into {{table}} select * from {{table}} where rowid = {FIRST}"  # noqa: S608
        yield Fault(FaultKind.SAME_ROW, own.name, "one row", f"key {', '.join(keyed.key)}", double)
    fields = {field.name: field for field in own.fields}
    for column in dict.fromkeys(r.column for table in tables for r in table.reconcile if r.column in fields):
        step = "1" if fields[column].kind == "integer" else "0.01"
        change = f'update {{table}} set "{column}" = "{column}" + {step} where rowid = {FIRST}'  # noqa: S608
        yield Fault(FaultKind.NUMBER, own.name, f"{column} by {step}", f"reconciliation of {column}", change)


def _tried(scratch: Scratch, chosen: Sequence[Fault]) -> Iterator[Planted]:
    """Build the tables anew with the faults in them, and see that none of it was published."""
    if not chosen:
        return
    tables = tuple(dict.fromkeys(fault.table for fault in chosen))
    before = {table: scratch.version(table) for table in tables}
    scratch.plants.statements = {t: [f.statement for f in chosen if f.table == t] for t in tables}
    scratch.plants.done.clear()
    run = scratch.run(*tables, full=True)
    scratch.plants.statements = {}
    for fault in chosen:
        if fault.table not in scratch.plants.done:
            yield _untried(fault)
            continue
        published = scratch.version(fault.table) != before[fault.table]
        found = None if published else _found(scratch, fault, run)
        note = "it was published" if published else run.error
        yield planted(fault.kind, fault.table, fault.where, fault.expected, found, note)


def _untried(fault: Fault) -> Planted:
    why = "there is nothing to falsify"
    return Planted(fault.kind, fault.table, fault.where, fault.expected, Caught.UNTRIED, note=why)


def _found(scratch: Scratch, fault: Fault, run: Run) -> Found | None:
    """The check of the table that failed in this run, or the account that did not close."""
    if fault.table.startswith("silver."):
        return _open_account(run, scratch.rows(fault.table))
    own = [facts for facts in scratch.service.checks() if facts.table == fault.table]
    failed = [facts for facts in own if facts.result.run_id == run.run_id and facts.result.state in BAD]
    # The row that was doubled also spoils the sum: the key's own check is the one to name.
    named = sorted(failed, key=lambda facts: not facts.check.startswith(("key_", fault.where.split()[0])))
    return (
        Found(f"check: {named[0].check}", named[0].result.examined, named[0].result.failing)
        if named
        else None
    )


def _open_account(run: Run, examined: int) -> Found | None:
    """The account that did not close, as the run says it; `examined` rows are what it looked at."""
    told = re.search(
        r"The (?:row|money) account of .*? (?:is|are) not explained(?: \(lines [^)]*\))?", run.error
    )
    if told is None:
        return None
    counts = re.search(r"([\d,]+) lines? and ([\d,]+) rows?", told.group())
    failing = sum(int(number.replace(",", "")) for number in counts.groups()) if counts else 1
    return Found(f"account: {told.group()}", examined, failing)


def lost_lines(scratch: Scratch, makers: Mapping[str, Maker], like: Mapping[str, str]) -> Iterator[Planted]:
    """One line more than the reader accounts for. The account of that source stays open: nothing may follow."""
    for source, maker in makers.items():
        contract = maker.contract
        scratch.plants.lost_line_of = source
        scratch.plants.done.clear()
        scratch.land(contract, like[source], "lost-line", maker.another())
        run = scratch.run(f"bronze.{contract.bronze_table}")
        scratch.plants.lost_line_of = ""
        fault = Fault(FaultKind.LOST_LINE, source, "one line of a file", "row account", "")
        if source not in scratch.plants.done:
            yield _untried(fault)
            continue
        found = _open_account(run, scratch.rows(f"bronze.{contract.bronze_table}"))
        note = run.error or "nobody noticed"
        yield planted(fault.kind, source, fault.where, fault.expected, found, note)
