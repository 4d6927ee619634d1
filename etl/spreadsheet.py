"""Cells for spreadsheets: text that would run as a formula is made plain, and can be taken back exactly."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

csv.field_size_limit(2**31 - 1)  # a field of a file may be longer than the 128 KB that csv reads by itself
FORMULA = re.compile(r"'*[=+\-@\t\r]")
DEFUSED = re.compile(r"'+[=+\-@\t\r]")


def defused(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would run it, or would take its apostrophe for ours."""
    return f"'{text}" if FORMULA.match(text) else text


def restored(cell: str) -> str:
    """What `defused` was given."""
    return cell[1:] if DEFUSED.match(cell) else cell


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV with a header; blanks for None, every text defused."""
    out = io.StringIO(newline="")
    plain, careful = (
        csv.writer(out, lineterminator="\n"),
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL),
    )
    plain.writerow([defused(name) for name in columns])
    for row in rows:
        cells = ["" if cell is None else defused(str(cell)) for cell in row]
        # A lone carriage return is no reason for csv to quote, and yet ends the record for whoever reads it.
        (careful if any("\r" in cell for cell in cells) else plain).writerow(cells)
    return out.getvalue()
