"""What Quality → Checks reads of arriving files: volume, incidents, columns that differ; and its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ui import data

if TYPE_CHECKING:
    from etl.drift import Drift
    from etl.volume import Incident, SourceVolume

MOST_DRIFT = 1_000


def volumes() -> tuple[SourceVolume, ...]:
    """Of every source the newest batches and what is expected next; those without any batch come last."""
    return tuple(sorted(data.living().volumes(), key=lambda found: not found.batches))


def incidents() -> tuple[Incident, ...]:
    """Days that were marked, newest first."""
    return data.living().incidents()


def drift() -> tuple[Drift, ...]:
    """Columns that differed, of the newest files first."""
    return data.living().drift("", MOST_DRIFT)


def volume_frame(found: SourceVolume) -> pd.DataFrame:
    """One row per batch, oldest first; `low` and `high` are missing where too little history says nothing."""
    return pd.DataFrame(
        [
            (
                one.load.arrived_at, one.load.path, one.load.rows, one.odd, one.load.left_out,
                None if one.expected.quiet else one.expected.low,
                None if one.expected.quiet else one.expected.high,
            )
            for one in found.batches
        ],
        columns=["arrived", "file", "rows", "odd", "left_out", "low", "high"],
    ).astype({"low": "Int64", "high": "Int64"})  # fmt: skip


def drift_frame(found: Sequence[Drift]) -> pd.DataFrame:
    """One row per column and file."""
    names = ["at", "source", "path", "column", "kind", "was", "found", "example", "proposal", "agreed"]
    rows = [[str(value) if name == "kind" else value for name, value in _fields(one, names)] for one in found]
    return pd.DataFrame(rows, columns=names)


def _fields(one: Drift, names: Sequence[str]) -> list[tuple[str, object]]:
    return [(name, getattr(one, name)) for name in names]
