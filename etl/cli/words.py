"""Plain JSON values as a person reads them: times in the viewer's zone, sizes, spans of time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from etl import texts
from etl.model import CheckState


def at(iso: str | None) -> str:
    """An ISO time in the viewer's zone, to the second."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S") if iso else ""


def state(value: str) -> str:
    """The word for a check's state; any other state is its own word."""
    return texts.STATE_WORDS[CheckState(value)] if value in set(CheckState) else value


def rows(value: int | None) -> str:
    """A number of rows; a dash where nothing was published."""
    return "–" if value is None else f"{value:,}"


def duration(plain: dict[str, Any]) -> str:
    """The wall time of a plain run or task."""
    return texts.seconds(plain["seconds"])


def sentence(text: str) -> str:
    """With a full stop at the end."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
