"""Records to plain JSON values and back: what crosses between processes and what the ledger keeps."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from etl.facts import Rows

Plain = dict[str, Any] | list[Any] | str | int | float | bool | None
T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """`value` as JSON can say it: decimals as strings, times ISO with offset, timedeltas in seconds.

    An enum becomes its value, a record a dict of its fields and computed properties (`closes`, `seconds`).
    Raises TypeError for a value that has no such form.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    return _scalar(value)


def objects(rows: Rows) -> list[dict[str, Any]]:
    """A query's answer as a list of objects in column order; a repeated column name gets `_2`, `_3`, …"""
    names = distinct_names(rows.columns)
    return [dict(zip(names, map(to_plain, row), strict=True)) for row in rows.rows]


def distinct_names(columns: typing.Sequence[str]) -> tuple[str, ...]:
    """The names with repeats numbered, so that an object keeps every column: a, a → a, a_2."""
    names: list[str] = []
    for column in columns:
        name, count = column, 1
        while name in names:
            count += 1
            name = f"{column}_{count}"
        names.append(name)
    return tuple(names)


def from_plain(kind: type[T], value: Any) -> T:
    """The record of type `kind` that `to_plain` made this from; computed properties are left aside.

    Values of fields typed `Any` (the cells of Rows) stay as JSON said them. Raises ValueError where the value
    does not fit the type, naming the field.
    """
    return typing.cast(T, _read(kind, value, kind.__name__))


def _scalar(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Path() | UUID():
            return str(value)
        case bytes() | bytearray():
            return value.hex()
    raise TypeError(f"A {type(value).__name__} has no plain form: {value!r}.")


def _record(record: Any) -> dict[str, Any]:
    return {name: to_plain(getattr(record, name)) for name in _names(typing.cast(type, type(record)))}


@cache
def _names(kind: type) -> tuple[str, ...]:
    fields = tuple(field.name for field in dataclasses.fields(kind))
    return fields + tuple(name for name, member in vars(kind).items() if isinstance(member, property))


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _read(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_optional(kind, value, where)
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), value, where)
    if origin is dict:
        return dict(_expect(value, dict, where))
    if dataclasses.is_dataclass(kind):
        given = _expect(value, dict, where)
        known = {name: hint for name, hint in _hints(typing.cast(type, kind)).items() if name in given}
        fields = {name: _read(hint, given[name], f"{where}.{name}") for name, hint in known.items()}
        return _build(kind, fields, where)
    return _read_scalar(kind, value, where)


def _read_optional(kind: Any, value: Any, where: str) -> Any:
    if value is None:
        return None
    (inner,) = (arg for arg in typing.get_args(kind) if arg is not type(None))
    return _read(inner, value, where)


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _expect(value, list, where)
    if len(kinds) == 2 and kinds[1] is Ellipsis:  # noqa: PLR2004 (tuple[X, ...])
        return tuple(_read(kinds[0], item, where) for item in items)
    if len(items) != len(kinds):
        raise ValueError(f"{where} has {len(items)} items where {len(kinds)} belong.")
    return tuple(_read(kind, item, where) for kind, item in zip(kinds, items, strict=True))


def _read_scalar(kind: Any, value: Any, where: str) -> Any:
    try:
        if kind in (datetime, date, time):
            return kind.fromisoformat(value)
        if kind is timedelta:
            return timedelta(seconds=value)
        if kind is float:
            return float(value)
        if kind in (int, bool, str):
            return _expect(value, kind, where)
        return kind(value)
    except (TypeError, ArithmeticError) as fault:
        raise ValueError(f"{where} is {value!r}, which is no {kind.__name__}.") from fault


def _expect(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where} is {value!r}, which is no {kind.__name__}.")
    return value


def _build(kind: Any, fields: dict[str, Any], where: str) -> Any:
    try:
        return kind(**fields)
    except TypeError as fault:
        raise ValueError(f"{where}: {fault}.") from fault
