"""What the page System asks beyond the service's own facts: the check of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from etl.process import process
from ui import data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.inject import Injection, Planted
    from etl.inject.background import Background

_HELD = "checks_of_checks"


def checking() -> Background:
    """The check of the checks of this workspace, at work or with what it found last; it outlives reloads."""
    from etl.inject.background import Background  # a second of imports that only this needs

    held: dict[str, Background] = vars(process()).setdefault(_HELD, {})
    return held.setdefault(str(data.living().settings.state), Background())


def known() -> Background | None:
    """The same, where it was ever asked for."""
    held: dict[str, Background] = vars(process()).get(_HELD, {})
    return held.get(str(data.living().settings.state))


def by_kind(found: Injection) -> dict[str, list[Planted]]:
    """The faults of each kind, kinds with one that nothing caught first, then in the order planted."""
    kinds: dict[str, list[Planted]] = {}
    for fault in found.faults:
        kinds.setdefault(str(fault.kind), []).append(fault)
    return dict(sorted(kinds.items(), key=lambda item: all(fault.caught != "no" for fault in item[1])))


def frame(faults: Sequence[Planted]) -> pd.DataFrame:
    """One row per fault."""
    return pd.DataFrame(
        [
            (
                str(f.kind), f.source, f.where, f.expected, str(f.caught), f.caught_by or f.note, f.examined,
                f.failing,
            )
            for f in faults
        ],
        columns=["fault", "planted in", "where", "to be caught by", "caught", "by", "examined", "failing"],
    ).astype({"examined": "Int64", "failing": "Int64"})  # fmt: skip
