"""Tables as files to take away."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etl import spreadsheet


def defused(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula, made plain by a leading apostrophe."""
    if isinstance(cell, str):
        return spreadsheet.defused(cell)
    if isinstance(cell, (list, tuple)):
        return defused("; ".join(str(part) for part in cell))
    return cell


def csv(frame: pd.DataFrame) -> bytes:
    """`frame` as UTF-8 CSV with a header; decimals exact, missing values empty."""
    safe = frame.rename(columns=defused).apply(lambda column: column.map(defused))
    text: str = safe.to_csv(index=False)
    return text.encode()
