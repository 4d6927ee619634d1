"""The checks that follow from a key and from a contract: queries for the rows that break a rule.

In DuckDB's dialect; `{table}` stands for the table as the engine reads it. Replace it as text, because a
pattern may hold braces too.
"""
# ruff: noqa: S608  # names are letters, digits and _, texts are quoted by _literal

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from etl.declared import Check, Column, Contract, Distinct, ForeignKey, Kind, Severity

EXAMINED = "select count(*) from {table}"


def key_checks(table: str, key: tuple[str, ...], severity: Severity) -> tuple[Check, ...]:
    """That the key's columns have values and no two rows share a key."""
    if not key:
        return ()
    columns = ", ".join(f'"{name}"' for name in key)
    blank = " or ".join(f'"{name}" is null' for name in key)
    repeated = (
        f"select {columns}, count(*) as rows_with_it from {{table}} group by {columns} having count(*) > 1"
    )
    said = " and ".join(key)
    return (
        Check(
            "key_present",
            table,
            severity,
            f"select * from {{table}} where {blank}",
            EXAMINED,
            f"Every row has {said}.",
            each_row=True,
        ),
        Check(
            "key_unique",
            table,
            severity,
            repeated,
            EXAMINED,
            f"No two rows have the same {said}.",
            distinct=key,
        ),
    )


def silver_checks(contract: Contract, parents: Mapping[str, str]) -> tuple[Check, ...]:
    """The checks of a contract's silver table. `parents` gives the silver table of each source that is referred to;
    a foreign key to one that is not there is left out.

    Most hold because rows that break a rule are quarantined: they prove it on what is about to be published. A rule
    that only warns or that blocks is nothing but its check.
    """
    table = f"silver.{contract.silver_table}"
    # key_present says it of the key already.
    columns = [
        replace(one, required=one.required and one.name not in contract.key) for one in contract.columns
    ]
    known = [key for key in contract.foreign_keys if key.source in parents]
    own = [check for column in columns for check in _column_checks(table, column, known, parents)]
    own += [_reference_check(table, key, parents) for key in contract.composite_references if key in known]
    # A row whose parent goes is judged again and comes anew; not where the missing parent only warns or blocks.
    judged = {f"{'_'.join(key.columns)}_known" for key in contract.references}
    own = [replace(check, each_row=True) if check.name in judged else check for check in own]
    own += [_distinct_check(table, contract, one) for one in contract.distinct]
    return (*key_checks(table, contract.key, Severity.BLOCK), *own, *_rule_checks(table, contract))


def _column_checks(
    table: str, column: Column, references: Sequence[ForeignKey], parents: Mapping[str, str]
) -> Iterator[Check]:
    name = f'"{column.name}"'
    if column.required:
        said = f"Every row has {column.name}."
        yield _check(
            table, f"{column.name}_present", f"{name} is null", said, _severity(column.severity("present"))
        )
    if column.unique:
        repeated = f"select {name}, count(*) as rows_with_it from {{table}} where {name} is not null"
        sql = f"{repeated} group by {name} having count(*) > 1"
        said = f"No two rows have the same {column.name}."
        severity = _severity(column.severity("unique"))
        yield Check(f"{column.name}_unique", table, severity, sql, EXAMINED, said, distinct=(column.name,))
    yield from _limit_checks(table, column)
    yield from (_reference_check(table, key, parents) for key in references if key.columns == (column.name,))


def _distinct_check(table: str, contract: Contract, one: Distinct) -> Check:
    said, severity = " and ".join(one.columns), _severity(one.severity)
    columns = ", ".join(f'"{name}"' for name in one.columns)
    if set(one.columns) != set(contract.key):
        given = " and ".join(f'"{name}" is not null' for name in one.columns)
        repeated = f"select {columns}, count(*) as rows_with_it from {{table}} where {given}"
        sql = f"{repeated} group by {columns} having count(*) > 1"
        name = f"{'_'.join(one.columns)}_unique"
        told = f"No two rows have the same {said}."
        return Check(name, table, severity, sql, EXAMINED, told, distinct=one.columns)
    # Silver holds one row of each key: the other rows that a file has for it were replaced.
    places = f'{columns}, "_batch_id"'
    replaced = f'"silver"."_superseded_{contract.silver_table}"'
    versions = f"select {places} from {{table}} union all select {places} from {replaced}"
    counted = f"select {places}, count(*) as rows_with_it from ({versions}) as versions"
    sql = f"{counted} group by {places} having count(*) > 1"
    return Check(
        "key_once_per_file", table, severity, sql, EXAMINED, f"No two rows of one file have the same {said}."
    )


