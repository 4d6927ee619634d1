"""How a table stands, as one state and one note: the worst fact wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ui import fmt, words

if TYPE_CHECKING:
    from etl.facts import TableFacts
    from etl.model import Run

_LIVE = {"running": "building now", "up_for_retry": "trying again", "pending": "waiting"}


@dataclass(frozen=True)
class Standing:
    """`state` is a key of `tokens.STATES`; `live` while a run works on the table."""

    state: str
    note: str
    live: bool = False


def tasks_by_table(run: Run | None) -> dict[str, str]:
    """What the active run does to each of its tables."""
    return {task.table: str(task.state) for task in run.tasks if task.table} if run else {}


def standing(table: TableFacts, live: Mapping[str, str], now: datetime) -> Standing:
    """What runs now comes first, then a failure, then stale, then the checks."""
    doing = live.get(table.name, "")
    if doing in ("running", "up_for_retry"):
        return Standing(doing, f"{_size(table)}{_LIVE[doing]}", live=True)
    if doing == "pending":
        return Standing("pending", f"{_size(table)}{_LIVE[doing]}")
    return Standing(_state(table), _note(table, now))


def layer_mark(state: str, note: str, members: Sequence[Standing]) -> tuple[str, str]:
    """State and note of a layer: what runs, else its worst fact, which can be that a table is stale."""
    if any(member.live for member in members):
        return "running", ""
    stale = sum(member.state == "stale" for member in members)
    if stale and state in ("passed", "unexamined"):
        return "stale", f"{stale} stale"
    return state, note


def _state(table: TableFacts) -> str:
    if table.problem:
        return "failed"
    if table.stale and table.state in ("passed", "unexamined"):
        return "stale"
    return str(table.state)


def _note(table: TableFacts, now: datetime) -> str:
    if table.rows is None:
        return "last run failed" if table.problem else "never built"
    if table.problem:
        return f"{_size(table)}last run failed"
    if table.stale:
        return f"{_size(table)}stale"
    if table.layer != "gold" and not table.feeds:
        return f"{_size(table)}feeds nothing"
    return f"{_size(table)}{fmt.ago(table.published_at, now)}"


def _size(table: TableFacts) -> str:
    return "" if table.rows is None else f"{words.rows(table.rows)} · "
