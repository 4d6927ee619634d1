"""The sentences of the way of one row; the words are those of docs/glossary.md."""

from __future__ import annotations

from collections.abc import Sequence

from ui import fmt

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


def place(path: str, line: int | None) -> str:
    """`erp/erp_sales.csv, line 3`."""
    return f"{path}, line {fmt.count(line)}" if line else path
