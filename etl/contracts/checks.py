"""The checks that follow from a key and from a contract: queries for the rows that break a rule.

In DuckDB's dialect; `{table}` stands for the table as the engine reads it. Replace it as text, because a
pattern may hold braces too.
"""
# ruff: noqa: S608  # names are letters, digits and _, texts are quoted by _literal

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from etl.model import Check, Column, Contract, Severity

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
        ),
        Check("key_unique", table, severity, repeated, EXAMINED, f"No two rows have the same {said}."),
    )


def silver_checks(contract: Contract, parents: Mapping[str, str]) -> tuple[Check, ...]:
    """The checks of a contract's silver table. `parents` gives the silver table of each foreign key.

    Most hold because rows that break a rule are quarantined: they prove it on what is about to be published.
    """
    table = f"silver.{contract.silver_table}"
    # key_present says it of the key already.
    columns = [
        replace(one, required=one.required and one.name not in contract.key) for one in contract.columns
    ]
    own = [check for column in columns for check in _column_checks(table, column, parents)]
    return (*key_checks(table, contract.key, Severity.BLOCK), *own, *_rule_checks(table, contract))


def _column_checks(table: str, column: Column, parents: Mapping[str, str]) -> Iterator[Check]:
    name = f'"{column.name}"'
    if column.required:
        yield _blocking(table, f"{column.name}_present", f"{name} is null", f"Every row has {column.name}.")
    if column.unique:
        repeated = f"select {name}, count(*) as rows_with_it from {{table}} where {name} is not null"
        sql = f"{repeated} group by {name} having count(*) > 1"
        said = f"No two rows have the same {column.name}."
        yield Check(f"{column.name}_unique", table, Severity.BLOCK, sql, EXAMINED, said)
    yield from _limit_checks(table, column)
    if column.reference:
        parent = '"' + parents[column.name].replace(".", '"."') + '"'
        same = f'parent."{column.reference.column}" = child.{name}'
        unknown = f"not exists (select 1 from {parent} as parent where {same})"
        sql = f"select * from {{table}} as child where child.{name} is not null and {unknown}"
        said = f"Every {column.name} is known to {column.reference.source}."
        yield Check(f"{column.name}_known", table, Severity.BLOCK, sql, EXAMINED, said)


def _limit_checks(table: str, column: Column) -> Iterator[Check]:
    name, text = f'"{column.name}"', column.name
    low, high = column.minimum, column.maximum
    if low is not None or high is not None:
        broken = [f"{name} < {low}"] * (low is not None) + [f"{name} > {high}"] * (high is not None)
        said = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
        yield _blocking(table, f"{text}_in_range", " or ".join(broken), f"{text} is {' and '.join(said)}.")
    if column.min_length is not None or column.max_length is not None:
        few, many = column.min_length or 0, column.max_length
        broken = [f"length({name}) < {few}"] * (few > 0) + [f"length({name}) > {many}"] * (many is not None)
        bounds = f"{few} to {many}" if many is not None else f"at least {few}"
        yield _blocking(table, f"{text}_length", " or ".join(broken), f"{text} has {bounds} characters.")
    if column.pattern:
        unlike = f"not regexp_matches({name}, {_literal(column.pattern)})"
        yield _blocking(table, f"{text}_form", unlike, f"{text} has the agreed form.")
    if column.accepted:
        values = ", ".join(_literal(value) for value in column.accepted)
        yield _blocking(
            table, f"{text}_accepted", f"{name} not in ({values})", f"{text} is one of the accepted values."
        )


def _rule_checks(table: str, contract: Contract) -> Iterator[Check]:
    for rule in contract.rules:
        severity = Severity.WARN if rule.severity is Severity.WARN else Severity.BLOCK
        yield Check(
            rule.name, table, severity, f"select * from {{table}} where {rule.broken_when}", EXAMINED,
            f"No row has {rule.broken_when}.",
        )  # fmt: skip


def _blocking(table: str, name: str, broken: str, description: str) -> Check:
    kept = f"select * from {{table}} where {broken}"
    return Check(name, table, Severity.BLOCK, kept, EXAMINED, description)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