def _reference_check(table: str, key: ForeignKey, parents: Mapping[str, str]) -> Check:
    parent = '"' + parents[key.source].replace(".", '"."') + '"'
    pairs = zip(key.columns, key.to, strict=True)
    same = " and ".join(f'parent."{to}" = child."{name}"' for name, to in pairs)
    given = " and ".join(f'child."{name}" is not null' for name in key.columns)
    unknown = f"not exists (select 1 from {parent} as parent where {same})"
    sql = f"select * from {{table}} as child where {given} and {unknown}"
    said = f"Every {', '.join(key.columns)} is known to {key.source}."
    return Check(f"{'_'.join(key.columns)}_known", table, _severity(key.severity), sql, EXAMINED, said)


def _limit_checks(table: str, column: Column) -> Iterator[Check]:
    name, text = f'"{column.name}"', column.name
    low, high = (_bound(column, *bound) for bound in _bounds(column))
    if low or high:
        parts = [f"{name} < {low}"] * bool(low) + [f"{name} > {high}"] * bool(high)
        bounds = [f"at least {_plain(low)}"] * bool(low) + [f"at most {_plain(high)}"] * bool(high)
        yield _blocking(table, f"{text}_in_range", " or ".join(parts), f"{text} is {' and '.join(bounds)}.")
    if column.min_length is not None or column.max_length is not None:
        few, many = column.min_length or 0, column.max_length
        parts = [f"length({name}) < {few}"] * (few > 0) + [f"length({name}) > {many}"] * (many is not None)
        span = f"{few} to {many}" if many is not None else f"at least {few}"
        yield _blocking(table, f"{text}_length", " or ".join(parts), f"{text} has {span} characters.")
    if column.pattern:
        unlike = f"not regexp_matches({name}, {_literal(column.pattern)})"
        severity = _severity(column.severity("form"))
        yield _check(table, f"{text}_form", unlike, f"{text} has the agreed form.", severity)
    if column.accepted:
        strange = f"{name} not in ({', '.join(_value(column.kind, value) for value in column.accepted)})"
        said, severity = f"{text} is one of the accepted values.", _severity(column.severity("accepted"))
        yield _check(table, f"{text}_accepted", strange, said, severity)


def _bounds(
    column: Column,
) -> tuple[tuple[Decimal | None, datetime | None], tuple[Decimal | None, datetime | None]]:
    return (column.minimum, column.earliest), (column.maximum, column.latest)


def _bound(column: Column, number: Decimal | None, moment: datetime | None) -> str:
    """A bound as SQL says it; empty where there is none."""
    if moment is None:
        return "" if number is None else f"{number:f}"
    written = str(moment.date()) if column.kind is Kind.DATE else moment.replace(tzinfo=None).isoformat(" ")
    return f"cast({_literal(written)} as {column.kind})"


def _plain(bound: str) -> str:
    return bound.split("'")[1] if "'" in bound else bound


def _value(kind: Kind, value: str) -> str:
    if kind in {Kind.INTEGER, Kind.DECIMAL}:
        return value
    return f"cast({_literal(value)} as date)" if kind is Kind.DATE else _literal(value)


def _severity(rule: Severity) -> Severity:
    """Of a rule's check: what is quarantined must not be there at all."""
    return Severity.WARN if rule is Severity.WARN else Severity.BLOCK


def _rule_checks(table: str, contract: Contract) -> Iterator[Check]:
    for rule in contract.rules:
        yield Check(
            rule.name, table, _severity(rule.severity), f"select * from {{table}} where {rule.broken_when}", EXAMINED,
            f"No row has {rule.broken_when}.", each_row=True,
        )  # fmt: skip


def _blocking(table: str, name: str, broken: str, description: str) -> Check:
    return _check(table, name, broken, description, Severity.BLOCK)


def _check(table: str, name: str, broken: str, description: str, severity: Severity) -> Check:
    kept = f"select * from {{table}} where {broken}"
    return Check(name, table, severity, kept, EXAMINED, description, each_row=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
