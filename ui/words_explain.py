"""The sentences of the way of one row; the words are those of docs/glossary.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ui import fmt

if TYPE_CHECKING:
    from etl.facts import GoldRow

NO_TABLES = "No row to find yet"
LAND_FILES = "Put files into the landing folder and run everything on Overview."
KEY_HELP = "As it stands in the file. A key of several columns is joined by commas."
PICK = "Type a key to see the way of its row"
SUGGESTED = "Keys to begin with"
AS_RECEIVED = "As it stands in the file"
NOT_THERE = "No row has this key"
NOT_THERE_WHY = (
    "Neither bronze nor any correction holds it. Look at the unreadable lines and refused files on Quality."
)
BATCH = "All rows of this file"
NO_GOLD_ROW = "No row of this table has the key."
ADDS_UP = "Adds up"
DIFFERS = "Differs"
LARGEST_FIRST = "largest first"

_SYMBOLS = {
    "file": "draft",
    "bronze": "layers",
    "silver": "check_circle",
    "gold": "insights",
    "correction": "edit",
    "corrected": "edit",
    "superseded": "history",
    "quarantined": "inventory_2",
    "discarded": "delete",
    "withdrawn": "undo",
    "unreadable": "notes",
    "pending": "schedule",
    "not found": "search_off",
}
_TONES = {
    "silver": "passed",
    "quarantined": "warned",
    "discarded": "unexamined",
    "withdrawn": "unexamined",
    "unreadable": "failed",
    "not found": "unexamined",
    "superseded": "unexamined",
    "corrected": "unexamined",
    "pending": "running",
}
_STANDS = {
    "silver": "Current",
    "superseded": "Superseded",
    "quarantined": "Quarantined",
    "discarded": "Discarded",
    "withdrawn": "Withdrawn",
    "corrected": "Corrected",
    "unreadable": "Unreadable",
    "pending": "Pending",
}


def symbol(heading: str) -> str:
    """The Material symbol of a step."""
    return _SYMBOLS.get(heading.lower(), "arrow_downward")


def tone(heading: str) -> str:
    """The tint of a step: what it means for the row, or quiet blue for one on the way."""
    return _TONES.get(heading.lower(), "running")


def stands(heading: str) -> str:
    """Where a row is, after its last step."""
    return _STANDS.get(heading.lower(), heading)


def key_label(columns: Sequence[str]) -> str:
    """What to type: `Key: sales_id`."""
    return f"Key: {', '.join(columns)}" if columns else "Key"


def title(table: str, key: str) -> str:
    """Whose way it is."""
    return f"{table.split('.', 1)[-1]} {key}"


def versions(count: int) -> str:
    """How many lines of files have this key."""
    return (
        "One line of one file has this key."
        if count == 1
        else f"{fmt.count(count)} lines of files have this key."
    )


def made_of(found: GoldRow, write: Callable[[Decimal], str]) -> str:
    """`1,980 rows of sales_clean; their sale_amount adds up to $448,428.24. total_revenue says $448,428.24.`"""
    short = found.source_table.split(".", 1)[-1]
    return (
        f"{fmt.count(found.count, 'row')} of {short}; their {found.source_column} adds up to {write(found.total)}. "
        f"{found.column} says {write(found.gold)}."
    )


def shown_rows(shown: int, count: int) -> str:
    """How many of the rows are listed."""
    if shown == count:
        return fmt.count(count, "row")
    return f"The first {fmt.count(shown)} of {fmt.count(count, 'row')}, {LARGEST_FIRST}"
