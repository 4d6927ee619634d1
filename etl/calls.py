"""What may be asked of the service from outside its process: method by method, argument by argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from etl.errors import CatalogError, MetaLayerError, UsageError
from etl.mends import Aside, Edit, RowPlace
from etl.model import Trigger
from etl.wire import from_plain, to_plain

if TYPE_CHECKING:
    from etl.service import Service

Reader = Callable[[str, Any], Any]  # (name of the argument, what came) → its value; raises UsageError
MOST_ROWS = 10_000_000
SCALARS = (str, int, float, bool, type(None))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}, which is no text.")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}, which is neither true nor false.")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ROWS:
        raise UsageError(f"{name} is {value!r}, which is no whole number from 0 to {MOST_ROWS:,}.")
    return value


def _whole_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{name} is {value!r}, which is no list.")
    return tuple(_text(name, item) for item in value)


def _scalars(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, SCALARS) for item in value):
        raise UsageError(f"{name} is {value!r}, which is no list of plain values.")
    return tuple(value)


def _where(name: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UsageError(f"{name} is {value!r}, which is no mapping of columns to values.")
    return {_text(name, column): wanted for column, wanted in value.items()}


def _trigger(name: str, value: Any) -> Trigger:
    try:
        return Trigger(value)
    except ValueError:
        raise UsageError(f"{name} is {value!r}; valid are {', '.join(Trigger)}.") from None


def _aside(name: str, value: Any) -> Aside:
    try:
        return Aside(value)
    except ValueError:
        raise UsageError(f"{name} is {value!r}; valid are {', '.join(Aside)}.") from None


def _day(name: str, value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(_text(name, value))
    except ValueError:
        raise UsageError(f"{name} is {value!r}, which is no day (YYYY-MM-DD).") from None


def _records(kind: type[Any]) -> Reader:
    def read(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{name} is {value!r}, which is no list.")
        try:
            return tuple(item if isinstance(item, kind) else from_plain(kind, item) for item in value)
        except ValueError as fault:
            raise UsageError(f"{name} has an entry that cannot be read: {fault}.") from fault

    return read


_PLACES: Mapping[str, Reader] = {
    "source": _text, "places": _records(RowPlace), "unreadable": _flag, "by": _text,
}  # fmt: skip
_ASIDE: Mapping[str, Reader] = {"source": _text, "state": _aside, "batch_id": _text, "reason": _text}
_ASKED: Mapping[str, Reader] = {"targets": _texts, "full": _flag, "downstream": _flag}

ALLOWED_CALLS: Mapping[str, Mapping[str, Reader]] = {
    "version": {},
    "workspace": {},
    "verdict": {},
    "layers": {},
    "tables": {},
    "attention": {},
    "checks": {},
    "accounts": {},
    "quarantine_reasons": {},
    "quarantine": {"source": _text, "limit": _whole, "reason": _text},
    "unreadable": {"source": _text, "limit": _whole},
    "unreadable_reasons": {},
    "gold_totals": {},
    "gold_row": {"table": _text, "key": _text, "limit": _whole},
    "rows_in": {"source": _text, "term": _text, "batch_id": _text, "limit": _whole, "column": _text},
    "sources": {},
    "batches": {"source": _text, "limit": _whole},
    "pipelines": {},
    "runs": {"limit": _whole},
    "run": {"run_id": _whole},
    "active_run": {},
    "ticks": {"limit": _whole},
    "system": {},
    "timings": {"limit": _whole},
    "report": {"report_id": _whole_or_none},
    "reports": {"limit": _whole},
    "rows": {"table": _text, "columns": _texts, "where": _where, "order_by": _texts, "limit": _whole},
    "select": {"sql": _text, "params": _scalars, "limit": _whole},
    "explain": {"table": _text, "key": _text},
    "plan": _ASKED,
    "doctor": {},
    "backup": {"folder": _text},
    "request_run": {**_ASKED, "from_run": _whole_or_none, "trigger": _trigger, "by": _text},
    "cancel": {"run_id": _whole},
    "pause": {"pipeline": _text, "paused": _flag},
    "load_dirty_sample": {},
    "aside": {**_ASIDE, "limit": _whole, "offset": _whole},
    "export_aside": _ASIDE,
    "read_edits": {"source": _text, "text": _text},
    "preview": {"source": _text, "edits": _records(Edit)},
    "replay_edits": {"source": _text, "edits": _records(Edit), "note": _text, "by": _text},
    "discard": {**_PLACES, "reason": _text},
    "restore": _PLACES,
    "withdraw_batch": {"batch_id": _text, "reason": _text, "by": _text},
    "reinstate_batch": {"batch_id": _text, "by": _text},
    "replay_batch": {"batch_id": _text, "by": _text},
    "mends": {"limit": _whole},
    "drift": {"source": _text, "limit": _whole},
    "volumes": {},
    "incidents": {},
    "mark_incident": {"source": _text, "day": _day, "reason": _text, "by": _text},
    "unmark_incident": {"source": _text, "day": _day, "by": _text},
}
"""Method → its arguments, each with the function that reads it. Nothing else can be asked."""


def perform(service: Service, method: str, kwargs: Mapping[str, Any]) -> Any:
    """The answer of the service as plain JSON values.

    Raises UsageError for a method or argument that is not in ALLOWED_CALLS, and what the service raises.
    """
    allowed = ALLOWED_CALLS.get(method)
    if allowed is None:
        raise UsageError(f"The engine has no call {method!r}.")
    unknown = sorted(set(kwargs) - set(allowed))
    if unknown:
        raise UsageError(f"The call {method!r} takes no {unknown[0]!r}.", f"It takes: {', '.join(allowed)}.")
    given = {name: allowed[name](name, value) for name, value in kwargs.items()}
    call = getattr(service, method)
    try:
        inspect.signature(call).bind(**given)
    except TypeError as fault:
        raise UsageError(f"The call {method!r} lacks something: {fault}.") from fault
    return to_plain(call(**given))


def error_to_plain(error: MetaLayerError) -> dict[str, Any]:
    """An error as it crosses between processes and as `--json` prints it."""
    problems = error.problems if isinstance(error, CatalogError) else ()
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "problems": [to_plain(problem) for problem in problems],
    }
